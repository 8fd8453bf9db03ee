/// Which bytes may stand where.
struct ByteClass {
  /// The bit that members of the class have in the table.
  private let bit: UInt8

  /// RFC 9110 §5.6.2: the characters of methods and field names.
  static var token: ByteClass { ByteClass(bit: 1) }

  /// The characters of a request target up to its query: visible ASCII without `"`, `#`, `<`, `>`, `?`. More than
  /// RFC 3986 allows (such as `|`), because browsers send it.
  static var path: ByteClass { ByteClass(bit: 2) }

  /// The characters of a query: as in `path`, and `?`.
  static var query: ByteClass { ByteClass(bit: 4) }

  /// As in `path`, without the percent sign: bytes that are what they seem.
  static var literalPath: ByteClass { ByteClass(bit: 16) }

  /// RFC 3986 §3.2.2 and §3.2.3: host and port, without user information.
  static var authority: ByteClass { ByteClass(bit: 8) }

  @inline(__always)
  func contains(_ byte: UInt8) -> Bool {
    Self.table.byte(at: Int(byte)) & bit != 0
  }

  /// For each byte, the bits of its classes and 0x40, which makes it a letter. A literal: unlike an array, it
  /// needs no initialisation that every access would have to ask for.
  private static var table: StaticString {
    """
    @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@_@A_O__^^__^__V__________^^@^@D\
    V__________________________^V^W_W__________________________VWV_@\
    @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\
    @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
    """
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

  var isBeyondASCII: Bool { self >= 0x80 }
}

extension StaticString {
  /// The byte at `index`, which must be less than `utf8CodeUnitCount`.
  @inline(__always)
  func byte(at index: Int) -> UInt8 {
    unsafe utf8Start[index]
  }
}
