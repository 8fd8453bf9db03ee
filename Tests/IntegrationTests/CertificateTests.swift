import Glibc
import Testing

/// Several certificates on one port, and their renewal.
@Suite struct CertificateTests {
  private let folder: TemporaryFolder
  private let site: TemporarySite

  init() throws {
    folder = try TemporaryFolder()
    site = try TemporarySite()
    try site.add("name.txt", "main\n")
  }

  /// The subject of the certificate that a client gets.
  static func subject(_ sluice: SluiceProcess, _ flags: [String]) throws -> String {
    let said = try SecureClient.handshake(sluice.securePort, flags)
    let line = said.split(separator: "\n").first { $0.hasPrefix("subject=") } ?? ""
    return line.split(whereSeparator: { $0 == "=" || $0 == " " }).last.map(String.init) ?? said
  }

  private func serve(_ configuration: String, flags: [String] = []) throws -> SluiceProcess {
    try site.add("c.toml", configuration)
    return try SluiceProcess(
      arguments: [
        "--config", site.path + "/c.toml", "--port", "0", "--tls-port", "0", "--ktls", "off", "--workers",
        "2",
        "--log-level", "notice",
      ] + flags, listeners: 2)
  }

  private static func lines(_ pairs: [TestCertificates.Pair]) -> String {
    """
    cert = [\(pairs.map { "\"\($0.certificate)\"" }.joined(separator: ", "))]
    key = [\(pairs.map { "\"\($0.key)\"" }.joined(separator: ", "))]

    """
  }

  private func make(_ name: String, _ names: String..., isRSA: Bool = false) throws -> TestCertificates.Pair {
    try TestCertificates.make(folder.path, name, for: names, isRSA: isRSA)
  }

  @Test func byName() throws {
    let main = try make("main", "DNS:localhost", "IP:127.0.0.1")
    let a = try make("a", "DNS:a.example")
    let (b, bRSA) = try (make("b", "DNS:b.example"), make("b-rsa", "DNS:b.example", isRSA: true))
    let sluice = try serve(
      """
      root = "\(site.path)"
      \(Self.lines([main]))
      [[host]]
      names = ["a.example", "*.a.example"]
      root = "\(site.path)"
      \(Self.lines([a]))
      [[host]]
      names = ["b.example"]
      root = "\(site.path)"
      \(Self.lines([b, bRSA]))
      [[host]]
      names = ["c.example"]
      root = "\(site.path)"
      """)
    for (flags, subject) in [
      (["-servername", "a.example"], "a"), (["-servername", "A.EXAMPLE"], "a"),
      (["-servername", "x.y.a.example"], "a"), (["-servername", "b.example"], "b"),
      (["-servername", "b.example", "-sigalgs", "rsa_pss_rsae_sha256"], "b-rsa"),
      (["-servername", "b.example", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "b-rsa"),
      (["-servername", "c.example"], "main"), (["-servername", "d.example"], "main"),
      (["-noservername"], "main"),
    ] {
      #expect(try Self.subject(sluice, flags) == subject, "\(flags)")
    }
    // Whatever is not a name: no harm is done.
    for name in [".", "a..example", String(repeating: "x", count: 250), "a.example."] {
      _ = try SecureClient.handshake(sluice.securePort, ["-servername", name])
    }
    #expect(try Self.subject(sluice, ["-servername", "a.example"]) == "a")
    // What is asked for is said by Host, as ever.
    let url = "https://a.example:\(try sluice.securePort)/name.txt"
    let resolved = ["--connect-to", "a.example::127.0.0.1:"] + Curl.trusting(a)
    #expect(try Curl.get(url, resolved).text == "main\n")
  }

  /// Given by flags: each is for the names in it.
  @Test func byNamesInThem() throws {
    let pairs = try [
      make("first", "DNS:first.example"), make("second", "DNS:second.example", "DNS:*.second.example"),
      make("address", "IP:127.0.0.1"),
    ]
    let sluice = try SluiceProcess(
      arguments: [site.path, "--port", "0", "--tls-port", "0", "--ktls", "off"] + pairs.flatMap(\.flags),
      listeners: 2)
    for (flags, subject) in [
      (["-servername", "first.example"], "first"), (["-servername", "second.example"], "second"),
      (["-servername", "www.second.example"], "second"), (["-servername", "other"], "first"),
      (["-noservername"], "address"),
    ] {
      #expect(try Self.subject(sluice, flags) == subject, "\(flags)")
    }
  }

  /// The first host's is for all others where nobody says more.
  @Test func ofHostsOnly() throws {
    let a = try make("a", "DNS:a.example")
    let sluice = try serve("[[host]]\nnames = [\"a.example\"]\nroot = \"\(site.path)\"\n\(Self.lines([a]))")
    #expect(try Self.subject(sluice, ["-servername", "b.example"]) == "a")
  }

  /// Resumed at the host that gave it, and nowhere else.
  @Test(arguments: ["-tls1_2", "-tls1_3"]) func ticketsOfHosts(version: String) throws {
    let (a, b) = try (make("a", "DNS:a.example"), make("b", "DNS:b.example"))
    let sluice = try SluiceProcess(
      arguments: [site.path, "--port", "0", "--tls-port", "0", "--ktls", "off"] + a.flags + b.flags,
      listeners: 2)
    for (giver, taker, isResumed) in [
      ("a", "a", true), ("a", "b", false), ("b", "b", true), ("b", "a", false),
    ] {
      let file = "\(folder.path)/\(giver)\(taker)\(version)"
      let request = "GET /name.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      _ = try SecureClient.exchange(
        sluice.securePort, request, [version, "-servername", "\(giver).example", "-sess_out", file])
      let said = try SecureClient.handshake(
        sluice.securePort, [version, "-servername", "\(taker).example", "-sess_in", file])
      #expect(said.contains("Reused, TLSv1.") == isResumed, "\(giver) \(taker)")
      #expect(said.contains("CN = \(taker)"))
    }
  }

