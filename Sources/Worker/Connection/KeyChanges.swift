import HTTP
import TLS

/// What a TLS client may say at any time (RFC 8446 §4.6.3 and §6), and the end of a key's time.
extension Connection {
  /// Hears what the client says while a response is on its way: an alert that ends the connection, a KeyUpdate, close_notify.
  /// Requests that come meanwhile are kept, so many of them as are received at once; more wait in the kernel.
  @inline(never)
  mutating func listen(_ context: inout WorkerContext) -> Step {
    while mayReceive, !receivesNoMore, context.receivedCount < context.limits.receivedAtOnce {
      if context.turnIsUsedUp { return .stop(.again) }
      switch receive(&context, ignoringEnd: true) {
      case .bytes, .interrupted: break
      case .wouldBlock:
        // If its FIN has come, somebody has to see that when the response has left.
        socketMayHaveMore = peerEnded
        return .onward
      case .ended:
        // It will not ask for more, but still takes what it has asked for. That is seen again afterwards.
        sessionHoldsMore = true
        return .onward
      case .keyUpdate:
        // This response may still leave under the key that there is, but nothing after it.
        receivesNoMore = true
        keepsAlive = false
        context.metrics.keyUpdatesRefused += 1
        return .onward
      case .failed: return broken(&context)
      }
    }
    return .onward
  }

  /// Gives the sending side a new key, if it can have one. Stops where the socket is full, and where a response has to be cut
  /// off, because nothing more may be encrypted under the key that there is.
  @inline(never)
  mutating func renewKey(_ context: inout WorkerContext) -> Step {
    if transport.hasSmallRecords {
      transport.endSmallRecords(context.limits)
      guard transport.newKeyIsDue else { return .onward }
    }
    guard transport.canRenewKey else {
      guard transport.keyIsUsedUp(context.limits), phase == .sending else { return .onward }
      context.metrics.keyLimits += 1
      return .stop(abort(&context))
    }
    switch transport.renewKey(context.limits) {
    case .done: return .onward
    case .wouldBlock: return phase == .sending ? waitForRoom(&context) : .stop(.wait)
    case .failed: return broken(&context)
    }
  }

  /// So much was encrypted that this response is the last, unless there can be a new key.
  @inline(never)
  mutating func endWithThis(_ request: inout RequestHead, _ context: inout WorkerContext) {
    if transport.hasSmallRecords { transport.endSmallRecords(context.limits) }
    guard transport.newKeyIsDue, !transport.canRenewKey else { return }
    context.metrics.keyLimits += 1
    request.closeConnection()
  }
}
