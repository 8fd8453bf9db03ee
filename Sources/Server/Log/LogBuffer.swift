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

  init() {
    unsafe memory = .allocate(byteCount: Self.wanted + Self.longestLine, alignment: 64)
  }

  deinit {
    unsafe memory.deallocate()
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
    while true {
      let end = Self.plainEnd(bytes, from: position)
      append(bytes.extracting(position..<end))
      if end == bytes.count { return }
      append("\\x")
      append(hexadecimal: bytes[end])
      position = end &+ 1
    }
  }

  /// As a text in JSON, without its quotes: RFC 8259 §7. What is no UTF-8 becomes U+FFFD.
  mutating func append(json bytes: Span<UInt8>) {
    var position = 0
    while true {
      let end = Self.plainEnd(bytes, from: position)
      append(bytes.extracting(position..<end))
      if end == bytes.count { return }
      if bytes[end] >= 0x80 { return append(unicode: bytes.extracting(end...)) }
      append(json: bytes[end])
      position = end &+ 1
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

  /// Where the first byte is from `start` on that is not printable in ASCII, or a quote or backslash; else the end.
  @inline(__always)
  private static func plainEnd(_ bytes: Span<UInt8>, from start: Int) -> Int {
    typealias Block = SIMD16<UInt8>
    var position = start
    while position &+ 16 <= bytes.count {
      let block = unsafe bytes.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position, as: Block.self)
      // 0x20...0x7E become 0...0x5E.
      let isSpecial =
        ((block &- Block(repeating: 0x20)) .> Block(repeating: 0x5E)) .| (block .== Block(repeating: 0x22))
        .| (block .== Block(repeating: 0x5C))
      if any(isSpecial) { break }
      position &+= 16
    }
    while position < bytes.count {
      let byte = bytes[position]
      if byte &- 0x20 > 0x5E || byte == 0x22 || byte == 0x5C { return position }
      position &+= 1
    }
    return position
  }
}
