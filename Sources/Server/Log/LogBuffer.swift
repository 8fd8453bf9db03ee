import Glibc

/// Lines on their way to a file.
@safe
struct LogBuffer: ~Copyable {
  private let memory: UnsafeMutableRawPointer
  private(set) var count = 0
  /// How many there are.
  private(set) var lines = 0
  /// Bytes that are written at once, about.
  private static var wanted: Int { 64 << 10 }
  /// A line is no longer: six texts of 8 KiB, each byte of which may take six.
  private static var longestLine: Int { 6 * 6 * (8 << 10) + 1024 }
  /// Bytes of a text that are copied before they are looked at: of one that is all quotes, each is copied as many times.
  private static var step: Int { 64 }
  /// Bytes beyond what is written that may be read, and mean nothing.
  private static var margin: Int { 16 }

  init() {
    // Nothing of it is taken before it is used.
    guard let new = unsafe calloc(1, Self.wanted + Self.longestLine + Self.margin) else {
      fatalError("out of memory")
    }
    unsafe memory = new
  }

  deinit {
    unsafe free(memory)
  }

  var start: UnsafeRawPointer { unsafe UnsafeRawPointer(memory) }
  /// To be written before the next line.
  var isFull: Bool { count >= Self.wanted }

  mutating func clear() {
    (count, lines) = (0, 0)
  }

  mutating func endLine() {
    append(UInt8(ascii: "\n"))
    lines &+= 1
  }

  // MARK: Bytes

  @inline(__always)
  mutating func append(_ byte: UInt8) {
    unsafe memory.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    count &+= 1
  }

  @inline(__always)
  mutating func append(_ text: StaticString) {
    unsafe memcpy(memory + count, text.utf8Start, text.utf8CodeUnitCount)
    count &+= text.utf8CodeUnitCount
  }

  @inline(__always)
  mutating func append(_ text: Span<UInt8>) {
    unsafe text.withUnsafeBufferPointer { text in
      guard let start = text.baseAddress else { return }
      unsafe memcpy(memory + count, start, text.count)
    }
    count &+= text.count
  }

  @inline(__always)
  mutating func append(decimal number: UInt64) {
    if number < 10_000 {
      append(number, digits: number < 10 ? 1 : number < 100 ? 2 : number < 1000 ? 3 : 4)
    } else {
      append(large: number)
    }
  }

  @inline(never)
  private mutating func append(large number: UInt64) {
    var (length, bound) = (5, UInt64(100_000))
    while number >= bound, length < 19 {
      bound &*= 10
      length &+= 1
    }
    append(number, digits: length)
  }

  /// The last digits of a number.
  @inline(__always)
  mutating func append(_ number: UInt64, digits length: Int) {
    let start = unsafe (memory + count).assumingMemoryBound(to: UInt8.self)
    count &+= length
    var (rest, place) = (number, length)
    while place > 0 {
      place &-= 1
      let quotient = rest / 10
      unsafe start[place] = UInt8(truncatingIfNeeded: 0x30 &+ rest &- quotient &* 10)
      rest = quotient
    }
  }

  // MARK: Escapes

  /// As nginx has it: quotes, backslashes and what is not printable in ASCII become `\xXX`.
  mutating func append(escaped bytes: Span<UInt8>) {
    var position = 0
    while let byte = appendPlain(bytes, &position) {
      append("\\x")
      append(hexadecimal: byte)
    }
  }

  /// As a text in JSON, without its quotes: RFC 8259 §7. What is no UTF-8 becomes U+FFFD.
  mutating func append(json bytes: Span<UInt8>) {
    var position = 0
    while let byte = appendPlain(bytes, &position) {
      if byte >= 0x80 { return append(unicode: bytes.extracting((position &- 1)...)) }
      append(json: byte)
    }
  }

  private mutating func append(unicode bytes: Span<UInt8>) {
    for byte in String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self).utf8 { append(json: byte) }
  }

  private mutating func append(json byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"):
      append(UInt8(ascii: "\\"))
      append(byte)
    case 0..<0x20, 0x7F:
      append("\\u00")
      append(hexadecimal: byte)
    default: append(byte)
    }
  }

  private mutating func append(hexadecimal byte: UInt8) {
    let digits: StaticString = "0123456789ABCDEF"
    unsafe append(digits.utf8Start[Int(byte >> 4)])
    unsafe append(digits.utf8Start[Int(byte & 0xF)])
  }

  /// Appends bytes from `position` on, up to the first that is not printable in ASCII, or is a quote or a backslash: that one is
  /// returned, and `position` is behind it. Nil if there is none.
  @inline(__always)
  private mutating func appendPlain(_ bytes: Span<UInt8>, _ position: inout Int) -> UInt8? {
    while position < bytes.count {
      let (start, end) = (count, min(position &+ Self.step, bytes.count))
      append(bytes.extracting(position..<end))
      // Where they are now, there are 16 of them to be looked at, whatever those behind the last one are.
      guard let special = special(from: start, to: count) else {
        position = end
        continue
      }
      position &+= special &- start &+ 1
      count = special
      return bytes[position &- 1]
    }
    return nil
  }

  /// Where the first byte is among those written that is not printable in ASCII, or is a quote or a backslash.
  @inline(__always)
  private func special(from start: Int, to end: Int) -> Int? {
    typealias Block = SIMD16<UInt8>
    var place = start
    while place < end {
      let block = unsafe memory.loadUnaligned(fromByteOffset: place, as: Block.self)
      // 0x20...0x7E become 0...0x5E.
      let isSpecial =
        ((block &- Block(repeating: 0x20)) .> Block(repeating: 0x5E)) .| (block .== Block(repeating: 0x22))
        .| (block .== Block(repeating: 0x5C))
      let found = unsafe unsafeBitCast(isSpecial, to: SIMD2<UInt64>.self)
      if found.x | found.y != 0 {
        place &+= found.x != 0 ? found.x.trailingZeroBitCount / 8 : 8 &+ found.y.trailingZeroBitCount / 8
        return place < end ? place : nil
      }
      place &+= 16
    }
    return nil
  }
}
