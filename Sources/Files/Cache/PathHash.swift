internal import Glibc

/// Hashes and comparisons of paths, for every request: by loads of eight bytes, not by calls.
enum PathHash {
  /// Eight bytes at a time, from a seed that nobody outside knows.
  @inline(__always)
  static func of(_ bytes: RawSpan, seed: UInt64) -> UInt64 {
    var hash = seed ^ UInt64(truncatingIfNeeded: bytes.byteCount)
    var index = 0
    while index &+ 8 <= bytes.byteCount {
      hash = fold(hash ^ bytes.load(UInt64.self, at: index))
      index &+= 8
    }
    // The last 1 to 7 bytes, by loads that overlap.
    let rest = bytes.byteCount &- index
    var last: UInt64 = 0
    if rest >= 4 {
      last = UInt64(bytes.load(UInt32.self, at: index)) << 32
      last |= UInt64(bytes.load(UInt32.self, at: bytes.byteCount &- 4))
    } else if rest > 0 {
      last = UInt64(bytes.load(UInt8.self, at: index)) << 16
      last |= UInt64(bytes.load(UInt8.self, at: index &+ rest / 2)) << 8
      last |= UInt64(bytes.load(UInt8.self, at: bytes.byteCount &- 1))
    }
    return fold(hash ^ last)
  }

  /// All 128 bits of a product, so that no difference between two words can be undone by the next ones for every seed.
  @inline(__always)
  private static func fold(_ word: UInt64) -> UInt64 {
    let (high, low) = word.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    return high ^ low
  }

  /// Whether as many bytes as `path` has are the same. Paths are short: a call of memcmp costs more than this.
  @inline(__always)
  static func equals(_ path: RawSpan, _ other: UnsafePointer<CChar>) -> Bool {
    let other = unsafe UnsafeRawPointer(other)
    let count = path.byteCount
    @inline(__always)
    func isSame<Word: FixedWidthInteger & BitwiseCopyable>(_ type: Word.Type, at index: Int) -> Bool {
      unsafe path.load(type, at: index) == other.loadUnaligned(fromByteOffset: index, as: type)
    }
    // What is left at the end is compared by loads that overlap what was compared before.
    if count >= 8 {
      var index = 0
      while index &+ 8 < count {
        guard isSame(UInt64.self, at: index) else { return false }
        index &+= 8
      }
      return isSame(UInt64.self, at: count &- 8)
    }
    if count >= 4 { return isSame(UInt32.self, at: 0) && isSame(UInt32.self, at: count &- 4) }
    return count == 0
      || isSame(UInt8.self, at: 0) && isSame(UInt8.self, at: count / 2) && isSame(UInt8.self, at: count &- 1)
  }
}

extension RawSpan {
  /// The integer from `index` on, all of which must be there.
  @inline(__always)
  fileprivate func load<Word: FixedWidthInteger & BitwiseCopyable>(_ type: Word.Type, at index: Int) -> Word {
    unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: type)
  }
}
