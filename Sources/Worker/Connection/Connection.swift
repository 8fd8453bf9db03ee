import Access
import Files
import HTTP
import Reactor
import TLS

/// One client's connection: a state machine that a worker drives. Holds no buffer while it waits for a request.
struct Connection: ~Copyable {
  /// What the connection is about.
  enum Phase {
    /// Waiting for what the balancer says of the client.
    case introducing
    /// The TLS handshake.
    case handshaking
    /// Waiting for a request, or for the rest of its head.
    case receiving
    /// Passing over a request's content.
    case discarding
    /// Waiting for a disk, so that a request can be answered.
    case loading
    /// Sending what the socket would not take at once.
    case sending
    /// Everything was sent but the end: close_notify, and the FIN.
    case closing
    /// Both are on their way: waiting for the client to close. A close with unread bytes would be a reset,
    /// which can destroy what the client has not read yet.
    case lingering
  }

  /// What the worker shall do when a turn is over.
  enum TurnOutcome {
    /// Wait for events, or for the deadline.
    case wait
    /// Give it another turn soon: it has more to do, but others have a right too.
    case again
    /// Have it `shakeHands` when it is its turn to: that takes longer than others should wait for.
    case handshake
    /// Remove it.
    case close
  }

  /// What follows a step within a turn.
  enum Step {
    case onward
    case stop(TurnOutcome)
  }

  var transport: Transport
  var phase: Phase
  /// What the worker knows it by.
  var token = Token(rawValue: 0)
  /// When the client's time is up, in ticks of the worker's wheel.
  var deadline: UInt32
  /// OpenSSL keeps the session's buffers since this turn: the worker has not listed the connection for it yet.
  var keepsNewBuffers = false
  /// When something was read from the session last, in ticks.
  private var lastRead: UInt32 = 0

  /// The poller has spoken since the socket was found empty.
  var socketMayHaveMore = false
  /// The session holds something that was received. Apart, because a read that takes it tells nothing of the socket.
  var sessionHoldsMore = false
  /// Something may have arrived that was not read yet.
  var mayReceive: Bool { socketMayHaveMore || sessionHoldsMore }
  /// The peer has sent its FIN, so that even a short receive does not mean that the socket is drained.
  var peerEnded = false
  /// What was received but not used: the start of a head, or requests that wait for the response before.
  private var unread = OwnedBytes()
  /// So many of these bytes are known to be an incomplete head.
  private var parsedCount: UInt32 = 0
  /// What holds for all its requests.
  private(set) var requestTraits: RequestHead.Traits
  /// A request's head has begun to arrive.
  var headHasBegun = true
  /// The request whose content is passed over.
  var discard: Discard?
  /// The head of the request that waits for a disk.
  var waitingHead = OwnedBytes()
  /// The number of the wait for a disk, or for the check of a password; 0 for none.
  var waitNumber: UInt64 = 0
  /// Paths that the request has waited for in vain.
  var missing = SIMD4<UInt32>()
  /// What such a check has said of the request that waits, or waits for a disk now.
  var verdict: Authenticator.Verdict?
  /// The poller has said that both directions are over.
  var hasFailed = false
  /// The client has asked for a new key that there can't be, so that this response is the last; or the kernel can't open what
  /// comes, or has given out close_notify.
  var receivesNoMore = false
  /// The client wants no further request on this connection.
  var clientCloses = false

  /// What is being sent.
  var outgoing = Outgoing()
  /// The connection lasts when that has left.
  var keepsAlive = true
  /// The socket was full at the end of a turn, and what is being sent then has not left whole yet.
  var isWaitingForRoom = false
  /// How the client takes it.
  var uptake = Uptake()

  /// What was settled by the handshake.
  var facts = SecurityFacts()
  /// The name that the client has asked for then, and whose certificate it has shown, for the log.
  var securityNames = OwnedBytes()
  var serverNameCount: UInt16 = 0
  /// The client's address, once somebody has asked.
  var peer: Socket.Peer?
  /// When the request was taken up whose response was not sent at once, in milliseconds (the low bits); 0 for none.
  var began: UInt32 = 0
  /// What the log is to be told of it, if it is not sent in one turn.
  var logged = OwnedBytes()

