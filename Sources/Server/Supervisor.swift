import Glibc
import Logging
import Reactor
import Worker

/// What the process does while workers serve: it waits for signals, and for what workers have to report.
struct Supervisor {
  /// What takes new connections.
  private var current: Generation
  /// Those before it whose connections are still served.
  private var earlier: [Generation] = []
  /// Wakes this thread when a worker has something to report.
  private let waker: SharedWaker
  let status: ServerStatus
  private let manager = ServiceManager()
  private var watchdog: Watchdog?
  private var log: Logger
  /// When the process ends, whatever its workers do, in milliseconds of the monotonic clock; nil if nobody has stopped it.
  private var end: UInt64?
  /// The process before that waits to be relieved.
  private let predecessor: InheritedSockets
  /// Who shall take over, and does not serve yet.
  private var successor: Successor?
  /// When it has to, in milliseconds of the monotonic clock.
  private var successorEnd: UInt64 = 0
  /// Who waits to hear of that.
  private var upgradeSender: SignalSender?
  /// One that has not.
  private(set) var killedSuccessor: pid_t?
  /// What the configuration says now.
  private let reread: Reread
  /// Files are being read anew.
  private var reload: Reload?
  /// Who waits to hear of that.
  private var reloadSenders: [SignalSender] = []
  /// When it is to be said that this takes long, in milliseconds of the monotonic clock.
  private var reloadWarning: UInt64?
  /// Who has asked for it meanwhile, and waits to hear of it; nil if nobody has asked.
  private var dueReload: [SignalSender]?
  /// Another process has taken over.
  private(set) var isRelieved = false
  /// Files are being read anew, by a thread that may hang.
  var isReloading: Bool { reload != nil }
  /// Who answers questions here.
  var admin: AdminListener?

  /// Has workers serve what the configuration says, at sockets that were `inherited` or at its own. Throws why they can't.
  init(
    _ configuration: Configuration, inherited: InheritedSockets, log: Logger,
    reread: @escaping Reread
  ) throws {
    self.log = log
    self.log.logLevel = configuration.logLevel
    self.reread = reread
    waker = try SharedWaker()
    current = try Generation(LoadedConfiguration(configuration, log: log), supervisor: waker) {
      try Binding(configuration, inherited: inherited)
    }
    status = ServerStatus(version: configuration.version)
    status.note(serving: current)
    status.note(urls: [current.binding.plainURL, current.binding.secureURL].compactMap { $0 })
    watchdog = Watchdog(manager)
    predecessor = inherited
  }

  /// Where it listens, and what of TLS is spoken there: a line for each.
  var listening: [String] {
    let secure = current.binding.secureURL.flatMap { url in current.security.map { "\(url) \($0)" } }
    return [current.binding.plainURL, secure].compactMap { $0 }
  }

  private var generations: [Generation] { earlier + [current] }

  /// Until a signal has come to stop, and the workers have ended. A worker that does not end in time ends with the process, here.
  mutating func supervise(until signals: borrowing Signals) {
    status.state = .serving
    // Whoever is relieved tells the manager whom to listen to.
    if predecessor.areTakenOver { predecessor.noteServing() } else { manager.noteReady(status.summary) }
    while !generations.allSatisfy(\.hasEnded) {
      finishEarlier()
      lookAtReload()
      let hasMore = lookAtWorkers()
      let now = Clock.monotonicMilliseconds()
      if let end, end <= now { endWithoutWorkers() }
      if successor != nil, successorEnd <= now { giveUpSuccessor() }
      if let reloadWarning, reloadWarning <= now { warnOfSlowReload() }
      let next = nextLook(now, hasMore: hasMore)
      let wait = next == .max ? -1 : Int32(clamping: next - min(next, now))
      switch signals.wait(or: waker.waker, or: successor?.readiness ?? -1, milliseconds: wait) {
      case .none: continue
      case .reload(let sender): reload(for: sender)
      case .upgrade(let sender): upgrade(for: sender)
      case .readable: lookAtSuccessor()
      case .reopen: reopenLogs()
      case .other(let message): log.notice("\(message)")
      case .stop(let signal): stop(signal)
      }
    }
    _ = lookAtWorkers()
    for generation in generations { status.note(ended: generation, generation.finish()) }
    log.info("stopped: \(status.snapshot().metrics)")
  }

  /// When something is due, in milliseconds of the monotonic clock, `max` for never.
  private func nextLook(_ now: UInt64, hasMore: Bool) -> UInt64 {
    var next = end ?? .max
    if successor != nil { next = min(next, successorEnd) }
    if let reloadWarning { next = min(next, reloadWarning) }
    if let watchdog { next = min(next, now + watchdog.interval) }
    return hasMore ? min(next, now + Troubles.period) : next
  }

