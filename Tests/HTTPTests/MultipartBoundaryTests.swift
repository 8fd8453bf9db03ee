import Testing

@testable import HTTP

/// RFC 9110 §14.6 and RFC 2046 §5.1.1.
@Suite struct MultipartBoundaryTests {
  static let boundary = MultipartBoundary(0x0123_4567_89AB_CDEF, 0xF)
  static let digits = "0123456789abcdef000000000000000f"

  @Test func aPart() {
    let part = text(capacity: 200) { out in
      let type = "Content-Type: a/b\r\nContent-Encoding: br\r\n".octets
      Self.boundary.appendPartHead(
        ByteRange(lowerBound: 5, count: 10), ofSize: 100, type: type.span, to: &out)
    }
    #expect(
      part == """
        \r
        --\(Self.digits)\r
        Content-Type: a/b\r
        Content-Encoding: br\r
        Content-Range: bytes 5-14/100\r
        \r

        """)
  }

  @Test func theEnd() {
    #expect(text(capacity: 40) { Self.boundary.appendEnd(to: &$0) } == "\r\n--\(Self.digits)--\r\n")
  }

  /// The type stands in the parts; the head has its own, and no Content-Range (RFC 9110 §15.3.7.2).
  @Test func aHead() {
    var head = ResponseHead(.partialContent)
    head.boundary = Self.boundary
    head.contentLength = 5
    #expect(
      ResponseHeadTests.encoded(head) == """
        HTTP/1.1 206 Partial Content\r
        \(ResponseHeadTests.start)\
        Content-Type: multipart/byteranges; boundary=\(Self.digits)\r
        Content-Length: 5\r
        \r

        """)
  }

  /// RFC 2046 §5.1.1: at most 70 characters, here of those that need no quotes (RFC 9110 §5.6.2).
  @Test(arguments: [0, 1, .max, 0x9876_5432_10FE_DCBA] as [UInt64])
  func anyNumber(word: UInt64) {
    let end = text(capacity: 40) { MultipartBoundary(word, ~word).appendEnd(to: &$0) }
    let digits = end.drop { $0 != "-" }.dropFirst(2).prefix { $0 != "-" }
    #expect(digits.count == 32 && digits.allSatisfy(\.isHexDigit))
    #expect(UInt64(digits.prefix(16), radix: 16) == word && UInt64(digits.suffix(16), radix: 16) == ~word)
  }
}