  init(socket: consuming Socket, session: consuming Session?, context: borrowing WorkerContext) {
    transport = Transport(socket: socket, session: session, context: context)
    let isSecure = transport.isSecure
    requestTraits = context.responder.requestTraits(isSecure: isSecure)
    phase = isSecure ? .handshaking : .receiving
    deadline = context.deadline(
      in: isSecure ? context.limits.handshakeMilliseconds : context.limits.headMilliseconds)
    if !context.proxies.isEmpty { expectIntroduction(context) }
  }

  // MARK: What the worker calls

  /// Does what can be done now.
  @inline(__always)
  mutating func turn(_ readiness: Readiness, context: inout WorkerContext) -> TurnOutcome {
    if readiness.mayReceive { socketMayHaveMore = true }
    if readiness.hasEnded {
      peerEnded = true
      if readiness.hasFailed { hasFailed = true }
    }
    context.beginTurn()
    if !unread.isEmpty { takeUpUnread(&context) }
    // Nearly always: a request comes, its response goes out whole, and nothing is left to do.
    let step = phase == .receiving ? receiveRequests(&context) : .onward
    if case .stop(.wait) = step, context.receivedCount == 0, context.outboxIsEmpty, !context.log.hasDraft {
      return .wait
    }
    return conclude(step, &context)
  }

  /// Goes on with the handshake, as far as it can now, and with what follows when it is done. Called once for each time that
  /// `.handshake` was asked for, and nothing else ends that phase but the connection's end.
  mutating func shakeHands(context: inout WorkerContext) -> TurnOutcome {
    context.beginTurn()
    return conclude(handshake(&context), &context)
  }

  /// Apart, because it frees memory, which has no place in a turn's machine code.
  @inline(never)
  private mutating func takeUpUnread(_ context: inout WorkerContext) {
    context.restore(unread.take(), parsed: Int(parsedCount))
  }

  /// The deadline has passed.
  mutating func timedOut(context: inout WorkerContext) -> TurnOutcome {
    context.beginTurn()
    if waitsForDisk { return conclude(diskTimedOut(&context), &context) }
    switch phase {
    case .introducing:
      return refuseIntroduction(&context)
    case .handshaking:
      noteFailure(.timeout, &context)
      return .close
    case .receiving:
      if !unread.isEmpty {
        context.metrics.timeouts += 1
        unread = OwnedBytes()
        return conclude(reject(.requestTimeout, &context), &context)
      }
      phase = .closing
      return proceed(&context)
    case .discarding:
      context.metrics.timeouts += 1
      return conclude(reject(.requestTimeout, &context), &context)
    case .loading: return .close
    case .sending: return lookAtUptake(&context) == .steady ? .wait : abort(&context)
    case .closing: return lookAtUptake(&context) == .steady ? .wait : .close
    case .lingering: return stillTakes(&context) ? .wait : .close
    }
  }

  /// The worker ends.
  mutating func end(_ ending: WorkerControl.Ending, context: inout WorkerContext) -> TurnOutcome {
    context.beginTurn()
    return ending == .stop ? stop(&context) : handOver(context)
  }

  /// Everything goes on, but a client that has had its answer, and could be about to ask again, gets a moment for that: what it is
  /// told with the next answer (RFC 9112 §9.6) is better than a close that its request may meet on the way.
  private mutating func handOver(_ context: borrowing WorkerContext) -> TurnOutcome {
    requestTraits.insert(.last)
    if phase == .receiving && !headHasBegun {
      deadline = min(deadline, context.deadline(in: context.limits.idleMilliseconds))
    }
    return .wait
  }

  /// The server stops: finish what is being sent, and nothing else.
  private mutating func stop(_ context: inout WorkerContext) -> TurnOutcome {
    switch phase {
    case .introducing: return .close
    case .handshaking:
      deadline = min(deadline, context.deadline(in: context.limits.lastHandshakeMilliseconds))
      requestTraits.insert(.last)
      return .wait
    // A client that has connected before all others were refused may ask, once.
    case .receiving where headHasBegun && !receivesNoMore:
      requestTraits.insert(.last)
      deadline = min(deadline, context.deadline(in: context.limits.lastRequestMilliseconds))
      return .wait
    case .receiving, .discarding:
      unread = OwnedBytes()
      phase = .closing
      return proceed(&context)
    case .loading, .sending, .closing, .lingering:
      keepsAlive = false
      return .wait
    }
  }

  /// Frees the session's buffers if it has not been used since the tick before. False if it keeps them.
  mutating func releaseIdleBuffers(context: borrowing WorkerContext) -> Bool {
    guard context.tick &- lastRead > 1 else { return false }
    transport.releaseBuffers()
    return true
  }

