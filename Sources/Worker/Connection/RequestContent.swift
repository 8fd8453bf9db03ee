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
  mutating func discard(contentOf request: RequestHead, _ context: inout WorkerContext) -> Step {
    switch request.method {
    case .get, .head, .options: break
    case .notAllowed: return reject(.methodNotAllowed, &context)
    case .unknown: return reject(.notImplemented, &context)
    }
    if request.expectationFails { return reject(.expectationFailed, &context) }
    let limit = context.limits.requestContent
    let drain: BodyDrain
    switch request.content {
    case .length(let length) where length > limit: return reject(.contentTooLarge, &context)
    case .length(let length): drain = BodyDrain(length: length, limit: limit)
    case .chunked, .none: drain = BodyDrain(chunkedWithLimit: limit)
    }
    let bytes = unsafe UnsafeRawBufferPointer(rebasing: context.received[..<request.count])
    guard let head = unsafe OwnedBytes(copying: bytes, within: context.memory) else {
      return outOfMemory(&context)
    }
    context.useInput(request.count)
    discard = Discard(drain: drain, head: head)
    phase = .discarding
    // The content has no more time than the head has.
    if !headHasBegun { deadline = context.deadline(in: context.limits.headMilliseconds) }
    headHasBegun = true
    if request.expectsContinue && context.receivedCount == 0 {
      return unsafe sendBytes(
        context.responder.compose { $0.append("HTTP/1.1 100 Continue\r\n\r\n") }, &context)
    }
    return .onward
  }

  mutating func discardContent(_ context: inout WorkerContext) -> Step {
    if transport.newKeyIsDue, case .stop(let outcome) = renewKey(&context) { return .stop(outcome) }
    guard var discard = discard.take() else { return .stop(.close) }
    if context.receivedCount > 0 {
      switch unsafe discard.drain.consume(context.received.span) {
      case .needMore: context.dropInput()
      case .malformed:
        context.metrics.malformed += 1
        return unsafe reject(.badRequest, head: discard.head.bytes, &context)
      case .tooLarge: return unsafe reject(.contentTooLarge, head: discard.head.bytes, &context)
      case .finished(let consumed):
        // The head was parsed before: it is whole and without fault.
        var request = RequestHead()
        guard
          case .complete = unsafe RequestParser.parse(
            discard.head.bytes.span, limits: context.limits.head, traits: requestTraits, into: &request)
        else { return reject(.badRequest, &context) }
        return unsafe answer(request, discard.head.bytes.span, used: consumed, &context)
      }
    }
    self.discard = consume discard
    guard mayReceive else { return .stop(.wait) }
    if context.turnIsUsedUp { return .stop(.again) }
    switch receive(&context) {
    case .bytes: return .onward
    case .wouldBlock: return transport.newKeyIsDue ? .onward : .stop(.wait)
    case .interrupted: return .stop(.again)
    case .ended: return peerHasEnded(&context)
    case .keyUpdate: return keyUpdateHasCome(&context)
    case .failed: return broken(&context)
    }
  }
}
