import Access
import Files
import HTTP
import Reactor

// A disk has to be waited for: a helper thread does, and the connection has a turn when that is done. Meanwhile it holds no
// buffer of the worker's, and has a time limit of its own.
extension Connection {
  /// Keeps the head of a request that can't be answered before `number` is there.
  mutating func wait(
    for number: UInt64, toAnswer request: RequestHead, _ bytes: Span<UInt8>, used: Int,
    _ context: inout WorkerContext
  ) -> Step {
    let head = bytes.extracting(..<request.count)
    guard
      let kept = unsafe head.bytes.withUnsafeBytes({ unsafe OwnedBytes(copying: $0, within: context.memory) })
    else { return outOfMemory(&context) }
    waitingHead = consume kept
    context.useInput(used)
    // A request may have to wait several times, for one file after the other, but not longer for that.
    if phase != .loading {
      deadline = context.deadline(in: context.limits.diskMilliseconds)
      began = max(1, UInt32(truncatingIfNeeded: context.clock.milliseconds))
    }
    phase = .loading
    waitNumber = number
    return .stop(.wait)
  }

  /// The next part of the file that is being sent has to be read from a disk first.
  mutating func waitForPart(_ context: inout WorkerContext) -> Step {
    guard let file = outgoing.file else { return .onward }
    switch context.responder.files.waitForPart(file, offset: outgoing.fileOffset, waiter: token.rawValue) {
    case .waits(let number):
      waitNumber = number
      noteSlow(&context)
      deadline = context.deadline(in: context.limits.diskMilliseconds)
      return .stop(.wait)
    case .file, .directory, .failed: return proceed(after: .truncated, &context)
    }
  }

  /// It waits for a disk.
  var waitsForDisk: Bool { waitNumber != 0 }

  /// It waits for what has this number.
  func waits(for number: UInt64) -> Bool { waitNumber == number }

  /// What the helper thread has brought, in the turn that it causes. Nil in any other turn: then nothing is to be done but to
  /// notice that the client has gone.
  mutating func takeWaited(_ context: inout WorkerContext) -> FileCache.Lookup? {
    guard let waited = context.responder.waited else { return nil }
    waitNumber = 0
    return waited.lookup
  }

  /// The request that waited can be answered.
  mutating func goOnAnswering(_ context: inout WorkerContext) -> Step {
    if let found = context.responder.verdict.take() {
      verdict = found
      waitNumber = 0
    } else {
      guard takeWaited(&context) != nil else { return hasFailed ? broken(&context) : .stop(.wait) }
      if let mark = context.responder.waited?.missing,
        let free = missing.indices.first(where: { missing[$0] == 0 })
      {
        missing[free] = mark
      }
    }
    let head = waitingHead.take()
    // It was parsed before: it is whole and without fault.
    var request = RequestHead()
    guard
      case .complete = unsafe RequestParser.parse(
        head.bytes.span, limits: context.limits.head, traits: requestTraits, into: &request)
    else { return reject(.badRequest, &context) }
    return unsafe answer(request, head.bytes.span, used: 0, &context)
  }

  /// The disk has not answered in time.
  mutating func diskTimedOut(_ context: inout WorkerContext) -> Step {
    if Authenticator.isOwn(waitNumber) {
      context.metrics.access.timeouts += 1
    } else {
      context.metrics.diskTimeouts += 1
    }
    waitNumber = 0
    verdict = nil
    missing = SIMD4()
    // In the middle of a response nothing else can be said.
    guard phase == .loading else { return .stop(abort(&context)) }
    let head = waitingHead.take()
    return unsafe reject(.serviceUnavailable, head: head.bytes, &context)
  }
}