  /// Gives back what is not the connection's own, before it is removed.
  mutating func release(to context: inout WorkerContext) {
    context.metrics.keyUpdates += transport.keyUpdatesSent
    if context.log.isOn { endRecord(isWhole: false, &context) }
    releaseFile(&context)
  }

  // MARK: Steps

  private mutating func proceed(_ context: inout WorkerContext) -> TurnOutcome {
    conclude(.onward, &context)
  }

  @inline(never)
  mutating func conclude(_ first: Step, _ context: inout WorkerContext) -> TurnOutcome {
    var step = first
    while true {
      switch step {
      case .stop(.close):
        if context.log.isOn { endRecord(isWhole: false, &context) }
        // An alert, perhaps. If it can't leave, nothing is lost.
        if !context.outboxIsEmpty { _ = transport.flushOutbox(&outgoing, &context) }
        return .close
      case .stop(let outcome):
        if !context.outboxIsEmpty {
          step = sendRemains(&context)
          if case .stop = step { continue }
          if !outgoing.isEmpty, case .wait = outcome {
            // The socket was not full, so nobody need tell when it takes the rest.
            step = .stop(.again)
            continue
          }
        }
        if context.receivedCount > 0 {
          guard let kept = unsafe OwnedBytes(copying: context.received, within: context.memory) else {
            step = outOfMemory(&context)
            continue
          }
          unread = kept
          parsedCount = UInt32(context.parsedCount)
        }
        if context.log.hasDraft { keepRecord(&context) }
        return outcome
      case .onward:
        switch phase {
        case .introducing: step = takeIntroduction(&context)
        // That there is room to send is of no interest to one that has to receive, and is always said once.
        case .handshaking: step = .stop(mayReceive || isWaitingForRoom ? .handshake : .wait)
        case .receiving: step = receiveRequests(&context)
        case .discarding: step = discardContent(&context)
        case .loading: step = goOnAnswering(&context)
        case .sending: step = sendRest(&context)
        case .closing: step = close(&context)
        case .lingering: step = linger(&context)
        }
      }
    }
  }

  private func noteFailure(_ failure: HandshakeFailure, _ context: inout WorkerContext) {
    context.metrics.note(failure)
    context.troubles.note(.handshake(failure), peer: peer ?? Socket.peer(of: transport.socket.descriptor))
  }

  private mutating func handshake(_ context: inout WorkerContext) -> Step {
    isWaitingForRoom = false
    switch transport.handshake(context.limits) {
    case .wouldBlock:
      socketMayHaveMore = false
      return .stop(.wait)
    case .full:
      isWaitingForRoom = true
      return .stop(.wait)
    case .failed:
      noteFailure(transport.handshakeFailure, &context)
      return .stop(.close)
    case .plaintextHTTP(let isHead):
      noteFailure(.notTLS, &context)
      // What it has sent, OpenSSL has taken.
      return unsafe reject(
        .badRequest, head: context.received, isHead: isHead,
        text: "400 Bad Request: this port speaks HTTPS, and the request came without TLS", &context)
    case .done: break
    }
    noteSecurity(&context)
    if facts.isResumed { context.metrics.resumed += 1 }
    if facts.reason > 0 { context.metrics.againstKernel[Int(facts.reason) - 1] += 1 }
    if transport.encryption == .kernel {
      context.metrics.kernelTLS += 1
      do throws(Errno) {
        try transport.moveIntoKernel()
        if !transport.receivesThroughSession { context.metrics.kernelReceive += 1 }
      } catch {
        context.metrics.kernelReceiveRefused += 1
        context.troubles.note(.receiving, error: error)
      }
    } else {
      context.metrics.userTLS += 1
      if context.requiresKernelTLS {
        context.metrics.kernelTLSRefused += 1
        phase = .closing
        return .onward
      }
    }
    phase = .receiving
    let isLast = context.ending == .stop
    deadline = context.deadline(
      in: isLast ? context.limits.lastRequestMilliseconds : context.limits.headMilliseconds)
    // A request may have come together with the client's last flight.
    noteReceiving()
    if !mayReceive && !isLast { transport.issueTicket() }
    return .onward
  }

