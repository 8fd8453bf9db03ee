import HTTP
import TLS

// A file server has no use for the content of a request; it has to know where it ends.

/// A request whose content is still coming: how far it is, and the head, to be answered afterwards.
struct Discard: ~Copyable {
  var drain: BodyDrain
  let head: OwnedBytes
}

extension Connection {
  /// Passes over the content first and answers then: what is left of it can't be read as a request.
  mutating func discard(contentOf request: RequestHead, _ desk: inout Desk) -> Step {
    switch request.method {
    case .get, .head, .options: break
    case .notAllowed: return reject(.methodNotAllowed, &desk)
    case .unknown: return reject(.notImplemented, &desk)
    }
    if request.expectationFails { return reject(.expectationFailed, &desk) }
    let limit = desk.limits.requestContent
    let drain: BodyDrain
    switch request.content {
    case .length(let length) where length > limit: return reject(.contentTooLarge, &desk)
    case .length(let length): drain = BodyDrain(length: length, limit: limit)
    case .chunked, .none: drain = BodyDrain(chunkedWithLimit: limit)
    }
    let head = unsafe OwnedBytes(copying: UnsafeRawBufferPointer(rebasing: desk.received[..<request.count]))
    desk.useInput(request.count)
    discard = Discard(drain: drain, head: head)
    phase = .discarding
    // The content has no more time than the head has.
    if !headHasBegun { deadline = desk.deadline(in: desk.limits.headMilliseconds) }
    headHasBegun = true
    if request.expectsContinue && desk.receivedCount == 0 {
      return unsafe sendBytes(desk.compose { $0.append("HTTP/1.1 100 Continue\r\n\r\n") }, &desk)
    }
    return .onward
  }

  mutating func discardContent(_ desk: inout Desk) -> Step {
    guard var discard = discard.take() else { return .stop(.close) }
    if desk.receivedCount > 0 {
      switch unsafe discard.drain.consume(desk.received.span) {
      case .needMore: desk.dropInput()
      case .malformed:
        desk.metrics.malformed += 1
        return unsafe reject(.badRequest, head: discard.head.bytes, &desk)
      case .tooLarge: return unsafe reject(.contentTooLarge, head: discard.head.bytes, &desk)
      case .finished(let consumed):
        // The head was parsed before: it is whole and without fault.
        var request = RequestHead()
        guard
          case .complete = unsafe RequestParser.parse(
            discard.head.bytes.span, limits: desk.limits.head, into: &request)
        else { return reject(.badRequest, &desk) }
        return unsafe answer(request, discard.head.bytes.span, used: consumed, &desk)
      }
    }
    self.discard = consume discard
    guard mayReceive else { return .stop(.wait) }
    switch receive(&desk) {
    case .bytes: return .onward
    case .wouldBlock: return .stop(.wait)
    case .interrupted: return .stop(.again)
    case .ended: return peerHasEnded(&desk)
    case .keyUpdate: return keyUpdateHasCome(&desk)
    case .failed: return broken(&desk)
    }
  }
}
