import HTTP
import Testing

/// What RFC 9112 calls invalid, and what has been used to smuggle requests past servers that forgave it.
@Suite struct RequestParserHostileTests {
  static func rejection(_ octets: some Sequence<UInt8>) -> Status? { RequestParser.parse(octets).rejection }

  // MARK: The request line

  @Test(
    arguments: [
      // Line ends and empty lines.
      "\nGET / HTTP/1.1\r\n", "\r\n\r\nGET / HTTP/1.1\r\n", "\r\rGET / HTTP/1.1\r\n", "\rGET / HTTP/1.1\r\n",
      "GET / HTTP/1.1\n", "GET / HTTP/1.1\rHost: b\r\n", "GET / HTTP/1.1\r\r\n", "GET /\r\n", "GET /\n",
      "GET\r\n", "\r\n\n",
      // Spaces.
      " GET / HTTP/1.1\r\n", "\tGET / HTTP/1.1\r\n", "GET  / HTTP/1.1\r\n", "GET /  HTTP/1.1\r\n",
      "GET\t/ HTTP/1.1\r\n", "GET /\tHTTP/1.1\r\n", "GET / HTTP/1.1 \r\n", "GET / HTTP/1.1\t\r\n",
      "GET / \tHTTP/1.1\r\n", "GET /a b HTTP/1.1\r\n", "GET / HTTP/1.1 HTTP/1.1\r\n",
      "GET\u{B}/ HTTP/1.1\r\n",
      // Methods.
      "/ HTTP/1.1\r\n", ": / HTTP/1.1\r\n", "G(T / HTTP/1.1\r\n", "GET: / HTTP/1.1\r\n",
      "G\u{0}T / HTTP/1.1\r\n",
      "GÉT / HTTP/1.1\r\n", "\"GET\" / HTTP/1.1\r\n", "{} / HTTP/1.1\r\n", "G@T / HTTP/1.1\r\n",
      // Targets.
      "GET HTTP/1.1\r\n", "GET  HTTP/1.1\r\n", "GET a HTTP/1.1\r\n", "GET ? HTTP/1.1\r\n",
      "GET /# HTTP/1.1\r\n",
      "GET /a#b HTTP/1.1\r\n", "GET /?a#b HTTP/1.1\r\n", "GET /\" HTTP/1.1\r\n", "GET /<a> HTTP/1.1\r\n",
      "GET /\u{0} HTTP/1.1\r\n", "GET /\u{7F} HTTP/1.1\r\n",
      "GET \\ HTTP/1.1\r\n", "GET * HTTP/1.1\r\n", "HEAD * HTTP/1.1\r\n", "OPTIONS *a HTTP/1.1\r\n",
      "OPTIONS ** HTTP/1.1\r\n", "OPTIONS */ HTTP/1.1\r\n", "OPTIONS *? HTTP/1.1\r\n",
      // Authority form, for what is not CONNECT.
      "GET a:80 HTTP/1.1\r\n", "GET 127.0.0.1 HTTP/1.1\r\n", "OPTIONS a:80 HTTP/1.1\r\n",
      "X a:80 HTTP/1.1\r\n",
      "CONNECT a@b:80 HTTP/1.1\r\n", "CONNECT a\u{0} HTTP/1.1\r\n",
      // Absolute form.
      "GET http:// HTTP/1.1\r\n", "GET http:/// HTTP/1.1\r\n", "GET http:/a HTTP/1.1\r\n",
      "GET http:a HTTP/1.1\r\n",
      "GET http://:80/ HTTP/1.1\r\n", "GET http://[::1/ HTTP/1.1\r\n", "GET http://::1/ HTTP/1.1\r\n",
      "GET http://a:80:80/ HTTP/1.1\r\n", "GET http://a:b/ HTTP/1.1\r\n", "GET http://]/ HTTP/1.1\r\n",
      "GET http://[::1]x/ HTTP/1.1\r\n", "GET http://[::1]:80x/ HTTP/1.1\r\n", "GET http://x%/ HTTP/1.1\r\n",
      "GET http://a:-1/ HTTP/1.1\r\n", "GET http://[]/ HTTP/1.1\r\n",
      "GET http://?a HTTP/1.1\r\n", "GET http://u@a/ HTTP/1.1\r\n", "GET http://u:p@a/ HTTP/1.1\r\n",
      "GET ftp://a/ HTTP/1.1\r\n", "GET httpx://a/ HTTP/1.1\r\n", "GET file:///etc/passwd HTTP/1.1\r\n",
      "GET ://a/ HTTP/1.1\r\n", "GET http://a#b HTTP/1.1\r\n", "GET http://a\\b/ HTTP/1.1\r\n",
      "GET http://é/ HTTP/1.1\r\n", "GET http://a b/ HTTP/1.1\r\n", "GET http:\\\\a\\ HTTP/1.1\r\n",
      // Versions.
      "GET / http/1.1\r\n", "GET / Http/1.1\r\n", "GET / HTTP/1.15\r\n", "GET / HTTP/11.1\r\n",
      "GET / HTTP/1.\r\n",
      "GET / HTTP/.1\r\n", "GET / HTTP/1\r\n\r\n", "GET / HTTP/11\r\n", "GET / HTTP/1,1\r\n",
      "GET / HTTP /1.1\r\n",
      "GET / HTTP/ 1.1\r\n", "GET / HTTP/1. 1\r\n", "GET / HTTP/1.x\r\n", "GET / HTTP/x.1\r\n",
      "GET / HTTP/-1.1\r\n",
      "GET / HTTP1.1\r\n", "GET / HTTPS/1.1\r\n", "GET / ICY/1.1\r\n", "GET / \r\n", "GET / HTTP/1.1a\r\n",
      "GET / HTTP/1.\u{661}\r\n", "GET / HTTP/1.1\u{0}\r\n",
      // Other protocols.
      "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}", "SSH-2.0-OpenSSH_9.2\r\n", "\u{0}\u{0}\u{0}\u{0}",
    ] as [Wire])
  func brokenRequestLines(line: Wire) {
    #expect(Self.rejection("\(line.text)Host: a\r\n\r\n".octets) == .badRequest)
  }

