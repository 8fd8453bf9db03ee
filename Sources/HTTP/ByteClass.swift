/// Which bytes may stand where, as bit sets of the 128 ASCII characters. Bytes from 0x80 on are in none.
struct ByteClass {
  private let low: UInt64
  private let high: UInt64

  /// RFC 9110 §5.6.2: the characters of methods and field names.
  static var token: ByteClass {
    ByteClass(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
  }

  /// The characters of a request target up to its query: visible ASCII without `"`, `#`, `<`, `>`, `?`. More than
  /// RFC 3986 allows (such as `|`), because browsers send it.
  static var path: ByteClass {
    ByteClass(low: 0x2FFF_FFF2_0000_0000, high: 0x7FFF_FFFF_FFFF_FFFF)
  }

  /// The characters of a query: as in `path`, and `?`.
  static var query: ByteClass {
    ByteClass(low: 0xAFFF_FFF2_0000_0000, high: 0x7FFF_FFFF_FFFF_FFFF)
  }

  /// RFC 3986 §3.2.2 and §3.2.3: host and port, without user information.
  static var authority: ByteClass {
    ByteClass(low: 0x2FFF_7FF2_0000_0000, high: 0x47FF_FFFE_AFFF_FFFE)
  }

  @inline(__always)
  private init(low: UInt64, high: UInt64) {
    self.low = low
    self.high = high
  }

  @inline(__always)
  func contains(_ byte: UInt8) -> Bool {
    let bits = byte < 64 ? low : high
    return byte < 128 && (bits >> UInt64(byte & 63)) & 1 == 1
  }
}

extension UInt8 {
  static var tab: UInt8 { 0x09 }
  static var lineFeed: UInt8 { 0x0A }
  static var carriageReturn: UInt8 { 0x0D }
  static var space: UInt8 { 0x20 }
  static var percent: UInt8 { 0x25 }
  static var asterisk: UInt8 { 0x2A }
  static var comma: UInt8 { 0x2C }
  static var dot: UInt8 { 0x2E }
  static var slash: UInt8 { 0x2F }
  static var colon: UInt8 { 0x3A }
  static var questionMark: UInt8 { 0x3F }

  /// The byte in lower case, if it is a letter; also maps some other characters, which no token contains.
  @inline(__always)
  var lowercased: UInt8 { self | 0x20 }

  @inline(__always)
  var isDigit: Bool { self >= 0x30 && self <= 0x39 }
}

extension StaticString {
  /// The byte at `index`, which must be less than `utf8CodeUnitCount`.
  @inline(__always)
  func byte(at index: Int) -> UInt8 {
    unsafe utf8Start[index]
  }
}