  /// Two servers know each other's tickets by a common key, and the ones before it; nginx's, too, has this format.
  @Test(arguments: [80, 48]) func commonTicketKeys(count: Int) throws {
    let pair = try make("a", "DNS:a.example")
    let (old, new) = (folder.path + "/old", folder.path + "/new")
    for file in [old, new] { try Shell.require(["openssl", "rand", "-out", file, "\(count)"]) }
    func serve(_ keys: [String]) throws -> SluiceProcess {
      try SluiceProcess(
        arguments: [site.path, "--port", "0", "--tls-port", "0", "--ktls", "off"] + pair.flags
          + keys.flatMap { ["--ticket-key-file", $0] }, listeners: 2)
    }
    func isResumed(_ giver: SluiceProcess, _ taker: SluiceProcess, _ version: String) throws -> Bool {
      let file = folder.path + "/session"
      let request = "GET /name.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      _ = try SecureClient.exchange(giver.securePort, request, [version, "-sess_out", file])
      return try SecureClient.handshake(taker.securePort, [version, "-sess_in", file]).contains("Reused, ")
    }
    let (first, second, third) = try (serve([old]), serve([new, old]), serve([new]))
    for version in ["-tls1_2", "-tls1_3"] {
      #expect(try isResumed(first, second, version) && isResumed(second, third, version))
      #expect(try !isResumed(first, third, version) && !isResumed(second, first, version))
    }
    // The third one learns of the old one while it runs.
    try Shell.require(["cp", old, new])
    third.process.signal(SIGHUP)
    try waitUntil("it is reloaded") { third.process.errorOutput.contains("reloaded: ") }
    #expect(try isResumed(first, third, "-tls1_3"))
  }

  @Test func passphrase() throws {
    let pair = try TestCertificates.shared.get().encrypted
    let file = folder.path + "/passphrase"
    try writeFile(file, Array("secret\n".utf8))
    let sluice = try SluiceProcess(site.path, .both(pair), flags: ["--key-passphrase-file", file])
    #expect(try Curl.get(sluice.url("https") + "/name.txt", Curl.trusting(pair)).text == "main\n")
  }

