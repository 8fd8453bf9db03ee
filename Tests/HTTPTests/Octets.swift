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
