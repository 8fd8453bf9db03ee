import Files
import HTTP
import Reactor
import TLS

/// One client's connection: a state machine that a worker drives. Holds no buffer while it waits for a request.
struct Connection: ~Copyable {
  /// What the connection is about.
  enum Phase {
    /// The TLS handshake.
    case handshaking
    /// Waiting for a request, or for the rest of its head.
    case receiving
    /// Passing over a request's content.
    case discarding
    /// Sending what the socket would not take at once.
    case sending
    /// Everything was sent but the end: close_notify, and the FIN.
    case closing
    /// Both are on their way: waiting for the client to close. A close with unread bytes would be a reset,
    /// which can destroy what the client has not read yet.
    case lingering
  }

  /// What the worker shall do when a turn is over.
  enum Verdict {
    /// Wait for events, or for the deadline.
    case wait
    /// Give it another turn soon: it has more to do, but others have a right too.
    case again
    /// Remove it.
    case close
  }

  /// What follows a step within a turn.
  enum Step {
    case onward
    case stop(Verdict)
  }

  let socket: Socket
  /// nil on a plaintext listener.
  let session: Session?
  var transport: Transport
  var phase: Phase
  /// When the client's time is up, in ticks of the worker's wheel.
  var deadline: UInt32
  /// OpenSSL keeps the session's buffers: not for connections that wait, but for those that are busy.
  private var keepsBuffers = false
  /// It does so since this turn: the worker has it not yet on its list.
  var keepsNewBuffers = false
  /// When something was read from the session last, in ticks.
  private var lastRead: UInt32 = 0

  /// Something may have arrived that was not received yet.
  var mayReceive = false
  /// The peer has sent its FIN, so that even a short receive does not mean that the socket is drained.
  var peerEnded = false
  /// What was received but not used: the start of a head, or requests that wait for the response before.
  private var unread = OwnedBytes()
  /// A request's head has begun to arrive.
  var headHasBegun = true
  /// The request whose content is passed over.
  var discard: Discard?
  /// The client wants no further request on this connection.
  var clientCloses = false
  var sentCloseNotify = false

  // What is being sent; see Transport.swift.
  var keepsAlive = true
  /// The socket was full at the end of the last turn.
  var isWaitingForRoom = false
  /// What the socket would not take.
  var unsent = OwnedBytes()
  /// The rest of the content, in an open file that is retained.
  var file: FileReference?
  var fileOffset: Int64 = 0
  var fileRest: Int64 = 0

  init(socket: consuming Socket, session: consuming Session?, desk: borrowing Desk) {
    let isSecure = session != nil
    self.socket = socket
    self.session = session
    // Until the handshake says otherwise, nothing can be left to the kernel.
    transport = isSecure ? .userTLS : .plain
    phase = isSecure ? .handshaking : .receiving
    deadline = desk.deadline(in: isSecure ? desk.limits.handshakeMilliseconds : desk.limits.headMilliseconds)
  }

  // MARK: What the worker calls

  /// Does what can be done now.
  @inline(__always)
  mutating func turn(_ readiness: Readiness, desk: inout Desk) -> Verdict {
    if !readiness.isDisjoint(with: [.readable, .peerEnded, .failed]) { mayReceive = true }
    if !readiness.isDisjoint(with: [.peerEnded, .failed]) { peerEnded = true }
    desk.beginTurn()
    if !unread.isEmpty { desk.restore(unread.take(), isIncompleteHead: headHasBegun) }
    // Nearly always: a request comes, its response goes out whole, and nothing is left to do.
    let step = phase == .receiving ? receiveRequests(&desk) : .onward
    if case .stop(.wait) = step, desk.receivedCount == 0, desk.outboxIsEmpty { return .wait }
    return conclude(step, &desk)
  }

  /// The deadline has passed.
  mutating func timedOut(desk: inout Desk) -> Verdict {
    desk.beginTurn()
    switch phase {
    case .handshaking:
      desk.metrics.handshakesFailed += 1
      return .close
    case .receiving:
      if !unread.isEmpty {
        desk.metrics.timeouts += 1
        unread = OwnedBytes()
        return conclude(reject(.requestTimeout, &desk), &desk)
      }
      phase = .closing
      return proceed(&desk)
    case .discarding:
      desk.metrics.timeouts += 1
      return conclude(reject(.requestTimeout, &desk), &desk)
    case .sending:
      desk.metrics.timeouts += 1
      return abort(&desk)
    case .closing, .lingering:
      return .close
    }
  }