  @Test(arguments: ["2.0", "0.9", "0.0", "3.0", "9.9", "2.1"])
  func otherMajorVersions(version: String) {
    #expect(Self.rejection("GET / HTTP/\(version)\r\nHost: a\r\n\r\n".octets) == .httpVersionNotSupported)
  }

  /// The preface of HTTP/2: RFC 9113 §3.4.
  @Test func http2WithPriorKnowledge() {
    #expect(Self.rejection("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".octets) == .badRequest)
  }

  /// One byte of each part replaced by every other byte, against what the grammar says of it.
  @Test(
    arguments: [
      ("GET", "ET / HTTP/1.1\r\nHost: a\r\n\r\n", "!#$%&'*+-.^_`|~"),
      // Space ends the target, `?` begins the query.
      ("GET /", "a HTTP/1.1\r\nHost: a\r\n\r\n", "!$%&'()*+,-./:;=?@[\\]^_`{|}~"),
      ("GET /?", "a HTTP/1.1\r\nHost: a\r\n\r\n", "!$%&'()*+,-./:;=?@[\\]^_`{|}~"),
      // A percent sign, a port and brackets want more than that.
      ("GET http://a", "b/ HTTP/1.1\r\nHost: a\r\n\r\n", "!$&'()*+,-./;=?_~"),
      ("GET / HTTP/1.1\r\nHost: a\r\nX", "X: a\r\n\r\n", "!#$%&'*+-.^_`|~:"),
      ("GET / HTTP/1.1\r\nHost: a", "b\r\n\r\n", "!$&'()*+,-.;=_~"),
    ] as [(Wire, Wire, String)])
  func everyByteInEveryPart(start: Wire, end: Wire, marks: String) {
    let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    var allowed = Set((marks + letters).utf8)
    // To be redirected.
    if start.text.hasPrefix("GET /") && !start.text.contains(" HTTP") { allowed.formUnion(0x80...0xFF) }
    for byte in 0...UInt8.max {
      let octets = start.text.octets + [byte] + end.text.octets
      let rejection = Self.rejection(octets)
      if rejection != (allowed.contains(byte) ? nil : .badRequest) {
        Issue.record("\(byte): \(String(describing: rejection))")
      }
    }
  }

