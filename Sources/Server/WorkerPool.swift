import Files
import Glibc
import Reactor
import Synchronization
import Worker

/// The worker threads.
struct WorkerPool: ~Copyable {
  private(set) var controls: [WorkerControl] = []
  private var threads: [Thread] = []
  /// Wakes the control plane when a worker has something to report.
  private let supervisor: SharedWaker
  private let limits: Limits
  private let accessLog: AccessLog?

  init(limits: Limits, accessLog: AccessLog?, supervisor: SharedWaker) {
    self.limits = limits
    self.accessLog = accessLog
    self.supervisor = supervisor
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

  /// Waits until all workers serve, which takes no time worth speaking of. Throws if one can't.
  func waitUntilServing() throws(StartError) {
    for index in controls.indices {
      do throws(Errno) {
        while !controls[index].isServing {
          _ = try controls[index].metrics()
          usleep(500)
        }
      } catch {
        throw StartError(starting: index + 1, error)
      }
    }
  }

  func end(_ ending: WorkerControl.Ending) {
    for control in controls { control.end(ending) }
  }

  var hasEnded: Bool { controls.allSatisfy(\.hasEnded) }

  /// Waits for the workers, which have been told to end.
  mutating func join() {
    for thread in threads { thread.join() }
    threads = []
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