  /// The server stops: finish what is being sent, and nothing else.
  mutating func stop(desk: inout Desk) -> Verdict {
    desk.beginTurn()
    switch phase {
    case .handshaking: return .close
    case .receiving, .discarding:
      unread = OwnedBytes()
      phase = .closing
      return proceed(&desk)
    case .sending, .closing, .lingering:
      keepsAlive = false
      return .wait
    }
  }

  /// Frees the session's buffers if it has not been used since the tick before. False if it keeps them.
  mutating func releaseIdleBuffers(desk: borrowing Desk) -> Bool {
    guard desk.tick &- lastRead > 1 else { return false }
    session.releaseBuffers()
    keepsBuffers = false
    return true
  }

  /// Gives back what is not the connection's own, before it is removed.
  mutating func release(to desk: inout Desk) {
    if let file = file.take() { desk.files.release(file) }
  }

  // MARK: Steps

  private mutating func proceed(_ desk: inout Desk) -> Verdict {
    conclude(.onward, &desk)
  }

  @inline(never)
  private mutating func conclude(_ first: Step, _ desk: inout Desk) -> Verdict {
    var step = first
    while true {
      switch step {
      case .stop(.close):
        if !desk.outboxIsEmpty { _ = sendRemains(&desk) }
        return .close
      case .stop(let verdict):
        guard desk.outboxIsEmpty || sendRemains(&desk) else {
          step = broken(&desk)
          continue
        }
        if desk.receivedCount > 0 { unread = unsafe OwnedBytes(copying: desk.received) }
        return verdict
      case .onward:
        switch phase {
        case .handshaking: step = handshake(&desk)
        case .receiving: step = receiveRequests(&desk)
        case .discarding: step = discardContent(&desk)
        case .sending: step = sendRest(&desk)
        case .closing: step = close(&desk)
        case .lingering: step = linger(&desk)
        }
      }
    }
  }

  private mutating func handshake(_ desk: inout Desk) -> Step {
    switch session.handshake() {
    case .wouldBlock: return .stop(.wait)
    case .failed:
      desk.metrics.handshakesFailed += 1
      return .stop(.close)
    case .plaintextHTTP:
      desk.metrics.handshakesFailed += 1
      transport = .plain
      return reject(.badRequest, &desk)
    case .done: break
    }
    transport = session.transmitsInKernel ? .kernelTLS : .userTLS
    if transport == .kernelTLS {
      desk.metrics.kernelTLS += 1
    } else {
      desk.metrics.userTLS += 1
      if desk.requiresKernelTLS {
        desk.metrics.kernelTLSRefused += 1
        phase = .closing
        return .onward
      }
    }
    phase = .receiving
    deadline = desk.deadline(in: desk.limits.headMilliseconds)
    // A request may have come together with the client's last flight.
    mayReceive = peerEnded || session.mayHaveMore
    if !mayReceive { session.issueTicket() }
    return .onward
  }

  /// Receives requests and answers them, one after the other, for as long as the answers go out whole.
  private mutating func receiveRequests(_ desk: inout Desk) -> Step {
    var request = RequestHead()
    while true {
      while desk.receivedCount > desk.parsedCount {
        if desk.turnIsUsedUp {
          headHasBegun = false
          return .stop(.again)
        }
        switch unsafe RequestParser.parse(desk.received.span, limits: desk.limits.head, into: &request) {
        case .complete:
          let step = answer(&request, &desk)
          guard case .receiving = phase, case .onward = step else { return step }
        case .rejected(let status):
          desk.metrics.malformed += 1
          return reject(status, &desk)
        case .incomplete: noteIncompleteHead(&desk)
        }
      }
      guard mayReceive else { return .stop(.wait) }
      switch receive(&desk) {
      case .bytes: break
      case .wouldBlock: return .stop(.wait)
      case .interrupted: return .stop(.again)
      case .ended: return peerHasEnded(&desk)
      case .keyUpdate: return keyUpdateHasCome(&desk)
      case .failed: return broken(&desk)
      }
    }
  }

  private mutating func noteIncompleteHead(_ desk: inout Desk) {
    desk.parsedCount = desk.receivedCount
    if !headHasBegun {
      headHasBegun = true
      deadline = desk.deadline(in: desk.limits.headMilliseconds)
    }
  }

