/// Parses the head of an HTTP/1.0 or HTTP/1.1 request: RFC 9112 §2 to §6, strictly.
///
/// Works on the bytes as received, from the start each time; copies and allocates nothing. What RFC 9112 lets
/// a server forgive is not forgiven (bare LF, obs-fold, space before a colon): every such gift has been used
/// to smuggle requests. One empty line before the request line is skipped, as §2.2 asks.
public struct RequestParser: ~Escapable {
  /// Bounds on a head.
  public struct Limits: Sendable {
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
    case complete(RequestHead)
    /// To be answered with this status and a close: where the next request begins is not certain.
    case rejected(Status)
  }

  /// Why parsing stops before the end of the head.
  private enum Stop: Error {
    case incomplete
    case rejected(Status)

    static var malformed: Stop { .rejected(.badRequest) }
  }

  private let bytes: Span<UInt8>
  private let limits: Limits
  private var position = 0
  private var head = RequestHead()
  /// Of any method but GET.
  private var methodName = 0..<0
  private var hosts = 0
  private var contentLength: Int64 = -1
  private var isChunked = false
  private var connectionCloses = false
  private var connectionKeepsAlive = false

  /// Parses the head at the start of `bytes`.
  public static func parse(_ bytes: Span<UInt8>, limits: Limits) -> Outcome {
    var parser = RequestParser(bytes, limits: limits)
    do throws(Stop) {
      try parser.parseRequestLine()
      try parser.parseFieldLines()
      try parser.concludeFields()
      return .complete(parser.head)
    } catch {
      switch error {
      case .rejected(let status): return .rejected(status)
      case .incomplete:
        return bytes.count >= limits.head ? .rejected(.requestHeaderFieldsTooLarge) : .incomplete
      }
    }
  }

  @_lifetime(copy bytes)
  private init(_ bytes: Span<UInt8>, limits: Limits) {
    self.bytes = bytes
    self.limits = limits
  }

  // MARK: Request line (RFC 9112 §3)

  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func parseRequestLine() throws(Stop) {
    if position < bytes.count, bytes[position] == .carriageReturn { try skipLineEnd() }
    let start = position
    do throws(Stop) {
      try parseMethod()
      try parseTarget()
      try parseVersion()
    } catch {
      if case .incomplete = error, bytes.count - start > limits.requestLine { throw .rejected(.uriTooLong) }
      throw error
    }
    if position - start > limits.requestLine { throw .rejected(.uriTooLong) }
    try skipLineEnd()
  }

  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func parseMethod() throws(Stop) {
    if hasWord("GET ", at: position) {
      head.method = .get
      position += 4
      return
    }
    let start = position
    try skip(.token)
    guard position > start, bytes[position] == .space else { throw .malformed }
    methodName = start..<position
    head.method = method(methodName)
    position += 1
  }

  /// Any method but GET, which is looked for first.
  private func method(_ name: Range<Int>) -> Method {
    switch name.count {
    case 3: equals(name, "PUT") ? .notAllowed : .unknown
    case 4: equals(name, "HEAD") ? .head : equals(name, "POST") ? .notAllowed : .unknown
    case 5: equals(name, "PATCH") || equals(name, "TRACE") ? .notAllowed : .unknown
    case 6: equals(name, "DELETE") ? .notAllowed : .unknown
    case 7: equals(name, "OPTIONS") ? .options : equals(name, "CONNECT") ? .notAllowed : .unknown
    default: .unknown
    }
  }

  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func parseTarget() throws(Stop) {
    guard position < bytes.count else { throw .incomplete }
    if bytes[position] != .slash { try parseOtherTarget() }
    let start = position
    try skip(.literalPath)
    if bytes[position] == .percent {
      head.pathIsLiteral = false
      try skip(.path)
    }
    head.path = ByteView(start..<position)
    if bytes[position] == .questionMark {
      let start = position
      try skip(.query)
      head.query = ByteView(start..<position)
    }
    guard bytes[position] == .space else { throw .malformed }
    position += 1
  }

