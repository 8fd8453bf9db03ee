import HTTP
import Testing

extension RequestParser {
  /// Bounds for the tests that don't look at bounds.
  static let wide = Limits(requestLine: 8 << 10, head: 32 << 10, fields: 100)

  /// An outcome, with the head that belongs to it.
  enum Parsed {
    case incomplete
    case complete(RequestHead)
    case rejected(Status)

    var isIncomplete: Bool { if case .incomplete = self { true } else { false } }
    var head: RequestHead? { if case .complete(let head) = self { head } else { nil } }
    var rejection: Status? { if case .rejected(let status) = self { status } else { nil } }
  }

  static func parse(_ octets: some Sequence<UInt8>, _ limits: Limits = wide) -> Parsed {
    var head = RequestHead()
    switch parse(Array(octets).span, limits: limits, into: &head) {
    case .incomplete: return .incomplete
    case .complete: return .complete(head)
    case .rejected(let status): return .rejected(status)
    }
  }
}

extension ByteView {
  /// What lies there.
  func text(in octets: [UInt8]) -> String { String(decoding: octets[range], as: UTF8.self) }
}

@Suite struct RequestParserTests {
  /// The head that all of `text` is.
  static func head(
    _ text: String, _ location: SourceLocation = #_sourceLocation
  ) throws -> RequestHead {
    let outcome = RequestParser.parse(text.octets)
    let head = try #require(outcome.head, "\(text.debugDescription): \(outcome)", sourceLocation: location)
    #expect(head.count == text.utf8.count, sourceLocation: location)
    return head
  }

  // MARK: The request line

  @Test(
    arguments: [
      ("/", "/", ""), ("/a/b.txt", "/a/b.txt", ""), ("/?", "/", "?"), ("/?a=b", "/", "?a=b"),
      ("/a?b?c/d", "/a", "?b?c/d"), ("//a", "//a", ""), ("/..", "/..", ""), ("/a;b=c,d", "/a;b=c,d", ""),
      ("/a:b@c", "/a:b@c", ""), ("/~!$&'()*+,=|\\^`{}[]", "/~!$&'()*+,=|\\^`{}[]", ""),
      // Absolute form.
      ("http://a/", "/", ""), ("http://a", "", ""), ("http://a?b", "", "?b"), ("http://a/b?c", "/b", "?c"),
      ("HTTP://a/b", "/b", ""), ("hTTpS://a:8443/b", "/b", ""), ("https://[::1]:80/b", "/b", ""),
      ("http://a//b", "//b", ""),
    ] as [(Wire, String, String)])
  func targets(target: Wire, path: String, query: String) throws {
    let text = "GET \(target.text) HTTP/1.1\r\nHost: a\r\n\r\n"
    let head = try Self.head(text)
    #expect(head.path.text(in: text.octets) == path)
    #expect(head.query.text(in: text.octets) == query)
    #expect(!head.isForServer)
    #expect(head.pathIsLiteral)
  }

