import HTTP
import TestSupport
import Testing

@Suite struct BodyDrainTests {
  typealias Progress = BodyDrain.Progress

  /// Feeds the pieces one after the other; `consumed` counts from the beginning of the first one.
  static func drain(_ drain: BodyDrain, _ pieces: [ArraySlice<UInt8>]) -> Progress {
    var drain = drain
    var consumed = 0
    for piece in pieces {
      switch drain.consume(piece.span) {
      case .needMore: consumed += piece.count
      case .finished(let last): return .finished(consumed: consumed + last)
      case .malformed: return .malformed
      case .tooLarge: return .tooLarge
      }
    }
    return .needMore
  }

  /// What comes of `octets`, after it has been seen that no way to cut them makes a difference.
  static func result(_ start: BodyDrain, _ octets: [UInt8]) -> Progress {
    let atOnce = drain(start, [octets[...]])
    #expect(drain(start, [[]] + octets.indices.map { octets[$0...$0] }) == atOnce)
    for split in octets.indices {
      let pieces = [octets[..<split], [], octets[split...]]
      if drain(start, pieces) != atOnce { Issue.record("cut at \(split): \(octets)") }
    }
    return atOnce
  }

  static func chunked(_ text: String, limit: Int64 = 1_000_000) -> Progress {
    result(BodyDrain(chunkedWithLimit: limit), text.octets)
  }

  @Test(
    arguments: [
      ("", 0, 10, .finished(consumed: 0)),
      ("GET / HTTP/1.1", 0, 0, .finished(consumed: 0)),
      ("hello", 5, 5, .finished(consumed: 5)),
      ("helloGET / HTTP/1.1", 5, 10, .finished(consumed: 5)),
      ("hell", 5, 10, .needMore),
      ("", 5, 10, .needMore),
      ("hello", 6, 5, .tooLarge),
      ("", 6, 5, .tooLarge),
      ("", 1, 0, .tooLarge),
      ("hello", Int64.max, Int64.max, .needMore),
      ("0\r\n\r\n", 5, 10, .finished(consumed: 5)),
    ] as [(Wire, Int64, Int64, Progress)])
  func contentLength(text: Wire, length: Int64, limit: Int64, progress: Progress) {
    #expect(Self.result(BodyDrain(length: length, limit: limit), text.text.octets) == progress)
  }

  static let last = "0\r\n\r\n"

  @Test(
    arguments: [
      "0\r\n\r\n", "000\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
      "00000000000000000000000000000005\r\nhello\r\n\(last)", "a\r\n0123456789\r\n\(last)",
      "A\r\n0123456789\r\n\(last)",
      "1a\r\n01234567890123456789012345\r\n\(last)",
      // Payload that looks like framing.
      "5\r\n0\r\n\r\n\r\n\(last)", "2\r\n\r\n\r\n\(last)", "7\r\n\r\n0\r\n\r\n\r\n\(last)",
      // Extensions.
      "5;a\r\nhello\r\n\(last)", "5;a=b;c=\"d e\"\r\nhello\r\n\(last)",
      "5 \t;\ta = b\r\nhello\r\n0;x\r\n\r\n",
      // Trailers.
      "0\r\nA: b\r\n\r\n", "0\r\nA:\r\nX-Check_Sum: 1:2 \t \r\n\r\n",
      "5\r\nhello\r\n0;x=y\r\nContent-Length: 7\r\n\r\n",
    ] as [Wire])
  func chunkedBodyEndsAfterItsLastByte(body: Wire) {
    let body = body.text
    let length = body.utf8.count
    #expect(Self.chunked(body) == .finished(consumed: length))
    #expect(Self.chunked(body + "GET / HTTP/1.1\r\n\r\n") == .finished(consumed: length))
    #expect(Self.chunked(body + body) == .finished(consumed: length))
    for prefix in 0..<length {
      let start = Array(body.octets[..<prefix])
      #expect(Self.result(BodyDrain(chunkedWithLimit: 1_000_000), start) == .needMore)
    }
    // The limit counts every byte of it.
    #expect(Self.chunked(body, limit: Int64(length)) == .finished(consumed: length))
    #expect(Self.chunked(body, limit: Int64(length - 1)) == .tooLarge)
  }