  /// Absolute form, `*`, and the authority form of CONNECT (§3.2.2 to §3.2.4); leaves the path for the caller.
  @_lifetime(self: copy self)
  private mutating func parseOtherTarget() throws(Stop) {
    let start = position
    if bytes[start] == .asterisk {
      guard head.method == .options else { throw .malformed }
      head.isForServer = true
      position += 1
      guard position < bytes.count else { throw .incomplete }
      guard bytes[position] == .space else { throw .malformed }
      return
    }
    try skip(.authority)
    // CONNECT is refused whatever it names; no other method has the authority form.
    if equals(methodName, "CONNECT"), bytes[position] == .space { return }
    // The class stops at the first slash: what was passed over is "http:" or "https:".
    let scheme = start..<position
    guard equalsIgnoringCase(scheme, "http:") || equalsIgnoringCase(scheme, "https:") else {
      throw .malformed
    }
    try expect(.slash)
    try expect(.slash)
    let authority = position
    try skip(.authority)
    let next = bytes[position]
    guard position > authority, next == .slash || next == .questionMark || next == .space else {
      throw .malformed
    }
  }

  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func parseVersion() throws(Stop) {
    if hasWord("HTTP/1.1", at: position) {
      position += 8
      return
    }
    try parseOtherVersion()
  }

  @_lifetime(self: copy self)
  private mutating func parseOtherVersion() throws(Stop) {
    let name: StaticString = "HTTP/"
    for index in 0..<name.utf8CodeUnitCount { try expect(name.byte(at: index)) }
    guard position + 3 <= bytes.count else { throw .incomplete }
    let (major, dot, minor) = (bytes[position], bytes[position + 1], bytes[position + 2])
    guard major.isDigit, dot == .dot, minor.isDigit else { throw .malformed }
    guard major == UInt8(ascii: "1") else { throw .rejected(.httpVersionNotSupported) }
    // A higher minor version is treated as the highest that we know: RFC 9110 §2.5.
    head.isHTTP10 = minor == UInt8(ascii: "0")
    position += 3
  }

  // MARK: Field lines (RFC 9112 §5)

  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func parseFieldLines() throws(Stop) {
    let start = position
    var count = 0
    while true {
      guard position < bytes.count else { throw .incomplete }
      if bytes[position] == .carriageReturn { break }
      count += 1
      if count > limits.fields { throw .rejected(.requestHeaderFieldsTooLarge) }
      try parseFieldLine()
    }
    head.fields = ByteView(start..<position)
    try skipLineEnd()
    if position > limits.head { throw .rejected(.requestHeaderFieldsTooLarge) }
    head.count = position
  }

  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func parseFieldLine() throws(Stop) {
    // Nearly every request has this line, spelled so.
    if hasWord("Host", at: position), position + 4 < bytes.count, bytes[position + 4] == .colon {
      position += 5
      try parseHost()
      return try skipLineEnd()
    }
    let nameStart = position
    try skip(.token)
    // A line that begins with white space (obs-fold), or has it before the colon, ends here too.
    let name = nameStart..<position
    guard !name.isEmpty, bytes[position] == .colon else { throw .malformed }
    position += 1
    if name.count == 4, equalsIgnoringCase(name, "host") {
      try parseHost()
      try skipLineEnd()
    } else {
      let value = try skipFieldValue()
      try skipLineEnd()
      try noteField(name, value)
    }
  }

  /// RFC 9112 §3.2: the one field that every request has. We need no more of it than that it is sound.
  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func parseHost() throws(Stop) {
    hosts += 1
    try skipSpace()
    let start = position
    try skip(.authority)
    guard position > start else { throw .malformed }
    try skipSpace()
  }

