/// Who a client says that it is: `Authorization: Basic …`, RFC 7617 §2.
public enum BasicCredentials {
  /// Writes `user-id:password` and returns how many bytes the user-id has. Nil where there are none that could be right: no
  /// Authorization among the fields or several, another scheme, more than there is room for, base64 that is not as RFC 4648 §4
  /// wants it, no colon, or a control character. What was written then means nothing.
  public static func decode(fields: Span<UInt8>, into out: inout OutputSpan<UInt8>) -> Int? {
    guard case .one(let place) = SingleField(fields, named: "Authorization") else { return nil }
    let value = fields.extracting(place)
    let scheme: StaticString = "basic "
    guard value.count > scheme.utf8CodeUnitCount else { return nil }
    for index in 0..<scheme.utf8CodeUnitCount where value[index].asciiLowercase != scheme.octet(index) {
      return nil
    }
    var start = scheme.utf8CodeUnitCount
    // 1*SP: RFC 9110 §11.4.
    while value[start] == UInt8(ascii: " ") { start += 1 }
    guard decodeBase64(value.extracting(start...), into: &out) else { return nil }
    var userCount: Int?
    let text = out.span
    for index in text.indices {
      if text[index] < 0x20 || text[index] == 0x7F { return nil }
      if userCount == nil, text[index] == .colon { userCount = index }
    }
    return userCount
  }

  /// RFC 4648 §4, with padding; bits that mean nothing are 0 (§3.5). False for anything else, or without room.
  static func decodeBase64(_ text: Span<UInt8>, into out: inout OutputSpan<UInt8>) -> Bool {
    guard text.count > 0, text.count % 4 == 0, text.count / 4 * 3 <= out.freeCapacity else { return false }
    let padding = text[text.count - 1] != pad ? 0 : text[text.count - 2] != pad ? 1 : 2
    var bits: UInt32 = 0
    for index in 0..<text.count - padding {
      guard let value = value(of: text[index]) else { return false }
      bits = bits << 6 | value
      guard index % 4 == 3 else { continue }
      out.append(UInt8(truncatingIfNeeded: bits >> 16))
      out.append(UInt8(truncatingIfNeeded: bits >> 8))
      out.append(UInt8(truncatingIfNeeded: bits))
      bits = 0
    }
    switch padding {
    case 1:
      out.append(UInt8(truncatingIfNeeded: bits >> 10))
      out.append(UInt8(truncatingIfNeeded: bits >> 2))
      return bits & 0x3 == 0
    case 2:
      out.append(UInt8(truncatingIfNeeded: bits >> 4))
      return bits & 0xF == 0
    default: return true
    }
  }

  private static var pad: UInt8 { UInt8(ascii: "=") }

  private static func value(of byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
