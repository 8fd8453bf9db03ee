/// SipHash-2-4 with 128 bits: a hash that nobody can foresee who does not have its key (Aumasson and Bernstein, 2012).
enum SipHash {
  /// 128 random bits.
  struct Key: Sendable {
    let low: UInt64
    let high: UInt64

    init(low: UInt64, high: UInt64) {
      self.low = low
      self.high = high
    }

    /// Of getrandom(2).
    static func random() -> Key {
      Key(low: .random(in: .min ... .max), high: .random(in: .min ... .max))
    }
  }

  /// A hash.
  struct Tag: Equatable, Sendable {
    var low: UInt64 = 0
    var high: UInt64 = 0
  }

  /// The hash of two numbers, little-endian, and the bytes behind them.
  static func tag(_ key: Key, _ numbers: (UInt64, UInt64), _ bytes: Span<UInt8>) -> Tag {
    var state = State(key)
    state.add(numbers.0)
    state.add(numbers.1)
    var word: UInt64 = 0
    for index in bytes.indices {
      word |= UInt64(bytes[index]) << (8 * UInt64(index & 7))
      guard index & 7 == 7 else { continue }
      state.add(word)
      word = 0
    }
    state.add(word | UInt64(truncatingIfNeeded: bytes.count &+ 16) << 56)
    return state.finish()
  }

  private struct State {
    var v0, v1, v2, v3: UInt64

    init(_ key: Key) {
      v0 = key.low ^ 0x736f_6d65_7073_6575
      v1 = key.high ^ 0x646f_7261_6e64_6f6d ^ 0xee
      v2 = key.low ^ 0x6c79_6765_6e65_7261
      v3 = key.high ^ 0x7465_6462_7974_6573
    }

    mutating func add(_ word: UInt64) {
      v3 ^= word
      for _ in 0..<2 { round() }
      v0 ^= word
    }

    mutating func finish() -> Tag {
      v2 ^= 0xee
      for _ in 0..<4 { round() }
      let low = v0 ^ v1 ^ v2 ^ v3
      v1 ^= 0xdd
      for _ in 0..<4 { round() }
      return Tag(low: low, high: v0 ^ v1 ^ v2 ^ v3)
    }

    private mutating func round() {
      v0 = v0 &+ v1
      v1 = v1 << 13 | v1 >> 51
      v1 ^= v0
      v0 = v0 << 32 | v0 >> 32
      v2 = v2 &+ v3
      v3 = v3 << 16 | v3 >> 48
      v3 ^= v2
      v0 = v0 &+ v3
      v3 = v3 << 21 | v3 >> 43
      v3 ^= v0
      v2 = v2 &+ v1
      v1 = v1 << 17 | v1 >> 47
      v1 ^= v2
      v2 = v2 << 32 | v2 >> 32
    }
  }
}
