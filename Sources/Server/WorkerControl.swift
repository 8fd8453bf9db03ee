import Glibc
import Reactor
import Synchronization

/// What the control plane and a worker's thread have in common: an order to stop, and the counts at the end.
final class WorkerControl: Sendable {
  /// Wakes the worker.
  let waker: Waker
  private let stopping = Atomic(false)
  private let outcome = Mutex<Result<Metrics, Errno>?>(nil)

  init() throws(Errno) {
    waker = try Waker()
  }

  var isStopping: Bool { stopping.load(ordering: .acquiring) }

  func stop() {
    stopping.store(true, ordering: .releasing)
    waker.wake()
  }

  func finish(_ result: Result<Metrics, Errno>) {
    outcome.withLock { $0 = result }
  }

  var hasEnded: Bool { outcome.withLock { $0 != nil } }

  /// What a worker that has ended has counted. Throws if it could not work.
  func metrics() throws(StartError) -> Metrics {
    switch outcome.withLock({ $0 }) {
    case .success(let metrics): return metrics
    case .failure(let error): throw StartError("a worker thread can't work: \(error)")
    case nil: return Metrics()
    }
  }
}

/// A POSIX thread that runs one closure: `pthread_create(3)`.
struct Thread {
  private let handle: pthread_t

  /// Starts the thread. Throws what `pthread_create` says.
  init(_ body: sending @escaping () -> Void) throws(Errno) {
    let box = unsafe Unmanaged.passRetained(Box(body))
    var handle = pthread_t()
    let status = unsafe pthread_create(
      &handle, nil,
      { argument in
        unsafe Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
        return nil
      }, box.toOpaque())
    guard status == 0 else {
      unsafe box.release()
      throw Errno(rawValue: status)
    }
    self.handle = handle
  }

  /// Waits for the thread's end.
  func join() {
    pthread_join(handle, nil)
  }

  private final class Box {
    let body: () -> Void

    init(_ body: @escaping () -> Void) {
      self.body = body
    }
  }
}
