import Glibc
import Testing

/// What sluice refuses to start with: one line on standard error that says what to do, exit status 64 for usage and
/// 1 for all else, and nothing on standard output.
@Suite struct StartErrorTests {
  private func expect(
    _ status: Int32, _ arguments: [String], naming words: String..., prefix: [String] = [],
    location: SourceLocation = #_sourceLocation
  ) throws {
    let result = try SluiceProcess.run(arguments, prefix: prefix)
    #expect(result.exitStatus == status, "\(result.text)", sourceLocation: location)
    #expect(result.output.isEmpty, sourceLocation: location)
    // strace may have something to say itself when the process ends while it delays a call.
    let lines = result.errorOutput.split(separator: "\n", omittingEmptySubsequences: false)
      .filter { !$0.hasPrefix("strace: ") }
    #expect(lines.count == 2 && lines[1].isEmpty, "\(result.errorOutput)", sourceLocation: location)
    #expect(result.errorOutput.hasPrefix("sluice: "), "\(result.errorOutput)", sourceLocation: location)
    for word in words {
      #expect(result.errorOutput.contains(word), "\(word): \(result.errorOutput)", sourceLocation: location)
    }
  }

  private func site() throws -> String { try TemporarySite.common().path }

  @Test func wrongPort() throws {
    for port in ["http", "65536", "-1", "", "80.0", "99999999999999999999"] {
      try expect(64, [site(), "--port=\(port)"], naming: "--port")
      try expect(64, [site(), "--tls-port=\(port)"], naming: "--tls-port")
    }
  }

  @Test func unknownFlagAndTooManyArguments() throws {
    try expect(64, [site(), "--frobnicate"], naming: "--frobnicate")
    try expect(64, [site(), site()], naming: try site())
    try expect(64, [site(), "--port"], naming: "--port")
  }

  @Test func wrongValues() throws {
    for workers in ["0", "-3", "many", "100000"] {
      try expect(64, [site(), "--workers=\(workers)"], naming: "--workers")
    }
    try expect(64, [site(), "--ktls", "maybe"], naming: "--ktls")
    try expect(64, [site(), "--ktls-receive", "maybe"], naming: "--ktls-receive")
    for rate in ["-1", "slow", "5000000000"] {
      try expect(64, [site(), "--min-send-rate=\(rate)"], naming: "--min-send-rate")
    }
    try expect(64, [site(), "--log-level", "loud"], naming: "--log-level")
  }

  @Test func certificateWithoutKeyAndKeyWithoutCertificate() throws {
    let pair = try TestCertificates.ecdsa
    try expect(64, [site(), "--cert", pair.certificate], naming: "--cert", "--key")
    try expect(64, [site(), "--key", pair.key], naming: "--cert", "--key")
  }

  @Test func contradictions() throws {
    let flags = try TestCertificates.ecdsa.flags
    try expect(64, [site(), "--plaintext", "--tls-only"] + flags, naming: "--plaintext", "--tls-only")
    try expect(64, [site(), "--tls-only"], naming: "--tls-only", "--cert")
    try expect(64, [site(), "--ktls", "require"], naming: "--ktls", "--cert")
    try expect(64, [site(), "--ktls-receive", "on"], naming: "--ktls-receive", "--cert")
    try expect(
      64, [site(), "--ktls", "off", "--ktls-receive", "on"] + flags, naming: "--ktls-receive", "--ktls")
    try expect(64, [site(), "--port", "8443"] + flags, naming: "--port", "--tls-port", "8443")
    try expect(64, ["doctor", "--frobnicate"], naming: "--frobnicate", "sluice doctor --help")
  }

