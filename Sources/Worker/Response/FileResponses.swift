import Files
import HTTP

/// Responses with a file, or with news of it.
extension Responder {
  /// Makes the file's ready head, or sets its date in place: nobody else reads it, what a socket would not take at
  /// once was copied.
  @inline(__always)
  mutating func renewHead(of file: FileReference, now: WorkerClock) {
    if file.file.headDate != now.wallSeconds { makeHead(of: file, now: now) }
  }

  private mutating func makeHead(of file: FileReference, now: WorkerClock) {
    let date = date(of: now)
    if unsafe file.file.head.isEmpty {
      let policy = policies[file.file.policy]
      let made = responseHead(of: file.file, .ok, policy)
      let head = unsafe compose {
        unsafe made.append(to: &$0, date: date, type: policy.type.span, fields: policy.fields.span)
      }
      unsafe file.file.setHead(head)
    } else {
      let offset = ResponseHead.dateOffset(.ok)
      let place = unsafe UnsafeMutableRawBufferPointer(
        rebasing: file.file.head[offset..<offset + HTTPDate.length])
      _ = unsafe write(into: place) { date.append(to: &$0) }
    }
    file.file.headDate = now.wallSeconds
  }

  /// Whether a file's ready head has the fields that a response to the request shall have.
  private func hasReadyHead(for request: RequestHead) -> Bool {
    unsafe request.isOrdinaryButConditional && keepsConnections && hasReadyHeads && origin.isEmpty
  }

  /// The news that the client has the file: its ready head, but for the status and what is said of the content.
  private mutating func notModified(_ file: FileReference) -> Response {
    renewHead(of: file, now: now)
    let policy = policies[file.file.policy]
    let ready = unsafe UnsafeRawBufferPointer(file.file.head)
    let left = unsafe ResponseHead.contentLines(
      hasServer: policy.hasServer, typeCount: policy.type.count, size: file.file.size)
    let bytes = unsafe compose { out in
      out.append("HTTP/1.1 ")
      out.append(Status.notModified.line)
      out.append("\r\nDate: ")
      unsafe out.append(
        copying: UnsafeRawBufferPointer(rebasing: ready[ResponseHead.dateOffset(.ok)..<left.lowerBound]).span)
      unsafe out.append(copying: UnsafeRawBufferPointer(rebasing: ready[left.upperBound...]).span)
    }
    return unsafe Response(bytes: bytes)
  }

  private mutating func validators(of file: borrowing OpenFile) -> Validators {
    Validators(
      etag: Self.etag(of: file), modified: Self.lastModified(of: file),
      now: HTTPDate(secondsSinceEpoch: now.wallSeconds))
  }

  private static func etag(of file: borrowing OpenFile) -> EntityTag? {
    file.tagStrength == .none
      ? nil : EntityTag(state: file.tagState, size: file.size, isWeak: file.tagStrength == .weak)
  }

  private static func lastModified(of file: borrowing OpenFile) -> HTTPDate? {
    file.hasModificationTime && !file.isListing ? HTTPDate(secondsSinceEpoch: file.modifiedSeconds) : nil
  }

  private func responseHead(
    of file: borrowing OpenFile, _ status: Status, _ policy: FilePolicies.Entry,
    variesByAccept: Bool = false
  ) -> ResponseHead {
    var head = ResponseHead(status)
    head.hasServer = policy.hasServer
    head.acceptsRanges = true
    head.variesByCoding = file.variesByCoding
    head.variesByAccept = variesByAccept
    if policy.hasEntityTag { head.etag = Self.etag(of: file) }
    if policy.hasLastModified { head.lastModified = Self.lastModified(of: file) }
    if status != .notModified { head.contentLength = file.size }
    return head
  }

  /// A file, or a part of it, or the news that the client has it already: RFC 9110 §13.2.2 and §14.2.
  mutating func response(
    with file: FileReference, to request: RequestHead, _ bytes: Span<UInt8>, variesByAccept: Bool = false
  ) -> Response {
    let fields = bytes.extracting(request.fields.range)
    let size = file.file.size
    let policy = policies[file.file.policy]
    var part: ByteRange?
    if request.isConditional || request.hasRange {
      let validators = validators(of: file.file)
      switch Preconditions.evaluate(fields: fields, isGetOrHead: true, validators: validators) {
      case .proceed: break
      case .failed:
        return response(.preconditionFailed, about: file, to: request, variesByAccept: variesByAccept)
      case .notModified:
        if !file.file.isListing, hasReadyHead(for: request) { return notModified(file) }
        let head = responseHead(of: file.file, .notModified, policy, variesByAccept: variesByAccept)
        return unsafe finish(head, request, fields: policy.fields(for: client).span)
      }
      if request.hasRange, request.method == .get,
        Preconditions.rangeApplies(fields: fields, validators: validators)
      {
        let (selection, parts) = unsafe select(fields: fields, size: size)
        switch selection {
        case .whole: break
        case .part(let range): part = range
        case .parts:
          let head = responseHead(of: file.file, .partialContent, policy, variesByAccept: variesByAccept)
          if let response = unsafe response(head, with: parts, of: file, to: request) { return response }
        case .unsatisfiable:
          return response(.rangeNotSatisfiable, about: file, to: request, variesByAccept: variesByAccept)
        }
      }
    }
    var head = responseHead(
      of: file.file, part == nil ? .ok : .partialContent, policy, variesByAccept: variesByAccept)
    let (offset, count) = (part?.lowerBound ?? 0, part?.count ?? size)
    head.part = part
    head.wholeSize = size
    head.contentLength = count
    var response = unsafe finish(
      head, request, type: policy.type.span, fields: policy.fields(for: client).span)
    if request.method == .get { response.setContent(of: file, from: offset, count: count) }
    return response
  }
}
