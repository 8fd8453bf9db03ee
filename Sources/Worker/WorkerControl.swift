package import Reactor
import Synchronization
package import TLS

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
  private let ordered = Atomic(Ending.none.rawValue)
  private let serving = Atomic(false)
  /// What new TLS sessions are to be made of, if that is to change.
  private let context = Mutex<ServerContext?>(nil)
  /// What the operator is to be told of.
  package let troubles: Troubles
  /// The first codings that were older than their files: those that were told, and those that are to be.
  private let staleCodings = Mutex((known: Set<[UInt8]>(), news: [[UInt8]]()))
  /// What the worker has counted when it was asked last, and how often it was asked and has answered.
  private let snapshot = Mutex((metrics: Metrics?.none, asked: 0, answered: 0))
  private let outcome = Mutex<Result<Metrics, Errno>?>(nil)

  /// Wakes the control plane when there is something to report.
  private let supervisor: SharedWaker

  package init(supervisor: SharedWaker) throws(Errno) {
    self.supervisor = supervisor
    troubles = Troubles(supervisor: supervisor)
    waker = try Waker()
  }

  // MARK: What the control plane says

  /// Whether the worker shall end, and how.
  package enum Ending: Int {
    case none
    /// Others take its new connections. What it has is served as ever, but for one more request at most.
    case handOver
    /// The server stops: what is being sent is finished, in a bounded time, and nothing else.
    case stop
  }

  var ending: Ending { Ending(rawValue: ordered.load(ordering: .acquiring)) ?? .none }

  /// Has the worker end. What was to be handed over can be stopped yet.
  package func end(_ ending: Ending) {
    ordered.store(ending.rawValue, ordering: .releasing)
    waker.wake()
  }

  /// New TLS sessions are to be made of this; those that there are go on.
  package func use(_ context: ServerContext) {
    self.context.withLock { $0 = context }
    waker.wake()
  }

  /// Asks the worker for its counts, which come soon, if it does not hang.
  package func askForMetrics() {
    snapshot.withLock { $0.asked += 1 }
    waker.wake()
  }

  /// What it has counted when it has answered last, and whether that is the last answer asked for.
  package var currentMetrics: (metrics: Metrics?, isCurrent: Bool) {
    if case .success(let final) = outcome.withLock({ $0 }) { return (final, true) }
    return snapshot.withLock { ($0.metrics, $0.answered == $0.asked) }
  }

  /// The worker has been asked for its counts.
  var wantsMetrics: Bool { snapshot.withLock { $0.answered < $0.asked } }

  func answer(_ metrics: Metrics) {
    snapshot.withLock { $0 = (metrics, $0.asked, $0.asked) }
  }

  func takeContext() -> ServerContext? { context.withLock { $0.take() } }

  // MARK: What the worker says

  /// It has all that it needs, and its next step is to take connections.
  package func noteServing() {
    serving.store(true, ordering: .releasing)
    supervisor.waker.wake()
  }

  package var isServing: Bool { serving.load(ordering: .acquiring) }

  /// A coding is older than its file, and passed over. Only the first `Limits.staleCodingsTold` are kept.
  func note(staleCoding path: Span<UInt8>, in folder: String) {
    let path = Array(folder.utf8) + [UInt8(ascii: "/")] + path.indices.map { path[$0] }
    let isNew = staleCodings.withLock { codings in
      guard codings.known.count < Limits.staleCodingsTold, codings.known.insert(path).inserted else {
        return false
      }
      codings.news.append(path)
      return true
    }
    if isNew { supervisor.waker.wake() }
  }

  /// The paths of those that were noted since the last call.
  package func takeStaleCodings() -> [String] {
    staleCodings.withLock { codings in
      defer { codings.news = [] }
      return codings.news.map { String(decoding: $0, as: UTF8.self) }
    }
  }

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