  /// A step of its own, so that nothing is held that it looks at while this thread waits.
  /// True if there is something to tell in a minute.
  private mutating func lookAtWorkers() -> Bool {
    let controls = generations.flatMap(\.controls)
    watchdog?.look(at: controls)
    for generation in generations { generation.tellTroubles(now: Clock.monotonicMilliseconds()) }
    return generations.contains(where: \.hasOpenTroubles)
  }

  /// What those have counted that have ended is kept, and nothing else of them.
  private mutating func finishEarlier() {
    // Each is asked once: one that ends meanwhile is finished next time, rather than removed unfinished.
    for index in earlier.indices.reversed() where earlier[index].hasEnded {
      let generation = earlier.remove(at: index)
      generation.tellTroubles(now: Clock.monotonicMilliseconds())
      status.note(ended: generation, generation.finish())
    }
  }

  private mutating func stop(_ signal: Int32) {
    guard end == nil else {
      log.warning("second signal: ending at once")
      // No clean-up at exit, which is not made for threads that go on.
      _exit(128 + signal)
    }
    let limits = current.configuration.limits
    end = Clock.monotonicMilliseconds() + limits.drainMilliseconds + limits.stopGraceMilliseconds
    status.state = .draining
    if !isRelieved { manager.noteStopping() }
    log.info("stopping: finishing what is being sent")
    giveUpSuccessor()
    for sender in reloadSenders + (dueReload ?? []) {
      sender.answer(isDone: false, ["not reloaded: the server is stopping"])
    }
    dueReload = nil
    for generation in generations { generation.end(.stop) }
  }

  private func reopenLogs() {
    let logs = generations.compactMap(\.accessLog)
    if logs.isEmpty { log.notice("SIGUSR1: there is no access log to open anew") }
    for log in logs { log.reopen() }
  }

  /// A worker hangs: in a system call, most likely, that waits for a disk or a network file system.
  private func endWithoutWorkers() -> Never {
    let controls = generations.flatMap(\.controls)
    let hanging = controls.count { !$0.hasEnded }
    let limits = current.configuration.limits
    let seconds = (limits.drainMilliseconds + limits.stopGraceMilliseconds) / 1000
    log.error(
      """
      \(hanging) of \(controls.count) workers have not ended \(seconds) s after the signal to stop, and hang: \
      ending without them
      """)
    _exit(1)
  }

  // MARK: Upgrade

  /// Starts who shall take over.
  private mutating func upgrade(for sender: SignalSender?) {
    guard end == nil, !isRelieved, successor == nil else {
      let text = "the server is stopping, or another process is about to take over"
      log.notice("SIGUSR2: \(text)")
      sender?.answer(isDone: false, ["not upgraded: \(text)"])
      return
    }
    upgradeSender = sender
    guard getpid() != 1 else {
      return noteNotUpgraded(
        "a container ends with its process 1, which can't have another take over: start a new one")
    }
    do throws(Errno) {
      successor = try Successor(
        current.binding, admin: admin?.descriptor, areGiven: predecessor.areGiven)
      successorEnd = Clock.monotonicMilliseconds() + current.configuration.limits.successorMilliseconds
    } catch {
      noteNotUpgraded("\(CommandLine.arguments[0]) can't be started: \(error)")
    }
  }

  /// This process goes on, for this reason.
  private mutating func noteNotUpgraded(_ reason: String) {
    log.error("not upgraded: \(reason)")
    status.noteFailedUpgrade()
    upgradeSender?.answer(isDone: false, ["not upgraded: \(reason)"])
    upgradeSender = nil
    if end == nil { beginDueReload() }
  }

  /// It serves, or has ended.
  private mutating func lookAtSuccessor() {
    guard let successor else { return }
    self.successor = nil
    let process = successor.process
    if let end = successor.end() {
      return noteNotUpgraded("process \(process) has ended \(end), and may have said why; this one goes on")
    }
    isRelieved = true
    for generation in generations { generation.end(.handOver) }
    log.notice("process \(process) has taken over: finishing what is being sent")
    manager.noteRelief(by: process)
    watchdog = nil
    admin?.end()
    upgradeSender?.answer(isDone: true, ["process \(process) has taken over"])
    // What it has read may be from before.
    if isReloading || dueReload != nil { kill(process, SIGHUP) }
    for sender in reloadSenders + (dueReload ?? []) {
      sender.answer(isDone: false, ["process \(process) has just taken over, and was told: see its log"])
    }
    dueReload = nil
  }

