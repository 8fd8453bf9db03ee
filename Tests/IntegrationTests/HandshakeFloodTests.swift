import Glibc
import Testing

/// Many who want to shake hands at once: they wait for one another, and nobody else waits for them.
@Suite struct HandshakeFloodTests {
  /// A ClientHello of TLS 1.3 with a key share for X25519.
  private static let hello: [UInt8] = {
    let text = """
      16030100dc010000d803036597f47a6c69c6d89194a862498b1314469f0458ec56d7117a373b7d0876c9d1202cc41bc3773f37e3fbfd88b5\
      1175c96cb9bdf996cce3a8dec734a053976e256d000813021303130100ff01000087000b000403000102000a00160014001d0017001e0019\
      001801000101010201030104002300000016000000170000000d001e001c040305030603080708080809080a080b08040805080604010501\
      0601002b0003020304002d00020101003300260024001d0020f4a993a6aee9e8dff66fcddcf5f0daa7fd45cf60732ab37b05a5c9c82092fb\
      39
      """
    let digits = text.compactMap { $0.hexDigitValue }.map(UInt8.init)
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }()

  /// Connections that have sent a ClientHello and wait.
  private func hellos(_ count: Int, to sluice: SluiceProcess) throws -> [RawConnection] {
    try (0..<count).map { _ in
      let connection = try RawConnection(port: sluice.securePort)
      try connection.send(Self.hello)
      return connection
    }
  }

  private func serve(prefix: [String] = []) throws -> SluiceProcess {
    try SluiceProcess(TemporarySite.common().path, .both(TestCertificates.ecdsa), prefix: prefix)
  }

  /// More than may wait for a step, and more than are accepted in a turn: the kernel holds the rest.
  @Test func allAreAnswered() throws {
    let sluice = try serve()
    let connections = try hellos(300, to: sluice)
    for connection in connections {
      // A handshake record, with a ServerHello.
      let record = try connection.bytes(6)
      #expect(Array(record[..<3]) == [22, 3, 3] && record[5] == 2)
    }
    let pair = try TestCertificates.ecdsa
    #expect(try Curl.get(sluice.url("https") + "/hello.txt", Curl.trusting(pair)).text == "hello\n")
    #expect(try sluice.stopForMetrics()["connections"] == 301)
  }

  /// Connections that go away while they wait, in any state, with as many that come.
  @Test func thoseThatGoAwayHarmNobody() throws {
    let sluice = try serve()
    for _ in 0..<20 {
      sluice.process.signal(SIGSTOP)
      let connections = try hellos(40, to: sluice)
      for (number, connection) in connections.enumerated() {
        if number % 3 == 0 { connection.resetOnClose() }
        if number % 3 == 1 { connection.endSending() }
      }
      sluice.process.signal(SIGCONT)
      _ = try connections[2].bytes(6)
    }
    let pair = try TestCertificates.ecdsa
    #expect(try Curl.get(sluice.url("https") + "/hello.txt", Curl.trusting(pair)).text == "hello\n")
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["requests"] == 1 && metrics["user_tls"] == 1, "\(metrics)")
  }

  /// In the order of the server's own calls: when hellos and requests are there at once, the requests are answered first.
  @Test(.enabled(if: TestMachine.has("strace"), "strace is missing"))
  func requestsOnOtherConnectionsComeFirst() throws {
    let folder = try TemporaryFolder()
    let trace = folder.path + "/trace"
    let sluice = try serve(
      prefix: ["strace", "-f", "-D", "-qq", "-s", "12", "-o", trace, "-e", "trace=write,sendto,sendmsg"])
    let established = try (0..<10).map { _ in try sluice.connect() }
    func ask() throws {
      for connection in established { try connection.get("/hello.txt") }
    }
    func answers() throws {
      for connection in established { #expect(try connection.response().text == "hello\n") }
    }
    try ask()
    try answers()
    sluice.process.signal(SIGSTOP)
    let waiting = try hellos(60, to: sluice)
    try ask()
    sluice.process.signal(SIGCONT)
    try answers()
    for connection in waiting { _ = try connection.bytes(6) }
    try sluice.stop()

    let calls = String(decoding: readFile(trace) ?? [], as: UTF8.self).split(separator: "\n")
      .filter { $0.contains("HTTP/1.1") || $0.contains("\"\\26\\3\\3") }
    #expect(calls.count == 80, "\(calls.count) answers in the trace")
    let last = try #require(calls.lastIndex { $0.contains("HTTP/1.1") })
    // It may have been stopped in the middle of a wait, whose events are then the hellos' alone.
    let before = last + 1 - 20
    #expect(before <= 2, "\(before) hellos were answered before the last request")
  }
}
