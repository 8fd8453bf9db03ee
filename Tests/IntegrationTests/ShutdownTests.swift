import Glibc
import Testing

/// SIGTERM and SIGINT: what is being sent is finished, nothing new is begun, and a second signal ends it at once.
@Suite struct ShutdownTests {
  private func site() throws -> String { try TemporarySite.common().path }

  @Test(arguments: [SIGTERM, SIGINT]) func idleServerEndsAtOnce(number: Int32) throws {
    let sluice = try SluiceProcess(site(), .both(TestCertificates.ecdsa), flags: ["--workers", "2"])
    let start = now()
    sluice.signal(number)
    #expect(try sluice.process.wait() == 0)
    #expect(now() - start < 3)
    #expect(throws: RawConnection.Refused.refused) { _ = try sluice.connect() }
  }

  /// To the client it is over before the server knows: it must not take the end for a cut.
  @Test func handshakeIsFinished() throws {
    let sluice = try SluiceProcess(site(), .both(TestCertificates.ecdsa), flags: ["--ktls", "off"])
    let status = try RecordingProxy.inTheHandshake(sluice.securePort) {
      sluice.signal(SIGTERM)
      try waitUntil("sluice is stopping") { sluice.process.errorOutput.contains("stopping") }
    }
    #expect(status == 0)
    #expect(try sluice.process.wait() == 0)
  }

  /// But not for long.
  @Test func handshakeThatDoesNotGoOnHoldsNothing() throws {
    let sluice = try SluiceProcess(site(), .both(TestCertificates.ecdsa), flags: ["--ktls", "off"])
    let connection = try RawConnection(port: sluice.securePort)
    try connection.send([22, 3, 1])
    sluice.signal(SIGTERM)
    #expect(try sluice.process.wait() == 0)
    #expect(try connection.rest().bytes.isEmpty)
  }

  @Test(arguments: Transfer.Transport.everywhere) func downloadIsFinished(transport: Transfer.Transport)
    throws
  {
    try transport.expectDownloadIsFinished()
  }

  /// They were accepted before others were refused: they may ask once.
  @Test(arguments: Transfer.Transport.everywhere) func whoHasNotAskedYetMay(transport: Transfer.Transport)
    throws
  {
    let sluice = try transport.serve(site())
    let begun = try TransportClient(transport, sluice)
    try begun.send("GET /hello.txt HTTP/1.1\r\n")
    let silent = try TransportClient(transport, sluice)
    // Accepted, and through with the handshake.
    usleep(1_500_000)
    sluice.signal(SIGTERM)
    try waitUntil("sluice is stopping") { sluice.process.errorOutput.contains("stopping") }
    try begun.send("Host: x\r\n\r\n")
    try silent.get("/hello.txt", kept: true)
    for client in [begun, silent] {
      let response = try client.response()
      #expect(response.text == "hello\n" && response["connection"] == "close")
    }
    #expect(try sluice.process.wait() == 0)
  }

  @Test func keptAliveConnectionsAreClosed() throws {
    let sluice = try SluiceProcess(site())
    let connections = try (0..<5).map { _ in try sluice.connect() }
    for connection in connections {
      try connection.get("/hello.txt")
      #expect(try connection.response().status == 200)
    }
    sluice.signal(SIGTERM)
    for connection in connections {
      let rest = try connection.rest()
      #expect(rest.bytes.isEmpty && rest.end == .closed)
      connection.endSending()
    }
    let start = now()
    #expect(try sluice.process.wait() == 0)
    #expect(now() - start < 10)
  }

  @Test func pipelinedRequestsBehindTheCurrentOneAreNotBegun() throws {
    let sluice = try SluiceProcess(site())
    let connection = try sluice.connect(receiveBuffer: 8192)
    try connection.get("/big.bin")
    try connection.get("/hello.txt")
    _ = try connection.bytes(100)
    sluice.signal(SIGTERM)
    try waitUntil("sluice is stopping") { sluice.process.errorOutput.contains("stopping") }
    let rest = try connection.rest()
    #expect(rest.end == .closed)
    #expect(rest.bytes.count >= TemporarySite.bigSize - 100)
    #expect(rest.bytes.count < TemporarySite.bigSize + 1000)
    connection.endSending()
    #expect(try sluice.process.wait() == 0)
  }

