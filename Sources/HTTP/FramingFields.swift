/// The fields of a request that framing and persistence depend on, and the news that there are conditions, a range or
/// an expectation: RFC 9112 §6 and §9, RFC 9110 §10.1.1.
struct FramingFields {
  private(set) var traits: RequestHead.Traits = []
  private(set) var contentLength: Int64?
  private(set) var isChunked = false
  private(set) var connectionCloses = false
  private(set) var connectionKeepsAlive = false
  private(set) var selectors = RequestHead.Selectors.target
  /// From the first to the last field that is a condition, a range, Accept-Encoding, Origin or Authorization.
  private var fields = 0..<0

  /// Whether a field may be one that `note` looks at, or Host: by how many bytes its name has, and by the bits in which the first of
  /// them differs from the last. False for nearly all that are none. Each name of `note` has its first and its last letter here.
  @inline(__always)
  static func mayConcern(length: Int, ends: UInt8) -> Bool {
    let those: UInt32 =
      switch length {
      case 4: bit("h", "t")
      case 5: bit("r", "e")
      case 6: bit("e", "t") | bit("o", "n")
      case 8: bit("i", "h") | bit("i", "e")
      case 10: bit("c", "n")
      case 13: bit("i", "h") | bit("a", "n")
      case 14: bit("c", "h")
      case 15: bit("a", "g")
      case 17: bit("i", "e") | bit("t", "g")
      case 19: bit("i", "e")
      default: 0
      }
    return those & 1 << UInt32(ends & 31) != 0
  }

  @inline(__always)
  private static func bit(_ first: Unicode.Scalar, _ last: Unicode.Scalar) -> UInt32 {
    1 << ((first.value ^ last.value) & 31)
  }

  /// Looks at one field line, by where its name and its value lie in `bytes`, the value with the white space around it.
  mutating func note(
    _ name: Range<Int>, _ untrimmed: Range<Int>, in bytes: Span<UInt8>
  ) throws(RequestParser.Stop) {
    var value: Range<Int> { bytes.trimmed(untrimmed) }
    switch name.count {
    case 5 where bytes.equalsIgnoringCase(name, "range"):
      note(.ranged, name.lowerBound..<untrimmed.upperBound)
    case 6 where bytes.equalsIgnoringCase(name, "expect"):
      noteExpectations(value, in: bytes)
    case 6 where bytes.equalsIgnoringCase(name, "origin"):
      selectors.insert(.origin)
      note([], name.lowerBound..<untrimmed.upperBound)
    case 8 where bytes.equalsIgnoringCase(name, "if-match"):
      note(.conditional, name.lowerBound..<untrimmed.upperBound)
    // Of interest together with a range only.
    case 8 where bytes.equalsIgnoringCase(name, "if-range"): note([], name.lowerBound..<untrimmed.upperBound)
    case 10 where bytes.equalsIgnoringCase(name, "connection"): noteConnectionOptions(value, in: bytes)
    case 13 where bytes.equalsIgnoringCase(name, "if-none-match"):
      note(.conditional, name.lowerBound..<untrimmed.upperBound)
    // Of interest for few paths only.
    case 13 where bytes.equalsIgnoringCase(name, "authorization"):
      note([], name.lowerBound..<untrimmed.upperBound)
    case 14 where bytes.equalsIgnoringCase(name, "content-length"): try noteContentLength(value, in: bytes)
    case 15 where bytes.equalsIgnoringCase(name, "accept-encoding"):
      selectors.insert(.acceptEncoding)
      note([], name.lowerBound..<untrimmed.upperBound)
    case 17 where bytes.equalsIgnoringCase(name, "if-modified-since"):
      note(.conditional, name.lowerBound..<untrimmed.upperBound)
    case 17 where bytes.equalsIgnoringCase(name, "transfer-encoding"):
      try noteTransferEncoding(value, in: bytes)
    case 19 where bytes.equalsIgnoringCase(name, "if-unmodified-since"):
      note(.conditional, name.lowerBound..<untrimmed.upperBound)
    default: break
    }
  }

  private mutating func note(_ trait: RequestHead.Traits, _ line: Range<Int>) {
    traits.formUnion(trait)
    fields = (fields.isEmpty ? line.lowerBound : fields.lowerBound)..<line.upperBound
  }

  /// RFC 9110 §10.1.1: a list, which may be empty; then nothing is expected.
  private mutating func noteExpectations(_ value: Range<Int>, in bytes: Span<UInt8>) {
    var start = value.lowerBound
    while start < value.upperBound {
      let end = min(bytes.firstIndex(of: .comma, from: start), value.upperBound)
      let expectation = bytes.trimmed(start..<end)
      if !expectation.isEmpty {
        traits.insert(
          bytes.equalsIgnoringCase(expectation, "100-continue") ? .expectsContinue : .expectationFails)
      }
      start = end + 1
    }
  }

  /// RFC 9110 §7.6.1.
  private mutating func noteConnectionOptions(_ value: Range<Int>, in bytes: Span<UInt8>) {
    // As nearly all clients say it.
    if bytes.equalsIgnoringCase(value, "keep-alive") {
      connectionKeepsAlive = true
      return
    }
    var start = value.lowerBound
    while start < value.upperBound {
      var end = start
      while end < value.upperBound, bytes[end] != .comma { end += 1 }
      let option = bytes.trimmed(start..<end)
      if bytes.equalsIgnoringCase(option, "close") { connectionCloses = true }
      if bytes.equalsIgnoringCase(option, "keep-alive") { connectionKeepsAlive = true }
      start = end + 1
    }
  }

  /// RFC 9112 §6.3: digits only; two fields must not differ.
  private mutating func noteContentLength(
    _ value: Range<Int>, in bytes: Span<UInt8>
  ) throws(RequestParser.Stop) {
    guard !value.isEmpty else { throw .malformed }
    var length: Int64 = 0
    for index in value {
      guard let digit = bytes[index].decimalValue else { throw .malformed }
      let (product, overflow) = length.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(Int64(digit))
      if overflow || carry { throw .rejected(.contentTooLarge) }
      length = sum
    }
    guard contentLength == nil || contentLength == length else { throw .malformed }
    contentLength = length
  }

  /// RFC 9112 §6.1 and §7: we know chunked, once, and no other coding.
  private mutating func noteTransferEncoding(
    _ value: Range<Int>, in bytes: Span<UInt8>
  ) throws(RequestParser.Stop) {
    guard !value.isEmpty, !isChunked else { throw .malformed }
    guard bytes.equalsIgnoringCase(value, "chunked") else { throw .rejected(.notImplemented) }
    isChunked = true
  }

  /// What all fields together say of the request.
  func conclude(_ head: inout RequestHead) throws(RequestParser.Stop) {
    head.traits.formUnion(traits)
    head.fields = ByteView(fields)
    head.selectors = selectors
    if isChunked {
      // Both framings at once, or chunked from a 1.0 client, is how requests are smuggled: §6.1.
      guard contentLength == nil, !head.isHTTP10 else { throw .malformed }
      head.content = .chunked
    } else if let contentLength, contentLength > 0 {
      head.content = .length(contentLength)
    }
    if head.content != .none { head.traits.insert(.hasContent) }
    if connectionCloses || (head.isHTTP10 && !connectionKeepsAlive) { head.traits.insert(.closes) }
    if head.isHTTP10 { head.traits.remove(.expectsContinue) }
  }
}
