import Files
import Glibc
import Logging
import Reactor
import Site
import Synchronization
import Worker

/// The worker threads.
struct WorkerPool: ~Copyable {
  private var controls: [WorkerControl] = []
  private var threads: [Thread] = []
  /// Wakes the control plane when a worker has something to report.
  private let supervisor: SharedWaker
  private let limits: Limits

  init(limits: Limits) throws(Errno) {
    self.limits = limits
    supervisor = try SharedWaker()
  }

  mutating func start(
    _ listeners: consuming Listeners, site: Site, root: DocumentRoot, loader: FileLoader,
    requiresKernelTLS: Bool
  ) throws(StartError) {
    do throws(Errno) {
      let control = try WorkerControl(supervisor: supervisor)
      let limits = limits
      let handover = Handover(Mutex(listeners))
      threads.append(
        try Thread {
          do throws(Errno) {
            guard let listeners = handover.take() else { return }
            var worker = try Worker(
              listeners: listeners, control: control, site: site, root: root,
              loader: loader, requiresKernelTLS: requiresKernelTLS, limits: limits)
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

  /// Waits for a signal, then stops the workers and waits for them. `announce` is called once, when all of them serve.
  /// Throws if a worker could not work. A worker that does not end in time ends with the process, here.
  consuming func work(
    until signals: borrowing Signals, log: Logger, announce: () -> Void
  ) throws(StartError) {
    var isAnnounced = false
    /// Workers whose trouble was told.
    var toldOfAccepting: Set<Int> = []
    var toldOfReceiving: Set<Int> = []
    /// When the process ends, whatever its workers do, in milliseconds of the monotonic clock; nil while it serves.
    var end: UInt64?
    while !controls.allSatisfy(\.hasEnded) {
      // One worker less would leave clients of the shared port without an answer.
      for index in controls.indices { _ = try metrics(of: index) }
      if !isAnnounced, end == nil, controls.allSatisfy(\.isServing) {
        isAnnounced = true
        announce()
      }
      for (index, control) in controls.enumerated() {
        if let error = control.acceptError, toldOfAccepting.insert(index).inserted {
          log.warning("connections can't be accepted: \(error); trying again every second at least")
        }
        if let error = control.receiveError, toldOfReceiving.insert(index).inserted {
          log.warning("the kernel does not receive for a connection: \(error); OpenSSL does")
        }
      }
      let now = Clock.monotonicMilliseconds()
      if let end, end <= now { endWithoutWorkers(log) }
      switch signals.wait(or: supervisor.waker, milliseconds: end.map { Int32(clamping: $0 - now) } ?? -1) {
      case .none: continue
      case .other(let message): log.notice("\(message)")
      case .stop(let signal):
        guard end == nil else {
          log.warning("second signal: ending at once")
          // No clean-up at exit, which is not made for threads that go on.
          _exit(128 + signal)
        }
        end = Clock.monotonicMilliseconds() + limits.drainMilliseconds + limits.stopGraceMilliseconds
        log.info("stopping: finishing what is being sent")
        for control in controls { control.stop() }
      }
    }
    var total = Metrics()
    for index in controls.indices { total.add(try metrics(of: index) ?? Metrics()) }
    for thread in threads { thread.join() }
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