  /// It hangs, or nobody is to take over any more.
  private mutating func giveUpSuccessor() {
    guard let successor else { return }
    self.successor = nil
    successor.kill()
    killedSuccessor = successor.process
    noteNotUpgraded("process \(successor.process) did not serve in time, or at all, and was ended")
  }

  // MARK: Reload

  /// Has files read anew; if that, or the start of another process, goes on already, after that.
  private mutating func reload(for sender: SignalSender?) {
    let senders = sender.map { [$0] } ?? []
    guard end == nil, !isRelieved else {
      let text = "the server is stopping, or another process has taken over"
      log.notice("SIGHUP: \(text)")
      for sender in senders { sender.answer(isDone: false, ["not reloaded: \(text)"]) }
      return
    }
    dueReload = (dueReload ?? []) + senders
    if reload == nil, successor == nil { return beginDueReload() }
    log.notice("SIGHUP: files are being read already, by this process or a new one: once more after that")
  }

  private mutating func beginDueReload() {
    guard let senders = dueReload, reload == nil, successor == nil else { return }
    (reloadSenders, dueReload) = (senders, nil)
    manager.noteReloading()
    reload = Reload(of: current, waker: waker, log: log, reread: reread)
    reloadWarning = Clock.monotonicMilliseconds() + current.configuration.limits.reloadWarningMilliseconds
  }

  private mutating func warnOfSlowReload() {
    reloadWarning = nil
    log.warning(
      "still reading the configuration and its files: a file system may hang; nothing is changed yet")
  }

  /// Goes over to what was read, or, if anything is wrong with it, to nothing.
  private mutating func lookAtReload() {
    guard let outcome = reload?.outcome else { return }
    (reload, reloadWarning) = (nil, nil)
    guard end == nil, !isRelieved else {
      if case .new(let loaded, _) = outcome { loaded.discard() }
      return
    }
    var lines: [String]
    var isDone = true
    do throws(ConfigurationError) {
      lines = [try take(outcome)]
      log.notice("\(lines[0])")
    } catch {
      isDone = false
      lines = error.problems.map { "not reloaded, nothing is changed: \($0)" }
      for line in lines { log.error("\(line)") }
    }
    status.noteReload(isDone: isDone)
    manager.noteReady(isDone ? status.summary : "not reloaded, see the log; \(status.summary)")
    for sender in reloadSenders { sender.answer(isDone: isDone, lines) }
    reloadSenders = []
    beginDueReload()
  }

  /// What is to be said of it.
  private mutating func take(_ outcome: Reload.Outcome) throws(ConfigurationError) -> String {
    switch outcome {
    case .same(let message): return message
    case .refused(let problems): throw ConfigurationError(problems)
    case .new(let loaded, let warnings):
      do throws(StartError) {
        try goOver(to: loaded)
      } catch {
        throw ConfigurationError([error.description])
      }
      for warning in warnings { log.warning("\(warning)") }
      return "reloaded: the new configuration is in use"
    }
  }

  private mutating func goOver(to loaded: LoadedConfiguration) throws(StartError) {
    let (old, configuration) = (current, loaded.configuration)
    let new = try Generation(loaded, supervisor: waker) { try old.binding.copy() }
    log.logLevel = configuration.logLevel
    status.note(serving: new)
    // Whatever comes is taken by the new one, or by both for a moment.
    old.handOver()
    earlier.append(old)
    current = new
    let most = configuration.limits.earlierConfigurations
    if earlier.count > most {
      log.warning("more than \(most) earlier configurations still serve connections: the oldest one stops")
      earlier[earlier.count - 1 - most].end(.stop)
    }
  }
}

/// Tells the service manager that all is well, for as long as every worker turns.
private struct Watchdog {
  private let manager: ServiceManager
  /// Time between two looks, in milliseconds: half of what the manager waits for.
  let interval: UInt64
  private var next: UInt64

  /// Nil if nobody wants to know.
  init?(_ manager: ServiceManager) {
    guard let wanted = manager.watchdogMilliseconds else { return nil }
    self.manager = manager
    interval = max(1, wanted / 2)
    next = Clock.monotonicMilliseconds() + interval
  }

  /// Looks whether all have answered since the last look, and asks them again.
  mutating func look(at controls: [WorkerControl]) {
    let now = Clock.monotonicMilliseconds()
    guard now >= next else { return }
    next = now + interval
    if controls.allSatisfy(\.currentMetrics.isCurrent) { manager.noteAlive() }
    for control in controls { control.askForMetrics() }
  }
}