  /// `inout` though it is only read: else the compiler (6.3) copies the head, which costs ten instructions.
  @inline(__always)
  private mutating func answer(_ request: inout RequestHead, _ desk: inout Desk) -> Step {
    let received = unsafe desk.received
    if request.isOrdinary, let file = unsafe desk.knownFile(request, received.span) {
      desk.renewHead(of: file)
      noteAnswer(to: request, keepsAlive: true, used: request.count, &desk)
      // In one piece, as most are: to make a reply of it would cost 16 instructions.
      return unsafe file.file.isInMemory
        ? transmit(file.file.headAndContent, &desk) : transmit(Reply(wholeOf: file), &desk)
    }
    if request.hasContent { return discard(contentOf: request, &desk) }
    return unsafe answer(request, received.span, used: request.count, &desk)
  }

  /// Any request, known file or not. `bytes` are what the head was parsed from; `used` of the input belong to it.
  @inline(never)
  mutating func answer(_ request: RequestHead, _ bytes: Span<UInt8>, used: Int, _ desk: inout Desk)
    -> Step
  {
    let reply = desk.reply(to: request, bytes)
    noteAnswer(to: request, keepsAlive: reply.keepsAlive, used: used, &desk)
    return transmit(reply, &desk)
  }

  @inline(__always)
  private mutating func noteAnswer(
    to request: RequestHead, keepsAlive: Bool, used: Int, _ desk: inout Desk
  ) {
    desk.metrics.requests &+= 1
    desk.requestsLeft &-= 1
    clientCloses = !request.keepsAlive
    self.keepsAlive = keepsAlive && !desk.isDraining
    headHasBegun = false
    desk.useInput(used)
  }

  /// Refuses what is no request, or none that we take: where the next one begins is not known.
  mutating func reject(_ status: Status, _ desk: inout Desk) -> Step {
    unsafe reject(status, head: desk.received, &desk)
  }

  /// `head` are the bytes of the head, as far as there are any.
  mutating func reject(_ status: Status, head: UnsafeRawBufferPointer, _ desk: inout Desk) -> Step {
    // RFC 9110 §9.3.2: no content in answer to HEAD, whatever the answer.
    let isHead = unsafe head.starts(with: "HEAD ".utf8)
    desk.dropInput()
    keepsAlive = false
    clientCloses = false
    return transmit(desk.rejection(status, toHead: isHead), &desk)
  }

  // MARK: Receiving

  /// Receives behind what is there already.
  mutating func receive(_ desk: inout Desk) -> Session.ReadProgress {
    let room = unsafe desk.room()
    if transport != .plain { return unsafe receiveSecure(into: room, &desk) }
    switch unsafe socket.receive(into: room) {
    case .bytes(let count):
      // A short receive has emptied the socket: epoll(7) tells when there is more.
      mayReceive = peerEnded || count == room.count
      desk.noteReceived(count)
      return .bytes(count)
    case .wouldBlock:
      mayReceive = false
      return .wouldBlock
    case .ended: return .ended
    case .failed: return .failed
    }
  }

  private mutating func receiveSecure(
    into room: UnsafeMutableRawBufferPointer, _ desk: inout Desk
  ) -> Session.ReadProgress {
    let progress = unsafe session.read(into: room)
    switch progress {
    case .bytes(let count):
      mayReceive = peerEnded || session.mayHaveMore
      desk.noteReceived(count)
      if lastRead == desk.tick, !keepsBuffers {
        session.keepBuffers()
        keepsBuffers = true
        keepsNewBuffers = true
      }
      lastRead = desk.tick
    case .wouldBlock: mayReceive = false
    case .interrupted, .ended, .keyUpdate, .failed: break
    }
    return progress
  }

  /// A response was sent to its end.
  mutating func responseIsSent(_ desk: inout Desk) -> Step {
    if !keepsAlive || desk.isDraining {
      phase = .closing
      return .onward
    }
    phase = .receiving
    isWaitingForRoom = false
    deadline = desk.deadline(in: desk.limits.idleMilliseconds)
    return .onward
  }

  mutating func pushBackDeadline(_ desk: inout Desk) {
    deadline = desk.deadline(in: desk.limits.sendMilliseconds)
  }
}
