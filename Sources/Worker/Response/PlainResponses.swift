import Files
import HTTP
import Site

/// Responses that are made for one request: a status with a line of text, or a way to go.
extension Responder {
  /// A status with a page of the operator's. It is no representation of what was asked for: there is no part of it, and
  /// nothing by which a client could ask for it again.
  mutating func response(
    _ status: Status, withPage file: FileReference, challenge: Span<UInt8>?, to request: RequestHead
  ) -> Response {
    let policy = policies[file.file.policy]
    var head = ResponseHead(status)
    head.hasServer = policy.hasServer
    head.contentLength = file.file.size
    var response = unsafe finish(
      head, request, type: policy.type.span, fields: policy.fields(for: client, ofError: true).span,
      challenge: challenge)
    if request.method != .head { response.setContent(of: file, from: 0, count: file.file.size) }
    return response
  }

  /// A status with a line of text that says it, for people.
  mutating func response(
    _ status: Status, challenge: Span<UInt8>? = nil, to request: RequestHead, text: StaticString? = nil
  ) -> Response {
    var head = ResponseHead(status)
    guard status != .noContent else { return finish(head, request) }
    let text = text ?? status.line
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = Int64(text.utf8CodeUnitCount)
    if status == .tooManyRequests { head.retryAfter = 1 }
    return finish(head, request, challenge: challenge, text: text)
  }

  /// The same about a file that was found: with its own fields, and with what it was chosen by (RFC 9110 §12.5.5).
  mutating func response(
    _ status: Status, about file: FileReference, to request: RequestHead, variesByAccept: Bool
  ) -> Response {
    let policy = policies[file.file.policy]
    var head = ResponseHead(status)
    head.hasServer = policy.hasServer
    head.variesByCoding = file.file.variesByCoding
    head.variesByAccept = variesByAccept
    head.wholeSize = file.file.size
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = Int64(status.line.utf8CodeUnitCount)
    return unsafe finish(
      head, request, fields: policy.fields(for: client, ofError: true).span, text: status.line)
  }

  /// To another path of the same file, or to the same path as a URI has it. Made from the decoded path, whose slashes are single:
  /// a Location that begins with two would lead to another host.
  mutating func redirect(_ move: Move, _ request: RequestHead, _ bytes: Span<UInt8>) -> Response {
    let query = bytes.extracting(request.query.range)
    var path = unsafe decodedPath.span
    switch move {
    case .toFolder, .toEscapedTarget: break
    case .toFile: path = path.extracting(..<(path.count - 1))
    case .toCleanPath: path = path.extracting(..<path.cleanCount)
    }
    let base = sites[current].basePath
    let value = unsafe write(into: location) { out in
      out.append(copying: base.span)
      out.append("/")
      _ = RequestPath.encode(path, to: &out)
      if move == .toFolder, !path.isEmpty { out.append("/") }
      _ = RequestPath.encode(target: query, to: &out)
    }
    let isOld = move == .toFolder || move == .toEscapedTarget
    return unsafe redirect(isOld ? .movedPermanently : .permanentRedirect, value, request)
  }

  /// To where the site says.
  mutating func redirect(_ gate: Gate, _ request: RequestHead, _ bytes: Span<UInt8>) -> Response {
    guard let target = gate.redirect else { return response(.notFound, to: request) }
    let path = unsafe decodedPath.span
    let query = bytes.extracting(request.query.range)
    let value = unsafe write(into: location) { out in
      out.append(copying: target.prefix.span)
      if let suffix = target.suffix {
        // Two slashes at the beginning would lead to another host.
        var starred = gate.starred
        if target.prefix.last == UInt8(ascii: "/") {
          while let first = starred.first, path[first] == UInt8(ascii: "/") { starred.removeFirst() }
        }
        let value = path.extracting(starred)
        _ =
          target.starIsInQuery
          ? RequestPath.encode(value: value, to: &out) : RequestPath.encode(value, to: &out)
        out.append(copying: suffix.span)
      }
      switch target.query {
      case .drops: break
      case .takesOver: _ = RequestPath.encode(target: query, to: &out)
      case .addsTo where query.count > 1:
        out.append("&")
        _ = RequestPath.encode(target: query.extracting(1...), to: &out)
      case .addsTo: break
      }
      out.append(copying: target.fragment.span)
    }
    return unsafe redirect(Status(rawValue: UInt16(target.status)) ?? .found, value, request)
  }

