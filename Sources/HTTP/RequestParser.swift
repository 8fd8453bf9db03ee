/// Parses the head of an HTTP/1.0 or HTTP/1.1 request: RFC 9112 §2 to §6, strictly.
///
/// Works on the bytes as received, from the start each time; copies and allocates nothing. What RFC 9112 lets
/// a server forgive is not forgiven (bare LF, obs-fold, space before a colon): every such gift has been used
/// to smuggle requests. One empty line before the request line is skipped, as §2.2 asks.
///
/// The common path (GET, origin-form, HTTP/1.1) is inlined into `parse`; what is rare is a function that takes the
/// cursor by value.
public enum RequestParser {
  /// Bounds on a head.
  public struct Limits: Equatable, Sendable {
    /// The request line, in bytes without CRLF; more is 414.
    public var requestLine: Int
    /// The whole head in bytes; more is 431.
    public var head: Int
    /// Field lines; more is 431.
    public var fields: Int

    /// Names the bounds.
    public init(requestLine: Int, head: Int, fields: Int) {
      self.requestLine = requestLine
      self.head = head
      self.fields = fields
    }
  }

  /// What the bytes are.
  public enum Outcome: Sendable {
    /// Not a whole head, so far without fault: receive more.
    case incomplete
    /// A head; what it asks for may still be refused.
    case complete
    /// To be answered with this status and a close: where the next request begins is not certain.
    case rejected(Status)
  }

  /// Why parsing stops before the end of the head.
  enum Stop: Error {
    case incomplete
    case rejected(Status)

    static var malformed: Stop { .rejected(.badRequest) }
  }

  /// Parses the head at the start of `bytes`. `head` means something only if the outcome is `.complete`; it has `traits`,
  /// whatever the bytes are.
  public static func parse(
    _ bytes: Span<UInt8>, limits: Limits, traits: RequestHead.Traits = [], into head: inout RequestHead
  ) -> Outcome {
    var cursor = Cursor(bytes)
    head = RequestHead()
    head.traits = traits
    do throws(Stop) {
      try parseRequestLine(&cursor, &head, limits)
      // Field lines (RFC 9112 §5). The loop stands here because in a function of its own, which the compiler (6.3) would
      // not inline, it costs 50 instructions more.
      var framing = FramingFields()
      var (count, hosts) = (0, 0)
      while true {
        guard !cursor.isAtEnd else { throw .incomplete }
        if cursor.byte == .carriageReturn { break }
        count &+= 1
        if count > limits.fields { throw .rejected(.requestHeaderFieldsTooLarge) }
        if skipPlainHost(&cursor) {
          hosts &+= 1
          continue
        }
        let idle = skipIdleFields(cursor, most: limits.fields &- count &+ 1)
        if idle.count > 0 {
          cursor.position = idle.end
          count &+= idle.count &- 1
          continue
        }
        if try skipOtherField(&cursor, &framing) { hosts &+= 1 }
        try cursor.skipLineEnd()
      }
      try cursor.skipLineEnd()
      head.count = cursor.position
      if head.count > limits.head { throw .rejected(.requestHeaderFieldsTooLarge) }
      // RFC 9112 §3.2: exactly one Host; HTTP/1.0 may have none.
      guard hosts == 1 || (hosts == 0 && head.isHTTP10) else { throw .malformed }
      // With no field but Host, HTTP/1.1 leaves nothing to conclude.
      if count > hosts || head.isHTTP10 { try framing.conclude(&head) }
      return .complete
    } catch {
      switch error {
      case .rejected(let status): return .rejected(status)
      case .incomplete:
        return bytes.count >= limits.head ? .rejected(.requestHeaderFieldsTooLarge) : .incomplete
      }
    }
  }

  // MARK: Request line (RFC 9112 §3)

  @inline(__always)
  @_lifetime(cursor: copy cursor)
  private static func parseRequestLine(
    _ cursor: inout Cursor, _ head: inout RequestHead, _ limits: Limits
  ) throws(Stop) {
    if !cursor.isAtEnd, cursor.byte == .carriageReturn { try cursor.skipLineEnd() }
    let start = cursor.position
    do throws(Stop) {
      try parseMethodAndTarget(&cursor, &head)
      try parseVersion(&cursor, &head)
    } catch {
      if case .incomplete = error, cursor.bytes.count - start > limits.requestLine {
        throw .rejected(.uriTooLong)
      }
      throw error
    }
    if cursor.position &- start > limits.requestLine { throw .rejected(.uriTooLong) }
    try cursor.skipLineEnd()
  }

