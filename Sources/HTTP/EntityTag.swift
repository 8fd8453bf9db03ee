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
    for index in 0..<length { out.append(octet(index)) }
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
    for index in 0..<text.count where text[index] != octet(index) { return false }
    return true
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

  // The tag exists nowhere as text: writing and comparing both ask for it byte by byte.

  private var length: Int { 3 + Self.digits(state) + Self.digits(size) }

  private func octet(_ index: Int) -> UInt8 {
    let hyphen = 1 + Self.digits(state)
    if index == 0 || index == length - 1 { return Self.quote }
    if index == hyphen { return UInt8(ascii: "-") }
    let (number, place) = index < hyphen ? (state, hyphen - 1 - index) : (size, length - 2 - index)
    let digit = UInt8(truncatingIfNeeded: number >> UInt64(place * 4)) & 0xF
    return digit < 10 ? 0x30 + digit : 0x61 + digit - 10
  }

  /// Hexadecimal digits without leading zeros; one for 0.
  private static func digits(_ number: UInt64) -> Int {
    max(1, (64 - number.leadingZeroBitCount + 3) / 4)
  }
}
