import Files
import HTTP

/// Responses that are made for one request: a status with a line of text, or a way to go.
extension Responder {
  /// A status with a page of the operator's. It is no representation of what was asked for: there is no part of it, and
  /// nothing by which a client could ask for it again.
  mutating func response(_ status: Status, withPage file: FileReference, to request: RequestHead) -> Response
  {
    let policy = policies[file.file.policy]
    var head = ResponseHead(status)
    head.hasServer = policy.hasServer
    head.contentLength = file.file.size
    var response = unsafe finish(head, request, type: policy.type.span, fields: policy.fields.span)
    if request.method != .head { response.setContent(of: file, from: 0, count: file.file.size) }
    return response
  }

  /// A status with a line of text that says it, for people.
  mutating func response(_ status: Status, to request: RequestHead) -> Response {
    var head = ResponseHead(status)
    guard status != .noContent else { return finish(head, request) }
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = Int64(status.line.utf8CodeUnitCount)
    return finish(head, request, text: status.line)
  }

  mutating func rangeNotSatisfiable(size: Int64, to request: RequestHead) -> Response {
    var head = ResponseHead(.rangeNotSatisfiable)
    head.wholeSize = size
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = Int64(head.status.line.utf8CodeUnitCount)
    return finish(head, request, text: head.status.line)
  }

  /// To another path of the same file. Made from the decoded path, whose slashes are single: a Location that begins with two
  /// would lead to another host.
  mutating func redirect(_ move: Move, _ request: RequestHead, _ bytes: Span<UInt8>) -> Response {
    let query = bytes.extracting(request.query.range)
    var path = unsafe decodedPath.span
    if move == .toCleanPath {
      path = path.extracting(..<Self.cleanCount(path))
    }
    let value = unsafe write(into: location) { out in
      out.append("/")
      _ = RequestPath.encode(path, to: &out)
      if move == .toFolder { out.append("/") }
      out.append(copying: query)
    }
    var head = ResponseHead(move == .toFolder ? .movedPermanently : .permanentRedirect)
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = Int64(head.status.line.utf8CodeUnitCount)
    return unsafe finish(head, request, location: value.span, text: head.status.line)
  }

  /// The answer to what is no request that we can take; the connection ends with it.
  mutating func rejection(_ status: Status, toHead: Bool, now: WorkerClock) -> Response {
    var head = ResponseHead(status)
    head.connection = .closes
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = Int64(status.line.utf8CodeUnitCount)
    let date = date(of: now)
    let bytes = unsafe compose { out in
      head.append(to: &out, date: date)
      if !toHead { out.append(status.line) }
    }
    return unsafe Response(bytes: bytes, keepsAlive: false)
  }

  /// Encodes a head for the client and the connection that it is for.
  mutating func finish(
    _ head: consuming ResponseHead, _ request: RequestHead, type: Span<UInt8>? = nil,
    fields: Span<UInt8>? = nil, location: Span<UInt8>? = nil, text: StaticString = ""
  ) -> Response {
    let keepsAlive = request.keepsAlive && keepsConnections
    if !keepsAlive {
      head.connection = .closes
    } else if request.isHTTP10 {
      head.connection = .keepsAlive
    }
    let date = date(of: now)
    let bytes = unsafe compose { out in
      head.append(to: &out, date: date, type: type, fields: fields, location: location)
      if request.method != .head { out.append(text) }
    }
    return unsafe Response(bytes: bytes, keepsAlive: keepsAlive)
  }
}