  /// The same over HTTPS: RFC 9110 §4.2.2. Who has not said which host is meant can't be told.
  mutating func redirect(toPort port: UInt16, _ request: RequestHead, _ bytes: Span<UInt8>) -> Response {
    guard let authority = request.authority(in: bytes) else { return response(.badRequest, to: request) }
    let host = HostTable.host(authority.map { bytes[$0] })
    let value = unsafe write(into: location) { out in
      out.append("https://")
      out.append(copying: host.span)
      if port != 443 {
        out.append(":")
        out.append(decimal: Int64(port))
      }
      if request.path.isEmpty { out.append("/") }
      _ = RequestPath.encode(target: bytes.extracting(request.path.range), to: &out)
      _ = RequestPath.encode(target: bytes.extracting(request.query.range), to: &out)
    }
    return unsafe redirect(.permanentRedirect, value, request)
  }

  /// What a browser is told that asks before it asks: the CORS protocol of the Fetch standard.
  mutating func preflightResponse(to request: RequestHead) -> Response {
    var head = ResponseHead(.noContent)
    head.isPreflight = true
    return finish(head, request)
  }

  private mutating func redirect(
    _ status: Status, _ location: UnsafeRawBufferPointer, _ request: RequestHead
  ) -> Response {
    var head = ResponseHead(status)
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = Int64(status.line.utf8CodeUnitCount)
    return unsafe finish(head, request, location: location.span, text: status.line)
  }

  /// The answer to what is no request that we can take; the connection ends with it. `text`: in place of the status's own.
  mutating func rejection(
    _ status: Status, text: StaticString?, toHead: Bool, now: WorkerClock
  ) -> Response {
    let text = text ?? status.line
    var head = ResponseHead(status)
    head.connection = .closes
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = Int64(text.utf8CodeUnitCount)
    let date = date(of: now)
    let bytes = unsafe compose { out in
      head.append(to: &out, date: date)
      if !toHead { out.append(text) }
    }
    return unsafe Response(bytes: bytes, keepsAlive: false)
  }

  /// Encodes the head of a response that no file is in: with the fields that the site says for the path.
  mutating func finish(
    _ head: consuming ResponseHead, _ request: RequestHead, challenge: Span<UInt8>? = nil,
    location: Span<UInt8>? = nil, text: StaticString = ""
  ) -> Response {
    let policy = general(isChallenge: challenge != nil)
    let fields = unsafe policy.fields(for: client, ofError: head.status.rawValue >= 400)
    head.hasServer = policy.hasServer
    return unsafe finish(
      head, request, fields: fields.span, challenge: challenge, location: location, text: text)
  }

  /// What is said of fields for the path that is asked for.
  private mutating func general(isChallenge: Bool) -> FilePolicies.Entry {
    guard policies.isByPath(current) else { return policies.general(current) }
    _ = decodePath()
    // What asks for credentials has its own word for caches.
    let isPrivate =
      unsafe !isChallenge && !policies.authentications(of: decodedPath, site: current).isEmpty
    return unsafe policies.general(current, path: decodedPath.span, isPrivate: isPrivate)
  }

  /// Encodes a head for the client and the connection that it is for.
  mutating func finish(
    _ head: consuming ResponseHead, _ request: RequestHead, type: Span<UInt8>? = nil, fields: Span<UInt8>,
    challenge: Span<UInt8>? = nil, location: Span<UInt8>? = nil, text: StaticString = ""
  ) -> Response {
    let keepsAlive = request.keepsAlive && keepsConnections
    if !keepsAlive {
      head.connection = .closes
    } else if request.isHTTP10 {
      head.connection = .keepsAlive
    }
    let date = date(of: now)
    let bytes = unsafe compose { out in
      unsafe head.append(
        to: &out, date: date, type: type, fields: fields, challenge: challenge, location: location,
        origin: origin.isEmpty ? nil : origin.span)
      if request.method != .head { out.append(text) }
    }
    return unsafe Response(bytes: bytes, keepsAlive: keepsAlive)
  }
}
