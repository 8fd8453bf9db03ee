import Glibc
import Testing

/// Faults where the kernel encrypts, and connections that it can't have.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSFaultTests {
  private static let request = "GET /16385.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

  private func serve(_ mode: String) throws -> SluiceProcess {
    try SluiceProcess(TemporarySite.common().path, .both(TestCertificates.ecdsa), flags: ["--ktls", mode])
  }

  @Test(arguments: Transfer.Transport.allCases) func fileIsCutWhileItIsSent(transport: Transfer.Transport)
    throws
  {
    try transport.expectCutIsTold()
  }

  @Test func killedClient() throws {
    try Transfer.Transport.kernelTLS.expectKilledClientIsNoticed()
  }

  @Test func downloadIsFinishedBeforeTheEnd() throws {
    try Transfer.Transport.kernelTLS.expectDownloadIsFinished()
  }

  /// A client that is there, has had a response, and sends a KeyUpdate: `K` asks for one of ours, `k` does not.
  private func clientWithKeyUpdate(_ sluice: SluiceProcess, _ command: String) throws -> Subprocess {
    let client = try SecureClient.interactive(sluice.securePort, ["-tls1_3"])
    client.send("GET /1.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try waitUntil("the first response has come") {
      client.output.contains("HTTP/1.1 200 OK") || client.exitStatus != nil
    }
    client.send("\(command)\n")
    try waitUntil("s_client has sent a KeyUpdate") {
      client.errorOutput.contains("KEYUPDATE") || client.exitStatus != nil
    }
    return client
  }

  @Test func keyUpdateThatAsksForOne() throws {
    let sluice = try serve("require")
    let renewed = try renewals()
    let client = try clientWithKeyUpdate(sluice, "K")
    client.send(Self.request)
    try client.wait()
    if Transfer.Transport.kernelTLS.renewsKeys {
      #expect(client.output.matches(of: /HTTP\/1.1 200 OK/).count == 2)
      #expect(try renewals() == renewed + 1)
      #expect(try sluice.stopForMetrics()["key_updates"] == 1)
      return
    }
    // With close_notify, and without a record under the wrong key.
    #expect(client.output.hasSuffix("closed\n"), "\(client.output.suffix(300)) \(client.errorOutput)")
    #expect(!client.errorOutput.contains("bad record mac") && !client.errorOutput.contains("unexpected eof"))
    #expect(client.output.matches(of: /HTTP\/1.1 200 OK/).count == 1)
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["key_updates_refused"] == 1 && metrics["kernel_tls"] == 1, "\(metrics)")
  }

  /// New keys that the kernel has taken, by its own account; nil if it knows of none.
  private func renewals() throws -> Int {
    let stat = try Shell.require(["grep", "-E", "TlsTxRekeyOk|TlsTxSw", "/proc/net/tls_stat"])
    return stat.firstMatch(of: /TlsTxRekeyOk\s+(\d+)/).flatMap { Int($0.output.1) } ?? 0
  }

  @Test func keyUpdateThatAsksForNoneIsHarmless() throws {
    let sluice = try serve("require")
    let client = try clientWithKeyUpdate(sluice, "k")
    client.send(Self.request)
    #expect(try client.wait() == 0)
    #expect(client.output.matches(of: /HTTP\/1.1 200 OK/).count == 2)
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["key_updates"] == 0 && metrics["requests"] == 2, "\(metrics)")
  }

  @Test func keyUpdateUnderUserTLSIsAnswered() throws {
    let sluice = try serve("off")
    let client = try clientWithKeyUpdate(sluice, "K")
    client.send(Self.request)
    #expect(try client.wait() == 0)
    #expect(client.output.matches(of: /HTTP\/1.1 200 OK/).count == 2)
    #expect(try sluice.stopForMetrics()["key_updates"] == 1)
  }

  /// A KeyUpdate while a download is under way: all of it arrives, or the client learns that it did not.
  @Test func keyUpdateInTheMiddleOfADownload() throws {
    let sluice = try serve("require")
    let port = try sluice.securePort
    let pair = try TestCertificates.ecdsa
    let client = try Subprocess(
      ["openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-tls1_3", "-CAfile", pair.certificate],
      stdin: .socket, stdout: .socket)
    client.send("GET /big.bin HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-25165823\r\n\r\n")
    var bytes: [UInt8] = []
    while bytes.count < 100_000 { bytes += try client.receive(65536) }
    client.send("K\n")
    bytes += try client.receiveAll()
    try client.wait()
    #expect(!client.errorOutput.contains("bad record mac"), "\(client.errorOutput)")
    let metrics = try sluice.stopForMetrics()
    let name = Transfer.Transport.kernelTLS.renewsKeys ? "key_updates" : "key_updates_refused"
    #expect(metrics[name] == 1, "\(metrics)")
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"]) func requiredAndImpossible(version: String) throws {
    let sluice = try serve("require")
    let result = try SecureClient.exchange(sluice.securePort, Self.request, [version, "-maxfraglen", "1024"])
    #expect(result.outputBytes.isEmpty)
    // Another client has what it needs.
    let other = try SecureClient.exchange(sluice.securePort, Self.request, [version])
    #expect(try HTTPResponse.all(in: other.outputBytes).first?.body == Pattern.bytes(16385))
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["kernel_tls_refused"] == 1 && metrics["kernel_tls"] == 1, "\(metrics)")
    #expect(metrics["requests"] == 1, "\(metrics)")
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"]) func automaticFallsBackToUserTLS(version: String) throws {
    let sluice = try serve("auto")
    let result = try SecureClient.exchange(sluice.securePort, Self.request, [version, "-maxfraglen", "1024"])
    #expect(try HTTPResponse.all(in: result.outputBytes).first?.body == Pattern.bytes(16385))
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["user_tls"] == 1 && metrics["kernel_tls"] == 0, "\(metrics)")
  }

  @Test func noRenegotiation() throws {
    let sluice = try serve("require")
    let client = try SecureClient.interactive(sluice.securePort, ["-tls1_2"])
    client.send("R\n")
    try waitUntil("s_client is refused") {
      client.errorOutput.contains("no renegotiation") || client.exitStatus != nil
    }
    #expect(client.errorOutput.contains("no renegotiation"))
  }

  @Test func plaintextToTheSecurePort() throws {
    let sluice = try serve("require")
    let connection = try RawConnection(port: sluice.securePort)
    try connection.get("/")
    #expect(try connection.response().status == 400)
    #expect(try connection.rest().end == .closed)
  }

  @Test func listeningLineAndDoctor() throws {
    let sluice = try serve("auto")
    let renewsKeys = Transfer.Transport.kernelTLS.renewsKeys ? "yes" : "no"
    #expect(
      sluice.listening.contains { $0.hasSuffix(" tls=1.2,1.3 ktls=on rekey=\(renewsKeys)") },
      "\(sluice.listening)")
    let doctor = try SluiceProcess.run(["doctor"])
    #expect(doctor.exitStatus == 0)
    #expect(doctor.output.contains("new keys (KeyUpdate): \(renewsKeys)"), "\(doctor.output)")
    for cipher in ["AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"] {
      for version in ["1.2", "1.3"] { #expect(doctor.output.contains("TLS \(version) \(cipher): yes")) }
    }
  }
}
