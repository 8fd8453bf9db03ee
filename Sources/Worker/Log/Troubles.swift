import Files
package import Reactor
import Synchronization
package import TLS

/// What befalls a worker that can't be told to its clients, on its way to the operator's log: a few of each kind in a minute, the others
/// are counted. Takes no memory when something happens: that may be what is short.
package final class Troubles: Sendable {
  /// What has happened.
  package enum Kind: Equatable, Sendable {
    /// A file that the file system does not let us read.
    case forbidden
    /// A file that a disk, or what stands for it, has failed to give.
    case inputOutput
    /// A file for which no descriptor or no memory was free, or too many wait for a disk.
    case exhausted
    /// A file that became shorter while it was sent, or could not be read to its end.
    case truncated
    /// Connections that were closed at once: the worker has as many as it may; no descriptor is free; no memory.
    case connectionLimit, descriptors, memory
    /// Accepting fails.
    case accepting
    /// The kernel does not receive for a connection.
    case receiving
    /// A balancer has not said who has connected to it.
    case introduction
    /// A handshake has failed.
    case handshake(HandshakeFailure)

    static let all: [Kind] =
      [
        .forbidden, .inputOutput, .exhausted, .truncated, .connectionLimit, .descriptors, .memory, .accepting,
        .receiving, .introduction,
      ] + HandshakeFailure.allCases.map(Kind.handshake)

    /// Its place in `all`.
    var number: Int {
      switch self {
      case .forbidden: 0
      case .inputOutput: 1
      case .exhausted: 2
      case .truncated: 3
      case .connectionLimit: 4
      case .descriptors: 5
      case .memory: 6
      case .accepting: 7
      case .receiving: 8
      case .introduction: 9
      case .handshake(let failure): 10 + failure.rawValue
      }
    }

    /// How many are told in `period`. What lasts, and is the same for all, is told once.
    var most: UInt32 { self == .accepting || self == .receiving ? 1 : 5 }

    init(_ error: FileError) {
      self =
        switch error {
        case .forbidden: .forbidden
        case .exhausted: .exhausted
        case .inputOutput, .notFound: .inputOutput
        }
    }
  }

  /// One of them.
  package struct Record: Sendable {
    package let kind: Kind
    /// Who was at the other end.
    package var peer: Socket.Peer?
    /// What the kernel has said; 0 for nothing.
    package var error = Errno(rawValue: 0)
    /// A file's root, by its number, and the first bytes of its path relative to that.
    package var root = 0
    var path = InlineArray<256, UInt8>(repeating: 0)
    var pathCount = 0

    init(_ kind: Kind) {
      self.kind = kind
    }

    /// The path; one that is too long ends with an ellipsis. Empty for none.
    package var pathText: String {
      let text = String(decoding: (0..<min(pathCount, path.count)).map { path[$0] }, as: UTF8.self)
      return pathCount > path.count ? text + "…" : text
    }
  }

  private struct State {
    var records: [Record] = []
    var told = InlineArray<23, UInt32>(repeating: 0)
    var untold = InlineArray<23, UInt32>(repeating: 0)
    /// When what was told is forgotten, in milliseconds of the monotonic clock; 0 if nothing was.
    var end: UInt64 = 0
  }

  /// In milliseconds.
  package static let period: UInt64 = 60_000

  private let state: Mutex<State>
  private let supervisor: SharedWaker

  init(supervisor: SharedWaker) {
    var state = State()
    precondition(Kind.all.count == state.told.count)
    state.records.reserveCapacity(Kind.all.reduce(0) { $0 + Int($1.most) })
    self.state = Mutex(state)
    self.supervisor = supervisor
  }

  // MARK: What the worker says

  func note(_ kind: Kind, peer: Socket.Peer? = nil, error: Errno? = nil) {
    note(kind) { record in
      record.peer = peer
      if let error { record.error = error }
    }
  }

  /// `path` is relative to the root.
  func note(_ kind: Kind, path: Span<UInt8>, root: Int) {
    note(kind) { record in
      record.root = root
      record.pathCount = path.count
      for index in 0..<min(path.count, record.path.count) { record.path[index] = path[index] }
    }
  }

  private func note(_ kind: Kind, _ fill: (inout Record) -> Void) {
    let isTold = state.withLock { state in
      if state.end == 0 { state.end = Clock.monotonicMilliseconds() + Self.period }
      guard state.told[kind.number] < kind.most else {
        state.untold[kind.number] += 1
        return false
      }
      state.told[kind.number] += 1
      var record = Record(kind)
      fill(&record)
      state.records.append(record)
      return true
    }
    if isTold { supervisor.waker.wake() }
  }

  // MARK: What the control plane takes

  /// The first that was noted and not taken yet. One at a time: several would have to be copied.
  package func takeFirst() -> Record? {
    state.withLock { $0.records.isEmpty ? nil : $0.records.removeFirst() }
  }

  /// Something was noted in the last minute.
  package var areOpen: Bool { state.withLock { $0.end != 0 } }

  /// At the end of a minute: how many of each kind were not told. Empty before that.
  package func takeUntold(now: UInt64) -> [(kind: Kind, count: UInt32)] {
    state.withLock { state in
      guard state.end != 0, state.end <= now else { return [] }
      defer {
        state.told = .init(repeating: 0)
        state.untold = .init(repeating: 0)
        state.end = 0
      }
      return Kind.all.map { ($0, state.untold[$0.number]) }.filter { $0.1 > 0 }
    }
  }
}
