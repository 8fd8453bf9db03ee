/// A place in the bytes of a head that is being parsed. Small enough to live in registers: what is not on the common
/// path takes a copy and returns where it ended, so that the common path needs no memory.
struct Cursor: ~Escapable {
  let bytes: Span<UInt8>
  var position = 0

  @inline(__always)
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) {
    self.bytes = bytes
  }

  /// Compares without sign: then the check of bounds that follows is known to hold, and goes.
  @inline(__always)
  var isAtEnd: Bool { UInt(bitPattern: position) >= UInt(bitPattern: bytes.count) }

  /// The byte at the position, which must not be at the end.
  @inline(__always)
  var byte: UInt8 { bytes[position] }

  /// Passes over bytes of a class; the position is then at a byte that is not of it.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func skip(_ bytesOfClass: ByteClass) throws(RequestParser.Stop) {
    var end = position
    while end < bytes.count, unsafe bytesOfClass.contains(bytes[unchecked: end]) { end &+= 1 }
    position = end
    guard !isAtEnd else { throw .incomplete }
  }

  /// Passes over bytes of a class, and bytes beyond ASCII.
  @_lifetime(self: copy self)
  mutating func skipUnescaped(_ bytesOfClass: ByteClass) throws(RequestParser.Stop) {
    while !isAtEnd, byte.isBeyondASCII || bytesOfClass.contains(byte) { position &+= 1 }
    guard !isAtEnd else { throw .incomplete }
  }

  /// Passes over what nearly all names of hosts and paths consist of, eight bytes at a time: letters, digits, `-`, `.` and,
  /// if so asked, `/`.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func skipPlainCharacters(andSlash: Bool) {
    let (ones, high): (UInt64, UInt64) = (0x0101_0101_0101_0101, 0x8080_8080_8080_8080)
    while position &+ 8 <= bytes.count {
      let word = UInt64(littleEndian: load(UInt64.self))
      // In the high bit of every byte that is ASCII, as the lowest byte that fails is: 0x2D to 0x39.
      var mark = (word &+ ones &* (0x80 - 0x2D)) & ~(word &+ ones &* (0x80 - 0x3A))
      if !andSlash { mark &= (word ^ ones &* 0x2F) &+ ones &* 0x7F }
      let lowercase = word | ones &* 0x20
      let letter = (lowercase &+ ones &* (0x80 - 0x61)) & ~(lowercase &+ ones &* (0x80 - 0x7B))
      let found = ~((mark | letter) & ~word) & high
      if found != 0 {
        position &+= found.trailingZeroBitCount / 8
        return
      }
      position &+= 8
    }
  }

  /// Passes over letters, digits and hyphens, of which nearly all names of fields consist, up to 16 at once.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func skipPlainName() {
    guard position &+ 16 <= bytes.count else { return }
    let block = unsafe bytes.bytes.unsafeLoadUnaligned(
      fromUncheckedByteOffset: position, as: SIMD16<UInt8>.self)
    let letters = (block | SIMD16<UInt8>(repeating: 0x20)) &- SIMD16<UInt8>(repeating: 0x61)
    let digits = block &- SIMD16<UInt8>(repeating: 0x30)
    let isPlain =
      (letters .< SIMD16<UInt8>(repeating: 26)) .| (digits .< SIMD16<UInt8>(repeating: 10))
      .| (block .== SIMD16<UInt8>(repeating: 0x2D))
    let found = unsafe ~unsafeBitCast(isPlain, to: SIMD2<UInt64>.self)
    position &+=
      found.x != 0 ? found.x.trailingZeroBitCount / 8 : 8 &+ found.y.trailingZeroBitCount / 8
  }

  /// Passes over up to seven digits at once, if eight bytes are there to be looked at.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func skipShortNumber() {
    guard position &+ 8 <= bytes.count else { return }
    let (ones, high): (UInt64, UInt64) = (0x0101_0101_0101_0101, 0x8080_8080_8080_8080)
    let word = UInt64(littleEndian: load(UInt64.self))
    let digits = (word &+ ones &* (0x80 - 0x30)) & ~(word &+ ones &* (0x80 - 0x3A))
    position &+= (~(digits & ~word) & high | 1 << 63).trailingZeroBitCount / 8
  }

  /// Passes over optional white space: RFC 9110 §5.6.3.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func skipSpace() throws(RequestParser.Stop) {
    while !isAtEnd, byte.isLineSpace { position &+= 1 }
    guard !isAtEnd else { throw .incomplete }
  }

  /// Passes over CRLF; a CR or an LF alone is a fault.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func skipLineEnd() throws(RequestParser.Stop) {
    if hasWord("\r\n") {
      position &+= 2
      return
    }
    try expect(.carriageReturn)
    // Either the line feed has not come yet or it is another byte.
    try expect(.lineFeed)
  }

  @inline(__always)
  @_lifetime(self: copy self)
  mutating func expect(_ wanted: UInt8) throws(RequestParser.Stop) {
    guard !isAtEnd else { throw .incomplete }
    guard byte == wanted else { throw .malformed }
    position &+= 1
  }

  /// Passes over a field value, which ends at CR; returns where it lies, with the white space around it.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func skipFieldValue() throws(RequestParser.Stop) -> Range<Int> {
    let start = position
    while true {
      skipToControl()
      guard !isAtEnd else { throw .incomplete }
      if byte == .carriageReturn { return unsafe Range(uncheckedBounds: (start, position)) }
      guard byte == .tab else { throw .malformed }
      position &+= 1
    }
  }

  /// Passes over all but control characters, 16 bytes at a time.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func skipToControl() {
    while position &+ 16 <= bytes.count {
      let block = unsafe bytes.bytes.unsafeLoadUnaligned(
        fromUncheckedByteOffset: position, as: SIMD16<UInt8>.self)
      let isControl =
        (block .< SIMD16<UInt8>(repeating: 0x20)) .| (block .== SIMD16<UInt8>(repeating: 0x7F))
      // A byte of ones for every one that is.
      let found = unsafe unsafeBitCast(isControl, to: SIMD2<UInt64>.self)
      if found.x | found.y != 0 {
        position &+= found.x != 0 ? found.x.trailingZeroBitCount / 8 : 8 &+ found.y.trailingZeroBitCount / 8
        return
      }
      position &+= 16
    }
    while !isAtEnd, byte >= 0x20, byte != 0x7F { position &+= 1 }
  }

  /// Whether a text of 2, 4 or 8 characters stands `offset` bytes on, by one comparison.
  @inline(__always)
  func hasWord(_ text: StaticString, at offset: Int = 0) -> Bool {
    guard position &+ offset &+ text.utf8CodeUnitCount <= bytes.count else { return false }
    let wanted = unsafe UnsafeRawPointer(text.utf8Start)
    switch text.utf8CodeUnitCount {
    case 2: return unsafe load(UInt16.self, at: offset) == wanted.loadUnaligned(as: UInt16.self)
    case 4: return unsafe load(UInt32.self, at: offset) == wanted.loadUnaligned(as: UInt32.self)
    default:
      precondition(text.utf8CodeUnitCount == 8)
      return unsafe load(UInt64.self, at: offset) == wanted.loadUnaligned(as: UInt64.self)
    }
  }

  /// The integer `offset` bytes on, all of which must be there.
  @inline(__always)
  private func load<Word: FixedWidthInteger & BitwiseCopyable>(_ type: Word.Type, at offset: Int = 0) -> Word
  {
    unsafe bytes.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position &+ offset, as: type)
  }
}

