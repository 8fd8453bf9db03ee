package import Reactor
import Synchronization

/// Wakes a thread that waits for news from several others.
package final class SharedWaker: Sendable {
  package let waker: Waker

  package init() throws(Errno) {
    waker = try Waker()
  }
}

/// What the control plane and a worker's thread have in common: an order to stop, what the worker reports, and the counts at
/// the end.
package final class WorkerControl: Sendable {
  /// Wakes the worker.
  let waker: Waker
  private let stopping = Atomic(false)
  private let serving = Atomic(false)
  /// The first reason for which accepting has failed.
  private let firstAcceptError = FirstError()
  /// The first reason for which the kernel did not receive for a connection.
  private let firstReceiveError = FirstError()
  private let outcome = Mutex<Result<Metrics, Errno>?>(nil)

  /// Wakes the control plane when there is something to report.
  private let supervisor: SharedWaker

  package init(supervisor: SharedWaker) throws(Errno) {
    self.supervisor = supervisor
    waker = try Waker()
  }

  // MARK: What the control plane says

  var isStopping: Bool { stopping.load(ordering: .acquiring) }

  package func stop() {
    stopping.store(true, ordering: .releasing)
    waker.wake()
  }

  // MARK: What the worker says

  /// It has all that it needs, and its next step is to take connections.
  package func noteServing() {
    serving.store(true, ordering: .releasing)
    supervisor.waker.wake()
  }

  package var isServing: Bool { serving.load(ordering: .acquiring) }

  /// Accepting fails. Only the first reason is kept.
  func note(acceptError error: Errno) {
    if firstAcceptError.set(error) { supervisor.waker.wake() }
  }

  package var acceptError: Errno? { firstAcceptError.value }

  /// The kernel does not receive for a connection. Only the first reason is kept.
  func note(receiveError error: Errno) {
    if firstReceiveError.set(error) { supervisor.waker.wake() }
  }

  package var receiveError: Errno? { firstReceiveError.value }

  package func finish(_ result: Result<Metrics, Errno>) {
    outcome.withLock { $0 = result }
    supervisor.waker.wake()
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

/// The first of the errors that a thread meets, for another to read.
private struct FirstError: ~Copyable {
  /// 0 for none.
  private let number = Atomic<Int32>(0)

  /// False if there was one before, which stays.
  func set(_ error: Errno) -> Bool {
    number.compareExchange(expected: 0, desired: error.rawValue, ordering: .relaxed).exchanged
  }

  var value: Errno? {
    let number = number.load(ordering: .relaxed)
    return number == 0 ? nil : Errno(rawValue: number)
  }
}
