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
  /// Wakes the control plane when a worker has ended.
  private let ended: SharedWaker

  init() throws(Errno) {
    ended = try SharedWaker()
  }

  mutating func start(
    _ listeners: consuming Listeners, site: Site, root: DocumentRoot, loader: FileLoader,
    requiresKernelTLS: Bool, limits: Limits
  ) throws(Errno) {
    let control = try WorkerControl()
    let ended = ended
    let handover = Handover(Mutex(listeners))
    threads.append(
      try Thread {
        do throws(Errno) {
          guard let listeners = handover.take() else { return }
          var worker = try Worker(
            listeners: listeners, control: control, site: site, root: root,
            loader: loader, requiresKernelTLS: requiresKernelTLS, limits: limits)
          control.finish(.success(worker.run()))
        } catch {
          control.finish(.failure(error))
        }
        ended.waker.wake()
      })
    controls.append(control)
  }

  /// Waits for a signal, then stops the workers and waits for them. Throws if a worker could not work.
  consuming func work(until signals: borrowing StopSignals, log: Logger) throws(StartError) {
    var isStopping = false
    while !controls.allSatisfy(\.hasEnded) {
      // One worker less would leave clients of the shared port without an answer.
      for control in controls { _ = try metrics(of: control) }
      let signal = signals.wait(or: ended.waker)
      if let signal, isStopping {
        log.warning("second signal: ending at once")
        exit(128 + signal)
      }
      if signal != nil {
        isStopping = true
        log.info("stopping: finishing what is being sent")
        for control in controls { control.stop() }
      }
    }
    var total = Metrics()
    for control in controls { total.add(try metrics(of: control) ?? Metrics()) }
    for thread in threads { thread.join() }
    log.info("stopped: \(total)")
  }

  private func metrics(of control: WorkerControl) throws(StartError) -> Metrics? {
    do throws(Errno) {
      return try control.metrics()
    } catch {
      throw StartError("a worker thread can't work: \(error)")
    }
  }
}

private final class SharedWaker: Sendable {
  let waker: Waker

  init() throws(Errno) {
    waker = try Waker()
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
