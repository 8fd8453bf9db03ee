import HTTP
import TestSupport
import Testing

/// What holds for any bytes whatever, tried on heads with mistakes in them and on noise. The same bytes in each
/// run: a failure comes again, and its bytes are in the log.
@Suite struct RequestParserFuzzTests {
  static let rounds = 30_000

  /// Small bounds, so that they are met.
  static let narrow = RequestParser.Limits(requestLine: 40, head: 120, fields: 5)

  static let seeds = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nHEAD /a/b%20c?d=e HTTP/1.0\r\nConnection: keep-alive, close\r\nA:\r\n\r\n",
    "POST http://a:80/b HTTP/1.1\r\nHost: a:80\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\n",
    "CONNECT a:443 HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nIf-Match: \"x\"\r\n\r\n",
  ].map(\.octets)

  /// Bytes that mean something somewhere in a head, for three quarters of the changes.
  static let meaningful = "\r\n\r\n \t:/?*#@%,.19GH\u{0}\u{7F}é".octets

  /// What must be true of an outcome, whatever the bytes; nil if it is.
  static func fault(
    _ octets: [UInt8], _ outcome: RequestParser.Parsed, cut: Int, rest: [UInt8],
    _ limits: RequestParser.Limits
  ) -> String? {
    let longer = RequestParser.parse(octets + rest, limits)
    let shorter = RequestParser.parse(octets[..<cut], limits)
    switch outcome {
    case .incomplete:
      if octets.count >= limits.head { return "incomplete beyond the bound" }
      return shorter.isIncomplete ? nil : "incomplete, but a part of it is not"
    case .rejected:
      return longer.rejection != nil ? nil : "more bytes make it good"
    case .complete(let head):
      if let fault = fault(octets, head) { return fault }
      guard let again = longer.head, isSame(head, again) else { return "more bytes make a difference" }
      if cut < head.count { return shorter.isIncomplete ? nil : "a part of it is not incomplete" }
      guard let again = shorter.head, isSame(head, again) else { return "fewer bytes make a difference" }
      return nil
    }
  }

  /// What must be true of a head.
  static func fault(_ octets: [UInt8], _ head: RequestHead) -> String? {
    guard head.count >= 4, head.count <= octets.count else { return "count" }
    let bytes = octets[..<head.count]
    guard bytes.suffix(4) == [0x0D, 0x0A, 0x0D, 0x0A] else { return "end" }
    for (index, byte) in bytes.enumerated() {
      let before = index > 0 ? bytes[index - 1] : 0
      if (byte == 0x0A) != (before == 0x0D) { return "CR or LF alone" }
      if byte < 0x20 && ![0x09, 0x0A, 0x0D].contains(byte) || byte == 0x7F { return "control character" }
      if index >= 3, index < head.count - 1, bytes[(index - 3)...index] == [0x0D, 0x0A, 0x0D, 0x0A] {
        return "empty line within"
      }
    }
    let (path, query, fields) = (head.path.range, head.query.range, head.fields.range)
    guard path.upperBound <= head.count - 4 else { return "path's end" }
    if !fields.isEmpty {
      // Whole lines, but for the last one's end.
      guard fields.lowerBound > path.upperBound, fields.upperBound <= head.count - 4,
        bytes[fields.lowerBound - 1] == 0x0A, bytes[fields.upperBound] == 0x0D
      else { return "fields" }
    }
    if !path.isEmpty && bytes[path.lowerBound] != UInt8(ascii: "/") { return "path" }
    if head.pathIsLiteral && bytes[path].contains(UInt8(ascii: "%")) { return "literal" }
    if !query.isEmpty && (query.lowerBound != path.upperBound || query.upperBound > head.count - 4) {
      return "query"
    }
    if case .length(let length) = head.content, length < 1 { return "content" }
    if head.isForServer && head.method != .options { return "asterisk" }
    return nil
  }

  static func isSame(_ head: RequestHead, _ other: RequestHead) -> Bool {
    head.method == other.method && head.path == other.path && head.query == other.query
      && head.pathIsLiteral == other.pathIsLiteral && head.isForServer == other.isForServer
      && head.isHTTP10 == other.isHTTP10 && head.keepsAlive == other.keepsAlive
      && head.expectsContinue == other.expectsContinue && head.expectationFails == other.expectationFails
      && head.isConditional == other.isConditional && head.hasRange == other.hasRange
      && head.content == other.content && head.fields == other.fields && head.count == other.count
  }

  /// Changes, removes, repeats or adds a few bytes, or cuts the end off.
  static func mutate(_ octets: inout [UInt8], _ numbers: inout RepeatableNumbers) {
    for _ in 0..<Int.random(in: 1...3, using: &numbers) {
      guard !octets.isEmpty else { return }
      let index = Int(numbers.next() % UInt64(octets.count))
      let random = numbers.next()
      let byte =
        random & 3 == 0
        ? UInt8(truncatingIfNeeded: random >> 8) : meaningful[Int(random >> 8) % meaningful.count]
      switch Int(random >> 59) % 6 {
      case 0: octets[index] = byte
      case 1: octets.insert(byte, at: index)
      case 2: octets.remove(at: index)
      case 3: octets.removeSubrange(index...)
      default:
        let end = min(octets.count, index + Int(random >> 32 & 31))
        octets.insert(contentsOf: octets[index..<end], at: Int(random >> 40) % (octets.count + 1))
      }
    }
  }

  @Test(arguments: seeds.indices)
  func mistakesInHeads(seed: Int) {
    var numbers = RepeatableNumbers(state: UInt64(seed) + 1)
    var (complete, incomplete, rejected) = (0, 0, 0)
    for round in 0..<Self.rounds {
      var octets = Self.seeds[seed]
      Self.mutate(&octets, &numbers)
      let limits = round % 4 == 0 ? Self.narrow : RequestParser.wide
      let cut = Int(numbers.next() % UInt64(octets.count + 1))
      let rest = Self.meaningful[Int(numbers.next() % UInt64(Self.meaningful.count))]
      let outcome = RequestParser.parse(octets, limits)
      switch outcome {
      case .complete: complete += 1
      case .incomplete: incomplete += 1
      case .rejected: rejected += 1
      }
      if let fault = Self.fault(octets, outcome, cut: cut, rest: [rest], limits) {
        Issue.record("\(fault): \(String(decoding: octets, as: UTF8.self).debugDescription)")
        return
      }
    }
    // Each outcome came often enough to have been tried.
    for count in [complete, incomplete, rejected] { #expect(count > Self.rounds / 100) }
  }

  @Test
  func noise() {
    var numbers = RepeatableNumbers(state: 99)
    for round in 0..<Self.rounds {
      let octets = (0..<Int(numbers.next() & 63)).map { _ in
        let random = numbers.next()
        // Half of it is what heads are made of.
        return round % 2 == 0
          ? UInt8(truncatingIfNeeded: random) : Self.meaningful[Int(random >> 8) % Self.meaningful.count]
      }
      let cut = Int(numbers.next() % UInt64(octets.count + 1))
      let outcome = RequestParser.parse(octets, Self.narrow)
      if let fault = Self.fault(octets, outcome, cut: cut, rest: octets, Self.narrow) {
        Issue.record("\(fault): \(octets)")
        return
      }
    }
  }

  /// Half of one head and half of another.
  @Test
  func spliced() {
    var numbers = RepeatableNumbers(state: 7)
    for _ in 0..<Self.rounds {
      let first = Self.seeds[Int(numbers.next() % UInt64(Self.seeds.count))]
      let second = Self.seeds[Int(numbers.next() % UInt64(Self.seeds.count))]
      let octets =
        first.prefix(Int(numbers.next() % UInt64(first.count)))
        + second.dropFirst(Int(numbers.next() % UInt64(second.count)))
      let cut = Int(numbers.next() % UInt64(octets.count + 1))
      let outcome = RequestParser.parse(octets)
      if let fault = Self.fault(Array(octets), outcome, cut: cut, rest: second, RequestParser.wide) {
        Issue.record("\(fault): \(String(decoding: octets, as: UTF8.self).debugDescription)")
        return
      }
    }
  }

  /// Lines of browsers, of which many are passed over at once, and all that the parser looks at.
  static let lines =
    [
      "Host: a", "Range: bytes=0-1", "eXPECt: 100-continue", "Origin: https://a", "if-match: \"x\"",
      "If-Range: \"x\"", "Connection: close", "If-None-Match: *", "Authorization: Basic YTpi",
      "Content-Length: 7", "Accept-Encoding: br", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
      "Transfer-Encoding: chunked",
      "IF-UNMODIFIED-SINCE: Sun, 06 Nov 1994 08:49:37 GMT", "Accept: text/html,*/*;q=0.8", "Cookie: a=b",
      "Accept-Language: en-US,en;q=0.9", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
      "Upgrade-Insecure-Requests: 1", "Sec-Fetch-Site: same-origin", "A: ", "B: \u{E9}", "C_D: e",
    ] + [15, 16, 17, 31, 32, 33, 34].map { String(repeating: "n", count: $0) + ": value of some length" }

  /// Nothing depends on whether a line is passed over at once, which one with a tab is not.
  @Test func passedOverOrLookedAt() {
    var numbers = RepeatableNumbers(state: 3)
    var complete = 0
    for round in 0..<Self.rounds {
      let fields = (0...Int(numbers.next() & 7)).map { _ in
        Self.lines[Int(numbers.next() % UInt64(Self.lines.count))] + "\r\n"
      }
      var octets = ("Host: a\r\n" + fields.joined() + "\r\n").octets
      if round % 2 == 0 { Self.mutate(&octets, &numbers) }
      var tabbed = octets
      for index in octets.indices.dropFirst()
      where octets[index] == UInt8(ascii: " ") && octets[index - 1] == UInt8(ascii: ":") {
        tabbed[index] = 0x09
      }
      let line = "GET / HTTP/1.1\r\n".octets
      let limits = round % 4 == 0 ? Self.narrow : RequestParser.wide
      let isSame =
        switch (RequestParser.parse(line + octets, limits), RequestParser.parse(line + tabbed, limits)) {
        case (.complete(let head), .complete(let other)): Self.isSame(head, other)
        case (.incomplete, .incomplete): true
        case (.rejected(let status), .rejected(let other)): status == other
        default: false
        }
      if RequestParser.parse(line + octets, limits).head != nil { complete += 1 }
      if !isSame {
        Issue.record("a tab changes it: \(String(decoding: octets, as: UTF8.self).debugDescription)")
        return
      }
    }
    #expect(complete > Self.rounds / 10)
  }
}
