import Glibc
import Testing

/// Clients that go away, that stop sending, or that are slow.
@Suite struct PeerFaultTests {
  private let sluice: SluiceProcess

  init() throws {
    sluice = try SluiceProcess(TemporarySite.common().path, .both(TestCertificates.ecdsa))
  }

  @Test func resetInTheMiddleOfADownload() throws {
    for _ in 0..<10 {
      let connection = try sluice.connect(receiveBuffer: 4096)
      try connection.get("/big.bin")
      _ = try connection.bytes(5000)
      connection.resetOnClose()
    }
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
    #expect(try sluice.stopForMetrics()["broken"] == 10)
  }

  @Test(arguments: Transfer.Transport.everywhere) func killedClient(transport: Transfer.Transport) throws {
    try transport.expectKilledClientIsNoticed()
  }

  @Test func closedConnectionsLeaveNoDescriptor() throws {
    func sockets() throws -> Int { try sluice.descriptors().matches(of: /socket:/).count }
    let before = try sockets()
    do {
      var connections: [RawConnection] = []
      for index in 0..<100 {
        let connection = try sluice.connect()
        if index % 2 == 0 { try connection.get("/big.bin") }
        if index % 3 == 0 { connection.resetOnClose() }
        connections.append(connection)
      }
    }
    try waitUntil("all sockets are closed") { try sockets() == before }
  }

  @Test(arguments: ["hello.txt", "big.bin"]) func halfClosedClientGetsTheWholeResponse(name: String) throws {
    let connection = try sluice.connect(receiveBuffer: 8192)
    try connection.get("/\(name)")
    connection.endSending()
    let response = try connection.response()
    #expect(response.status == 200)
    #expect(response.body.count == (name == "big.bin" ? TemporarySite.bigSize : 6))
    #expect(name != "big.bin" || Pattern.matches(response.body))
    let rest = try connection.rest()
    #expect(rest.bytes.isEmpty && rest.end == .closed)
  }

  @Test func halfClosedClientGetsAllPipelinedResponses() throws {
    let connection = try sluice.connect(receiveBuffer: 8192)
    let request = "GET /1048577.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"
    try connection.send(String(repeating: request, count: 8))
    connection.endSending()
    let rest = try connection.rest()
    let responses = try HTTPResponse.all(in: rest.bytes)
    #expect(responses.count == 8 && responses.allSatisfy { Pattern.matches($0.body) })
    #expect(rest.end == .closed)
  }

  @Test func shellClientThatEndsItsInput() throws {
    // printf … | nc, as people type it.
    let request = "GET /1024.bin HTTP/1.0\r\n\r\n"
    let connection = try sluice.connect()
    try connection.send(request)
    connection.endSending()
    let responses = try HTTPResponse.all(in: connection.rest().bytes)
    #expect(responses.count == 1 && Pattern.matches(responses[0].body))
  }

  @Test(arguments: Transfer.Transport.everywhere)
  func slowReaderGetsAllWhileOthersAreServed(transport: Transfer.Transport) throws {
    try transport.expectSlowReaderGetsAll()
  }

  @Test func oneDownloadDoesNotHoldTheLoop() throws {
    // Four clients that read as fast as they can; one more wants little.
    let url = try sluice.url("http")
    let others = try (0..<4).map { _ in
      try Subprocess(["sh", "-c", "while :; do curl -s -o /dev/null \"$0\"; done", "\(url)/big.bin"])
    }
    let connection = try sluice.connect()
    var slowest = 0.0
    for _ in 0..<50 {
      let start = now()
      try connection.get("/hello.txt")
      #expect(try connection.response().text == "hello\n")
      slowest = max(slowest, now() - start)
    }
    for other in others { other.signal(SIGKILL) }
    #expect(slowest < 5, "\(slowest) s")
  }

  @Test func clientThatSendsAndNeverReads() throws {
    // Pipelined requests without end: the server must stop to read, not to breathe.
    let connection = try sluice.connect(receiveBuffer: 4096)
    _ = fcntl(connection.descriptor, F_SETFL, fcntl(connection.descriptor, F_GETFL) | O_NONBLOCK)
    let request = String(repeating: "GET /16384.bin HTTP/1.1\r\nHost: localhost\r\n\r\n", count: 200)
    let before = try residentKilobytes()
    let start = now()
    while now() - start < 1 { if (try? connection.send(request)) == nil { usleep(1000) } }
    let grown = try residentKilobytes() - before
    #expect(grown < 300_000, "\(grown) kB")
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
  }

  private func residentKilobytes() throws -> Int {
    let status = readFile("/proc/\(sluice.process.identifier)/status") ?? []
    let text = String(decoding: status, as: UTF8.self)
    let match = text.firstMatch(of: /VmRSS:\s+(\d+) kB/)
    return match.flatMap { Int($0.output.1) } ?? .max
  }
}
