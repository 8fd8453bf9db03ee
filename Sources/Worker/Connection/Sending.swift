import Files
import HTTP
import Reactor

/// How a response is sent: what leaves at once, what waits for room, and what comes after.
extension Connection {
  /// Begins to send a response that is in one piece. Nearly always it leaves whole, in one system call.
  @inline(__always)
  mutating func transmit(_ response: UnsafeRawBufferPointer, _ context: inout WorkerContext) -> Step {
    phase = .sending
    guard transport.encryption != .user, outgoing.bytes.isEmpty else {
      return unsafe sendBytes(response, &context)
    }
    let sent = unsafe transport.socket.send(response, more: false)
    if case .bytes(let count) = sent, count == response.count {
      transport.noteSent(count, &context)
      return responseIsSent(&context)
    }
    let outcome = unsafe transport.keepRest(after: sent, response, .empty, &outgoing, &context)
    return proceed(after: outcome, &context)
  }

  /// Begins to send any other. When this returns, nothing refers to the response's bytes any more.
  @inline(never)
  mutating func transmit(_ response: Response, _ context: inout WorkerContext) -> Step {
    phase = .sending
    if response.hasMoreParts,
      unsafe !outgoing.keep(context.responder.partsToFollow, within: context.memory)
    {
      return outOfMemory(&context)
    }
    if response.fileCount > 0, let file = response.file {
      context.responder.files.retain(file)
      outgoing.setFile(file, offset: response.fileOffset, count: response.fileCount)
      context.fileSenders += 1
      if context.fileSenders > context.limits.unboundedSenders { transport.limitUnsent(context.limits) }
    }
    let outcome = unsafe transport.send(
      response.bytes, response.content, isLast: fileIsLast, &outgoing, &context)
    return proceed(after: outcome, &context)
  }

  /// Nothing follows the part of a file that is being sent.
  private var fileIsLast: Bool { !keepsAlive && !outgoing.hasParts }

  /// Sends bytes that are a whole by themselves. Apart, because it may keep some in memory, which has no place in the machine
  /// code of a request that is answered at once.
  @inline(never)
  mutating func sendBytes(_ bytes: UnsafeRawBufferPointer, _ context: inout WorkerContext) -> Step {
    let isLast = phase == .sending && !keepsAlive
    let outcome = unsafe transport.send(bytes, .empty, isLast: isLast, &outgoing, &context)
    return proceed(after: outcome, &context)
  }

  /// Goes on where the socket was full, or where others had their turn.
  mutating func sendRest(_ context: inout WorkerContext) -> Step {
    if waitsForDisk {
      guard let lookup = takeWaited(&context) else { return hasFailed ? broken(&context) : .stop(.wait) }
      context.responder.waited = nil
      if case .failed = lookup { return proceed(after: .truncated, &context) }
    }
    // Before anything is read: while a KeyUpdate of ours waits for room, reading would write it, too.
    if transport.newKeyIsDue, case .stop(let outcome) = renewKey(&context) { return .stop(outcome) }
    if mayReceive, transport.isSecure {
      if case .stop(let outcome) = listen(&context) { return .stop(outcome) }
      if transport.newKeyIsDue, case .stop(let outcome) = renewKey(&context) { return .stop(outcome) }
    }
    if !outgoing.bytes.isEmpty {
      return proceed(after: transport.sendBytes(of: &outgoing, &context), &context)
    }
    guard outgoing.hasFile else { return responseIsSent(&context) }
    let isSent = outgoing.fileRest == 0
    if isSent, !outgoing.hasParts {
      releaseFile(&context)
      return responseIsSent(&context)
    }
    if context.turnIsUsedUp {
      noteProgress(&context)
      noteSlow(&context)
      return .stop(.again)
    }
    if isSent { return sendNextPart(&context) }
    return proceed(after: transport.sendFile(of: &outgoing, isLast: fileIsLast, &context), &context)
  }