  // MARK: Field lines

  @Test(
    arguments: [
      // Line ends.
      "A: b\nC: d\r\n", "A: b\n", "A: b\rC: d\r\n", "A: b\r\r\n", "A: \r b\r\n", "A: b\r\n\n",
      "A: b\r\n\rC: d\r\n",
      "A: b\n\n", "A: b\n\r\n", "\n",
      // Folding, and spaces about the name.
      "A: b\r\n c\r\n", "A: b\r\n\tc\r\n", "A: b\r\n \r\n", " A: b\r\n", "\tA: b\r\n", "A : b\r\n",
      "A\t: b\r\n",
      "A B: c\r\n", "Host : a\r\n", "Content-Length : 5\r\n", "Transfer-Encoding\t: chunked\r\n",
      // Names.
      ": b\r\n", ":\r\n", "A\r\n", "A b\r\n", "(A): b\r\n", "A,B: c\r\n", "A/B: c\r\n", "A@B: c\r\n",
      "[A]: b\r\n",
      "\"A\": b\r\n", "A{}: b\r\n", "Ä: b\r\n", "A\u{0}: b\r\n", "A\u{7F}: b\r\n", "A;: b\r\n", "A=: b\r\n",
      "<A>: b\r\n", "A?: b\r\n", "A\\: b\r\n",
      // Values.
      "A: \u{0}\r\n", "A: b\u{0}c\r\n", "A: \u{1}\r\n", "A: \u{8}\r\n", "A: \u{B}\r\n", "A: \u{C}\r\n",
      "A: \u{1B}[m\r\n", "A: \u{1F}\r\n", "A: \u{7F}\r\n", "Content-Length: 5\u{0}\r\n",
    ] as [Wire])
  func brokenFieldLines(lines: Wire) {
    #expect(Self.rejection("GET / HTTP/1.1\r\nHost: a\r\n\(lines.text)\r\n".octets) == .badRequest)
    #expect(Self.rejection("GET / HTTP/1.0\r\n\(lines.text)Host: a\r\n\r\n".octets) == .badRequest)
  }

  /// Values are scanned eight bytes at a time: every control character, at every place of a word.
  @Test func everyControlCharacterIsSeenWhereverItStands() {
    for filler in [UInt8](arrayLiteral: 0x20, 0x21, 0x7E, 0x80, 0xFF) {
      for place in 0..<17 {
        for byte in [UInt8](0...0x1F) + [0x7F] where byte != 0x09 {
          var octets = "GET / HTTP/1.1\r\nHost: a\r\nX: ".octets + [UInt8](repeating: filler, count: 17)
          octets += "\r\n\r\n".octets
          octets[octets.count - 21 + place] = byte
          if Self.rejection(octets) != .badRequest { Issue.record("\(byte) at \(place) among \(filler)") }
        }
      }
    }
  }

  @Test(
    arguments: [
      "", "A: b\r\n", "Hosts: a\r\n", "Hos: a\r\n", "X-Host: a\r\n",
      "Host: a\r\nHost: a\r\n", "Host: a\r\nA: b\r\nhost: b\r\n", "Host:\r\n", "Host: \t\r\n",
      "Host:\r\nHost: a\r\n",
      "Host: a b\r\n", "Host: a,b\tc\r\n", "Host: a/b\r\n", "Host: http://a\r\n", "Host: u@a\r\n",
      "Host: a?\r\n",
      "Host: a#\r\n", "Host: é\r\n", "Host: a\\b\r\n", "Host: \"a\"\r\n", "Host: <a>\r\n", "Host: a|b\r\n",
    ] as [Wire])
  func noHostOrTwoOrNone(lines: Wire) {
    #expect(Self.rejection("GET / HTTP/1.1\r\n\(lines.text)\r\n".octets) == .badRequest)
    #expect(Self.rejection("GET http://a/ HTTP/1.1\r\n\(lines.text)\r\n".octets) == .badRequest)
  }

