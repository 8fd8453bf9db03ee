// Finding a field by name in a header section. Only the rare requests that carry conditions or ranges come
// here, so that the parser doesn't have to keep a table of every field of every request.

/// The values of all the lines with one name, in order of arrival (RFC 9110 §5.2, RFC 9112 §5).
///
/// The block is what the request parser has already accepted: `Name: value CRLF`, repeated; no folding, no bare
/// CR or LF, no space before the colon. An empty line ends it, and so does the end of the bytes.
public struct FieldLines: ~Escapable {
  private let block: Span<UInt8>
  private let name: StaticString
  private var position = 0

  /// Starts before the first line. The comparison of names ignores case.
  @_lifetime(copy block)
  public init(_ block: Span<UInt8>, named name: StaticString) {
    self.block = block
    self.name = name
  }

  /// The place in the block of the next value, without the white space around it; empty where the value is
  /// empty. `nil` after the last one.
  public mutating func next() -> Range<Int>? {
    while position < block.count {
      let start = position
      let end = block.firstIndex(of: .carriageReturn, from: start)
      if end == start { break }
      position = min(end + 2, block.count)
      if let value = value(ofLine: start..<end) { return value }
    }
    position = block.count
    return nil
  }

  private func value(ofLine line: Range<Int>) -> Range<Int>? {
    let colon = line.lowerBound + name.utf8CodeUnitCount
    guard colon < line.upperBound, block[colon] == UInt8(ascii: ":") else { return nil }
    for index in 0..<name.utf8CodeUnitCount {
      let byte = block[line.lowerBound + index]
      guard byte.asciiLowercase == name.octet(index).asciiLowercase else { return nil }
    }
    return block.trimmed(colon + 1..<line.upperBound)
  }
}

/// What a field that may occur only once amounts to.
enum SingleField {
  /// There is no such line.
  case absent
  /// There is one line; the place of its value.
  case one(Range<Int>)
  /// There are several lines where the grammar allows one: their value is invalid.
  case several

  init(_ block: Span<UInt8>, named name: StaticString) {
    var lines = FieldLines(block, named: name)
    guard let first = lines.next() else {
      self = .absent
      return
    }
    self = lines.next() == nil ? .one(first) : .several
  }
}

extension UInt8 {
  /// White space within a line: OWS of RFC 9110 §5.6.3.
  var isLineSpace: Bool { self == 0x20 || self == 0x09 }

  /// A to Z become a to z; every other byte stays.
  var asciiLowercase: UInt8 { self >= 0x41 && self <= 0x5A ? self | 0x20 : self }

  /// The value of a decimal digit.
  var decimalValue: UInt8? { self >= 0x30 && self <= 0x39 ? self - 0x30 : nil }

  /// The value of a hexadecimal digit of either case.
  var hexadecimalValue: UInt8? {
    switch self {
    case 0x30...0x39: self - 0x30
    case 0x41...0x46: self - 0x41 + 10
    case 0x61...0x66: self - 0x61 + 10
    default: nil
    }
  }
}

extension Span<UInt8> {
  /// `range` without the white space at its ends.
  func trimmed(_ range: Range<Int>) -> Range<Int> {
    var lower = range.lowerBound
    var upper = range.upperBound
    while lower < upper, self[lower].isLineSpace { lower += 1 }
    while lower < upper, self[upper - 1].isLineSpace { upper -= 1 }
    return lower..<upper
  }
}

extension StaticString {
  /// The byte at `index`, checked: this is why the pointer needs no more proof.
  func octet(_ index: Int) -> UInt8 {
    precondition(index >= 0 && index < utf8CodeUnitCount)
    return unsafe utf8Start[index]
  }
}