  /// Passes over a field value, which ends at CR; returns where it lies without white space around it.
  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func skipFieldValue() throws(Stop) -> Range<Int> {
    var start = position
    while true {
      position = firstControl(from: position)
      guard position < bytes.count else { throw .incomplete }
      if bytes[position] == .carriageReturn { break }
      guard bytes[position] == .tab else { throw .malformed }
      position += 1
    }
    var end = position
    while start < end, bytes[start] == .space || bytes[start] == .tab { start += 1 }
    while start < end, bytes[end - 1] == .space || bytes[end - 1] == .tab { end -= 1 }
    return start..<end
  }

  /// Looks at the fields that framing and persistence depend on, and notes that others are there.
  @_lifetime(self: copy self)
  private mutating func noteField(_ name: Range<Int>, _ value: Range<Int>) throws(Stop) {
    switch name.count {
    case 5 where equalsIgnoringCase(name, "range"): head.hasRange = true
    case 6 where equalsIgnoringCase(name, "expect"):
      if equalsIgnoringCase(value, "100-continue") {
        head.expectsContinue = true
      } else {
        head.expectationFails = true
      }
    case 8 where equalsIgnoringCase(name, "if-match"): head.isConditional = true
    case 10 where equalsIgnoringCase(name, "connection"): noteConnectionOptions(value)
    case 13 where equalsIgnoringCase(name, "if-none-match"): head.isConditional = true
    case 14 where equalsIgnoringCase(name, "content-length"): try noteContentLength(value)
    case 17 where equalsIgnoringCase(name, "if-modified-since"): head.isConditional = true
    case 17 where equalsIgnoringCase(name, "transfer-encoding"): try noteTransferEncoding(value)
    case 19 where equalsIgnoringCase(name, "if-unmodified-since"): head.isConditional = true
    default: break
    }
  }

  /// RFC 9110 §7.6.1.
  @_lifetime(self: copy self)
  private mutating func noteConnectionOptions(_ value: Range<Int>) {
    var start = value.lowerBound
    while start < value.upperBound {
      var end = start
      while end < value.upperBound, bytes[end] != .comma { end += 1 }
      var (first, last) = (start, end)
      while first < last, bytes[first] == .space || bytes[first] == .tab { first += 1 }
      while first < last, bytes[last - 1] == .space || bytes[last - 1] == .tab { last -= 1 }
      if equalsIgnoringCase(first..<last, "close") { connectionCloses = true }
      if equalsIgnoringCase(first..<last, "keep-alive") { connectionKeepsAlive = true }
      start = end + 1
    }
  }

  /// RFC 9112 §6.3: digits only; two fields must not differ.
  @_lifetime(self: copy self)
  private mutating func noteContentLength(_ value: Range<Int>) throws(Stop) {
    guard !value.isEmpty else { throw .malformed }
    var length: Int64 = 0
    for index in value {
      guard bytes[index].isDigit else { throw .malformed }
      let (product, overflow) = length.multipliedReportingOverflow(by: 10)
      let digit = Int64(bytes[index] - UInt8(ascii: "0"))
      let (sum, carry) = product.addingReportingOverflow(digit)
      if overflow || carry { throw .rejected(.contentTooLarge) }
      length = sum
    }
    guard contentLength < 0 || contentLength == length else { throw .malformed }
    contentLength = length
  }

  /// RFC 9112 §6.1 and §7: we know chunked, once, and no other coding.
  @_lifetime(self: copy self)
  private mutating func noteTransferEncoding(_ value: Range<Int>) throws(Stop) {
    guard !value.isEmpty, !isChunked else { throw .malformed }
    guard equalsIgnoringCase(value, "chunked") else { throw .rejected(.notImplemented) }
    isChunked = true
  }

  /// What can be said only when all fields were seen.
  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func concludeFields() throws(Stop) {
    // RFC 9112 §3.2: exactly one Host; HTTP/1.0 may have none.
    guard hosts == 1 || (hosts == 0 && head.isHTTP10) else { throw .malformed }
    if isChunked {
      // Both framings at once, or chunked from a 1.0 client, is how requests are smuggled: §6.1.
      guard contentLength < 0, !head.isHTTP10 else { throw .malformed }
      head.content = .chunked
    } else if contentLength > 0 {
      head.content = .length(contentLength)
    }
    head.keepsAlive = !connectionCloses && (!head.isHTTP10 || connectionKeepsAlive)
    if head.isHTTP10 { head.expectsContinue = false }
  }
}

