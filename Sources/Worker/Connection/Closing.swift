import Reactor
import TLS

/// How a connection ends: in good order, so that nothing that was sent is lost, or so that nobody can take what was sent
/// for the whole.
extension Connection {
  // MARK: Why

  /// The client sends nothing more, and all that it asked for was answered.
  mutating func peerHasEnded(_ context: inout WorkerContext) -> Step {
    context.dropInput()
    clientCloses = true
    if !transport.isSecure { socketMayHaveMore = false }
    phase = .closing
    return .onward
  }

  /// The client asks for new keys and the kernel can't be given any: nothing more may be sent but the end.
  mutating func keyUpdateHasCome(_ context: inout WorkerContext) -> Step {
    context.metrics.keyUpdatesRefused += 1
    receivesNoMore = true
    context.dropInput()
    phase = .closing
    return .onward
  }

  /// The client, or the network, broke the connection off, or what has to be sent next can't be. In the middle of a
  /// response it ends with a reset, whatever the reason: what has left already must not look whole.
  mutating func broken(_ context: inout WorkerContext) -> Step {
    context.metrics.broken += 1
    context.dropInput()
    return .stop(phase == .sending ? abort(&context) : .close)
  }

  /// There is no memory for what has to be kept of it.
  mutating func outOfMemory(_ context: inout WorkerContext) -> Step {
    context.metrics.refusedWithoutMemory += 1
    context.troubles.note(.memory)
    context.dropInput()
    return .stop(phase == .sending ? abort(&context) : .close)
  }

  // MARK: In good order

  /// Sends the end: close_notify, then the FIN.
  mutating func close(_ context: inout WorkerContext) -> Step {
    let canCloseAtOnce = !transport.isSecure && clientCloses && context.receivedCount == 0 && !mayReceive
    context.dropInput()
    // The client has said that it sends nothing more and nothing is unread: no reset can come of a plain close.
    if canCloseAtOnce { return .stop(.close) }
    if transport.isSecure, !transport.hasSentCloseNotify {
      switch transport.sendCloseNotify() {
      case .wouldBlock: return waitForRoom(&context)
      case .failed: break
      case .done: return proceed(after: transport.flushOutbox(&outgoing, &context), &context)
      }
    }
    if !outgoing.bytes.isEmpty {
      return proceed(after: transport.sendBytes(of: &outgoing, &context), &context)
    }
    transport.socket.endSending()
    phase = .lingering
    deadline = context.deadline(in: context.limits.lingerMilliseconds)
    return .onward
  }

  /// The time to linger is over. What is still on its way would be lost if the client sent anything after the close: so it
  /// begins anew for as long as the client takes something.
  mutating func stillTakes(_ context: inout WorkerContext) -> Bool {
    guard let delivery = transport.socket.delivery(), !delivery.isComplete else { return false }
    defer { deadline = context.deadline(in: context.limits.lingerMilliseconds) }
    return uptake.hasTaken(delivery.acknowledged)
  }

  /// Passes over what the client still sends, until it closes.
  mutating func linger(_ context: inout WorkerContext) -> Step {
    if receivesNoMore, !transport.receivesThroughSession { return .stop(waitForDelivery()) }
    guard mayReceive else { return .stop(.wait) }
    context.dropInput()
    let room = unsafe context.room()
    switch unsafe transport.socket.receive(into: room) {
    case .bytes(let count):
      // Whatever it sends is too late. If its FIN has come, too, a short receive has taken all that was before it.
      if peerEnded && count < room.count { return .stop(.close) }
      // Others have their turn, too.
      context.noteSent(count)
      return context.turnIsUsedUp ? .stop(.again) : .onward
    case .wouldBlock:
      socketMayHaveMore = false
      sessionHoldsMore = false
      return .stop(.wait)
    case .failed where transport.isSecure && !transport.receivesThroughSession:
      // A record of TLS's own, or none: the kernel opens nothing behind it.
      receivesNoMore = true
      return .stop(waitForDelivery())
    case .ended, .failed: return .stop(.close)
    }
  }

  /// What the client sends can't be passed over, because the kernel can't open it, and a close with unread bytes is a reset.
  /// So the client closes first, and has taken all, unless its time is over.
  private func waitForDelivery() -> TurnOutcome {
    let isDelivered = transport.socket.delivery()?.isComplete ?? true
    return peerEnded && isDelivered ? .close : .wait
  }

  // MARK: In the middle of a response

  /// Gives up in the middle of a response: with a reset and without close_notify, so that no client can take
  /// what it has for the whole.
  mutating func abort(_ context: inout WorkerContext) -> TurnOutcome {
    context.clearOutbox()
    transport.socket.resetOnClose()
    return .close
  }

  /// The server's time to stop is over: what can't be completed must not look complete.
  mutating func cutOff(context: inout WorkerContext) {
    if phase == .sending {
      context.metrics.truncated += 1
      _ = abort(&context)
    }
  }
}
