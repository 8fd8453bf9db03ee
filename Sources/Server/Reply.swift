import Files
import HTTP

/// What is to be sent in answer to a request. The bytes are the desk's or a cached file's: good until the next
/// request is looked at.
@safe
struct Reply {
  /// The head, perhaps with the content behind it.
  var bytes: UnsafeRawBufferPointer
  /// Content in memory, to be sent with `bytes`.
  var content = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  /// Content in an open file, to be sent after `bytes`.
  var file: FileReference?
  var fileOffset: Int64 = 0
  var fileCount: Int64 = 0
  var keepsAlive = true
}

extension Reply {
  /// A whole file, with its ready head.
  init(wholeOf file: FileReference) {
    if file.file.isInMemory {
      unsafe self.init(bytes: file.file.headAndContent)
    } else {
      unsafe self.init(bytes: UnsafeRawBufferPointer(file.file.head), file: file, fileCount: file.file.size)
    }
  }
}

extension Desk {
  /// Decides what a request is answered with. `bytes` are what the head was parsed from.
  mutating func reply(to request: RequestHead, _ bytes: Span<UInt8>) -> Reply {
    switch request.method {
    case .get, .head: break
    case .options: return reply(.noContent, to: request)
    case .notAllowed: return reply(.methodNotAllowed, to: request)
    case .unknown: return reply(.notImplemented, to: request)
    }
    if request.expectationFails { return reply(.expectationFailed, to: request) }

    switch find(request, bytes) {
    case .file(let file): return request.isOrdinary ? wholeReply(file) : reply(with: file, to: request, bytes)
    case .directory: return redirect(to: request, bytes)
    case .failed(let status): return reply(status, to: request)
    }
  }

  // MARK: Finding the file

  private enum Found {
    case file(FileReference)
    /// The decoded path, in `path`, names a folder without its slash.
    case directory
    case failed(Status)
  }

  /// A file that the cache knows by the path as sent. A path with dot segments, double slashes or escapes is never known
  /// by that name.
  @inline(__always)
  mutating func knownFile(_ request: RequestHead, _ bytes: Span<UInt8>) -> FileReference? {
    let path = request.path.range
    return path.isEmpty
      ? nil : files.find(bytes.extracting(path.lowerBound &+ 1..<path.upperBound), now: milliseconds)
  }

  private mutating func find(_ request: RequestHead, _ bytes: Span<UInt8>) -> Found {
    if request.pathIsLiteral, let file = knownFile(request, bytes) { return .file(file) }
    var outcome = RequestPath.Outcome.path
    unsafe decodedPath = unsafe write(into: path) { out in
      if !request.path.isEmpty {
        outcome = RequestPath.decode(bytes.extracting(request.path.range), into: &out)
      }
    }
    switch outcome {
    case .path: break
    case .malformed: return .failed(.badRequest)
    case .hidden, .tooLong: return .failed(.notFound)
    }
    if let file = unsafe files.find(decodedPath.span, now: milliseconds) { return .file(file) }
    // A file that was changed just now must not be newer than the Date (RFC 9110 §8.8.2.1).
    readWallClock()
    switch unsafe files.load(decodedPath.span, now: milliseconds, wallSeconds: wallSeconds) {
    case .file(let file): return .file(file)
    case .directory: return .directory
    case .failed(.notFound): return .failed(.notFound)
    case .failed(.forbidden): return .failed(.forbidden)
    case .failed(.exhausted): return .failed(.serviceUnavailable)
    case .failed(.inputOutput): return .failed(.internalServerError)
    }
  }

  // MARK: Replies with a file

  private mutating func wholeReply(_ file: FileReference) -> Reply {
    renewHead(of: file)
    return Reply(wholeOf: file)
  }

  /// Makes the file's ready head, or sets its date in place: nobody else reads it, what a socket would not take at
  /// once was copied.
  @inline(__always)
  mutating func renewHead(of file: FileReference) {
    if file.file.headDate != wallSeconds { makeHead(of: file) }
  }

  private mutating func makeHead(of file: FileReference) {
    let date = HTTPDate(secondsSinceEpoch: wallSeconds)
    if unsafe file.file.head.isEmpty {
      let made = responseHead(of: file.file, .ok)
      let head = unsafe compose { made.append(to: &$0, date: date) }
      unsafe file.file.setHead(head)
    } else {
      let offset = ResponseHead.dateOffset(.ok)
      let place = unsafe UnsafeMutableRawBufferPointer(
        rebasing: file.file.head[offset..<offset + HTTPDate.length])
      _ = unsafe write(into: place) { date.append(to: &$0) }
    }
    file.file.headDate = wallSeconds
  }

  private mutating func validators(of file: borrowing OpenFile) -> Validators {
    Validators(
      etag: EntityTag(modificationTime: file.modifiedNanoseconds, size: file.size),
      modified: HTTPDate(secondsSinceEpoch: file.modifiedSeconds),
      now: HTTPDate(secondsSinceEpoch: wallSeconds))
  }