  /// A client that does not read: its response is cut off at last, and it can tell.
  @Test func whatIsNotFinishedInTimeIsReset() throws {
    let sluice = try SluiceProcess(site())
    let connection = try sluice.connect(receiveBuffer: 8192)
    try connection.get("/big.bin")
    _ = try connection.bytes(100)
    #expect(try sluice.stop() == 0)
    #expect(try connection.rest().end == .reset)
  }

  @Test func secondSignalEndsAtOnce() throws {
    let sluice = try SluiceProcess(site())
    let connection = try sluice.connect(receiveBuffer: 8192)
    try connection.get("/big.bin")
    _ = try connection.bytes(100)
    sluice.signal(SIGTERM)
    try waitUntil("sluice is stopping") { sluice.process.errorOutput.contains("stopping") }
    let start = now()
    sluice.signal(SIGINT)
    #expect(try sluice.process.wait() != 0)
    #expect(now() - start < 3)
  }

  /// Whatever else a process can be told, it does not end by it.
  @Test func otherSignalsAreNotedAndEndNothing() throws {
    let sluice = try SluiceProcess(
      arguments: [site(), "--port", "0", "--workers", "2"], listeners: 1)
    let connection = try sluice.connect()
    for (number, name) in [
      (SIGHUP, "SIGHUP"), (SIGUSR1, "SIGUSR1"), (SIGALRM, "SIGALRM"),
    ] {
      sluice.process.signal(number)
      try waitUntil("\(name) is noted") { sluice.process.errorOutput.contains("\(name): ") }
      try connection.get("/hello.txt")
      #expect(try connection.response().text == "hello\n")
    }
    // They do not count as signals to stop, before or after one.
    sluice.process.signal(SIGHUP)
    #expect(try sluice.stop() == 0)
  }

  /// A worker that hangs in a system call, as with a disk that does not answer.
  @Test(.enabled(if: TestMachine.has("strace"), "strace is missing"))
  func hungWorkerDoesNotHoldTheEnd() throws {
    // For 50 s: longer than the server waits for it.
    let sluice = try SluiceProcess(
      site(),
      prefix: [
        "strace", "-f", "-D", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e",
        "inject=sendto:delay_enter=50000000:when=1",
      ])
    let connection = try sluice.connect()
    try connection.get("/hello.txt")
    #expect(connection.isSilent(seconds: 1))
    #expect(try sluice.stop() == 1)
    #expect(
      sluice.process.errorOutput.contains("1 of 1 workers have not ended 32 s after the signal to stop"))
  }

  /// Its threads go on until then: one looks at certificates twice a second, and must not find what it needs taken down.
  @Test func endsWhateverItsThreadsDo() throws {
    let pair = try TestCertificates.ecdsa
    let servers = try (0..<24).map { _ in try SluiceProcess(site(), .both(pair)) }
    for (index, sluice) in servers.enumerated() {
      usleep(UInt32(20_000 + index * 300))
      sluice.signal(SIGTERM)
    }
    for sluice in servers { #expect(try sluice.process.wait() == 0) }
  }

  @Test func brokenPipesDoNotEndIt() throws {
    let sluice = try SluiceProcess(site())
    sluice.process.signal(SIGPIPE)
    sluice.process.signal(SIGPIPE)
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
    #expect(try sluice.stop() == 0)
  }

  /// What the Swift runtime would print holds registers and memory, of which some is a client's or a key.
  @Test(
    .enabled(if: !TestMachine.isSanitized, "a sanitizer prints what it likes"),
    arguments: [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGQUIT])
  func crashPrintsNothing(number: Int32) throws {
    let sluice = try SluiceProcess(
      arguments: [site(), "--port", "0", "--workers", "1"],
      environment: ["SWIFT_BACKTRACE": "enable=yes,color=no,interactive=no,timeout=20s"], listeners: 1)
    let connection = try sluice.connect()
    try connection.get("/hello.txt")
    #expect(try connection.response().status == 200)
    let before = sluice.process.errorOutput
    sluice.signal(number)
    #expect(try sluice.process.wait() == 128 + number)
    #expect(sluice.process.errorOutput == before)
    #expect(sluice.process.output.isEmpty)
  }
}