  /// Receives requests and answers them, one after the other, for as long as the answers go out whole.
  private mutating func receiveRequests(_ context: inout WorkerContext) -> Step {
    var request = RequestHead()
    while true {
      if transport.newKeyIsDue, case .stop(let outcome) = renewKey(&context) { return .stop(outcome) }
      while context.receivedCount > context.parsedCount {
        if context.turnIsUsedUp { return .stop(.again) }
        switch unsafe RequestParser.parse(
          context.received.span, limits: context.limits.head, traits: requestTraits, into: &request)
        {
        case .complete:
          let step = answer(&request, &context)
          guard case .receiving = phase, case .onward = step else { return step }
        case .rejected(let status):
          context.metrics.malformed += 1
          return reject(status, &context)
        case .incomplete: noteIncompleteHead(&context)
        }
      }
      guard mayReceive else { return .stop(.wait) }
      switch receive(&context) {
      // Whether the turn is used up is seen above: there is something to parse now.
      case .bytes: break
      // An idle client that asks for a new key gets it at once.
      case .wouldBlock where transport.newKeyIsDue: break
      case .wouldBlock: return .stop(.wait)
      case .interrupted: return .stop(.again)
      case .ended: return peerHasEnded(&context)
      case .keyUpdate: return keyUpdateHasCome(&context)
      case .failed: return broken(&context)
      }
    }
  }

  private mutating func noteIncompleteHead(_ context: inout WorkerContext) {
    context.parsedCount = context.receivedCount
    if !headHasBegun {
      headHasBegun = true
      deadline = context.deadline(in: context.limits.headMilliseconds)
    }
  }

  /// `inout` though it is only read: else the compiler (6.3) copies the head, which costs ten instructions.
  @inline(__always)
  private mutating func answer(_ request: inout RequestHead, _ context: inout WorkerContext) -> Step {
    let received = unsafe context.received
    if transport.newKeyIsDue { endWithThis(&request, &context) }
    if request.isOrdinary,
      let file = unsafe context.responder.knownFile(request, received.span, now: context.clock),
      file.file.isInMemory, file.file.selectors & request.selectors.rawValue == 0
    {
      context.responder.renewHead(of: file, now: context.clock)
      if context.log.isOn { unsafe beginRecord(received.span, of: file, request, &context) }
      noteAnswer(clientCloses: !request.keepsAlive, keepsAlive: true, used: request.count, &context)
      // In one piece, as most are: to make a response of it would cost 16 instructions.
      return unsafe transmit(file.file.headAndContent, &context)
    }
    if request.hasContent { return discard(contentOf: request, &context) }
    if let file = unsafe context.responder.chosenFile(
      &request, received.span, isSecure: transport.isSecure, now: context.clock.milliseconds)
    {
      context.responder.renewHead(of: file, now: context.clock)
      if context.log.isOn { unsafe beginRecord(received.span, of: file, request, &context) }
      context.statuses.note(200, site: file.root)
      return answer(clientCloses: !request.keepsAlive, used: request.count, with: file, &context)
    }
    return unsafe answer(request, received.span, used: request.count, &context)
  }

  /// A file from memory, with its ready head.
  @inline(never)
  private mutating func answer(
    clientCloses: Bool, used: Int, with file: FileReference, _ context: inout WorkerContext
  ) -> Step {
    noteAnswer(clientCloses: clientCloses, keepsAlive: true, used: used, &context)
    return unsafe transmit(file.file.headAndContent, &context)
  }

  /// Any request, known file or not. `bytes` are what the head was parsed from; `used` of the input belong to it.
  @inline(never)
  mutating func answer(
    _ request: RequestHead, _ bytes: Span<UInt8>, used: Int, _ context: inout WorkerContext
  ) -> Step {
    let loads = context.responder.files.counts.loads
    switch context.responder.respond(
      to: request, bytes, clock: &context.clock,
      client: Client(
        token: token.rawValue, descriptor: transport.socket.descriptor, isSecure: transport.isSecure,
        address: peer?.address, policy: Int(transport.clientPolicy), missing: missing, verdict: verdict))
    {
    case .response(let response):
      verdict = nil
      missing = SIMD4()
      context.statuses.note(response.status, site: context.responder.current)
      if began != 0 { context.metrics.firstByte.note(elapsed(context)) }
      if context.log.isOn {
        let isMiss = began != 0 || context.responder.files.counts.loads != loads
        beginRecord(bytes.extracting(..<request.count), response, isMiss: isMiss, &context)
      }
      noteAnswer(
        clientCloses: !request.keepsAlive, keepsAlive: response.keepsAlive, used: used, &context)
      return transmit(response, &context)
    case .waits(let number):
      return wait(for: number, toAnswer: request, bytes, used: used, &context)
    }
  }

