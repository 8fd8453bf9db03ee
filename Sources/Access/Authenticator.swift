/// A worker's knowledge of who may come in: what was found right lately, and what is being checked. Belongs to one thread.
public struct Authenticator: ~Copyable {
  private let passwords: Passwords
  private var successes: SuccessCache
  private var pending: [Pending] = []
  private var lastIdentifier: UInt64 = 0
  /// What it has counted.
  public private(set) var counts = AccessCounts()
  /// Called by a checking thread with what it has found.
  private let answer: @Sendable (PasswordCheck) -> Void

  private struct Pending {
    let identifier: UInt64
    let tag: SipHash.Tag
    let file: Int
    /// Who wants to know: values of the caller's.
    var waiters: [UInt64]
  }

  /// `remembered` is how many credentials are known without a check, a power of two. `answer` is called by checking threads,
  /// and has to bring what they have found to `finish`.
  public init(
    _ passwords: Passwords, remembered: Int, answer: @escaping @Sendable (PasswordCheck) -> Void
  ) {
    self.passwords = passwords
    self.answer = answer
    successes = SuccessCache(capacity: passwords.isEmpty ? 0 : remembered)
  }

  /// Whether credentials are right.
  public enum Outcome: Equatable {
    /// They were so lately, and the file says the same as then.
    case right
    /// A thread checks it; `finish` will say for whom. The number is that of the wait, and its highest bit is set.
    case waits(UInt64)
    /// Too many wait for a check already.
    case overloaded
  }

  /// Asks whether `user:password`, which holds no NUL, is right by a file. `waiter` is told by `finish` if that takes a check.
  public mutating func check(
    _ credentials: Span<UInt8>, userCount: Int, file: Int, waiter: UInt64
  ) -> Outcome {
    let numbers = (UInt64(file), passwords.files[file].currentGeneration)
    let tag = SipHash.tag(passwords.key, numbers, credentials)
    if successes.contains(tag) { return .right }
    // Browsers ask for several things at once.
    for index in pending.indices where pending[index].tag == tag {
      pending[index].waiters.append(waiter)
      return .waits(pending[index].identifier)
    }
    guard let copy = Credentials(credentials, userCount: userCount) else {
      counts.overloads += 1
      return .overloaded
    }
    lastIdentifier += 1
    let identifier = lastIdentifier | 1 << 63
    let order = Passwords.Order(file: file, credentials: copy, identifier: identifier, answer: answer)
    guard passwords.submit(order) else {
      counts.overloads += 1
      return .overloaded
    }
    counts.checks += 1
    pending.append(Pending(identifier: identifier, tag: tag, file: file, waiters: [waiter]))
    return .waits(identifier)
  }

  /// Whether a number of a wait is one of these.
  public static func isOwn(_ identifier: UInt64) -> Bool { identifier >> 63 != 0 }

  /// What a wait has come to.
  public struct Finished: Equatable {
    /// The number of the wait.
    public let identifier: UInt64
    /// What was found.
    public let verdict: Verdict
    /// Who waited for it.
    public let waiters: [UInt64]
  }

  /// What a check has found, by which file.
  public struct Verdict: Equatable, Sendable {
    /// The number of the file.
    public let file: Int
    /// The credentials were right.
    public let isRight: Bool
  }

  /// Takes in what a checking thread has found.
  public mutating func finish(_ check: PasswordCheck) -> Finished? {
    guard let index = pending.firstIndex(where: { $0.identifier == check.identifier }) else { return nil }
    let done = pending.remove(at: index)
    if check.isRight { successes.insert(done.tag) } else { counts.wrong += 1 }
    return Finished(
      identifier: done.identifier, verdict: Verdict(file: done.file, isRight: check.isRight),
      waiters: done.waiters)
  }
}