  @Test(
    arguments: [
      // Sizes.
      "\r\n", "g\r\n", "-1\r\n", "+1\r\n", "0x5\r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n", ";a\r\n",
      "5 \r\nhello\r\n",
      "5\t\r\n", "5 5\r\n", "5,\r\n", "5\u{0}\r\n", "5h\r\n", "１\r\n", "0 \r\n\r\n",
      "8000000000000000\r\n", "ffffffffffffffff\r\n", "10000000000000000\r\n",
      "100000000000000000000000000000005\r\n",
      "fffffffffffffffffffffffffffffffb\r\n",
      // Line ends.
      "5\nhello\n0\n\n", "5\rhello", "5\r\rhello", "5\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello0\r\n\r\n",
      "5\r\nhello!\r\n", "5\r\nhello\r0\r\n", "5\r\nhello\r\r\n", "5\r\nhello\r\n\r\n", "0\r\n\n",
      "0\r\n\r\r\n", "0\r\nGET",
      "0\n\r\n", "0\r\n\rG",
      // Extensions with line ends and other control characters in them.
      "5;a\nhello\r\n", "5;\n", "5;a\rb\r\n", "5;a\r\rhello", "5;a\u{0}\r\n", "5;\u{7F}\r\n",
      "5;a=\"\n\"\r\n", "5 a\r\n",
      "2;\nxx\r\n4c\r\n0\r\n\r\n",
      // Trailers that aren't.
      "0\r\nGET / HTTP/1.1\r\n\r\n", "0\r\n: a\r\n\r\n", "0\r\nA\r\n\r\n", "0\r\nA : b\r\n\r\n",
      "0\r\nA: b\n\r\n",
      "0\r\nA: b\r\r\n", "0\r\nA: b\rc\r\n\r\n", "0\r\nA: b\r\n c\r\n\r\n", "0\r\n A: b\r\n\r\n",
      "0\r\nA: \u{0}\r\n\r\n",
      "0\r\nÄ: b\r\n\r\n", "0\r\nA: b\r\n\nC: d\r\n\r\n", "0\r\nA(: b\r\n\r\n",
    ] as [Wire])
  func brokenChunksAreRefused(body: Wire) {
    #expect(Self.chunked(body.text + "GET / HTTP/1.1\r\n\r\n") == .malformed)
  }

