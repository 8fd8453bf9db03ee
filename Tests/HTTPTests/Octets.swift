import Testing

extension String {
  /// The bytes to take a span of: `"GET".octets.span`.
  var octets: [UInt8] { Array(utf8) }
}

/// What `write` leaves in an output with room for `capacity` bytes.
func octets(capacity: Int, _ write: (inout OutputSpan<UInt8>) -> Void) -> [UInt8] {
  [UInt8](capacity: capacity) { out in write(&out) }
}

/// The same as text, where it is UTF-8.
func text(capacity: Int, _ write: (inout OutputSpan<UInt8>) -> Void) -> String {
  String(decoding: octets(capacity: capacity, write), as: UTF8.self)
}

/// Bytes as an argument of a test, which a log shows with escapes.
struct Wire: ExpressibleByStringInterpolation, CustomTestStringConvertible, Sendable {
  let text: String

  init(stringLiteral text: String) { self.text = text }

  var testDescription: String { text.debugDescription }
}

/// The same numbers at each run, so that a failure comes again (SplitMix64).
struct RepeatableNumbers: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
