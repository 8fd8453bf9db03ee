import Access
package import Files
import Glibc
package import Reactor
import Site
import TLS

/// One thread's reactor: a poller, the connections, their timers. Shares nothing with other workers but the
/// certificate, the root folder and the page cache.
package struct Worker: ~Copyable {
  private let poller: Poller
  private let control: WorkerControl
  /// What helper threads have done.
  private let completions: Mailbox<FileCompletion>
  /// What threads have found that check passwords; nil where there are none.
  private let checks: Mailbox<PasswordCheck>?
  private var listeners: Listeners
  private var connections: Slab<Connection>
  private var timers: TimerWheel
  /// Connections that want another turn.
  private var queue: SlotQueue
  /// Connections that may go on with their handshakes.
  private var handshakes: SlotQueue
  /// Connections whose sessions keep their buffers.
  private var buffered: SlotQueue
  private var pauses = AcceptPauses()
  /// All that is due at a tick's passing was done for this one.
  private var doneTick: UInt32 = 0
  private var context: WorkerContext
  /// At the last tick there were files that may have to be closed, because nobody asks for them any more.
  private var hasOpenFiles = false
  /// Held so that there is one descriptor to give back when all are in use; see `refuse`.
  private var reserve: Int32
  /// When the worker stops whatever is still being sent, in milliseconds; nil if the server does not stop.
  private var drainEnd: UInt64?

  /// Slots of tokens that are not for connections. Their generation, 0, is never that of a connection.
  private enum Source: Int {
    case control, plain, secure, files, passwords
  }

  /// A worker that is ready to `run`. Throws what the kernel says where it has no poller for it.
  package init(
    listeners: consuming Listeners, control: WorkerControl, service: Service, loader: FileLoader,
    limits: Limits, log: AccessRing? = nil
  ) throws(Errno) {
    let poller = try Poller(eventsPerWait: 256)
    let completions = try Mailbox<FileCompletion>()
    let checks = service.passwords.isEmpty ? nil : try Mailbox<PasswordCheck>()
    let sources: [(Source, Int32?)] = [
      (.control, control.waker.descriptor), (.plain, listeners.plain.descriptor),
      (.secure, listeners.secure.descriptor), (.files, completions.waker.descriptor),
      (.passwords, checks?.waker.descriptor),
    ]
    for case (let source, let descriptor?) in sources {
      try poller.add(descriptor, token: Token(slot: source.rawValue, generation: 0), for: .readable)
    }
    let listingUnits = service.sites.contains { $0.site.mayList } ? limits.listingUnitsPerWorker : 0
    let bounds = FileCache.Bounds(
      memory: limits.cacheMemoryPerWorker, openFiles: limits.openFilesPerWorker - listingUnits,
      inMemory: limits.fileInMemory, listings: listingUnits << 16)
    let policies = FilePolicies(sites: service.sites.map(\.site))
    let folders = service.sites.map(\.site.root)
    let troubles = control.troubles
    let files = FileCache(
      roots: service.sites.map { ($0.root, FilePolicies.fileNames(of: $0.site)) }, loader: loader,
      bounds: bounds,
      describe: { policies.describe($0, asked: $1, root: $2, coding: $3) },
      note: { news, path, root in
        switch news {
        case .staleCoding: control.note(staleCoding: path, in: folders[root])
        case .failed(let error): troubles.note(.init(error), path: path, root: root)
        }
      },
      answer: { completion in completions.post(completion) })
    let authenticator = Authenticator(
      service.passwords, remembered: limits.credentialsRemembered, answer: { check in checks?.post(check) })
    let context = WorkerContext(
      limits: limits, files: files, policies: policies, authenticator: authenticator, service: service,
      log: log, troubles: troubles)
    let slots = limits.connectionsPerWorker
    let connections = try Slab<Connection>(capacity: slots)
    let timers = try TimerWheel(capacity: slots, now: context.tick)
    let queue = try SlotQueue(capacity: slots)
    let handshakes = try SlotQueue(capacity: slots)
    let buffered = try SlotQueue(capacity: slots)
    self.poller = poller
    self.control = control
    self.completions = completions
    self.checks = checks
    self.listeners = listeners
    self.context = context
    self.connections = connections
    self.timers = timers
    self.queue = queue
    self.handshakes = handshakes
    self.buffered = buffered
    reserve = Self.openReserve()
  }

  deinit {
    Glibc.close(reserve)
  }

  /// Serves until it is told to stop and everything is sent; returns what it counted.
  package mutating func run() -> Metrics {
    var waitMilliseconds = longestWait
    while !isDone {
      let count = poller.wait(milliseconds: waitMilliseconds)
      context.clock.read()
      for index in 0..<count { handle(poller[index]) }
      if doneTick != context.tick {
        doneTick = context.tick
        endOverdueTurns()
        releaseIdleBuffers()
        hasOpenFiles = context.closeIdleFiles()
      }
      // One look for all that may be there: as a rule, nothing is.
      waitMilliseconds = queue.count | handshakes.count | pauses.count == 0 ? longestWait : serveQueues()
    }
    for slot in 0..<connections.highWater where connections.isOccupied(slot) {
      connections[slot].cutOff(context: &context)
      // What it keeps goes back to the context, which must still be there.
      settle(slot, .close)
    }
    return metrics()
  }

  /// What was counted until now.
  private func metrics() -> Metrics {
    var metrics = context.metrics
    metrics.statuses = context.statuses.all
    metrics.files = context.responder.files.counts
    metrics.access.add(context.responder.authenticator.counts)
    for slot in 0..<connections.highWater where connections.isOccupied(slot) {
      metrics.states.note(connections[slot].state)
    }
    return metrics
  }

  /// How long to wait for events when there is nothing else to do, in milliseconds; -1 without end.
  private var longestWait: Int32 {
    timers.count == 0 && drainEnd == nil && !hasOpenFiles ? -1 : Int32(TimerWheel.millisecondsPerTick)
  }

  /// Does what is not for events to start, as much of it as may be before they are looked at again. Returns how long to wait
  /// for them.
  @inline(never)
  private mutating func serveQueues() -> Int32 {
    giveQueuedTurns()
    takeHandshakeSteps()
    if pauses.count > 0 { endPauses() }
    guard queue.isEmpty && handshakes.isEmpty else { return 0 }
    return pauses.rest(at: context.clock.milliseconds, longest: longestWait)
  }

  private var isDone: Bool {
    guard context.isDraining else { return false }
    return connections.count == 0 || drainEnd.map { context.clock.milliseconds >= $0 } == true
  }

  @inline(__always)
  private mutating func handle(_ event: Event) {
    if event.token.generation == 0 {
      handle(Source(rawValue: event.token.slot))
    } else if connections.isCurrent(event.token) {
      giveTurn(event.token.slot, event.readiness)
    }
  }

  @inline(never)
  private mutating func handle(_ source: Source?) {
    switch source {
    case .plain: accept(secure: false)
    case .secure: accept(secure: true)
    case .files: goOnWithFiles()
    case .passwords: goOnWithPasswords()
    case .control, nil: obeyControl()
    }
  }

  // MARK: Turns

  @inline(never)
  private mutating func giveTurn(_ slot: Int, _ readiness: Readiness) {
    end(slot, connections[slot].turn(readiness, context: &context))
  }

  /// A turn is over.
  @inline(__always)
  private mutating func end(_ slot: Int, _ outcome: Connection.TurnOutcome) {
    let (deadline, keepsNewBuffers) = (connections[slot].deadline, connections[slot].keepsNewBuffers)
    if keepsNewBuffers { listForBuffers(slot) }
    if case .wait = outcome {
      timers.tighten(slot, to: deadline)
    } else {
      settle(slot, outcome)
    }
  }

  @inline(never)
  private mutating func listForBuffers(_ slot: Int) {
    connections[slot].keepsNewBuffers = false
    buffered.append(slot)
  }

  /// Once in a tick: connections that have become idle give their buffers back.
  private mutating func releaseIdleBuffers() {
    for _ in 0..<buffered.count {
      guard let slot = buffered.popFirst() else { return }
      if !connections[slot].releaseIdleBuffers(context: context) { buffered.append(slot) }
    }
  }

  @inline(never)
  private mutating func settle(_ slot: Int, _ outcome: Connection.TurnOutcome) {
    switch outcome {
    case .wait: timers.tighten(slot, to: connections[slot].deadline)
    case .again:
      timers.tighten(slot, to: connections[slot].deadline)
      queue.append(slot)
    case .handshake:
      timers.tighten(slot, to: connections[slot].deadline)
      handshakes.append(slot)
    case .close:
      // It leaves every row that it may stand in: what they name is there.
      timers.disarm(slot)
      queue.remove(slot)
      handshakes.remove(slot)
      buffered.remove(slot)
      connections[slot].release(to: &context)
      connections.remove(slot)
    }
  }

  /// Only those that are queued now: who asks for another turn waits until events were looked at.
  private mutating func giveQueuedTurns() {
    for _ in 0..<queue.count {
      guard let slot = queue.popFirst() else { return }
      giveTurn(slot, .none)
    }
  }

  /// Helper threads have done something: whoever waits for it has a turn.
  private mutating func goOnWithFiles() {
    for completion in completions.takeAll() {
      let now = context.clock.lookTime
      guard let finished = context.responder.files.finish(completion, now: now) else { continue }
      for waiter in finished.waiters {
        let token = Token(rawValue: waiter)
        // It may have gone, or given up.
        guard connections.isCurrent(token), connections[token.slot].waits(for: finished.identifier) else {
          continue
        }
        context.responder.waited = finished
        giveTurn(token.slot, .none)
        context.responder.waited = nil
      }
      context.responder.files.end(finished)
    }
  }

  /// Passwords were checked: whoever waits for it has a turn.
  private mutating func goOnWithPasswords() {
    for check in checks?.takeAll() ?? [] {
      guard let finished = context.responder.authenticator.finish(check) else { continue }
      for waiter in finished.waiters {
        let token = Token(rawValue: waiter)
        guard connections.isCurrent(token), connections[token.slot].waits(for: finished.identifier) else {
          continue
        }
        context.responder.verdict = finished.verdict
        giveTurn(token.slot, .none)
        context.responder.verdict = nil
      }
    }
  }

  /// A step of a handshake takes as long as many requests, and anybody may ask for one. So there are only few between two
  /// looks at the connections that are through, however many wait.
  private mutating func takeHandshakeSteps() {
    for _ in 0..<context.limits.handshakeStepsPerTurn {
      guard let slot = handshakes.popFirst() else { return }
      end(slot, connections[slot].shakeHands(context: &context))
    }
  }

  private mutating func endOverdueTurns() {
    while let slot = timers.popExpired(at: context.tick) {
      if connections[slot].deadline > context.tick {
        // It went on in the meantime.
        timers.tighten(slot, to: connections[slot].deadline)
      } else {
        let outcome = connections[slot].timedOut(context: &context)
        // Whatever came of it, its time is up once in a tick: armed for a tick that has come, it would be found here again.
        connections[slot].deadline = max(connections[slot].deadline, context.tick &+ 1)
        settle(slot, outcome)
      }
    }
  }

  // MARK: Accepting

  private mutating func accept(secure: Bool) {
    var lost = 0
    for _ in 0..<context.limits.acceptsPerTurn {
      // The others wait in the kernel. The listener stays ready meanwhile, but no wait is in vain: each is followed by a step.
      if secure && handshakes.count >= context.limits.handshakesWaiting { return }
      switch listeners.accept(secure: secure) {
      case .connection(let socket):
        pauses.noteSuccess(secure: secure)
        admit(socket, secure ? listeners.context : nil)
      case .lost(let error):
        // If there is nothing else, this does not end by itself.
        lost += 1
        if lost == context.limits.acceptsPerTurn { return pause(secure: secure, error) }
      case .exhausted(let error):
        guard refuse(secure: secure) else { return pause(secure: secure, error) }
      case .failed(let error): return pause(secure: secure, error)
      case .none: return
      }
    }
  }

  private mutating func admit(_ socket: consuming Socket, _ tls: ServerContext?) {
    guard !connections.isFull else {
      context.metrics.refusedAtLimit += 1
      context.troubles.note(.connectionLimit)
      return
    }
    guard context.hasMemoryForConnection(secure: tls != nil) else {
      context.metrics.refusedWithoutMemory += 1
      context.troubles.note(.memory)
      return
    }
    let descriptor = socket.descriptor
    var session: Session?
    if let tls {
      session = unsafe Session(context: tls, descriptor: descriptor, outbox: context.outbox)
      guard session != nil else {
        context.metrics.refusedWithoutMemory += 1
        context.troubles.note(.memory)
        return
      }
    }
    let token = connections.insert(Connection(socket: socket, session: session, context: context))
    connections[token.slot].token = token
    context.metrics.connections += 1
    // Its first bytes are there already, as a rule: a connection for one request is over after this, and never registered.
    // One that has to shake hands first is put into the row of those that do.
    giveTurn(token.slot, .readable)
    guard connections.isCurrent(token) else { return }
    do throws(Errno) {
      // One registration for life. The edges that a full socket or a new byte makes are all that is needed.
      try poller.add(
        descriptor, token: token, for: .connection)
    } catch {
      context.metrics.refusedAtLimit += 1
      context.troubles.note(.memory)
      // It may be in the middle of a response.
      connections[token.slot].cutOff(context: &context)
      settle(token.slot, .close)
    }
  }

  /// No descriptor is free. Gives the reserve back for as long as it takes to accept the connection and close
  /// it: the client learns at once, and the listener does not stay ready for ever. False if that fails, too.
  private mutating func refuse(secure: Bool) -> Bool {
    guard reserve >= 0 else {
      reserve = Self.openReserve()
      return false
    }
    Glibc.close(reserve)
    let isRefused = listeners.acceptAndClose(secure: secure)
    reserve = Self.openReserve()
    if isRefused {
      context.metrics.refusedWithoutDescriptor += 1
      context.troubles.note(.descriptors)
    }
    return isRefused
  }

  /// Accepting fails, and a listener with connections that wait stays ready: leaves it out of the poller for a while.
  private mutating func pause(secure: Bool, _ error: Errno) {
    context.metrics.acceptPauses += 1
    context.troubles.note(.accepting, error: error)
    pauses.begin(
      secure: secure, at: context.clock.milliseconds, longest: context.limits.acceptPauseMilliseconds)
    watchListener(secure: secure, for: .none)
  }

  private mutating func endPauses() {
    for secure in [false, true] where pauses.end(secure: secure, at: context.clock.milliseconds) {
      watchListener(secure: secure, for: .readable)
    }
  }

  private func watchListener(secure: Bool, for readiness: Readiness) {
    guard let descriptor = listeners.descriptor(secure: secure) else { return }
    let source: Source = secure ? .secure : .plain
    // It is registered, and a change takes no memory: this does not fail.
    try? poller.change(descriptor, token: Token(slot: source.rawValue, generation: 0), for: readiness)
  }

  private static func openReserve() -> Int32 {
    unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
  }

  // MARK: Control

  private mutating func obeyControl() {
    control.waker.acknowledge()
    if let new = control.takeContext() { listeners.secure?.context = new }
    if control.wantsMetrics { control.answer(metrics()) }
    let ending = control.ending
    guard ending != .none, ending != context.ending else { return }
    if ending == .stop {
      drainEnd = context.clock.milliseconds + context.limits.drainMilliseconds
      // Closing the sockets resets those that wait in them, whose clients think that they are connected.
      for secure in [false, true] { accept(secure: secure) }
    }
    context.ending = ending
    for secure in [false, true] {
      if let descriptor = listeners.descriptor(secure: secure) { poller.remove(descriptor) }
    }
    listeners = Listeners()
    pauses = AcceptPauses()
    for slot in 0..<connections.highWater where connections.isOccupied(slot) {
      settle(slot, connections[slot].end(ending, context: &context))
    }
  }
}
