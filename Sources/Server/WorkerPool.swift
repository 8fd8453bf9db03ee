import Files
import Glibc
import Logging
import Reactor
import Synchronization
import TLS
import Worker

/// The worker threads.
struct WorkerPool: ~Copyable {
  private var controls: [WorkerControl] = []
  private var threads: [Thread] = []
  /// Wakes the control plane when a worker has something to report.
  private let supervisor: SharedWaker
  private let limits: Limits
  private let accessLog: AccessLog?

  init(limits: Limits, accessLog: AccessLog?) throws(Errno) {
    self.limits = limits
    self.accessLog = accessLog
    supervisor = try SharedWaker()
  }

  mutating func start(
    _ listeners: consuming Listeners, service: Service, loader: FileLoader
  ) throws(StartError) {
    do throws(Errno) {
      let control = try WorkerControl(supervisor: supervisor)
      let limits = limits
      let ring = accessLog?.ring(ofWorker: controls.count)
      let handover = Handover(Mutex(listeners))
      threads.append(
        try Thread {
          do throws(Errno) {
            guard let listeners = handover.take() else { return }
            var worker = try Worker(
              listeners: listeners, control: control, service: service, loader: loader, limits: limits,
              log: ring)
            control.noteServing()
            control.finish(.success(worker.run()))
          } catch {
            control.finish(.failure(error))
          }
        })
      controls.append(control)
    } catch {
      throw StartError(starting: controls.count + 1, error)
    }
  }

  /// What the workers are asked by.
  var workerControls: [WorkerControl] { controls }

  /// Has new TLS sessions made of this.
  var useContext: @Sendable (ServerContext) -> Void {
    let controls = controls
    return { context in for control in controls { control.use(context) } }
  }

  /// Waits for a signal, then stops the workers and waits for them. `announce` is called once, when all of them serve.
  /// Throws if a worker could not work. A worker that does not end in time ends with the process, here.
  consuming func work(
    until signals: borrowing Signals, renewal: Renewal?, status: ServerStatus, manager: ServiceManager,
    log: Logger,
    announce: () -> Void
  ) throws(StartError) {
    var isAnnounced = false
    /// Workers whose trouble was told.
    var toldOfAccepting: Set<Int> = []
    var toldOfReceiving: Set<Int> = []
    var toldOfCodings: Set<String> = []
    var watchdog: Watchdog?
    /// When the process ends, whatever its workers do, in milliseconds of the monotonic clock; nil while it serves.
    var end: UInt64?
    while !controls.allSatisfy(\.hasEnded) {
      // One worker less would leave clients of the shared port without an answer.
      for index in controls.indices { _ = try metrics(of: index) }
      if !isAnnounced, end == nil, controls.allSatisfy(\.isServing) {
        isAnnounced = true
        status.state = .serving
        announce()
        manager.noteReady(status.summary)
        watchdog = Watchdog(manager)
      }
      watchdog?.look(at: controls)
      for (index, control) in controls.enumerated() {
        if let error = control.acceptError, toldOfAccepting.insert(index).inserted {
          log.warning("connections can't be accepted: \(error); trying again every second at least")
        }
        if let error = control.receiveError, toldOfReceiving.insert(index).inserted {
          log.warning("the kernel does not receive for a connection: \(error); OpenSSL does")
        }
        for path in control.takeStaleCodings()
        where toldOfCodings.count < Limits.staleCodingsTold && toldOfCodings.insert(path).inserted {
          let last = toldOfCodings.count == Limits.staleCodingsTold ? "; of others, nothing is said" : ""
          // As a literal: a name may hold line ends.
          log.warning(
            "\(path.debugDescription) is older than its original, and not sent: make it anew\(last)")
        }
      }
      let now = Clock.monotonicMilliseconds()
      if let end, end <= now { endWithoutWorkers(log) }
      let wait = min(
        end.map { Int32(clamping: $0 - now) } ?? .max, watchdog.map { Int32(clamping: $0.interval) } ?? .max)
      switch signals.wait(or: supervisor.waker, milliseconds: wait == .max ? -1 : wait) {
      case .none: continue
      case .reload where end == nil:
        manager.noteReloading()
        renewal?.reload() ?? log.notice("SIGHUP: nothing is there to be read anew")
        manager.noteReady(status.summary)
      case .reload: log.notice("SIGHUP: the server is stopping")
      case .reopen: accessLog?.reopen() ?? log.notice("SIGUSR1: there is no access log to open anew")
      case .other(let message): log.notice("\(message)")
      case .stop(let signal):
        guard end == nil else {
          log.warning("second signal: ending at once")
          // No clean-up at exit, which is not made for threads that go on.
          _exit(128 + signal)
        }
        end = Clock.monotonicMilliseconds() + limits.drainMilliseconds + limits.stopGraceMilliseconds
        status.state = .draining
        manager.noteStopping()
        log.info("stopping: finishing what is being sent")
        for control in controls { control.stop() }
      }
    }
    var total = Metrics()
    for index in controls.indices { total.add(try metrics(of: index) ?? Metrics()) }
    for thread in threads { thread.join() }
    if let accessLog {
      accessLog.end()
      total.logLinesDropped = accessLog.dropped
    }
    log.info("stopped: \(total)")
  }

  /// A worker hangs: in a system call, most likely, that waits for a disk or a network file system.
  private func endWithoutWorkers(_ log: Logger) -> Never {
    let hanging = controls.count { !$0.hasEnded }
    let seconds = (limits.drainMilliseconds + limits.stopGraceMilliseconds) / 1000
    log.error(
      """
      \(hanging) of \(controls.count) workers have not ended \(seconds) s after the signal to stop, and hang: \
      ending without them
      """)
    _exit(1)
  }

  private func metrics(of index: Int) throws(StartError) -> Metrics? {
    do throws(Errno) {
      return try controls[index].metrics()
    } catch {
      throw StartError(starting: index + 1, error)
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
    next = 0
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

extension StartError {
  /// A worker that can't be started; they are counted from 1.
  fileprivate init(starting worker: Int, _ error: Errno) {
    let advice =
      switch error.rawValue {
      case ENOMEM: ": give it more memory (ulimit -v, the container's limit), or take fewer --workers"
      case EAGAIN: ": raise the limit on threads or on memory (ulimit -u, ulimit -v), or take fewer --workers"
      case EMFILE, ENFILE: ": raise the limit on open files (ulimit -n), or take fewer --workers"
      default: ""
      }
    self.init("worker \(worker) can't work: \(error)\(advice)")
  }
}

/// Carries a worker's listeners to its thread.
private final class Handover: Sendable {
  private let listeners: Mutex<Listeners?>

  init(_ listeners: consuming Mutex<Listeners?>) {
    self.listeners = listeners
  }

  func take() -> Listeners? {
    listeners.withLock { $0.take() }
  }
}
