// From the path of a request to the name of a file, and back for Location. The name is what openat2 is given, so
// whatever could mean something else there has to be gone here.

/// Decoding and encoding of the path component of a URI (RFC 3986 §3.3).
public enum RequestPath {
  /// What became of a path.
  public enum Outcome: Equatable, Sendable {
    /// The name of the file is in the output.
    case path
    /// 400: a broken escape, a NUL, a path that climbs above the root or doesn't begin with `/`.
    case malformed
    /// 414: no room in the output.
    case tooLong
    /// 404: a name begins with a dot, which no client is to see or to learn of.
    case hidden
  }

  /// Writes the name of the file, relative to the root: `/a/./b%20c` becomes `a/b c`, `/` becomes nothing.
  ///
  /// Escapes are decoded once, then slashes are merged and dot segments removed (RFC 3986 §5.2.4), wherever they
  /// came from: `%2e%2e%2f` is `../`. A slash at the end stays, and a dot segment at the end leaves one. Hidden
  /// is what has a segment that begins with a dot after all that, but for a first one that is `.well-known`
  /// (RFC 8615).
  ///
  /// - Parameters:
  ///   - raw: A path as in origin-form, without a query.
  ///   - out: Has to be empty. Room for `raw.count` is always enough. Meaningless after an outcome but `.path`.
  public static func decode(_ raw: Span<UInt8>, into out: inout OutputSpan<UInt8>) -> Outcome {
    precondition(out.isEmpty)
    guard raw.count > 0, raw[0] == slash else { return .malformed }
    if isPlain(raw) {
      guard raw.count - 1 <= out.freeCapacity else { return .tooLong }
      out.append(copying: raw.extracting(1...))
      return .path
    }
    var index = 1
    var segment = 0
    while index < raw.count {
      guard let byte = decodedByte(raw, &index), byte != 0 else { return .malformed }
      if byte == slash {
        guard endSegment(from: segment, of: &out) else { return .malformed }
        // What is empty now, or ends with a slash, has lost its segment: no second slash then.
        if !out.isEmpty, out[out.count - 1] != slash {
          if out.isFull { return .tooLong }
          out.append(slash)
        }
        segment = out.count
      } else {
        if out.isFull { return .tooLong }
        out.append(byte)
      }
    }
    guard endSegment(from: segment, of: &out) else { return .malformed }
    return isHidden(out.span) ? .hidden : .path
  }

  /// Whether a path is a name as it is, as nearly all are: without escapes, empty segments, and segments that begin with a dot.
  private static func isPlain(_ raw: Span<UInt8>) -> Bool {
    var isStart = false
    for index in raw.indices {
      let byte = raw[index]
      if byte == UInt8(ascii: "%") || byte == 0 || isStart && (byte == slash || byte == dot) { return false }
      isStart = byte == slash
    }
    return true
  }

  /// Writes a decoded path for a Location field: what may stand in a path as it is, and `%XX` for all else.
  ///
  /// - Returns: False where there wasn't room for all of it. Room for three times `path.count` is always enough.
  public static func encode(_ path: Span<UInt8>, to out: inout OutputSpan<UInt8>) -> Bool {
    encode(path, to: &out) { $0 == slash || isPathCharacter($0) }
  }

  /// The same for a value in a query, in which `&`, `;`, `=` and `+` part others, or stand for something else.
  public static func encode(value: Span<UInt8>, to out: inout OutputSpan<UInt8>) -> Bool {
    encode(value, to: &out) {
      $0 == slash
        || isPathCharacter($0) && $0 != UInt8(ascii: "&") && $0 != UInt8(ascii: ";")
          && $0 != UInt8(ascii: "=")
          && $0 != UInt8(ascii: "+")
    }
  }

  /// Writes a path or a query as sent for a Location field: escapes stay, and what may not stand in a query (RFC 3986 §3.4) becomes
  /// one. The same room is enough.
  public static func encode(target: Span<UInt8>, to out: inout OutputSpan<UInt8>) -> Bool {
    encode(target, to: &out) {
      isPathCharacter($0) || $0 == slash || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "%")
    }
  }

  private static func encode(
    _ text: Span<UInt8>, to out: inout OutputSpan<UInt8>, unless mayStand: (UInt8) -> Bool
  ) -> Bool {
    for index in 0..<text.count {
      let byte = text[index]
      if mayStand(byte) {
        guard out.freeCapacity >= 1 else { return false }
        out.append(byte)
      } else {
        guard out.freeCapacity >= 3 else { return false }
        out.append(UInt8(ascii: "%"))
        out.append(hexadecimalDigit(byte >> 4))
        out.append(hexadecimalDigit(byte & 0xF))
      }
    }
    return true
  }

  private static var slash: UInt8 { UInt8(ascii: "/") }
  private static var dot: UInt8 { UInt8(ascii: ".") }

  /// The byte at `index`, or the one that an escape there stands for. `nil` for half an escape.
  private static func decodedByte(_ raw: Span<UInt8>, _ index: inout Int) -> UInt8? {
    let byte = raw[index]
    guard byte == UInt8(ascii: "%") else {
      index += 1
      return byte
    }
    guard
      raw.count - index >= 3,
      let high = raw[index + 1].hexadecimalValue, let low = raw[index + 2].hexadecimalValue
    else { return nil }
    index += 3
    return high << 4 | low
  }

  /// Removes the segment just written, if it is `.` or `..`, and with `..` the one before it. False where there is
  /// none before it.
  private static func endSegment(from start: Int, of out: inout OutputSpan<UInt8>) -> Bool {
    let length = out.count - start
    guard length == 1 || length == 2, out[start] == dot, out[out.count - 1] == dot else { return true }
    out.removeLast(length)
    guard length == 2 else { return true }
    guard !out.isEmpty else { return false }
    repeat { out.removeLast(1) } while !out.isEmpty && out[out.count - 1] != slash
    return true
  }

  /// Whether a decoded path is one that no client is to see or to learn of: see `decode`.
  public static func isHidden(_ path: Span<UInt8>) -> Bool {
    for index in 0..<path.count where path[index] == dot {
      if index == 0 {
        if !isWellKnown(path) { return true }
      } else if path[index - 1] == slash {
        return true
      }
    }
    return false
  }

  private static func isWellKnown(_ path: Span<UInt8>) -> Bool {
    let name: StaticString = ".well-known"
    let length = name.utf8CodeUnitCount
    guard path.count == length || path.count > length && path[length] == slash else { return false }
    for index in 0..<length where path[index] != name.octet(index) { return false }
    return true
  }

  /// pchar without escapes (RFC 3986 §3.3).
  private static func isPathCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
      true
    case UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("),
      UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ","), UInt8(ascii: ";"),
      UInt8(ascii: "="), UInt8(ascii: ":"), UInt8(ascii: "@"):
      true
    default:
      false
    }
  }

  private static func hexadecimalDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? 0x30 + value : 0x41 + value - 10
  }
}
