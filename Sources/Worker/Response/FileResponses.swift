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

  private mutating func validators(of file: borrowing OpenFile) -> Validators {
    Validators(
      etag: EntityTag(state: file.tagState, size: file.size, isWeak: file.isRacy),
      modified: HTTPDate(secondsSinceEpoch: file.modifiedSeconds),
      now: HTTPDate(secondsSinceEpoch: now.wallSeconds))
  }

  private func responseHead(
    of file: borrowing OpenFile, _ status: Status, _ policy: FilePolicies.Entry
  ) -> ResponseHead {
    var head = ResponseHead(status)
    head.hasServer = policy.hasServer
    head.acceptsRanges = true
    head.variesByCoding = file.variesByCoding
    if policy.hasEntityTag {
      head.etag = EntityTag(state: file.tagState, size: file.size, isWeak: file.isRacy)
    }
    if policy.hasLastModified { head.lastModified = HTTPDate(secondsSinceEpoch: file.modifiedSeconds) }
    if status != .notModified { head.contentLength = file.size }
    return head
  }

  /// A file, or a part of it, or the news that the client has it already: RFC 9110 §13.2.2 and §14.2.
  mutating func response(
    with file: FileReference, to request: RequestHead, _ bytes: Span<UInt8>
  ) -> Response {
    let fields = bytes.extracting(request.fields.range)
    let size = file.file.size
    let policy = policies[file.file.policy]
    var part: ByteRange?
    if request.isConditional || request.hasRange {
      let validators = validators(of: file.file)
      switch Preconditions.evaluate(fields: fields, isGetOrHead: true, validators: validators) {
      case .proceed: break
      case .failed: return response(.preconditionFailed, to: request)
      case .notModified:
        let head = responseHead(of: file.file, .notModified, policy)
        return unsafe finish(head, request, fields: policy.fields.span)
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
    var head = responseHead(of: file.file, part == nil ? .ok : .partialContent, policy)
    let (offset, count) = (part?.lowerBound ?? 0, part?.count ?? size)
    head.part = part
    head.wholeSize = size
    head.contentLength = count
    var response = unsafe finish(head, request, type: policy.type.span, fields: policy.fields.span)
    if request.method == .get { response.setContent(of: file, from: offset, count: count) }
    return response
  }
}