  @Test(arguments: [
    ("/", true), ("/a", true), ("/%20", false), ("/a%", false), ("/a?%20", true), ("http://%41/a", true),
    ("http://a/%41?", false), ("http://%41", true),
  ])
  func pathIsLiteralWithoutPercentSigns(target: String, isLiteral: Bool) throws {
    let head = try Self.head("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(head.pathIsLiteral == isLiteral)
  }

  @Test func asteriskIsForTheServer() throws {
    let head = try Self.head("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(head.method == .options)
    #expect(head.isForServer)
    #expect(head.path.isEmpty && head.query.isEmpty)
  }

  @Test(
    arguments: [
      ("GET", .get), ("HEAD", .head), ("OPTIONS", .options), ("POST", .notAllowed), ("PUT", .notAllowed),
      ("DELETE", .notAllowed), ("PATCH", .notAllowed), ("TRACE", .notAllowed), ("CONNECT", .notAllowed),
      // Methods have case; others are tokens of any kind.
      ("get", .unknown), ("Get", .unknown), ("GETT", .unknown), ("GE", .unknown), ("HEAT", .unknown),
      ("PROPFIND", .unknown), ("!#$%&'*+-.^_`|~09azAZ", .unknown), ("M-SEARCH", .unknown), ("X", .unknown),
      (String(repeating: "M", count: 1_000), .unknown),
    ] as [(String, Method)])
  func methods(name: String, method: Method) throws {
    #expect(try Self.head("\(name) /a HTTP/1.1\r\nHost: a\r\n\r\n").method == method)
  }

  @Test(arguments: ["a:443", "[::1]:443", "a"])
  func connectIsReadSoThatItCanBeRefused(authority: String) throws {
    #expect(try Self.head("CONNECT \(authority) HTTP/1.1\r\nHost: a\r\n\r\n").method == .notAllowed)
  }

  @Test(arguments: [("1.0", true), ("1.1", false), ("1.2", false), ("1.9", false)])
  func minorVersions(version: String, isHTTP10: Bool) throws {
    #expect(try Self.head("GET / HTTP/\(version)\r\nHost: a\r\n\r\n").isHTTP10 == isHTTP10)
  }

  @Test func oneEmptyLineBeforeItIsPassedOver() throws {
    let text = "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n"
    #expect(try Self.head(text).path.text(in: text.octets) == "/a")
  }

  // MARK: Fields

  @Test func aBareMinimum() throws {
    let head = try Self.head("GET / HTTP/1.0\r\n\r\n")
    #expect(head.isHTTP10 && !head.keepsAlive && head.fields.isEmpty && head.content == .none)
    #expect(!head.isConditional && !head.hasRange && !head.expectsContinue && !head.expectationFails)
  }

  static let real: [Wire] = [
    // curl, wrk, a browser, a proxy.
    "GET /file.txt HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
    """
    GET /assets/app.js?v=3 HTTP/1.1\r
    Host: www.example.org\r
    Connection: keep-alive\r
    sec-ch-ua: "Chromium";v="124", "Not-A.Brand";v="99"\r
    sec-ch-ua-mobile: ?0\r
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537\r
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r
    Accept-Encoding: gzip, deflate, br, zstd\r
    Accept-Language: de-DE,de;q=0.9,en-US;q=0.8\r
    Cookie: a=b; c="d e"; f=\r
    If-None-Match: "18a2f3c4d5e6f708-1000"\r
    Range: bytes=0-99\r
    \r

    """,
    """
    HEAD http://example.org/ HTTP/1.1\r
    Host: example.org\r
    Via: 1.1 proxy\r
    X-Forwarded-For: 192.0.2.1, 2001:db8::1\r
    Cache-Control: no-cache\r
    Pragma:\r
    X-Name: J\u{E4}ger \u{1F600}\t(tab and more)\r
    \r

    """,
    "POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    "\r\nOPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "DELETE /a%20b HTTP/1.1\r\nhost:a\r\nTransfer-Encoding: chunked\r\n\r\n",
  ]

  @Test(arguments: real)
  func noPartOfAHeadIsRefused(wire: Wire) throws {
    let octets = wire.text.octets
    _ = try Self.head(wire.text)
    for count in 0..<octets.count {
      let outcome = RequestParser.parse(octets[..<count])
      #expect(outcome.isIncomplete, "after \(count) bytes: \(outcome)")
    }
  }

  @Test(arguments: real)
  func whatFollowsAHeadMakesNoDifference(wire: Wire) throws {
    let octets = wire.text.octets
    for rest in [wire.text, "\r\n", "\n", "\u{0}", "G", "GET", " folded\r\n", "\r\n\r\n\r\n", ": :", "é"] {
      let head = try #require(RequestParser.parse(octets + rest.octets).head)
      #expect(head.count == octets.count)
    }
  }

  @Test func pipelinedRequestsComeOneByOne() throws {
    let octets = Self.real.map(\.text).joined().octets
    var start = 0
    for wire in Self.real {
      start += try #require(RequestParser.parse(octets[start...]).head).count
      #expect(String(decoding: octets[..<start], as: UTF8.self).hasSuffix(wire.text))
    }
    #expect(start == octets.count)
  }

  @Test(arguments: real)
  func fieldsAreTheLinesFromTheFirstConditionToTheLast(wire: Wire) throws {
    let head = try Self.head(wire.text)
    let names = [
      "accept-encoding", "range", "if-range", "if-match", "if-none-match", "if-modified-since",
      "if-unmodified-since",
    ]
    let lines = wire.text.split(separator: "\r\n").dropFirst()
    func isCondition(_ line: Substring) -> Bool { names.contains(line.prefix { $0 != ":" }.lowercased()) }
    let first = lines.firstIndex(where: isCondition) ?? lines.endIndex
    let end = lines.lastIndex(where: isCondition).map { $0 + 1 } ?? first
    #expect(head.fields.text(in: wire.text.octets) == lines[first..<end].joined(separator: "\r\n"))
  }

  @Test func fieldsMayLieApart() throws {
    let text =
      "GET / HTTP/1.1\r\nif-RANGE: \"a\"\r\nHost: a\r\nIf-None-Match: \"b\"\r\nA: b\r\nRange: bytes=0-1 \r\nB: c\r\n\r\n"
    let head = try Self.head(text)
    #expect(
      head.fields.text(in: text.octets)
        == "if-RANGE: \"a\"\r\nHost: a\r\nIf-None-Match: \"b\"\r\nA: b\r\nRange: bytes=0-1 ")
    #expect(head.isConditional && head.hasRange)
  }

  @Test(arguments: [
    "a", "A", "a:80", "a:", "127.0.0.1", "[::1]", "[2001:db8::1]:8080", "xn--bcher-kva.example", "a_b", "%41",
    "a.",
  ])
  func hosts(host: String) throws {
    for line in ["Host: \(host)", "host:\(host)", "HOST:\t \(host) \t", "hOsT: \(host)"] {
      _ = try Self.head("GET / HTTP/1.1\r\n\(line)\r\n\r\n")
      _ = try Self.head("GET / HTTP/1.0\r\nA: b\r\n\(line)\r\nC: d\r\n\r\n")
    }
  }

  /// RFC 9112 §9.3.
  @Test(
    arguments: [
      ("1.1", "", true), ("1.0", "", false), ("1.2", "", true),
      ("1.1", "Connection: close\r\n", false), ("1.1", "connection:CLOSE\r\n", false),
      ("1.1", "Connection: keep-alive\r\n", true), ("1.0", "Connection: keep-alive\r\n", true),
      ("1.0", "CONNECTION: Keep-Alive\r\n", true), ("1.0", "Connection: close\r\n", false),
      // Lists, and several lines.
      ("1.1", "Connection: Upgrade, close\r\n", false), ("1.1", "Connection: close ,\tUpgrade\r\n", false),
      ("1.1", "Connection: ,,close,,\r\n", false), ("1.1", "Connection: a\r\nConnection: close\r\n", false),
      ("1.0", "Connection: a,keep-alive\r\n", true), ("1.0", "Connection: ,\t keep-alive\t ,a\r\n", true),
      ("1.0", "Connection: keep-alive, close\r\n", false),
      ("1.1", "Connection: close, keep-alive\r\n", false),
      ("1.0", "Connection: close\r\nConnection: keep-alive\r\n", false),
      // Not the option.
      ("1.1", "Connection: closed\r\n", true), ("1.1", "Connection: clos\r\n", true),
      ("1.1", "Connection: close;q=1\r\n", true), ("1.1", "Connection: not close\r\n", true),
      ("1.1", "Connection: \"close\"\r\n", true), ("1.1", "Connection:\r\n", true),
      ("1.1", "Proxy-Connection: close\r\n", true), ("1.1", "X: Connection: close\r\n", true),
      ("1.0", "Keep-Alive: timeout=5\r\n", false),
    ] as [(String, Wire, Bool)])
  func persistence(version: String, lines: Wire, keepsAlive: Bool) throws {
    let head = try Self.head("GET / HTTP/\(version)\r\nHost: a\r\n\(lines.text)\r\n")
    #expect(head.keepsAlive == keepsAlive)
  }

  /// RFC 9112 §6.
  @Test(
    arguments: [
      ("", .none), ("Content-Length: 0\r\n", .none), ("Content-Length: 1\r\n", .length(1)),
      ("content-length:\t007 \r\n", .length(7)),
      ("Content-Length: 9223372036854775807\r\n", .length(.max)),
      // The same twice is forgiven by §6.3, and needs no guess.
      ("Content-Length: 5\r\nContent-Length: 05\r\n", .length(5)),
      ("Content-Length: 0\r\nContent-Length: 0\r\n", .none),
      ("Transfer-Encoding: chunked\r\n", .chunked), ("TRANSFER-ENCODING:Chunked \r\n", .chunked),
      ("X-Content-Length: 5\r\nContent-Lengths: 6\r\nTransfer-Encodin: chunked\r\n", .none),
    ] as [(Wire, ContentFraming)])
  func content(lines: Wire, framing: ContentFraming) throws {
    #expect(try Self.head("POST / HTTP/1.1\r\nHost: a\r\n\(lines.text)\r\n").content == framing)
  }

  /// RFC 9110 §10.1.1.
  @Test(
    arguments: [
      ("1.1", "", false, false), ("1.1", "Expect: 100-continue\r\n", true, false),
      ("1.1", "EXPECT:100-Continue\r\n", true, false), ("1.0", "Expect: 100-continue\r\n", false, false),
      ("1.1", "Expect: 200-ok\r\n", false, true),
      // An empty one expects nothing.
      ("1.1", "Expect:\r\n", false, false), ("1.1", "Expect: \t \r\n", false, false),
      ("1.0", "Expect:\r\n", false, false), ("1.1", "Expect:\r\nExpect: 100-continue\r\n", true, false),
      ("1.1", "Expect:\r\nExpect: a\r\n", false, true),
      ("1.1", "Expect: 100-continue, a\r\n", true, true),
      ("1.1", "Expect: ,100-continue ,100-Continue,\r\n", true, false), ("1.0", "Expect: a\r\n", false, true),
      ("1.1", "Expect: 100-continue\r\nExpect: a\r\n", true, true),
    ] as [(String, Wire, Bool, Bool)])
  func expectations(version: String, lines: Wire, continues: Bool, fails: Bool) throws {
    let head = try Self.head("GET / HTTP/\(version)\r\nHost: a\r\n\(lines.text)\r\n")
    #expect(head.expectsContinue == continues)
    #expect(head.expectationFails == fails)
  }

  @Test(
    arguments: [
      ("Range: bytes=0-", true, false), ("RANGE:\r\n", true, false),
      ("If-Match: *", false, true), ("if-none-match: \"a\"", false, true),
      ("IF-MODIFIED-SINCE: x", false, true),
      ("If-Unmodified-Since:", false, true),
      // If-Range means nothing without a Range.
      ("If-Range: \"a\"", false, false), ("Ranges: bytes=0-", false, false),
      ("X-Range: bytes=0-", false, false),
      ("If-Matches: *", false, false), ("Accept: Range", false, false),
    ] as [(Wire, Bool, Bool)])
  func conditionsAndRangesAreNoted(line: Wire, hasRange: Bool, isConditional: Bool) throws {
    let line = line.text.hasSuffix("\r\n") ? line.text : line.text + "\r\n"
    let head = try Self.head("GET / HTTP/1.1\r\nHost: a\r\n\(line)\r\n")
    #expect(head.hasRange == hasRange)
    #expect(head.isConditional == isConditional)
  }

  /// Values are scanned eight bytes at a time: every byte that may stand in one, at every place of a word.
  @Test func everyByteOfAValueIsTakenWhereverItStands() {
    let allowed = [0x09] + Array(0x20...0x7E) + Array(UInt8(0x80)...0xFF)
    for place in 0..<17 {
      for byte in allowed {
        var octets = "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "v", count: 17))\r\n\r\n".octets
        octets[octets.count - 21 + place] = byte
        if RequestParser.parse(octets).head?.count != octets.count { Issue.record("\(byte) at \(place)") }
      }
    }
  }

  // MARK: Bounds

  @Test(arguments: [20, 21, 64, 1_000])
  func requestLineMayBeAsLongAsItsBound(limit: Int) {
    let limits = RequestParser.Limits(requestLine: limit, head: 1 << 20, fields: 100)
    for (leading, target) in [("", "/"), ("\r\n", "/"), ("", "/?")] {
      func octets(lineLength: Int) -> [UInt8] {
        let filler = String(
          repeating: "a", count: lineLength - "GET  HTTP/1.1".utf8.count - target.utf8.count)
        return "\(leading)GET \(target)\(filler) HTTP/1.1\r\nHost: a\r\n\r\n".octets
      }
      let fits = octets(lineLength: limit)
      #expect(RequestParser.parse(fits, limits).head?.count == fits.count)
      for count in fits.indices { #expect(RequestParser.parse(fits[..<count], limits).isIncomplete) }
      #expect(RequestParser.parse(octets(lineLength: limit + 1), limits).rejection == .uriTooLong)
    }
  }

  @Test func headMayBeAsLongAsItsBound() {
    for leading in ["", "\r\n"] {
      let octets = "\(leading)GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n".octets
      let exact = RequestParser.Limits(requestLine: 100, head: octets.count, fields: 100)
      #expect(RequestParser.parse(octets, exact).head?.count == octets.count)
      #expect(RequestParser.parse(octets + octets, exact).head?.count == octets.count)
      for count in octets.indices { #expect(RequestParser.parse(octets[..<count], exact).isIncomplete) }
      let short = RequestParser.Limits(requestLine: 100, head: octets.count - 1, fields: 100)
      #expect(RequestParser.parse(octets, short).rejection == .requestHeaderFieldsTooLarge)
      #expect(RequestParser.parse(octets.dropLast(), short).rejection == .requestHeaderFieldsTooLarge)
      #expect(RequestParser.parse(octets.dropLast(2), short).isIncomplete)
    }
  }

  @Test(arguments: [1, 2, 100])
  func fieldsMayBeAsManyAsTheirBound(limit: Int) {
    let limits = RequestParser.Limits(requestLine: 100, head: 1 << 20, fields: limit)
    func octets(fields: Int) -> [UInt8] {
      "GET / HTTP/1.1\r\nHost: a\r\n\(String(repeating: "X: y\r\n", count: fields - 1))\r\n".octets
    }
    #expect(RequestParser.parse(octets(fields: limit), limits).head?.count == octets(fields: limit).count)
    #expect(
      RequestParser.parse(octets(fields: limit + 1), limits).rejection == .requestHeaderFieldsTooLarge)
  }

  /// Bytes beyond ASCII: not to be served, and the same wherever the bytes come apart.
  @Test(
    arguments: [
      ("/é", "/é", ""), ("/a/é?b", "/a/é", "?b"), ("/?é", "/", "?é"), ("/%C3%A9/é?ü?/", "/%C3%A9/é", "?ü?/"),
      ("http://a/é", "/é", ""), ("http://a?é", "", "?é"), ("/éé/%", "/éé/%", ""), ("/%é", "/%é", ""),
    ] as [(Wire, String, String)], ["GET", "HEAD", "POST"])
  func unescapedTargets(target: (Wire, String, String), method: String) throws {
    let text = "\(method) \(target.0.text) HTTP/1.1\r\nHost: a\r\n\r\n"
    let bytes = Array(text.utf8)
    let head = try #require(RequestParser.parse(bytes).head)
    #expect(head.targetIsUnescaped && !head.pathIsLiteral && !head.isOrdinary)
    #expect(bytes[head.path.range].elementsEqual(target.1.utf8))
    #expect(bytes[head.query.range].elementsEqual(target.2.utf8))
    for count in 0..<bytes.count {
      #expect(RequestParser.parse(bytes[..<count]).isIncomplete, "\(count) bytes")
    }
  }

  @Test(
    arguments: [
      "GET /é# HTTP/1.1", "GET /é\" HTTP/1.1", "GET /é\u{7F} HTTP/1.1", "GET /é\u{0} HTTP/1.1",
      "GET /?é# HTTP/1.1",
      "GET é HTTP/1.1", "GET http://é/ HTTP/1.1", "OPTIONS *é HTTP/1.1", "CONNECT é:80 HTTP/1.1", "GET /é",
    ])
  func whatIsNoTargetWithEscapesEither(line: String) {
    #expect(RequestParser.parse(Array("\(line)\r\nHost: a\r\n\r\n".utf8)).rejection == .badRequest)
  }
}
