package import Reactor
import Synchronization

/// What the control plane and a worker's thread have in common: an order to stop, and the counts at the end.
package final class WorkerControl: Sendable {
  /// Wakes the worker.
  let waker: Waker
  private let stopping = Atomic(false)
  private let outcome = Mutex<Result<Metrics, Errno>?>(nil)

  package init() throws(Errno) {
    waker = try Waker()
  }

  var isStopping: Bool { stopping.load(ordering: .acquiring) }

  package func stop() {
    stopping.store(true, ordering: .releasing)
    waker.wake()
  }

  package func finish(_ result: Result<Metrics, Errno>) {
    outcome.withLock { $0 = result }
  }

  package var hasEnded: Bool { outcome.withLock { $0 != nil } }

  /// What a worker that has ended has counted; nil while it works. Throws why it could not work.
  package func metrics() throws(Errno) -> Metrics? {
    switch outcome.withLock({ $0 }) {
    case .success(let metrics): metrics
    case .failure(let error): throw error
    case nil: nil
    }
  }
}
