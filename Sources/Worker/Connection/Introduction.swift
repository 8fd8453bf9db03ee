import HTTP
import Reactor
import Site
import TLS

/// What a balancer says of the client before anything else: the PROXY protocol.
extension Connection {
  /// Waits for that, if the connection comes from a balancer.
  mutating func expectIntroduction(_ context: borrowing WorkerContext) {
    guard let address = Socket.peerAddress(of: transport.socket.descriptor),
      context.proxies.contains(where: { $0.contains(address) })
    else { return }
    phase = .introducing
  }

  /// Takes it, when it has come whole, and nothing of what follows: that is the client's.
  mutating func takeIntroduction(_ context: inout WorkerContext) -> Step {
    guard mayReceive else { return .stop(hasFailed || peerEnded ? refuseIntroduction(&context) : .wait) }
    let room = unsafe context.room()
    let most = min(room.count, context.limits.proxyHeader)
    let place = unsafe UnsafeMutableRawBufferPointer(rebasing: room[..<most])
    guard case .bytes(let count) = unsafe transport.socket.peek(into: place), count > 0 else {
      socketMayHaveMore = false
      return .stop(hasFailed || peerEnded ? refuseIntroduction(&context) : .wait)
    }
    let bytes = unsafe UnsafeRawBufferPointer(rebasing: place[..<count]).bindMemory(to: UInt8.self).span
    switch ProxyHeader.parse(bytes, most: most) {
    case .incomplete:
      socketMayHaveMore = false
      return .stop(peerEnded ? refuseIntroduction(&context) : .wait)
    case .malformed: return .stop(refuseIntroduction(&context))
    case .complete(let header):
      let taken = unsafe UnsafeMutableRawBufferPointer(rebasing: place[..<header.count])
      guard case .bytes(header.count) = unsafe transport.socket.receive(into: taken) else {
        return .stop(refuseIntroduction(&context))
      }
      if let address = header.address { peer = Socket.Peer(address: address, port: header.port) }
      phase = transport.isSecure ? .handshaking : .receiving
      return .onward
    }
  }

  /// Who does not say it is not answered: it is a mistake of the balancer's, and no client would see the answer.
  func refuseIntroduction(_ context: inout WorkerContext) -> TurnOutcome {
    context.metrics.introductionsRefused += 1
    context.troubles.note(.introduction, peer: Socket.peer(of: transport.socket.descriptor))
    return .close
  }
}