  private mutating func responseHead(of file: borrowing OpenFile, _ status: Status) -> ResponseHead {
    var head = ResponseHead(status)
    head.etag = EntityTag(modificationTime: file.modifiedNanoseconds, size: file.size)
    head.lastModified = HTTPDate(secondsSinceEpoch: file.modifiedSeconds)
    if status != .notModified {
      head.contentType = file.mediaType
      head.contentLength = file.size
    }
    return head
  }

  /// A file, or a part of it, or the news that the client has it already: RFC 9110 §13.2.2 and §14.2.
  private mutating func reply(
    with file: FileReference, to request: RequestHead, _ bytes: Span<UInt8>
  ) -> Reply {
    let fields = bytes.extracting(request.fields.range)
    let size = file.file.size
    var part: ByteRange?
    if request.isConditional || request.hasRange {
      let validators = validators(of: file.file)
      switch Preconditions.evaluate(fields: fields, isGetOrHead: true, validators: validators) {
      case .proceed: break
      case .failed: return reply(.preconditionFailed, to: request)
      case .notModified:
        return finish(responseHead(of: file.file, .notModified), request)
      }
      if request.hasRange, request.method == .get,
        Preconditions.rangeApplies(fields: fields, validators: validators)
      {
        switch ByteRange.select(fields: fields, size: size) {
        case .whole: break
        case .part(let range): part = range
        case .unsatisfiable: return rangeNotSatisfiable(size: size, to: request)
        }
      }
    }
    var head = responseHead(of: file.file, part == nil ? .ok : .partialContent)
    let (offset, count) = (part?.lowerBound ?? 0, part?.count ?? size)
    head.part = part
    head.wholeSize = size
    head.contentLength = count
    var reply = finish(head, request)
    guard request.method == .get else { return reply }
    if file.file.isInMemory {
      unsafe reply.content = unsafe UnsafeRawBufferPointer(
        rebasing: file.file.content[Int(offset)..<Int(offset + count)])
    } else {
      reply.file = file
      reply.fileOffset = offset
      reply.fileCount = count
    }
    return reply
  }

  /// Encodes a head for the client and the connection that it is for.
  private mutating func finish(
    _ head: consuming ResponseHead, _ request: RequestHead, location: Span<UInt8>? = nil,
    text: StaticString = ""
  ) -> Reply {
    let keepsAlive = request.keepsAlive && !isDraining
    if !keepsAlive {
      head.connection = .closes
    } else if request.isHTTP10 {
      head.connection = .keepsAlive
    }
    let date = HTTPDate(secondsSinceEpoch: wallSeconds)
    let bytes = unsafe compose { out in
      head.append(to: &out, date: date, location: location)
      if request.method != .head { out.append(text) }
    }
    return unsafe Reply(bytes: bytes, keepsAlive: keepsAlive)
  }

  // MARK: Replies without a file

  /// A status with a line of text that says it, for people.
  private mutating func reply(_ status: Status, to request: RequestHead) -> Reply {
    var head = ResponseHead(status)
    guard status != .noContent else { return finish(head, request) }
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = Int64(status.line.utf8CodeUnitCount)
    return finish(head, request, text: status.line)
  }

  private mutating func rangeNotSatisfiable(size: Int64, to request: RequestHead) -> Reply {
    var head = ResponseHead(.rangeNotSatisfiable)
    head.wholeSize = size
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = Int64(head.status.line.utf8CodeUnitCount)
    return finish(head, request, text: head.status.line)
  }

  /// To the folder's own name, which ends with a slash. Made from the decoded path, whose slashes are single:
  /// a Location that begins with two would lead to another host.
  private mutating func redirect(to request: RequestHead, _ bytes: Span<UInt8>) -> Reply {
    let query = bytes.extracting(request.query.range)
    let location = unsafe write(into: staging) { out in
      out.append("/")
      _ = unsafe RequestPath.encode(decodedPath.span, to: &out)
      out.append("/")
      for index in query.indices { out.append(query[index]) }
    }
    var head = ResponseHead(.movedPermanently)
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = Int64(head.status.line.utf8CodeUnitCount)
    return unsafe finish(head, request, location: location.span, text: head.status.line)
  }

  /// The answer to what is no request that we can take; the connection ends with it.
  mutating func rejection(_ status: Status, toHead: Bool) -> Reply {
    var head = ResponseHead(status)
    head.connection = .closes
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = Int64(status.line.utf8CodeUnitCount)
    let date = HTTPDate(secondsSinceEpoch: wallSeconds)
    let bytes = unsafe compose { out in
      head.append(to: &out, date: date)
      if !toHead { out.append(status.line) }
    }
    return unsafe Reply(bytes: bytes, keepsAlive: false)
  }
}
