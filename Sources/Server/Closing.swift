import Reactor
import TLS

/// How a connection ends: in good order, so that nothing that was sent is lost, or so that nobody can take what was sent
/// for the whole.
extension Connection {
  // MARK: Why

  /// The client sends nothing more, and all that it asked for was answered.
  mutating func peerHasEnded(_ desk: inout Desk) -> Step {
    desk.dropInput()
    clientCloses = true
    if transport == .plain { mayReceive = false }
    phase = .closing
    return .onward
  }

  /// The client asks for new keys and the kernel can't be given any: nothing more may be sent but the end.
  mutating func keyUpdateHasCome(_ desk: inout Desk) -> Step {
    desk.metrics.keyUpdates += 1
    desk.dropInput()
    phase = .closing
    return .onward
  }

  /// The client, or the network, broke the connection off, or what has to be sent next can't be. In the middle of a
  /// response it ends with a reset, whatever the reason: what has left already must not look whole.
  mutating func broken(_ desk: inout Desk) -> Step {
    desk.metrics.broken += 1
    desk.dropInput()
    return .stop(phase == .sending ? abort(&desk) : .close)
  }

  // MARK: In good order

  /// Sends the end: close_notify, then the FIN.
  mutating func close(_ desk: inout Desk) -> Step {
    let canCloseAtOnce = transport == .plain && clientCloses && desk.receivedCount == 0 && !mayReceive
    desk.dropInput()
    // The client has said that it sends nothing more and nothing is unread: no reset can come of a plain close.
    if canCloseAtOnce { return .stop(.close) }
    deadline = desk.deadline(in: desk.limits.lingerMilliseconds)
    if transport != .plain, !sentCloseNotify {
      switch session.sendCloseNotify() {
      case .wouldBlock: return .stop(.wait)
      case .failed: break
      case .done:
        sentCloseNotify = true
        return flushOutbox(&desk)
      }
    }
    if !unsent.isEmpty { return sendUnsent(&desk) }
    socket.endSending()
    phase = .lingering
    return .onward
  }

  /// Passes over what the client still sends, until it closes.
  mutating func linger(_ desk: inout Desk) -> Step {
    guard mayReceive else { return .stop(.wait) }
    desk.dropInput()
    let room = unsafe desk.room()
    switch unsafe socket.receive(into: room) {
    case .bytes(let count):
      // Whatever it sends is too late. If its FIN has come, too, a short receive has taken all that was before it.
      if peerEnded && count < room.count { return .stop(.close) }
      // Others have their turn, too.
      desk.noteSent(count)
      return desk.turnIsUsedUp ? .stop(.again) : .onward
    case .wouldBlock:
      mayReceive = false
      return .stop(.wait)
    case .ended, .failed: return .stop(.close)
    }
  }

  // MARK: In the middle of a response

  /// Gives up in the middle of a response: with a reset and without close_notify, so that no client can take
  /// what it has for the whole.
  mutating func abort(_ desk: inout Desk) -> Verdict {
    desk.clearOutbox()
    socket.resetOnClose()
    return .close
  }

  /// The server's time to stop is over: what can't be completed must not look complete.
  mutating func cutOff(desk: inout Desk) {
    if phase == .sending {
      desk.metrics.truncated += 1
      _ = abort(&desk)
    }
  }
}