  @inline(__always)
  @_lifetime(cursor: copy cursor)
  private static func parseMethodAndTarget(_ cursor: inout Cursor, _ head: inout RequestHead) throws(Stop) {
    var method = MethodName(method: .get, isConnect: false, count: 3)
    if !cursor.hasWord("GET ") {
      method = try parseOtherMethod(cursor)
      head.method = method.method
      head.traits.insert(.notGet)
    }
    cursor.position &+= method.count &+ 1

    guard !cursor.isAtEnd else { throw .incomplete }
    if cursor.byte != .slash {
      let (position, isForServer) = try skipOtherTarget(cursor, method)
      cursor.position = position
      if isForServer { head.traits.insert(.forServer) }
    }
    let start = cursor.position
    cursor.skipPlainCharacters(andSlash: true)
    try cursor.skip(.literalPath)
    if cursor.byte == .percent {
      head.traits.insert(.escapedPath)
      try cursor.skip(.path)
    }
    head.path = ByteView(start..<cursor.position)
    if cursor.byte == .questionMark {
      let start = cursor.position
      try cursor.skip(.query)
      head.query = ByteView(start..<cursor.position)
    }
    if cursor.byte != .space { cursor.position = try skipUnescapedTarget(cursor, from: start, &head) }
    cursor.position &+= 1
  }

  /// A target with bytes beyond ASCII, from its path on: curl and old clients send names as they are typed. It is no URI, and a
  /// filter on the way that knows only URIs may have let it pass as something else. So what it names is not served: RFC 9112 §3.2
  /// has it answered with 400, or with a redirect to the same target with escapes, which filters understand.
  @inline(never)
  private static func skipUnescapedTarget(
    _ cursor: Cursor, from start: Int, _ head: inout RequestHead
  ) throws(Stop) -> Int {
    guard cursor.byte.isBeyondASCII else { throw .malformed }
    var cursor = cursor
    cursor.position = start
    try cursor.skipUnescaped(.path)
    head.path = ByteView(start..<cursor.position)
    if cursor.byte == .questionMark {
      let start = cursor.position
      try cursor.skipUnescaped(.query)
      head.query = ByteView(start..<cursor.position)
    }
    guard cursor.byte == .space else { throw .malformed }
    // Its bytes are not what they seem, either.
    head.traits.formUnion([.unescapedTarget, .escapedPath])
    return cursor.position
  }

  private struct MethodName {
    let method: Method
    /// The one that has an authority for a target.
    let isConnect: Bool
    /// Bytes.
    let count: Int
  }

  /// Any method but GET, which is looked for first; with the space behind it, which is not counted.
  private static func parseOtherMethod(_ cursor: Cursor) throws(Stop) -> MethodName {
    var cursor = cursor
    let start = cursor.position
    try cursor.skip(.token)
    let name = start..<cursor.position
    guard !name.isEmpty, cursor.byte == .space else { throw .malformed }
    let bytes = cursor.bytes
    let isConnect = bytes.equals(name, "CONNECT")
    let method: Method =
      switch name.count {
      case 3: bytes.equals(name, "PUT") ? .notAllowed : .unknown
      case 4: bytes.equals(name, "HEAD") ? .head : bytes.equals(name, "POST") ? .notAllowed : .unknown
      case 5: bytes.equals(name, "PATCH") || bytes.equals(name, "TRACE") ? .notAllowed : .unknown
      case 6: bytes.equals(name, "DELETE") ? .notAllowed : .unknown
      case 7: bytes.equals(name, "OPTIONS") ? .options : isConnect ? .notAllowed : .unknown
      default: .unknown
      }
    return MethodName(method: method, isConnect: isConnect, count: name.count)
  }

  /// Absolute form, `*`, and the authority form of CONNECT (§3.2.2 to §3.2.4), up to the path, if there is one.
  private static func skipOtherTarget(
    _ cursor: Cursor, _ method: MethodName
  ) throws(Stop) -> (position: Int, isForServer: Bool) {
    var cursor = cursor
    let start = cursor.position
    if cursor.byte == .asterisk {
      guard method.method == .options else { throw .malformed }
      cursor.position += 1
      guard !cursor.isAtEnd else { throw .incomplete }
      guard cursor.byte == .space else { throw .malformed }
      return (cursor.position, true)
    }
    try cursor.skip(.authority)
    // CONNECT is refused whatever it names; no other method has the authority form.
    if method.isConnect, cursor.byte == .space { return (cursor.position, false) }
    // The class stops at the first slash: what was passed over is "http:" or "https:".
    let scheme = start..<cursor.position
    guard
      cursor.bytes.equalsIgnoringCase(scheme, "http:") || cursor.bytes.equalsIgnoringCase(scheme, "https:")
    else { throw .malformed }
    try cursor.expect(.slash)
    try cursor.expect(.slash)
    let authority = cursor.position
    try cursor.skip(.authority)
    let next = cursor.byte
    // RFC 9110 §4.2.1: an empty host is an error, too.
    guard next == .slash || next == .questionMark || next == .space,
      isHost(cursor.bytes.extracting(authority..<cursor.position))
    else { throw .malformed }
    return (cursor.position, false)
  }

  @inline(__always)
  @_lifetime(cursor: copy cursor)
  private static func parseVersion(_ cursor: inout Cursor, _ head: inout RequestHead) throws(Stop) {
    if !cursor.hasWord("HTTP/1.1"), try isHTTP10(cursor) { head.traits.insert(.http10) }
    cursor.position &+= 8
  }

