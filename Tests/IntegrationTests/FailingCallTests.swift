import Glibc
import Testing

/// System calls that fail, and threads that hang: what the client sees is right or an error, and the server goes on.
@Suite(.enabled(if: FaultInjection.isPossible, Comment(rawValue: FaultInjection.lacks)))
struct FailingCallTests {
  private func expectHello(_ sluice: SluiceProcess) throws {
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
  }

  // MARK: Accepting

  @Test(arguments: ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EPERM", "EINVAL"])
  func failingAcceptDoesNotSpin(error: String) throws {
    let sluice = try SluiceProcess(TemporarySite.common().path)
    let fault = try FaultInjection(sluice.process, ["accept4:error=\(error)"])
    let waiting = try sluice.connect()
    try waiting.get("/hello.txt")
    let before = try sluice.processorTicks()
    usleep(1_500_000)
    let ticks = try sluice.processorTicks() - before
    #expect(ticks < 15, "\(ticks) hundredths of a second")
    try fault.end()
    // By itself: no other connection has to come.
    #expect(try waiting.response().text == "hello\n")
    try expectHello(sluice)
  }

  // MARK: Sending

  /// The session's ticket, and whatever else is sent early, is a record that can't be left out.
  @Test(arguments: ["ENOBUFS", "ENOMEM"], 1...4) func failingSendLeavesOutNoRecord(error: String, number: Int)
    throws
  {
    let sluice = try SluiceProcess(TemporarySite.common().path, .both(TestCertificates.ecdsa))
    let fault = try FaultInjection(sluice.process, ["sendto,sendmsg:error=\(error):when=\(number)"])
    let client = try SecureClient.interactive(sluice.securePort, ["-tls1_3"])
    client.send("GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try? waitUntil("the first response has come", seconds: 5) {
      client.output.contains("hello\n") || client.exitStatus != nil
    }
    client.send("GET /1024.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    try client.wait()
    let text = client.output + client.errorOutput
    #expect(!text.contains("bad record mac") && !text.contains("bad_record_mac"), "\(client.errorOutput)")
    #expect(!text.contains("decryption failed"), "\(client.errorOutput)")
    try fault.end()
    try expectHello(sluice)
  }

  /// A send that fails for good in the middle of a response: the client learns it.
  @Test(arguments: Transfer.Transport.everywhere, ["EIO", "ENOMEM", "ENOBUFS", "EINVAL", "EPERM"])
  func failingSendIsNoEnd(transport: Transfer.Transport, error: String) throws {
    let sluice = try transport.serve(TemporarySite.common().path)
    let command =
      try ["curl"] + Curl.flags + transport.flags() + ["-N", "-o", "-", transport.url(sluice) + "/big.bin"]
    let client = try Subprocess(command, stdout: .socket)
    var bytes = try client.receive(1000)
    let fault = try FaultInjection(
      sluice.process, ["sendto:error=\(error)", "sendmsg:error=\(error)", "sendfile:error=\(error)"])
    bytes += try client.receiveAll()
    // 18: the transfer was shorter than it should be; 56: failure in receiving.
    let status = try client.wait()
    #expect(status == 18 || status == 56, "\(status): \(client.errorOutput)")
    #expect(bytes.count < TemporarySite.bigSize && Pattern.matches(bytes))
    try fault.end()
    try expectHello(sluice)
  }

  /// Responses from memory whose rest the socket would not take at first.
  @Test(arguments: ["EIO", "ENOMEM", "ENOBUFS", "EINVAL", "EPERM"])
  func failingSendOfTheRestIsAReset(error: String) throws {
    let sluice = try SluiceProcess(TemporarySite.common().path)
    let connection = try sluice.connect(receiveBuffer: 4096)
    let request = "GET /16384.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"
    try connection.send(String(repeating: request, count: 500))
    _ = try connection.bytes(100)
    let fault = try FaultInjection(sluice.process, ["sendto:error=\(error)", "sendmsg:error=\(error)"])
    let rest = try connection.rest()
    #expect(rest.end == .reset)
    #expect(rest.bytes.count < 499 * 16384)
    try fault.end()
    try expectHello(sluice)
  }

  // MARK: Start and end

  /// A worker that can't work: nothing is said to be served.
  @Test func listeningIsNotAnnouncedTooEarly() throws {
    let result = try SluiceProcess.run(
      [TemporarySite.common().path, "--port", "0", "--workers", "2"],
      prefix: FaultInjection.from(start: ["epoll_create1:error=ENFILE"]))
    #expect(result.exitStatus == 1)
    #expect(!result.text.contains("listening "), "\(result.text)")
  }

  /// Workers that take long to begin: when it is said that they listen, they answer at once.
  @Test func listeningMeansServing() throws {
    let sluice = try SluiceProcess(
      TemporarySite.common().path, flags: ["--workers", "2"],
      prefix: FaultInjection.from(start: ["epoll_create1:delay_enter=3000000"]))
    let start = now()
    for _ in 0..<8 {
      let connection = try sluice.connect()
      try connection.get("/hello.txt")
      #expect(try connection.response().text == "hello\n")
    }
    #expect(now() - start < 2)
  }

  @Test func stopsInTimeThoughAWorkerHangs() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path)
    let fault = try FaultInjection(
      sluice.process, ["epoll_pwait,epoll_wait,epoll_pwait2:delay_enter=100000000"])
    let start = now()
    sluice.signal(SIGTERM)
    try waitUntil("the worker is given up", seconds: 50) {
      sluice.process.errorOutput.contains("ending without them") || sluice.process.exitStatus != nil
    }
    #expect(now() - start > 5, "the worker was not held up")
    // What strace holds up does not end before strace does.
    _ = consume fault
    #expect(try sluice.process.wait() == 1)
  }
}
