import Glibc
import Testing

/// A multipart/byteranges response, taken apart (RFC 9110 §14.6, RFC 2046 §5.1). Made for tests: it is strict.
struct MultipartBody {
  struct Part {
    let fields: HTTPResponse
    let bytes: [UInt8]
    /// What Content-Range says: the part, and the size of the whole.
    let range: Range<Int>
    let size: Int
  }

  let boundary: String
  let parts: [Part]

  /// Finds the parts by their delimiters alone; then they must be what their Content-Range says.
  init(_ response: HTTPResponse) throws {
    guard response.status == 206, response["Content-Range"] == nil else {
      throw TestFailure("no multipart: \(response.statusLine) \(response.fields)")
    }
    guard
      let type = response["Content-Type"]?.wholeMatch(
        of: /multipart\/byteranges; boundary=([0-9a-zA-Z]{1,70})/)
    else { throw TestFailure("no multipart: \(response["Content-Type"] ?? "-")") }
    boundary = String(type.1)
    let delimiter = Array("\r\n--\(boundary)".utf8)
    var parts: [Part] = []
    var rest = response.body[...]
    guard rest.starts(with: delimiter) else { throw TestFailure("something before the first part") }
    rest = rest.dropFirst(delimiter.count)
    while rest.starts(with: "\r\n".utf8) {
      rest = rest.dropFirst(2)
      // What a part has of fields is short; what it has of bytes ends before the next delimiter.
      guard let headEnd = rest.prefix(20_000).firstRange(of: Array("\r\n\r\n".utf8)),
        let end = Self.find(delimiter, in: rest[headEnd.upperBound...])
      else { throw TestFailure("half a part") }
      parts.append(
        try Part(
          head: Array(rest[..<headEnd.lowerBound] + [0x0D, 0x0A]),
          bytes: Array(rest[headEnd.upperBound..<end])))
      rest = rest[(end + delimiter.count)...]
    }
    guard Array(rest) == Array("--\r\n".utf8) else { throw TestFailure("no end, or something behind it") }
    self.parts = parts
  }

  /// As `firstRange(of:)`, which takes seconds for megabytes in a debug build. `wanted` begins with a carriage return.
  private static func find(_ wanted: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
    let offset: Int? = unsafe bytes.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return nil }
      var index = 0
      while index + wanted.count <= bytes.count,
        let found = unsafe memchr(start + index, 0x0D, bytes.count - index - wanted.count + 1)
      {
        if unsafe memcmp(found, wanted, wanted.count) == 0 { return unsafe UnsafeRawPointer(found) - start }
        index = unsafe UnsafeRawPointer(found) - start + 1
      }
      return nil
    }
    return offset.map { bytes.startIndex + $0 }
  }
}

extension MultipartBody.Part {
  fileprivate init(head: [UInt8], bytes: [UInt8]) throws {
    // A response's head but for the status line.
    fields = try HTTPResponse(head: Array("part\r\n".utf8) + head)
    guard let match = fields["Content-Range"]?.wholeMatch(of: /bytes (\d+)-(\d+)\/(\d+)/),
      let first = Int(match.1), let last = Int(match.2), let size = Int(match.3), first <= last, last < size,
      bytes.count == last - first + 1
    else { throw TestFailure("a part of \(bytes.count) bytes: \(fields.fields)") }
    range = first..<last + 1
    self.size = size
    self.bytes = bytes
  }
}

extension HTTPResponse {
  /// Expects these parts of a file of the pattern's, in this order.
  func expectParts(
    _ expected: [Range<Int>], of size: Int, type: String = "application/octet-stream",
    location: SourceLocation = #_sourceLocation
  ) throws {
    let parts = try MultipartBody(self).parts
    #expect(parts.map(\.range) == expected, sourceLocation: location)
    #expect(
      parts.allSatisfy { $0.size == size && $0.fields["Content-Type"] == type }, sourceLocation: location)
    #expect(parts.allSatisfy { $0.fields.fields.count == 2 }, sourceLocation: location)
    for part in parts {
      let isRight = Pattern.matches(part.bytes, from: part.range.lowerBound)
      #expect(isRight, "\(part.range)", sourceLocation: location)
    }
    #expect(self["ETag"] != nil && self["Accept-Ranges"] == "bytes", sourceLocation: location)
    #expect(contentLength == body.count, sourceLocation: location)
  }
}
