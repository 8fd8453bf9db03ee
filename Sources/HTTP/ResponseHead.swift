/// The head of a response: RFC 9112 §4 and the fields of RFC 9110 that a file server sends.
public struct ResponseHead: Sendable {
  /// The status line's code.
  public var status: Status
  /// Content-Type: RFC 9110 §8.3.
  public var contentType: StaticString?
  /// Content-Length in bytes: §8.6.
  public var contentLength: Int64?
  /// The part that is sent, and the size of the whole: Content-Range, §14.4.
  public var part: ByteRange?
  /// The size of the whole in bytes: for Content-Range.
  public var wholeSize: Int64 = 0
  /// Between several parts that are sent: multipart/byteranges, §14.6. It says the type.
  public var boundary: MultipartBoundary?
  /// Last-Modified: §8.8.2.
  public var lastModified: HTTPDate?
  /// ETag: §8.8.3.
  public var etag: EntityTag?
  /// Accept-Ranges: §14.3.
  public var acceptsRanges = false
  /// Vary says that Accept-Encoding has been looked at: §12.5.5.
  public var variesByCoding = false
  /// The same of Accept: §12.5.1.
  public var variesByAccept = false
  /// What a browser that asks before it asks (a preflight of the CORS protocol) is told of methods and fields.
  public var isPreflight = false
  /// Server: §10.2.4.
  public var hasServer = true
  /// Retry-After, in seconds: §10.2.3.
  public var retryAfter: Int64?
  /// What becomes of the connection, where the client can't take it for granted.
  public var connection = Connection.implied

  /// The Connection field: RFC 9112 §9.3 and §9.6.
  public enum Connection: Sendable {
    /// No field: an HTTP/1.1 connection that lasts.
    case implied
    /// `close`
    case closes
    /// `keep-alive`, for HTTP/1.0
    case keepsAlive
  }

  /// A head with nothing but a status.
  public init(_ status: Status) {
    self.status = status
  }

  /// Longest head without a Location field and fields of the caller's, in bytes.
  public static var maximumCount: Int { 512 }
  /// Longest ready head of a file without fields of the caller's: a 200 on a connection that lasts.
  public static var maximumFileCount: Int { 288 }

  /// Where the Date's 29 bytes lie in a head of this status: a ready head gets a new date in place.
  public static func dateOffset(_ status: Status) -> Int {
    "HTTP/1.1 ".utf8.count + status.line.utf8CodeUnitCount + "\r\nDate: ".utf8.count
  }

  /// The lines of a file's ready head that a 304 does not have: those of the caller's that say the type, `typeCount` bytes of them,
  /// and Content-Length (RFC 9110 §15.4.5).
  public static func contentLines(hasServer: Bool, typeCount: Int, size: Int64) -> Range<Int> {
    let start = dateOffset(.ok) + HTTPDate.length + 2 + (hasServer ? serverLine.utf8CodeUnitCount : 0)
    var digits = 1
    var rest = size
    while rest >= 10 {
      rest /= 10
      digits += 1
    }
    return start..<start + typeCount + "Content-Length: ".utf8.count + digits + 2
  }

  private static var serverLine: StaticString { "Server: sluice\r\n" }

  /// Appends the head, with its empty line. `type` and `fields` are lines of the caller's, each with its end: one that says the
  /// type, and others; so is `challenge`, which asks for credentials. `location` is the Location field's value, already encoded;
  /// `origin` that of Access-Control-Allow-Origin.
  public func append(
    to out: inout OutputSpan<UInt8>, date: WrittenDate, type: Span<UInt8>? = nil, fields: Span<UInt8>? = nil,
    challenge: Span<UInt8>? = nil, location: Span<UInt8>? = nil, origin: Span<UInt8>? = nil
  ) {
    out.append("HTTP/1.1 ")
    out.append(status.line)
    out.append("\r\nDate: ")
    date.append(to: &out)
    out.append("\r\n")
    if hasServer { out.append(Self.serverLine) }
    if let type { out.append(copying: type) }
    if let contentType { out.appendField("Content-Type: ", contentType) }
    boundary?.appendType(to: &out)
    if let contentLength {
      out.append("Content-Length: ")
      out.append(decimal: contentLength)
      out.append("\r\n")
    }
    if let part {
      out.appendContentRange(part, of: wholeSize)
    } else if status == .rangeNotSatisfiable {
      out.append("Content-Range: bytes */")
      out.append(decimal: wholeSize)
      out.append("\r\n")
    }
    if let lastModified {
      out.append("Last-Modified: ")
      lastModified.append(to: &out)
      out.append("\r\n")
    }
    if let etag {
      out.append("ETag: ")
      etag.append(to: &out)
      out.append("\r\n")
    }
    if acceptsRanges { out.append("Accept-Ranges: bytes\r\n") }
    if variesByCoding { out.append("Vary: Accept-Encoding\r\n") }
    if variesByAccept { out.append("Vary: Accept\r\n") }
    if let fields { out.append(copying: fields) }
    if let challenge { out.append(copying: challenge) }
    if let retryAfter {
      out.append("Retry-After: ")
      out.append(decimal: retryAfter)
      out.append("\r\n")
    }
    if status == .methodNotAllowed || status == .noContent { out.appendField("Allow: ", Method.allowed) }
    if let origin {
      out.append("Access-Control-Allow-Origin: ")
      out.append(copying: origin)
      out.append("\r\n")
    }
    if isPreflight {
      out.appendField("Access-Control-Allow-Methods: ", Method.allowed)
      // The star does not stand for the one field that may hold a secret.
      out.appendField("Access-Control-Allow-Headers: ", "*, Authorization")
      out.appendField("Access-Control-Max-Age: ", "7200")
    }
    if let location {
      out.append("Location: ")
      out.append(copying: location)
      out.append("\r\n")
    }
    switch connection {
    case .implied: break
    case .closes: out.append("Connection: close\r\n")
    case .keepsAlive: out.append("Connection: keep-alive\r\n")
    }
    out.append("\r\n")
  }
}

extension OutputSpan<UInt8> {
  /// Appends a text.
  public mutating func append(_ text: StaticString) {
    unsafe append(copying: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Appends a copy of other bytes.
  public mutating func append(copying bytes: Span<UInt8>) {
    unsafe bytes.bytes.withUnsafeBytes { unsafe append(copying: $0) }
  }

  private mutating func append(copying bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count <= freeCapacity)
    unsafe withUnsafeMutableBufferPointer { buffer, count in
      let room = unsafe UnsafeMutableRawBufferPointer(buffer)[count...]
      unsafe UnsafeMutableRawBufferPointer(rebasing: room).copyMemory(from: bytes)
      count += bytes.count
    }
  }

  mutating func appendField(_ name: StaticString, _ value: StaticString) {
    append(name)
    append(value)
    append("\r\n")
  }

  /// Content-Range: RFC 9110 §14.4.
  mutating func appendContentRange(_ part: ByteRange, of size: Int64) {
    append("Content-Range: bytes ")
    append(decimal: part.lowerBound)
    append("-")
    append(decimal: part.upperBound - 1)
    append("/")
    append(decimal: size)
    append("\r\n")
  }

  /// Appends a number that is not negative.
  public mutating func append(decimal number: Int64) {
    var divisor: Int64 = 1
    while number / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / divisor % 10))
      divisor /= 10
    }
  }
}