extension Span<UInt8> {
  /// Where a byte stands, from `start` on; the end if nowhere.
  @inline(__always)
  func firstIndex(of byte: UInt8, from start: Int) -> Int {
    var index = start
    while index &+ 16 <= count {
      let block = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: SIMD16<UInt8>.self)
      let found = unsafe unsafeBitCast(
        block .== SIMD16<UInt8>(repeating: byte), to: SIMD2<UInt64>.self)
      if found.x != 0 { return index &+ found.x.trailingZeroBitCount / 8 }
      if found.y != 0 { return index &+ 8 &+ found.y.trailingZeroBitCount / 8 }
      index &+= 16
    }
    while index < count, self[index] != byte { index &+= 1 }
    return index
  }

  @inline(__always)
  func equals(_ range: Range<Int>, _ text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    for index in 0..<text.utf8CodeUnitCount where self[range.lowerBound + index] != text.byte(at: index) {
      return false
    }
    return true
  }

  /// `text` is in lower case.
  @inline(__always)
  func equalsIgnoringCase(_ range: Range<Int>, _ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard range.count == count, range.upperBound <= self.count else { return false }
    guard count >= 8 else {
      for index in 0..<count where self[range.lowerBound + index].lowercased != text.byte(at: index) {
        return false
      }
      return true
    }
    // Eight bytes at a time, the last ones perhaps twice.
    let wanted = unsafe UnsafeRawPointer(text.utf8Start)
    var index = 0
    while true {
      let word = unsafe bytes.unsafeLoadUnaligned(
        fromUncheckedByteOffset: range.lowerBound &+ index, as: UInt64.self)
      let lower = unsafe wanted.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      guard word | 0x2020_2020_2020_2020 == lower else { return false }
      if index &+ 8 == count { return true }
      index = Swift.min(index &+ 8, count &- 8)
    }
  }
}
