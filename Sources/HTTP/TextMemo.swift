/// A short text that was seen last, to be told from others by a few loads: what most requests say in the same way.
public struct TextMemo: Sendable {
  private static let words = 8
  /// The longest text that is remembered, in bytes.
  public static var longest: Int { 8 * words }

  private var value = InlineArray<8, UInt64>(repeating: 0)
  /// Bytes of the text; 0 for none.
  public private(set) var count = 0

  /// None yet.
  public init() {}

  /// Remembers a text of `longest` bytes at most; of a longer one, nothing.
  public mutating func set(_ text: Span<UInt8>) {
    count = text.count <= Self.longest ? text.count : 0
    for index in 0..<Self.words where 8 * index < count { value[index] = Self.word(text, index) }
  }

  /// Whether it is the text that was seen last; none is empty. Mutating though it only reads: else the compiler (6.3) copies all words.
  @inline(__always)
  public mutating func matches(_ text: Span<UInt8>) -> Bool {
    guard text.count == count, count > 0 else { return false }
    guard count >= 8 else { return value[0] == Self.word(text, 0) }
    // No more than `longest` bytes are remembered.
    let words = value.span
    let whole = count / 8
    for index in 0..<whole where unsafe words[unchecked: index] != Self.word(text, at: 8 &* index) {
      return false
    }
    guard count % 8 != 0 else { return true }
    return unsafe words[unchecked: whole] == Self.word(text, at: count &- 8)
  }

  /// Eight bytes of a text, the last ones where fewer are left, or all of a shorter one.
  private static func word(_ text: Span<UInt8>, _ index: Int) -> UInt64 {
    if text.count >= 8 { return word(text, at: min(8 &* index, text.count &- 8)) }
    var word: UInt64 = 0
    for place in text.indices { word = word << 8 | UInt64(text[place]) }
    return word
  }

  /// Eight bytes from `start` on, all of which must be there.
  @inline(__always)
  private static func word(_ text: Span<UInt8>, at start: Int) -> UInt64 {
    unsafe text.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: start, as: UInt64.self)
  }
}