  @inline(__always)
  private mutating func noteAnswer(
    clientCloses: Bool, keepsAlive: Bool, used: Int, _ context: inout WorkerContext
  ) {
    context.metrics.requests &+= 1
    context.requestsLeft &-= 1
    self.clientCloses = clientCloses
    self.keepsAlive = keepsAlive && !context.isDraining
    headHasBegun = false
    context.useInput(used)
  }

  /// Refuses what is no request, or none that we take: where the next one begins is not known.
  mutating func reject(_ status: Status, _ context: inout WorkerContext) -> Step {
    unsafe reject(status, head: context.received, &context)
  }

  /// `head` are the bytes of the head, as far as there are any. `isHead`: they begin with this method, which they say themselves else.
  /// `text`: what there is to say for people beside the status.
  mutating func reject(
    _ status: Status, head: UnsafeRawBufferPointer, isHead: Bool? = nil, text: StaticString? = nil,
    _ context: inout WorkerContext
  ) -> Step {
    // RFC 9110 §9.3.2: no content in answer to HEAD, whatever the answer.
    let isHead = unsafe isHead ?? head.starts(with: "HEAD ".utf8)
    context.dropInput()
    keepsAlive = false
    clientCloses = false
    context.statuses.note(status.rawValue, site: 0)
    context.metrics.rejections += 1
    let response = context.responder.rejection(status, text: text, toHead: isHead, now: context.clock)
    // Before the next request is received over it.
    if context.log.isOn { unsafe beginRecord(head.span, response, isMiss: false, &context) }
    return transmit(response, &context)
  }

  // MARK: Receiving

  /// Receives behind what is there already. Counts as much as a request does: they may be single bytes, each in a record.
  /// Inlined, which saves a request 29 instructions.
  @inline(__always)
  mutating func receive(_ context: inout WorkerContext, ignoringEnd: Bool = false) -> Session.ReadProgress {
    let room = unsafe context.room()
    context.requestsLeft &-= 1
    // Behind close_notify nothing counts: RFC 8446 §6.1.
    if receivesNoMore { return .ended }
    if transport.receivesThroughSession {
      return unsafe receiveSecure(into: room, ignoringEnd: ignoringEnd, &context)
    }
    switch unsafe transport.socket.receive(into: room) {
    case .bytes(let count):
      // A short receive has emptied the socket, as a rule: epoll(7) tells when there is more.
      socketMayHaveMore = peerEnded || count == room.count || transport.mayHideRecords
      context.noteReceived(count)
      return .bytes(count)
    case .wouldBlock:
      socketMayHaveMore = false
      return .wouldBlock
    case .ended: return unsafe receiveRecord(into: room, after: nil, ignoringEnd: ignoringEnd, &context)
    case .failed(let error):
      return unsafe receiveRecord(into: room, after: error, ignoringEnd: ignoringEnd, &context)
    }
  }

  @inline(never)
  private mutating func receiveRecord(
    into room: UnsafeMutableRawBufferPointer, after error: Errno?, ignoringEnd: Bool,
    _ context: inout WorkerContext
  ) -> Session.ReadProgress {
    let progress = unsafe transport.receiveRecord(into: room, after: error, ignoringEnd: ignoringEnd)
    switch progress {
    case .bytes(let count): context.noteReceived(count)
    case .ended where transport.isSecure: receivesNoMore = true
    default: break
    }
    return progress
  }

  private mutating func receiveSecure(
    into room: UnsafeMutableRawBufferPointer, ignoringEnd: Bool, _ context: inout WorkerContext
  ) -> Session.ReadProgress {
    let progress = unsafe transport.receiveSecure(into: room, ignoringEnd: ignoringEnd)
    switch progress {
    case .bytes(let count):
      noteReceiving()
      context.noteReceived(count)
      if lastRead == context.tick, !transport.keepsBuffers {
        keepsNewBuffers = transport.keepBuffers(context)
      }
      lastRead = context.tick
    case .wouldBlock:
      socketMayHaveMore = false
      sessionHoldsMore = false
    case .interrupted, .ended, .keyUpdate, .failed: break
    }
    return progress
  }

  /// The session may have received something, and read some of it.
  private mutating func noteReceiving() {
    if transport.hasDrainedSocket && !peerEnded { socketMayHaveMore = false }
    sessionHoldsMore = transport.sessionHoldsMore
  }
}
