// Several parts of a file in one response: multipart/byteranges (RFC 9110 §14.6, RFC 2046 §5.1).

/// What stands between the parts of one response. It must not occur in them: so it is a number that nobody can foretell, and
/// each response has its own.
public struct MultipartBoundary: Sendable {
  private let high: UInt64
  private let low: UInt64

  /// Takes 128 random bits.
  public init(_ high: UInt64, _ low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Appends what begins a part: the delimiter, and the part's head with its empty line. `type` are the lines that say what the
  /// file is, each with its end: the part has them in the response's place, which is a multipart (RFC 9110 §15.3.7.2).
  ///
  /// The line's end before the delimiter is the delimiter's own, before the first one, too: some clients (zsync) wait for it.
  public func appendPartHead(
    _ part: ByteRange, ofSize size: Int64, type: Span<UInt8>, to out: inout OutputSpan<UInt8>
  ) {
    out.append("\r\n--")
    appendNumber(to: &out)
    out.append("\r\n")
    out.append(copying: type)
    out.appendContentRange(part, of: size)
    out.append("\r\n")
  }

  /// Appends what ends the last part.
  public func appendEnd(to out: inout OutputSpan<UInt8>) {
    out.append("\r\n--")
    appendNumber(to: &out)
    out.append("--\r\n")
  }

  /// Appends the response's Content-Type.
  func appendType(to out: inout OutputSpan<UInt8>) {
    out.append("Content-Type: multipart/byteranges; boundary=")
    appendNumber(to: &out)
    out.append("\r\n")
  }

  /// 32 hexadecimal digits.
  private func appendNumber(to out: inout OutputSpan<UInt8>) {
    append(high, to: &out)
    append(low, to: &out)
  }

  private func append(_ word: UInt64, to out: inout OutputSpan<UInt8>) {
    for shift in stride(from: 60, through: 0, by: -4) {
      let digit = UInt8(truncatingIfNeeded: word >> UInt64(shift)) & 0xF
      out.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit)
    }
  }
}
