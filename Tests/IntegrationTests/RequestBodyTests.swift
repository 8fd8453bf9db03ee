import Testing

/// The content of requests: passed over or refused, and never read as the next request.
@Suite struct RequestBodyTests {
  private let sluice: SluiceProcess

  init() throws {
    sluice = try SluiceProcess(TemporarySite.common().path)
  }

  /// A request that must never be answered: where it is, it is content.
  private static let smuggled = "GET /1024.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"
  private static let next = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

  /// Everything that comes in answer to `text`.
  private func responses(_ text: String, inPieces pieces: Int? = nil) throws -> [HTTPResponse] {
    let connection = try sluice.connect()
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      // The server may have refused and closed already.
      guard (try? connection.send(Array(rest.prefix(pieces ?? rest.count)))) != nil else { break }
      rest = rest.dropFirst(pieces ?? rest.count)
    }
    return try HTTPResponse.all(in: connection.rest().bytes)
  }

  private func expectDrained(_ head: String, _ body: String, location: SourceLocation = #_sourceLocation)
    throws
  {
    for pieces in [nil, 1, 7] {
      let answers = try responses("\(head)\r\n\r\n\(body)\(Self.next)", inPieces: pieces)
      #expect(answers.map(\.status) == [200, 200], "\(head)", sourceLocation: location)
      #expect(answers.first?.body == Pattern.bytes(1), "\(head)", sourceLocation: location)
      #expect(answers.last?.text == "hello\n", "\(head)", sourceLocation: location)
    }
  }

  @Test func contentLength() throws {
    let head = "GET /1.bin HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
    let body = Self.smuggled
    try expectDrained(head + "\(body.utf8.count)", body)
    try expectDrained(head + "0", "")
    try expectDrained(head + "1", "\n")
    try expectDrained(head + "000\(body.utf8.count)", body)
    try expectDrained(head + "\(body.utf8.count)\r\nContent-Length: \(body.utf8.count)", body)
  }

  @Test func chunked() throws {
    let head = "GET /1.bin HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked"
    let body = Self.smuggled
    let size = String(body.utf8.count, radix: 16)
    try expectDrained(head, "0\r\n\r\n")
    try expectDrained(head, "\(size)\r\n\(body)\r\n0\r\n\r\n")
    try expectDrained(head, "\(size.uppercased())\r\n\(body)\r\n5;a=b;c=\"d\"\r\nhello\r\n000\r\n\r\n")
    try expectDrained(head, "1\r\nx\r\n0\r\nTrailer: yes\r\nGET: /1024.bin\r\n\r\n")
  }

  @Test func headAndOptionsToo() throws {
    let body = Self.smuggled
    let fields = "Host: localhost\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n"
    let options = try responses("OPTIONS /hello.txt HTTP/1.1\r\n\(fields)\(body)")
    #expect(options.map(\.status) == [204])
    let connection = try sluice.connect()
    try connection.send("HEAD /hello.txt HTTP/1.1\r\n\(fields)\(body)")
    let rest = String(decoding: try connection.rest().bytes, as: UTF8.self)
    #expect(rest.hasPrefix("HTTP/1.1 200") && rest.hasSuffix("\r\n\r\n"))
  }

  @Test func largeBodiesAreRefused() throws {
    let host = "Host: localhost\r\n"
    for request in [
      "GET /1.bin HTTP/1.1\r\n\(host)Content-Length: 10000000\r\n\r\n",
      "GET /1.bin HTTP/1.1\r\n\(host)Content-Length: 99999999999999999999\r\n\r\n",
      "GET /1.bin HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n",
    ] {
      let answers = try responses(request + Self.smuggled)
      #expect(answers.map(\.status) == [413], "\(request)")
      #expect(answers.first?["Connection"] == "close")
    }
    // Many small chunks are one large body.
    let chunks = String(repeating: "400\r\n\(String(repeating: "x", count: 1024))\r\n", count: 1000)
    let answers = try responses("GET /1.bin HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n\(chunks)")
    #expect(answers.map(\.status) == [413])
  }

  @Test func bodyOfAMethodThatIsNotAllowed() throws {
    for method in ["POST", "PUT", "DELETE"] {
      let head = "\(method) /hello.txt HTTP/1.1\r\nHost: localhost\r\n"
      let body = Self.smuggled
      for framing in [
        "Content-Length: \(body.utf8.count)\r\n\r\n\(body)", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      ] {
        let answers = try responses(head + framing + Self.next)
        #expect(answers.first?.status == 405, "\(method)")
        // Passed over or refused, but never a third answer.
        #expect(answers.count <= 2 && answers.dropFirst().allSatisfy { $0.text == "hello\n" })
      }
    }
    let curl = try Curl.run([
      "-d", "name=value", "-o", "/dev/null", "-w", "%{http_code}", sluice.url("http") + "/",
    ])
    #expect(curl.output == "405")
  }

  @Test func brokenChunks() throws {
    let head = "GET /1.bin HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    for body in [
      "x\r\n", "\r\n", "-1\r\n", "0x5\r\nhello\r\n", "5\nhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n",
      "5\r\nhello\n0\r\n\r\n",
      "FFFFFFFFFFFFFFFFFF\r\n", " 5\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n",
      "+5\r\nhello\r\n0\r\n\r\n",
      "5;a\nb\r\nhello\r\n0\r\n\r\n", "5;\r\nhello\r\n0\r\n\r\n", "5;=x\r\nhello\r\n0\r\n\r\n",
      "5;a=\"b\r\nhello\r\n0\r\n\r\n", "0\r\nGET /1024.bin HTTP/1.1\r\n\r\n", "0\r\n: x\r\n\r\n",
    ] {
      let answers = try responses(head + body + Self.smuggled + Self.next)
      #expect(answers.map(\.status) == [400], "\(body)")
      #expect(answers.first?["Connection"] == "close", "\(body)")
    }
  }

  @Test func expectContinue() throws {
    let connection = try sluice.connect()
    try connection.get("/1.bin", "Content-Length: 5\r\nExpect: 100-continue\r\n")
    #expect(try connection.response().statusLine == "HTTP/1.1 100 Continue")
    #expect(connection.isSilent(seconds: 0.2))
    try connection.send("hello")
    #expect(try connection.response().body == Pattern.bytes(1))
    // Without content there is nothing to wait for.
    try connection.get("/1.bin", "Expect: 100-continue\r\n")
    let first = try connection.response()
    #expect(try (first.status == 100 ? connection.response() : first).body == Pattern.bytes(1))
    // What has come already needs no invitation.
    try connection.send(
      "GET /1.bin HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\nok")
    let answer = try connection.response()
    #expect(try (answer.status == 100 ? connection.response() : answer).body == Pattern.bytes(1))
  }

  @Test func expectContinueOfWhatIsRefused() throws {
    let connection = try sluice.connect()
    try connection.get("/1.bin", "Content-Length: 10000000\r\nExpect: 100-continue\r\n")
    #expect(try connection.response().status == 413)
    #expect(try connection.rest().end == .closed)
  }

  @Test func emptyExpectationIsNone() throws {
    let connection = try sluice.connect()
    try connection.get("/1.bin", "Expect:\r\n")
    #expect(try connection.response().status == 200)
    // Nobody waits for an invitation, so none comes.
    try connection.get("/1.bin", "Content-Length: 5\r\nExpect: \r\n")
    #expect(connection.isSilent(seconds: 0.2))
    try connection.send("hello")
    #expect(try connection.response().body == Pattern.bytes(1))
  }

  @Test func otherExpectationsFail() throws {
    let connection = try sluice.connect()
    try connection.get("/1.bin", "Expect: the-unexpected\r\n")
    #expect(try connection.response().status == 417)
    let answers = try responses(
      "GET /1.bin HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: \(Self.smuggled.utf8.count)\r\n\r\n"
        + Self.smuggled + Self.next)
    #expect(answers.first?.status == 417)
    #expect(answers.count <= 2 && answers.dropFirst().allSatisfy { $0.text == "hello\n" })
  }

  @Test func refusalReachesAClientThatIsStillSending() throws {
    // A close with unread bytes would be a reset, which destroys the answer on its way.
    for _ in 0..<20 {
      let connection = try sluice.connect()
      try connection.get("/1.bin", "Content-Length: 1000000\r\n")
      try? connection.send([UInt8](repeating: 0x78, count: 200_000))
      #expect(try connection.response().status == 413)
    }
  }
}