  /// RFC 9112 §7.1.1: `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
  @Test(
    arguments: [
      ("nameOnly", "2;a", true), ("value", "2;a=b", true), ("quotedValue", "2;a=\"b c\"", true),
      ("emptyQuotes", "2;a=\"\"", true), ("several", "2;a;b=c;d=\"e\";f", true),
      ("everyTokenCharacter", "2;!#$%&'*+-.^_`|~09AZaz=!#$%&'*+-.^_`|~09AZaz", true),
      ("semicolonInQuotes", "2;a=\";\"", true), ("equalsInQuotes", "2;a=\"b=c\"", true),
      ("tabInQuotes", "2;a=\"\t\"", true), ("beyondASCIIInQuotes", "2;a=\"é\"", true),
      ("escapedQuote", "2;a=\"\\\"\"", true), ("escapedBackslash", "2;a=\"\\\\\"", true),
      ("spaceBeforeSemicolon", "2 \t;a", true), ("spaceAfterSemicolon", "2; \ta", true),
      ("spaceBeforeEquals", "2;a \t=b", true), ("spaceAfterEquals", "2;a= \tb", true),
      ("spaceBeforeQuotes", "2;a = \"b\"", true),
      ("spaceBetween", "2;a ;b=c ; d=\"e\" ;f", true),

      ("noName", "2;", false), ("spaceForName", "2; ", false), ("tabForName", "2;\t", false),
      ("noNameBeforeValue", "2;=x", false), ("noNameBeforeQuotes", "2;=\"x\"", false),
      ("quotesForName", "2;\"a\"", false), ("twoSemicolons", "2;;a", false),
      ("semicolonAtTheEnd", "2;a;", false), ("semicolonAfterValue", "2;a=b;", false),
      ("semicolonAfterQuotes", "2;a=\"b\"; ", false), ("spaceInName", "2;a b", false),
      ("noTokenForName", "2;a/b", false), ("beyondASCIIInName", "2;é", false),
      ("noValue", "2;a=", false), ("spaceForValue", "2;a= ", false), ("noValueBeforeNext", "2;a=;b", false),
      ("twoEquals", "2;a==b", false), ("twoValues", "2;a=b=c", false), ("spaceInValue", "2;a=b c", false),
      ("noTokenForValue", "2;a=b/c", false), ("beyondASCIIInValue", "2;a=é", false),
      ("quotesInsideValue", "2;a=b\"c\"", false), ("textAfterQuotes", "2;a=\"b\"c", false),
      ("quotesAfterQuotes", "2;a=\"b\"\"c\"", false), ("equalsAfterQuotes", "2;a=\"b\"=c", false),
      ("quotesThatDoNotEnd", "2;a=\"b", false), ("escapeThatDoesNotEnd", "2;a=\"b\\", false),
      ("escapedEndOfQuotes", "2;a=\"b\\\"", false), ("singleQuoteCharacter", "2;a=\"", false),
      ("spaceAfterLastName", "2;a ", false), ("spaceAfterLastValue", "2;a=b\t", false),
      ("spaceAfterLastQuotes", "2;a=\"b\" ", false), ("deleteInQuotes", "2;a=\"\u{7F}\"", false),
      ("lineFeedInQuotes", "2;a=\"\n\"", false), ("escapedLineFeed", "2;a=\"\\\n\"", false),
    ] as [(String, Wire, Bool)])
  func chunkExtensions(name: String, line: Wire, isValid: Bool) {
    let (first, last) = ("\(line.text)\r\nhi\r\n0\r\n\r\n", "2\r\nhi\r\n0\(line.text.dropFirst())\r\n\r\n")
    for body in [first, last] {
      #expect(
        Self.chunked(body + "GET / HTTP/1.1\r\n\r\n")
          == (isValid ? .finished(consumed: body.utf8.count) : .malformed))
    }
  }

  @Test func linesHaveALimit() {
    let most = BodyDrain.maximumLineLength
    let drain = BodyDrain(chunkedWithLimit: 1_000_000)
    for (before, start, end) in [
      ("", "0", "\r\n"), ("", "0;", "\r\n"), ("1\r\n!\r\n", "0 ;", "\r\n"), ("0\r\n", "A:", "\r\n"),
      ("0\r\nA: b\r\n", "B", ":\r\n"),
    ] {
      func body(lineLength: Int) -> [UInt8] {
        let zeros = String(repeating: "0", count: lineLength - start.utf8.count - end.utf8.count)
        return (before + start + zeros + end + "\r\n").octets
      }
      let fits = body(lineLength: most)
      #expect(Self.drain(drain, [fits[...]]) == .finished(consumed: fits.count))
      let isLonger = body(lineLength: most + 1)
      #expect(Self.drain(drain, [isLonger[...]]) == .malformed)
      #expect(Self.drain(drain, isLonger.indices.map { isLonger[$0...$0] }) == .malformed)
    }
  }

  @Test func chunksDoNotAddUpToALine() {
    let body = String(repeating: "1;x\r\n!\r\n", count: 5_000) + Self.last
    let octets = body.octets
    let drain = BodyDrain(chunkedWithLimit: 1_000_000)
    #expect(Self.drain(drain, [octets[...]]) == .finished(consumed: octets.count))
    #expect(Self.drain(drain, octets.indices.map { octets[$0...$0] }) == .finished(consumed: octets.count))
  }

  @Test(
    arguments: [
      ("7fffffffffffffff\r\n", 1_000, .tooLarge),
      ("7fffffffffffffff\r\n", Int64.max, .tooLarge),
      ("3e8\r\n", 1_005, .needMore),
      ("3e8\r\n", 1_004, .tooLarge),
      ("5\r\nhello\r\n5\r\n", 18, .needMore),
      ("5\r\nhello\r\n5\r\n", 17, .tooLarge),
      ("5\r", 2, .needMore),
      ("5\r\n", 2, .tooLarge),
      ("", 0, .needMore),
      ("0", 0, .tooLarge),
      ("0\r\nA: bcdefghijkl\r\n\r\n", 12, .tooLarge),
    ] as [(Wire, Int64, Progress)])
  func limitIsKept(body: Wire, limit: Int64, progress: Progress) {
    #expect(Self.chunked(body.text, limit: limit) == progress)
  }

  @Test func theEndIsTheEnd() {
    for (drain, body, expected) in [
      (BodyDrain(length: 2, limit: 2), "ab", Progress.finished(consumed: 0)),
      (BodyDrain(chunkedWithLimit: 10), "0\r\n\r\n", .finished(consumed: 0)),
      (BodyDrain(chunkedWithLimit: 10), "x", .malformed),
      (BodyDrain(chunkedWithLimit: 10), "ff\r\n", .tooLarge),
      (BodyDrain(length: 11, limit: 10), "", .tooLarge),
    ] {
      var drain = drain
      _ = drain.consume(body.octets.span)
      for more in ["0\r\n\r\n", "", "abc"] {
        let progress = drain.consume(more.octets.span)
        #expect(progress == expected)
      }
    }
  }

  @Test func noMutationMakesTheCutsMatter() {
    var numbers = RepeatableNumbers(state: 1)
    let alphabet = "0159afF;= \t\r\n:A\u{0}\u{7F}".octets
    var finished = 0
    for _ in 0..<4_000 {
      var body = "5;a=b\r\nhello\r\n2 ;x\r\n\r\n\r\n0\r\nA: b\r\n\r\n".octets
      for _ in 0..<Int.random(in: 1...2, using: &numbers) {
        let index = Int.random(in: body.indices, using: &numbers)
        body[index] = alphabet.randomElement(using: &numbers) ?? 0
      }
      if case .finished = Self.result(BodyDrain(chunkedWithLimit: 60), body) { finished += 1 }
    }
    // Payload and names may change without harm, so that some of them must have come through, and not all.
    #expect(finished > 100 && finished < 3_000)
  }
}