  @Test func http10MayDoWithoutHostButNotHaveTwo() {
    #expect(Self.rejection("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n".octets) == .badRequest)
    #expect(Self.rejection("GET / HTTP/1.0\r\nHost:\r\n\r\n".octets) == .badRequest)
  }

  // MARK: Framing

  @Test(
    arguments: [
      // Content-Length: RFC 9112 §6.3.
      ("Content-Length:\r\n", .badRequest), ("Content-Length: \r\n", .badRequest),
      ("Content-Length: +5\r\n", .badRequest), ("Content-Length: -5\r\n", .badRequest),
      ("Content-Length: 5 5\r\n", .badRequest), ("Content-Length: 5, 5\r\n", .badRequest),
      ("Content-Length: 5,5\r\n", .badRequest), ("Content-Length: 5;\r\n", .badRequest),
      ("Content-Length: 0x5\r\n", .badRequest), ("Content-Length: 5.0\r\n", .badRequest),
      ("Content-Length: 1e1\r\n", .badRequest), ("Content-Length: 1_0\r\n", .badRequest),
      ("Content-Length: \"5\"\r\n", .badRequest), ("Content-Length: \u{665}\r\n", .badRequest),
      ("Content-Length: a\r\n", .badRequest), ("Content-Length: 5a\r\n", .badRequest),
      ("Content-Length: 5\r\nContent-Length: 6\r\n", .badRequest),
      ("Content-Length: 0\r\nContent-Length: 6\r\n", .badRequest),
      ("Content-Length: 6\r\nA: b\r\ncontent-length: 0\r\n", .badRequest),
      ("Content-Length: 5\r\nContent-Length:\r\n", .badRequest),
      ("Content-Length: 9223372036854775808\r\n", .contentTooLarge),
      ("Content-Length: 9223372036854775810\r\n", .contentTooLarge),
      ("Content-Length: 18446744073709551616\r\n", .contentTooLarge),
      ("Content-Length: 99999999999999999999999999999999\r\n", .contentTooLarge),
      ("Content-Length: 9223372036854775807a\r\n", .badRequest),
      // Transfer-Encoding: §6.1. What is no coding of ours is 501.
      ("Transfer-Encoding:\r\n", .badRequest), ("Transfer-Encoding: gzip\r\n", .notImplemented),
      ("Transfer-Encoding: gzip, chunked\r\n", .notImplemented),
      ("Transfer-Encoding: chunked, chunked\r\n", .notImplemented),
      ("Transfer-Encoding: chunked, gzip\r\n", .notImplemented),
      ("Transfer-Encoding: identity\r\n", .notImplemented),
      ("Transfer-Encoding: xchunked\r\n", .notImplemented),
      ("Transfer-Encoding: chunked;q=1\r\n", .notImplemented),
      ("Transfer-Encoding: ,chunked\r\n", .notImplemented),
      ("Transfer-Encoding: \"chunked\"\r\n", .notImplemented),
      ("Transfer-Encoding: chunked\u{0}\r\n", .badRequest),
      ("Transfer-Encoding: \u{B}chunked\r\n", .badRequest),
      ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", .badRequest),
      ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", .badRequest),
      ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", .notImplemented),
      // Both.
      ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", .badRequest),
      ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", .badRequest),
    ] as [(Wire, Status)])
  func framingThatCanBeReadInTwoWays(lines: Wire, status: Status) {
    for method in ["GET", "POST", "X"] {
      #expect(Self.rejection("\(method) / HTTP/1.1\r\nHost: a\r\n\(lines.text)\r\n".octets) == status)
    }
  }

  @Test func chunkedFromHTTP10() {
    let octets = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".octets
    #expect(Self.rejection(octets) == .badRequest)
  }

  // MARK: Bounds