// MARK: - Bytes

extension RequestParser {
  /// Passes over bytes of a class; the position is then at a byte that is not of it.
  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func skip(_ bytesOfClass: ByteClass) throws(Stop) {
    position = end(of: bytesOfClass, from: position)
    guard position < bytes.count else { throw .incomplete }
  }

  /// The first byte from `start` on that is not of a class.
  @inline(__always)
  private func end(of bytesOfClass: ByteClass, from start: Int) -> Int {
    var index = start
    while index < bytes.count, unsafe bytesOfClass.contains(bytes[unchecked: index]) { index += 1 }
    return index
  }

  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func expect(_ byte: UInt8) throws(Stop) {
    guard position < bytes.count else { throw .incomplete }
    guard bytes[position] == byte else { throw .malformed }
    position += 1
  }

  /// Passes over CRLF; a CR or an LF alone is a fault.
  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func skipLineEnd() throws(Stop) {
    if hasWord("\r\n", at: position) {
      position += 2
      return
    }
    try expect(.carriageReturn)
    // Either the line feed has not come yet or it is another byte.
    try expect(.lineFeed)
  }

  /// Passes over optional white space: RFC 9110 §5.6.3.
  @inline(__always)
  @_lifetime(self: copy self)
  private mutating func skipSpace() throws(Stop) {
    while position < bytes.count, bytes[position] == .space || bytes[position] == .tab { position += 1 }
    guard position < bytes.count else { throw .incomplete }
  }

  /// Whether a text of 2, 4 or 8 characters stands at `offset`, by one comparison.
  @inline(__always)
  private func hasWord(_ text: StaticString, at offset: Int) -> Bool {
    let count = text.utf8CodeUnitCount
    guard offset + count <= bytes.count else { return false }
    let raw = unsafe bytes.bytes
    let wanted = unsafe UnsafeRawPointer(text.utf8Start)
    switch count {
    case 2:
      return unsafe raw.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self)
        == wanted.loadUnaligned(as: UInt16.self)
    case 4:
      return unsafe raw.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)
        == wanted.loadUnaligned(as: UInt32.self)
    default:
      precondition(count == 8)
      return unsafe raw.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
        == wanted.loadUnaligned(as: UInt64.self)
    }
  }

  /// The first byte from `start` on that is a control character, eight bytes at a time.
  @inline(__always)
  private func firstControl(from start: Int) -> Int {
    var index = start
    while index + 8 <= bytes.count {
      let word = unsafe UInt64(
        littleEndian: bytes.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
      let ones: UInt64 = 0x0101_0101_0101_0101
      // The high bit of every byte that is below 0x20, or that is 0x7F; the lowest such bit is exact.
      let below = (word &- ones &* 0x20) & ~word
      let delete = word ^ (ones &* 0x7F)
      let found = (below | ((delete &- ones) & ~delete)) & (ones &* 0x80)
      if found != 0 { return index + found.trailingZeroBitCount / 8 }
      index += 8
    }
    while index < bytes.count, bytes[index] >= 0x20, bytes[index] != 0x7F { index += 1 }
    return index
  }

  @inline(__always)
  private func equals(_ range: Range<Int>, _ text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    for index in 0..<text.utf8CodeUnitCount
    where bytes[range.lowerBound + index] != text.byte(at: index) {
      return false
    }
    return true
  }

  /// `text` is in lower case.
  @inline(__always)
  private func equalsIgnoringCase(_ range: Range<Int>, _ text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    for index in 0..<text.utf8CodeUnitCount
    where bytes[range.lowerBound + index].lowercased != text.byte(at: index) {
      return false
    }
    return true
  }
}