  @Test(arguments: [
    ("port", "65536", "0 to 65535"), ("tls-port", "https", "0 to 65535"), ("workers", "0", "auto"),
    ("workers", "257", "1 to 256"), ("io-threads", "0", "1 to 64"), ("io-threads", "65", "1 to 64"),
    ("cache-memory", "64T", "K, M or G"), ("cache-memory", "9999999999G", "K, M or G"),
    ("min-send-rate", "4G", "below 4G"), ("idle-timeout", "0", "1 to 86400"),
    ("idle-timeout", "1m", "1 to 86400"),
  ])
  func whatAValueMayBeIsSaid(option: String, value: String, expected: String) throws {
    try expect(64, [site(), "--\(option)", value], naming: "--\(option)", value, expected)
    let variable = "SLUICE_" + option.uppercased().replacing("-", with: "_")
    let result = try SluiceProcess.run([site()], environment: [variable: value])
    #expect(result.exitStatus == 64)
    #expect(
      result.errorOutput.contains(variable) && result.errorOutput.contains(expected), "\(result.errorOutput)")
  }

  @Test func tooFewDescriptors() throws {
    let limit = ["sh", "-c", "ulimit -n 12 && exec \"$0\" \"$@\""]
    try expect(
      1, [site(), "--port", "0", "--workers", "2"], naming: "12", "ulimit -n", "--workers", prefix: limit)
  }

  /// A worker that has no poller: nothing is announced before, whoever else could serve.
  @Test(.enabled(if: TestMachine.has("strace"), "strace is missing"))
  func workerThatCanNotWork() throws {
    let prefix = [
      "strace", "-f", "-D", "-qq", "-o", "/dev/null", "-e", "trace=epoll_create1", "-e",
      "inject=epoll_create1:error=EMFILE:delay_enter=200000",
    ]
    try expect(
      1, [site(), "--port", "0", "--workers", "2"], naming: "Too many open files", "ulimit -n", prefix: prefix
    )
  }

  @Test func root() throws {
    try expect(1, ["/no/such/folder", "--port", "0"], naming: "/no/such/folder")
    let file = try site() + "/hello.txt"
    try expect(1, [file, "--port", "0"], naming: file)
  }

  @Test func portInUse() throws {
    let other = try SluiceProcess(site())
    let port = String(try other.plainPort)
    for workers in ["1", "2"] {
      try expect(1, [site(), "--port", port, "--workers", workers], naming: "127.0.0.1:\(port)")
    }
    let flags = try TestCertificates.ecdsa.flags + ["--ktls", "off"]
    try expect(1, [site(), "--port", "0", "--tls-port", port] + flags, naming: "127.0.0.1:\(port)")
    #expect(try Curl.get(other.url("http") + "/hello.txt").status == 200)
  }

  @Test func host() throws {
    try expect(1, [site(), "--port", "0", "--host", "no.such.host.invalid"], naming: "no.such.host.invalid")
    // TEST-NET-1: nobody has it.
    try expect(1, [site(), "--port", "0", "--host", "192.0.2.1"], naming: "192.0.2.1")
  }

  private func certificate(_ certificate: String, key: String) throws -> [String] {
    [try site(), "--port", "0", "--tls-port", "0", "--cert", certificate, "--key", key, "--ktls", "off"]
  }

  @Test func missingFiles() throws {
    let pair = try TestCertificates.ecdsa
    try expect(1, certificate("/no/such.pem", key: pair.key), naming: "/no/such.pem")
    try expect(1, certificate(pair.certificate, key: "/no/such.key"), naming: "/no/such.key")
    try expect(1, certificate(site(), key: pair.key), naming: try site())
    try expect(1, certificate(pair.certificate, key: site()), naming: try site())
  }

  @Test func keyThatDoesNotFit() throws {
    let all = try TestCertificates.shared.get()
    try expect(1, certificate(all.ecdsa.certificate, key: all.rsa.key), naming: all.rsa.key)
    let other = try TemporarySite()
    let key = other.path + "/other.key"
    try Shell.require([
      "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key,
    ])
    try expect(1, certificate(all.ecdsa.certificate, key: key), naming: key)
  }

  /// No error: what else is served goes on, and the way to a new one may be through this server.
  @Test func expiredCertificate() throws {
    let expired = try TestCertificates.shared.get().expired
    let arguments = try certificate(expired.certificate, key: expired.key)
    let check = try SluiceProcess.run(["check"] + arguments)
    let warning = "\(expired.certificate): the certificate expired on "
    #expect(check.exitStatus == 0 && check.text.contains(warning), "\(check.text)")
    let configuration = try TemporaryFolder()
    let file = configuration.path + "/sluice.toml"
    try writeFile(file, Array("header = \"X-Version: 1\"\n".utf8))
    let sluice = try SluiceProcess(arguments: arguments + ["--config", file], listeners: 2)
    #expect(sluice.process.errorOutput.contains(warning), "\(sluice.process.errorOutput)")
    try writeFile(file, Array("header = \"X-Version: 2\"\n".utf8))
    let reload = try SluiceProcess.run(["reload", "--process", "\(sluice.process.identifier)"])
    #expect(reload.exitStatus == 0, "\(reload.text)")
    #expect(try Curl.get(sluice.url("http") + "/")["x-version"] == "2")
    #expect(try Curl.get(sluice.url("https") + "/", ["-k"])["x-version"] == "2")
    #expect(try sluice.stop() == 0)
  }

  @Test func encryptedKey() throws {
    let encrypted = try TestCertificates.shared.get().encrypted
    try expect(1, certificate(encrypted.certificate, key: encrypted.key), naming: encrypted.key, "encrypted")
  }

  @Test func filesThatHoldSomethingElse() throws {
    let pair = try TestCertificates.ecdsa
    let folder = try TemporarySite()
    let text = folder.path + "/text.pem"
    try folder.add("text.pem", "not a certificate\n")
    try expect(1, certificate(text, key: pair.key), naming: text)
    try expect(1, certificate(pair.certificate, key: text), naming: text)
    let empty = folder.path + "/empty.pem"
    try folder.add("empty.pem", "")
    try expect(1, certificate(empty, key: pair.key), naming: empty)
    try expect(1, certificate(pair.certificate, key: empty), naming: empty)
    // The two the wrong way round.
    try expect(1, certificate(pair.key, key: pair.certificate), naming: pair.key)
  }

  @Test(.enabled(if: TestMachine.canBeDeniedFiles, "root may read everything and setpriv is missing"))
  func unreadableFiles() throws {
    let pair = try TestCertificates.ecdsa
    let folder = try TemporarySite()
    try folder.add("copy.key", readFile(pair.key) ?? [], mode: 0)
    let key = folder.path + "/copy.key"
    let prefix = TestMachine.withoutPrivileges
    try expect(1, certificate(pair.certificate, key: key), naming: key, "Permission denied", prefix: prefix)
  }

  @Test(
    .enabled(if: !TestMachine.hasKernelTLS, "this kernel has kernel TLS: there is nothing to refuse"))
  func requiredKernelTLS() throws {
    let flags = try TestCertificates.ecdsa.flags
    try expect(
      1, [site(), "--port", "0", "--tls-port", "0", "--ktls", "require"] + flags, naming: "--ktls require",
      "tls",
      "modprobe")
  }
}