  @Test func endlessRequestLines() {
    let limits = RequestParser.wide
    for start in ["G", "GET /", "GET /?", "GET http://", "OPTIONS ", "M", "\r\nGET /", "CONNECT a"] {
      let octets = start.octets + [UInt8](repeating: UInt8(ascii: "a"), count: limits.requestLine)
      #expect(Self.rejection(octets) == .uriTooLong)
    }
    for start in ["GET /", "GET /?", "GET http://", "CONNECT "] {
      let target = String(repeating: "a", count: limits.requestLine)
      #expect(Self.rejection("\(start)\(target) HTTP/1.1\r\nHost: a\r\n\r\n".octets) == .uriTooLong)
    }
  }

  @Test(arguments: ["X: ", "X", "X: y\r\nX: ", "Host: ", "Content-Length: "])
  func endlessFields(start: String) {
    let limits = RequestParser.wide
    let octets =
      "GET / HTTP/1.1\r\n\(start)".octets + [UInt8](repeating: UInt8(ascii: "1"), count: limits.head)
    #expect(RequestParser.parse(octets[..<(limits.head - 1)]).isIncomplete)
    #expect(RequestParser.parse(octets[..<limits.head]).rejection == .requestHeaderFieldsTooLarge)
    #expect(RequestParser.parse(octets).rejection == .requestHeaderFieldsTooLarge)
  }

  @Test func endlessManyFields() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\n".octets
    let octets = start + String(repeating: "a:\r\n", count: RequestParser.wide.fields).octets
    #expect(RequestParser.parse(octets).rejection == .requestHeaderFieldsTooLarge)
    #expect(RequestParser.parse(octets.dropLast(4)).isIncomplete)
  }

  // MARK: Host (RFC 9112 §3.2, RFC 3986 §3.2)

  @Test(arguments: [
    "a:bc", "a:1:2", "[::1", "]", "a]", "a%zz", "a%4", ":80", ":", "[]", "[::1]x", "[::1]:x",
    "www.example.com:80a",
    "localhost:12345678x", "1234567890:1:1",
  ])
  func hostsThatAreNone(host: String) {
    #expect(Self.rejection("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n".octets) == .badRequest)
  }

  @Test(arguments: [
    "a", "a:", "a:80", "127.0.0.1:18080", "www.example.com", "www.example.com:443", "[::1]", "[::1]:8443",
    "a%41b:1",
    "a_b", "x--y.example:65535", "localhost:12345678", "longer-than-eight.example:1234567",
  ])
  func hosts(host: String) {
    for space in ["", " ", "  ", "\t"] {
      let head = "GET / HTTP/1.1\r\nHost:\(space)\(host)\(space)\r\n\r\n"
      #expect(RequestParser.parse(head.octets).head?.count == head.utf8.count, "\(head.debugDescription)")
    }
  }

  // MARK: Every byte at every place

  /// RFC 9110 §5.5 and §5.6.2: names are tokens, values hold no control characters but tabs. Many are looked at together.
  @Test func everyByteInNamesAndValues() {
    let delimiters = "\"(),/:;<=>?@[\\]{}".octets
    for count in [1, 7, 8, 9, 15, 16, 17, 33] {
      for place in 0..<count {
        for byte in UInt8.min...UInt8.max {
          var octets = [UInt8](repeating: UInt8(ascii: "a"), count: count)
          octets[place] = byte
          let isToken = byte > 0x20 && byte < 0x7F && !delimiters.contains(byte)
          let name = "GET / HTTP/1.1\r\nHost: a\r\n".octets + octets + ": b\r\n\r\n".octets
          // A colon ends the name, and the rest is a value.
          let isName = isToken || byte == UInt8(ascii: ":") && place > 0
          if (Self.rejection(name) == nil) != isName { Issue.record("\(byte) at \(place) of \(count), name") }
          // A line end within is another line, which is malformed, or the end of the head.
          guard byte != 0x0D else { continue }
          let isText = byte >= 0x20 && byte != 0x7F || byte == 0x09
          let value = "GET / HTTP/1.1\r\nHost: a\r\nb: ".octets + octets + "\r\n\r\n".octets
          if (Self.rejection(value) == nil) != isText {
            Issue.record("\(byte) at \(place) of \(count), value")
          }
        }
      }
    }
  }
}
