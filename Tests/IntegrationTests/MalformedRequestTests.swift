import Testing

/// What is no request, or more than is taken: the right status, then the end of the connection, and what stands
/// behind it is not answered.
@Suite struct MalformedRequestTests {
  private let sluice: SluiceProcess

  init() throws {
    sluice = try SluiceProcess(TemporarySite.common().path)
  }

  private func expect(
    _ status: Int, _ request: [UInt8], location: SourceLocation = #_sourceLocation
  ) throws {
    let connection = try sluice.connect()
    let name = String(decoding: request.prefix(120), as: UTF8.self)
    try connection.send(request + Array("GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
    let rest = try connection.rest()
    let responses = try HTTPResponse.all(in: rest.bytes)
    #expect(responses.map(\.status) == [status], "\(name)", sourceLocation: location)
    #expect(responses.first?["Connection"] == "close", "\(name)", sourceLocation: location)
    #expect(responses.first?.body.isEmpty == false, "\(name)", sourceLocation: location)
    #expect(rest.end == .closed, "\(name)", sourceLocation: location)
  }

  private func expect(
    _ status: Int, _ requests: [String], location: SourceLocation = #_sourceLocation
  ) throws {
    for request in requests { try expect(status, Array(request.utf8), location: location) }
  }

  /// A GET with these lines after its Host.
  private static func get(_ lines: String) -> String { "GET / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n" }

  /// No content in answer to HEAD, whatever the answer (RFC 9110 §9.3.2).
  @Test(arguments: [
    (400, "HEAD / HTTP/1.1\r\n\r\n"), (400, "HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (413, "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"),
    (417, "HEAD / HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\nConnection: close\r\n\r\n"),
    (501, "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    (505, "HEAD / HTTP/2.0\r\nHost: a\r\n\r\n"),
  ])
  func refusedHead(status: Int, request: String) throws {
    let connection = try sluice.connect()
    try connection.send(request)
    let rest = try connection.rest()
    let head = String(decoding: rest.bytes, as: UTF8.self)
    #expect(head.hasPrefix("HTTP/1.1 \(status) ") && head.hasSuffix("\r\n\r\n"), "\(head)")
    #expect(head.matches(of: /\r\n\r\n/).count == 1, "\(head)")
  }

  @Test func requestLines() throws {
    try expect(
      400,
      [
        "GET\r\n\r\n", "GET /\r\n\r\n", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.10\r\nHost: a\r\n\r\n",
        "GET / HTTP/+1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1x\r\nHost: a\r\n\r\n",
        "GET / HTTPS/1.1\r\nHost: a\r\n\r\n",
        "GET / FTP/1.1\r\nHost: a\r\n\r\n", "G\u{1}T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "{}\r\n\r\n", "\u{0}\r\n\r\n",
      ])
  }

  @Test func targets() throws {
    try expect(
      400,
      [
        "GET index.html HTTP/1.1\r\nHost: a\r\n\r\n", "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ? HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET localhost:80 HTTP/1.1\r\nHost: a\r\n\r\n", "GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET /# HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a\"b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /<> HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a\u{0}b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://ä/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n",
      ])
  }

  @Test func lineEnds() throws {
    try expect(
      400,
      [
        "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\rHost: a\r\r", "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
      ])
  }

  @Test func fieldLines() throws {
    try expect(
      400,
      [
        " folded: yes\r\n", "X: a\r\n b\r\n", "X: a\r\n\tb\r\n", "X : a\r\n", "X\t: a\r\n", ": a\r\n",
        "NoColon\r\n", "X Y: a\r\n",
        "X(: a\r\n", "X\u{e4}: a\r\n", "X: a\u{0}b\r\n", "X: a\u{1}b\r\n", "X: \u{7f}\r\n", "X: a\u{b}\r\n",
        "X: \u{1b}[31m\r\n",
        "X\u{0}: a\r\n", "\u{0}: a\r\n", "Content-Length : 5\r\n", "Transfer-Encoding : chunked\r\n",
      ].map(Self.get))
    // Space before the first field line.
    try expect(400, [" X: a\r\n", "\tX: a\r\n"].map { "GET / HTTP/1.1\r\n\($0)Host: a\r\n\r\n" })
  }

  @Test func hosts() throws {
    try expect(
      400,
      [
        "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a,b\t\"\r\n\r\n", "GET http://a/ HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
      ])
  }

  @Test func contentLengths() throws {
    try expect(
      400,
      [
        "Content-Length: 1\r\nContent-Length: 2\r\n", "Content-Length: 1, 2\r\n", "Content-Length: -1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: 1x\r\n", "Content-Length: 0x1\r\n", "Content-Length: \r\n",
        "Content-Length: 1 2\r\n",
        "Content-Length: 1.0\r\n", "Content-Length: ١\r\n",
      ].map(Self.get))
  }

  @Test func transferEncodings() throws {
    try expect(
      400,
      [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: \r\n",
      ].map(Self.get) + ["GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"])
    try expect(
      501,
      [
        "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
      ].map(Self.get))
    // One of both: neither may be taken for a body that is not there.
    for value in ["chunked, gzip", "chunked, chunked", "\"chunked\"", "chunked;q=1"] {
      let connection = try sluice.connect()
      try connection.send(Self.get("Transfer-Encoding: \(value)\r\n") + "0\r\n\r\n")
      let responses = try HTTPResponse.all(in: connection.rest().bytes)
      #expect(responses.count == 1 && [400, 501].contains(responses[0].status), "\(value)")
    }
  }

  @Test func tooLong() throws {
    let long = String(repeating: "a", count: 9000)
    try expect(
      414, ["GET /\(long) HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?\(long) HTTP/1.1\r\nHost: a\r\n\r\n"])
    try expect(431, [Self.get("X: \(String(repeating: "a", count: 40_000))\r\n")])
    try expect(431, [Self.get(String(repeating: "X: \(String(repeating: "a", count: 1000))\r\n", count: 40))])
    try expect(431, [Self.get(String(repeating: "X: a\r\n", count: 100))])
    // No end of line in sight: an answer comes all the same.
    let connection = try sluice.connect()
    try? connection.send("GET /" + String(repeating: "a", count: 70_000))
    #expect(try connection.response().status == 414)
  }

  @Test func asLongAsMayBe() throws {
    let connection = try sluice.connect()
    let query = String(repeating: "q", count: 8192 - "GET /hello.txt? HTTP/1.1".utf8.count)
    try connection.get("/hello.txt?\(query)")
    #expect(try connection.response().text == "hello\n")
    try connection.get("/hello.txt", String(repeating: "X: a\r\n", count: 99))
    #expect(try connection.response().text == "hello\n")
    try connection.get("/hello.txt", "X: \(String(repeating: "a", count: 32_000))\r\n")
    #expect(try connection.response().text == "hello\n")
  }

  @Test func garbage() throws {
    var state: UInt64 = 42
    for _ in 0..<100 {
      let bytes = (0..<200).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 33)
      }
      let connection = try sluice.connect()
      try? connection.send(bytes + Array("\r\n\r\n".utf8))
      connection.endSending()
      let responses = try HTTPResponse.all(in: connection.rest().bytes)
      #expect(responses.allSatisfy { (400...505).contains($0.status) })
    }
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
  }

  @Test func malformedAreCounted() throws {
    try expect(400, ["nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"])
    #expect(try sluice.stopForMetrics()["malformed"] == 2)
  }
}