  @Test func versionsAndCiphers() throws {
    let pair = try TestCertificates.ecdsa
    let flags = [
      "--tls-min", "1.3", "--ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "--groups", "P-384",
    ]
    let sluice = try SluiceProcess(site.path, .both(pair), flags: flags)
    #expect(sluice.listening.contains { $0.contains("tls=1.3 ") })
    let said = try SecureClient.handshake(sluice.securePort)
    #expect(said.contains("TLSv1.3, Cipher is TLS_CHACHA20_POLY1305_SHA256"))
    #expect(said.contains("secp384r1"))
    #expect(try SecureClient.handshake(sluice.securePort, ["-tls1_2"]).contains("alert protocol version"))
    let older = try SluiceProcess(
      site.path, .both(pair), flags: ["--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384"])
    #expect(
      try SecureClient.handshake(older.securePort, ["-tls1_2"]).contains("ECDHE-ECDSA-AES256-GCM-SHA384"))
  }

  // MARK: Renewal

  /// certbot's way: links to files in another folder, each switched for itself. And Kubernetes': one link for both.
  @Test(arguments: [false, true]) func renewedByLinks(atOnce: Bool) throws {
    let (old, new) = try (make("old", "DNS:localhost"), make("new", "DNS:localhost"))
    for (name, pair) in [("1", old), ("2", new)] {
      try Shell.require(["mkdir", "\(folder.path)/\(name)"])
      try Shell.require(["cp", pair.certificate, "\(folder.path)/\(name)/tls.crt"])
      try Shell.require(["cp", pair.key, "\(folder.path)/\(name)/tls.key"])
    }
    func link(_ target: String, _ name: String) throws {
      try Shell.require(["ln", "-sfn", target, "\(folder.path)/\(name).new"])
      try Shell.require(["mv", "-T", "\(folder.path)/\(name).new", "\(folder.path)/\(name)"])
    }
    try link("1", "..data")
    for name in ["tls.crt", "tls.key"] { try link("\(atOnce ? "..data" : "1")/\(name)", name) }
    let served = TestCertificates.Pair(
      certificate: folder.path + "/tls.crt", key: folder.path + "/tls.key")
    let sluice = try SluiceProcess(site.path, .both(served), flags: ["--workers", "2"])
    #expect(try Self.subject(sluice, []) == "old")
    // Stays as it is, and whatever comes on it.
    let kept = try SecureClient.quiet(sluice.securePort, ["-CAfile", old.certificate])
    kept.send("GET /name.txt HTTP/1.1\r\nHost: x\r\n\r\n")
    try waitUntil("it is answered") { kept.output.contains("main\n") }
    if atOnce {
      try link("2", "..data")
    } else {
      try link("2/tls.crt", "tls.crt")
      usleep(1_200_000)
      #expect(try Self.subject(sluice, []) == "old")
      try link("2/tls.key", "tls.key")
    }
    try waitUntil("the new one is in use", seconds: 20) { try Self.subject(sluice, []) == "new" }
    try waitUntil("all workers use it", seconds: 20) {
      try (0..<8).allSatisfy { _ in try Self.subject(sluice, []) == "new" }
    }
    kept.send("GET /name.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    #expect(try kept.wait() == 0)
    #expect(sluice.process.errorOutput.contains("the new certificate is in use, valid until 20"))
  }

  /// The old one stays, and one line says why.
  @Test func badOnesChangeNothing() throws {
    let pair = try make("pair", "DNS:localhost")
    let sluice = try SluiceProcess(site.path, .both(pair))
    try writeFile(pair.certificate, Array("-----BEGIN CERTIFICATE-----\nno\n".utf8))
    sluice.process.signal(SIGHUP)
    try waitUntil("it is told") {
      sluice.process.errorOutput.contains("not reloaded, nothing is changed: --cert: \(pair.certificate): ")
    }
    #expect(try Self.subject(sluice, []) == "pair")
    let new = try make("new", "DNS:localhost")
    try Shell.require(["cp", new.key, pair.key])
    try Shell.require(["cp", new.certificate, pair.certificate])
    sluice.process.signal(SIGHUP)
    try waitUntil("it is reloaded") { sluice.process.errorOutput.contains("reloaded: 1 new certificates") }
    #expect(try Self.subject(sluice, []) == "new")
    #expect(try sluice.stop() == 0)
  }

  /// New certificates all the time, and no request fails.
  @Test(.enabled(if: TestMachine.has("wrk"), "wrk is missing"))
  func renewedUnderLoad() throws {
    let pairs = try [make("one", "DNS:localhost"), make("two", "DNS:localhost")]
    let served = try make("served", "DNS:localhost")
    let sluice = try SluiceProcess(site.path, .both(served), flags: ["--workers", "2"])
    let url = try sluice.url("https") + "/name.txt"
    // Each connection for one request, so that there are handshakes.
    let load = try Load(url, ["-t1", "-c8", "-d8s", "--timeout", "20s", "-H", "Connection: close"])
    var turn = 0
    while load.goesOn {
      let pair = pairs[turn % 2]
      try Shell.require(["cp", pair.certificate, served.certificate])
      try Shell.require(["cp", pair.key, served.key])
      if turn % 3 == 2 { sluice.process.signal(SIGHUP) }
      turn += 1
      usleep(700_000)
    }
    try load.expectNoFailures()
    #expect(sluice.process.errorOutput.contains("the new certificate is in use"))
    let metrics = try sluice.stopForMetrics()
    // When its time is over, wrk leaves what it has begun; and before that it has connected once to see whether it can.
    #expect(metrics["handshakes_failed"] ?? 10 <= 8 + 1 && metrics["broken"] ?? 9 <= 8, "\(metrics)")
  }

  // MARK: What is wrong

  @Test func whatIsWrongIsTold() throws {
    let pair = try TestCertificates.ecdsa
    let none = folder.path + "/none"
    for (flags, expected) in [
      (["--cert", pair.certificate], "--cert needs the certificate's private key, too: --key FILE"),
      (
        pair.flags + ["--cert", pair.certificate],
        "there are 2 certificates and 1 keys: each --cert needs its --key"
      ),
      (pair.flags + ["--tls-min", "1.1"], "use 1.2 or 1.3"),
      (pair.flags + ["--ciphers", "NONSENSE"], "--ciphers: OpenSSL knows no such cipher of TLS 1.2"),
      (pair.flags + ["--ciphers", "ECDHE:aNULL"], "--ciphers: 'aNULL' authenticates nobody"),
      (
        pair.flags + ["--tls-min", "1.3", "--groups", "secp256k1"],
        "--groups: \(pair.certificate): no client can connect with this certificate (key: EC prime256v1; TLS 1.3: "
      ),
      (pair.flags + ["--ciphersuites", "TLS_NONSENSE"], "OpenSSL knows no such cipher suite of TLS 1.3"),
      (
        pair.flags + ["--ciphers", "ECDHE-RSA-AES128-GCM-SHA265"],
        "'ECDHE-RSA-AES128-GCM-SHA265': did you mean 'ECDHE-RSA-AES128-GCM-SHA256'?\n"
      ),
      (
        pair.flags + ["--groups", "X25519:nonsense"],
        "OpenSSL does not know all of these groups for the key exchange: 'nonsense'"
      ),
      (pair.flags + ["--groups", "X25519:P265"], "'P265': did you mean 'P-256'?"),
      (pair.flags + ["--ticket-key-file", none], "\(none): cannot read the ticket key: No such file"),
      (pair.flags + ["--ticket-key-file", pair.key], "a ticket key has 80 bytes, or 48"),
      (pair.flags + ["--key-passphrase-file", none], "\(none): cannot read the passphrase: No such file"),
      (pair.flags + pair.flags, "\(pair.certificate): \(pair.certificate) is for the same names"),
    ] {
      let all = [site.path, "--port", "0", "--tls-port", "0", "--ktls", "off"] + flags
      let result = try SluiceProcess.run(all)
      if flags.contains(where: ["--ciphers", "--ciphersuites", "--groups"].contains) {
        #expect(try SluiceProcess.run(["check"] + all).errorOutput == result.errorOutput)
      }
      #expect([1, 64].contains(result.exitStatus), "\(flags)")
      #expect(result.errorOutput.contains(expected), "\(flags): \(result.errorOutput)")
      #expect(result.errorOutput.split(separator: "\n").count == 1, "\(result.errorOutput)")
    }
  }

  /// What is not wrong, but keeps clients out, or lets weak ones in.
  @Test func whatIsHardlyMeantIsTold() throws {
    let certificates = try TestCertificates.shared.get()
    let (pair, rsa) = (certificates.ecdsa, certificates.rsa)
    for (flags, expected) in [
      (
        pair.flags + ["--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"],
        "--ciphers: no client can speak TLS 1.2 with \(pair.certificate) (key: EC prime256v1; no shared cipher): say others, or tls-min 1.3"
      ),
      (rsa.flags + ["--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"], nil),
      // Others are left.
      (
        pair.flags + ["--ciphers", "ECDHE+AESGCM:ECDHE-RSA-AES128-GCM-SHA265"],
        "--ciphers: passed over: OpenSSL knows no such cipher of TLS 1.2 (see openssl ciphers -s -tls1_2): 'ECDHE-RSA-AES128-GCM-SHA265'"
      ),
      (
        pair.flags + ["--ciphersuites", "TLS_AES_128_GCM_SHA256:tls_aes_256_gcm_sha"],
        "--ciphersuites: passed over: OpenSSL knows no such cipher suite of TLS 1.3 (see openssl ciphers -s -tls1_3): 'tls_aes_256_gcm_sha'"
      ),
      // Mozilla's for old clients, of which builds have less and less.
      (rsa.flags + ["--ciphers", "ECDHE+AESGCM:DES-CBC3-SHA"], "--ciphers: passed over: "),
      (rsa.flags + pair.flags + ["--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256"], nil),
      (
        pair.flags + ["--groups", "secp256k1"],
        "--groups: no client can speak TLS 1.3 with \(pair.certificate) (key: EC prime256v1; "
      ),
      (
        pair.flags + ["--ciphers", "ECDHE+AESGCM", "--tls-min", "1.3"],
        "--ciphers: no effect with tls-min 1.3"
      ),
      (
        rsa.flags + ["--ciphers", "ECDHE+AESGCM:AES128-GCM-SHA256"],
        "--ciphers: no forward secrecy with AES128-GCM-SHA256: "
      ),
      (
        pair.flags + ["--ciphers", "ECDHE+AESGCM:@SECLEVEL=0"],
        "--ciphers: OpenSSL's security level goes down from"
      ),
    ] {
      let check = try SluiceProcess.run(["check", site.path] + flags)
      let doctor = try SluiceProcess.run(["doctor", site.path] + flags)
      #expect(check.exitStatus == 0, "\(check.text)")
      if let expected {
        #expect(check.errorOutput.hasPrefix("sluice: warning: \(expected)"), "\(check.text)")
        #expect(check.errorOutput.split(separator: "\n").count == 1, "\(check.text)")
        #expect(doctor.output.contains("! configuration: \(expected.dropFirst(2))"), "\(doctor.text)")
      } else {
        #expect(check.errorOutput.isEmpty, "\(check.text)")
        #expect(!doctor.output.contains("! configuration:"), "\(doctor.text)")
      }
    }
    // The log says it, too, and all else is served.
    let flags = ["--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"]
    let sluice = try SluiceProcess(site.path, .both(pair), flags: flags)
    #expect(try Curl.get(sluice.url("https") + "/name.txt", Curl.trusting(pair)).text == "main\n")
    #expect(
      sluice.process.errorOutput.contains("--ciphers: no client can speak TLS 1.2 with \(pair.certificate)"))
  }
}