  /// Begins the next of several parts, or ends the last one.
  @inline(never)
  private mutating func sendNextPart(_ context: inout WorkerContext) -> Step {
    guard let file = outgoing.file, let boundary = outgoing.boundary else { return responseIsSent(&context) }
    // It costs as much as a request does.
    context.requestsLeft &-= 1
    guard let part = outgoing.beginPart() else {
      let end = unsafe context.responder.composeEnd(boundary)
      releaseFile(&context)
      return unsafe sendBytes(end, &context)
    }
    let head = unsafe context.responder.composeHead(of: part, of: file, boundary)
    let outcome = unsafe transport.send(head, .empty, isLast: false, &outgoing, &context)
    return proceed(after: outcome, &context)
  }

  /// The file was sent to its end, or nobody wants it any more.
  mutating func releaseFile(_ context: inout WorkerContext) {
    guard let file = outgoing.takeFile() else { return }
    context.responder.files.release(file)
    context.fileSenders -= 1
  }

  /// Sends what OpenSSL has written by itself and no response took along: a session ticket, or an alert that reading has
  /// made (RFC 8446 §4.6.1 and §6). If that fails, the connection has to end: the client would miss a record, and could
  /// decrypt none after it.
  mutating func sendRemains(_ context: inout WorkerContext) -> Step {
    let step = proceed(after: transport.flushOutbox(&outgoing, &context), &context)
    if case .onward = step, !outgoing.isEmpty, phase == .receiving { phase = .sending }
    return step
  }

  /// A response was sent to its end.
  @inline(__always)
  mutating func responseIsSent(_ context: inout WorkerContext) -> Step {
    if context.log.isOn { endRecord(isWhole: true, &context) }
    if began != 0 { slowResponseIsSent(&context) }
    if !keepsAlive || context.ending == .stop {
      phase = .closing
      return .onward
    }
    phase = .receiving
    isWaitingForRoom = false
    deadline = context.deadline(in: context.limits.idleMilliseconds)
    return .onward
  }

  @inline(never)
  private mutating func slowResponseIsSent(_ context: inout WorkerContext) {
    context.metrics.lastByte.note(elapsed(context))
    began = 0
  }

  /// What follows from how a transfer went.
  mutating func proceed(after outcome: Transport.Outcome, _ context: inout WorkerContext) -> Step {
    switch outcome {
    case .onward: return .onward
    case .full: return waitForRoom(&context)
    case .wouldBlock: return waitForPart(&context)
    case .truncated:
      context.metrics.truncated += 1
      if let file = outgoing.file {
        context.troubles.note(.truncated, path: file.file.fullPath, root: file.root)
      }
      return .stop(abort(&context))
    case .broken: return broken(&context)
    case .outOfMemory: return outOfMemory(&context)
    }
  }

  /// The socket is full. Whether the client takes anything is asked when that has lasted for a while, and not before.
  mutating func waitForRoom(_ context: inout WorkerContext) -> Step {
    if !isWaitingForRoom {
      isWaitingForRoom = true
      noteSlow(&context)
      uptake = Uptake(at: context.tick, context.limits)
      deadline = context.deadline(in: context.limits.firstUptakeMilliseconds)
    } else if context.hasSent {
      noteProgress(&context)
    }
    return .stop(.wait)
  }

  /// The client's time begins anew.
  private mutating func noteProgress(_ context: inout WorkerContext) {
    if isWaitingForRoom {
      uptake.noteProgress(at: context.tick)
    } else {
      deadline = context.deadline(in: context.limits.sendMilliseconds)
    }
  }

  /// Looks whether the client takes what is sent. If not, it has been given up as `verdict` says, else the time of the next
  /// look is set.
  mutating func lookAtUptake(_ context: inout WorkerContext) -> Uptake.Verdict {
    let verdict = uptake.look(
      transport.socket.delivery()?.acknowledged, at: context.tick, context.limits)
    switch verdict {
    case .steady: deadline = uptake.nextLook(after: context.tick, context.limits)
    case .stalled: context.metrics.timeouts += 1
    case .tooSlow: context.metrics.tooSlow += 1
    }
    return verdict
  }
}