  /// Whether it is HTTP/1.0; a higher minor version than 1 is treated as 1, the highest that we know: RFC 9110 §2.5.
  private static func isHTTP10(_ cursor: Cursor) throws(Stop) -> Bool {
    var cursor = cursor
    let name: StaticString = "HTTP/"
    for index in 0..<name.utf8CodeUnitCount { try cursor.expect(name.byte(at: index)) }
    guard cursor.position + 3 <= cursor.bytes.count else { throw .incomplete }
    let major = cursor.bytes[cursor.position]
    let dot = cursor.bytes[cursor.position + 1]
    let minor = cursor.bytes[cursor.position + 2]
    guard major.isDigit, dot == .dot, minor.isDigit else { throw .malformed }
    guard major == UInt8(ascii: "1") else { throw .rejected(.httpVersionNotSupported) }
    return minor == UInt8(ascii: "0")
  }

  // MARK: Field lines (RFC 9112 §5)

  /// The line that nearly every request has, spelled as nearly all clients do, with its line end. False for any other: then
  /// the cursor has not moved.
  @inline(__always)
  @_lifetime(cursor: copy cursor)
  private static func skipPlainHost(_ cursor: inout Cursor) -> Bool {
    guard cursor.hasWord("Host"), cursor.hasWord(": ", at: 4) else { return false }
    var end = cursor
    end.position &+= 6
    end.skipPlainCharacters(andSlash: false)
    guard end.position > cursor.position &+ 6 else { return false }
    if !end.isAtEnd, end.byte == .colon {
      end.position &+= 1
      end.skipShortNumber()
    }
    guard end.hasWord("\r\n") else { return false }
    cursor.position = end.position &+ 2
    return true
  }

  /// Whole field lines that are of no interest here, as nearly all are that browsers send: a name of up to 32 letters, digits and
  /// hyphens, a colon, no control characters, and a line end. At most so many; where they end, and how many they are.
  @inline(never)
  private static func skipIdleFields(_ start: Cursor, most: Int) -> (end: Int, count: Int) {
    var (line, count) = (start, 0)
    while count < most {
      var cursor = line
      cursor.skipPlainName()
      if cursor.position == line.position &+ 16 { cursor.skipPlainName() }
      let length = cursor.position &- line.position
      guard length > 0, !cursor.isAtEnd, cursor.byte == .colon else { break }
      let ends = line.byte ^ cursor.bytes[cursor.position &- 1]
      if FramingFields.mayConcern(length: length, ends: ends) { break }
      cursor.position &+= 1
      cursor.skipToControl()
      guard cursor.hasWord("\r\n") else { break }
      line.position = cursor.position &+ 2
      count &+= 1
    }
    return (line.position, count)
  }

  /// Any field line, up to its line end. True for a Host.
  @inline(__always)
  @_lifetime(cursor: copy cursor)
  private static func skipOtherField(_ cursor: inout Cursor, _ framing: inout FramingFields) throws(Stop)
    -> Bool
  {
    let start = cursor.position
    cursor.skipPlainName()
    if cursor.isAtEnd || cursor.byte != .colon { try cursor.skip(.token) }
    // A line that begins with white space (obs-fold), or has it before the colon, ends here too.
    let name = start..<cursor.position
    guard !name.isEmpty, cursor.byte == .colon else { throw .malformed }
    cursor.position &+= 1
    if name.count == 4, cursor.bytes.equalsIgnoringCase(name, "host") {
      try skipHost(&cursor)
      return true
    }
    try framing.note(name, cursor.skipFieldValue(), in: cursor.bytes)
    return false
  }

  /// RFC 9112 §3.2: the one field that every request has. We need no more of it than that it is sound.
  @inline(__always)
  @_lifetime(cursor: copy cursor)
  private static func skipHost(_ cursor: inout Cursor) throws(Stop) {
    try cursor.skipSpace()
    let start = cursor.position
    try cursor.skip(.authority)
    guard isHost(cursor.bytes.extracting(start..<cursor.position)) else { throw .malformed }
    try cursor.skipSpace()
  }

  /// Whether characters of an authority are a host and perhaps a port: RFC 3986 §3.2.2 and §3.2.3. What is between the
  /// brackets of an IP literal is not looked at more closely.
  private static func isHost(_ bytes: Span<UInt8>) -> Bool {
    var index = 0
    if bytes.count > 0, bytes[0] == UInt8(ascii: "[") {
      while index < bytes.count, bytes[index] != UInt8(ascii: "]") { index += 1 }
      guard index > 1, index < bytes.count else { return false }
      index += 1
    } else {
      while index < bytes.count, bytes[index] != .colon {
        let byte = bytes[index]
        if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "]") { return false }
        if byte == .percent {
          guard index + 2 < bytes.count, bytes[index + 1].hexadecimalValue != nil,
            bytes[index + 2].hexadecimalValue != nil
          else { return false }
        }
        index += 1
      }
      guard index > 0 else { return false }
    }
    if index == bytes.count { return true }
    guard bytes[index] == .colon else { return false }
    return (index + 1..<bytes.count).allSatisfy { bytes[$0].isDigit }
  }
}
