// The tag of a file's state: what tells one content from another is found out by whoever reads the file; here it is a number.

/// An entity-tag (RFC 9110 §8.8.3): a number that stands for the state, and the size, in hexadecimal:
/// `"18a2f3c4d5e6f708-1000"`, or `W/"…"` where another content might get the same.
public struct EntityTag: Equatable, Sendable {
  private let state: UInt64
  private let size: UInt64
  /// Only good for weak comparison.
  public let isWeak: Bool

  /// The most bytes that `append(to:)` writes: the mark of weakness, two quotes, a hyphen, twice 16 digits.
  public static var maximumLength: Int { 37 }

  /// - Parameters:
  ///   - state: Differs where the content does.
  ///   - size: Bytes; 0 or more.
  ///   - isWeak: `state` may be the same though the content differs.
  public init(state: UInt64, size: Int64, isWeak: Bool = false) {
    self.state = state
    self.size = UInt64(bitPattern: size)
    self.isWeak = isWeak
  }

  /// Writes the tag with its quotes. Needs room for `maximumLength` bytes.
  public func append(to out: inout OutputSpan<UInt8>) {
    if isWeak { out.append("W/") }
    _ = forEachOctet { octet in
      out.append(octet)
      return true
    }
  }

  /// Whether `tag` is this tag and not a weak one: strong comparison (RFC 9110 §8.8.3.2).
  public func matchesStrongly(_ tag: Span<UInt8>) -> Bool {
    !isWeak && isOpaqueTag(tag)
  }

  /// Whether `tag` is this tag, be it marked as weak or not: weak comparison (RFC 9110 §8.8.3.2).
  public func matchesWeakly(_ tag: Span<UInt8>) -> Bool {
    isOpaqueTag(Self.isWeak(tag, at: 0) ? tag.extracting(droppingFirst: 2) : tag)
  }

  private func isOpaqueTag(_ text: Span<UInt8>) -> Bool {
    guard text.count == length else { return false }
    var index = 0
    return forEachOctet { octet in
      defer { index &+= 1 }
      return text[index] == octet
    }
  }

  /// The end of the entity-tag, weak or strong, that begins at `start`; `nil` where none does.
  static func end(in text: Span<UInt8>, from start: Int) -> Int? {
    var index = isWeak(text, at: start) ? start + 2 : start
    guard index < text.count, text[index] == quote else { return nil }
    index += 1
    while index < text.count, text[index] != quote {
      // etagc: visible ASCII but the quote, and every byte beyond ASCII. There is no escaping.
      guard text[index] > 0x20, text[index] != 0x7F else { return nil }
      index += 1
    }
    return index < text.count ? index + 1 : nil
  }

  private static var quote: UInt8 { UInt8(ascii: "\"") }

  /// The mark of weakness is `W/`, in upper case only.
  private static func isWeak(_ text: Span<UInt8>, at start: Int) -> Bool {
    text.count - start >= 2 && text[start] == UInt8(ascii: "W") && text[start + 1] == UInt8(ascii: "/")
  }

  // The tag exists nowhere as text: writing and comparing both go through it byte by byte.

  /// Calls `body` with each byte of the opaque tag until it returns false; whether it never did.
  @inline(__always)
  private func forEachOctet(_ body: (UInt8) -> Bool) -> Bool {
    func number(_ number: UInt64) -> Bool {
      var shift = UInt64(Self.digits(number) &* 4)
      while shift > 0 {
        shift &-= 4
        let digit = UInt8(truncatingIfNeeded: number >> shift) & 0xF
        guard body(digit < 10 ? 0x30 &+ digit : 0x61 &+ digit &- 10) else { return false }
      }
      return true
    }
    return body(Self.quote) && number(state) && body(UInt8(ascii: "-")) && number(size) && body(Self.quote)
  }

  private var length: Int { 3 + Self.digits(state) + Self.digits(size) }

  /// Hexadecimal digits without leading zeros; one for 0.
  private static func digits(_ number: UInt64) -> Int {
    max(1, (64 - number.leadingZeroBitCount + 3) / 4)
  }
}
