internal import CLinux
internal import Glibc
internal import Synchronization

/// The files with passwords, and the checks of passwords against them, which take long and are done by threads of their own.
public final class Passwords: Sendable {
  let files: [PasswordFile]
  /// Of this process, for tags of credentials.
  let key = SipHash.Key.random()
  private let capacity: Int
  private let orders = Mutex<[Order]>([])
  /// As many as there are orders: `eventfd(2)`, EFD_SEMAPHORE.
  private let semaphore: Int32
  private let isOver = Atomic(false)
  private let isWatched = Atomic(true)

  struct Order: Sendable {
    let file: Int
    let credentials: Credentials
    let identifier: UInt64
    let answer: @Sendable (PasswordCheck) -> Void
  }

  /// Room for `capacity` checks that wait. Nil if the process has no descriptor left.
  public init?(files: [PasswordFile], capacity: Int) {
    semaphore = files.isEmpty ? -1 : eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_SEMAPHORE))
    guard files.isEmpty || semaphore >= 0 else { return nil }
    self.files = files
    self.capacity = capacity
  }

  deinit {
    if semaphore >= 0 { close(semaphore) }
  }

  /// Whether there is anything to check against.
  public var isEmpty: Bool { files.isEmpty }

  /// Changes of the files are of no interest any more.
  public func endWatch() { isWatched.store(false, ordering: .releasing) }

  /// Nothing is to be checked any more: the threads end.
  public func end() {
    endWatch()
    isOver.store(true, ordering: .releasing)
    // More than there are threads.
    if semaphore >= 0 { eventfd_write(semaphore, 1 << 20) }
  }

  /// False if as many wait already as may.
  func submit(_ order: Order) -> Bool {
    let isIn = orders.withLock { orders in
      guard orders.count < capacity else { return false }
      orders.append(order)
      return true
    }
    if isIn { eventfd_write(semaphore, 1) }
    return isIn
  }

  /// A checking thread's life.
  public func runChecks() {
    // Workers come first where there are more threads than CPUs: for this thread alone, in Linux.
    setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 5)
    let hasher = PasswordHasher()
    while !isOver.load(ordering: .acquiring) {
      var one: eventfd_t = 0
      guard unsafe eventfd_read(semaphore, &one) == 0,
        let order = orders.withLock({ $0.isEmpty ? nil : $0.removeFirst() })
      else { continue }
      order.answer(
        PasswordCheck(identifier: order.identifier, isRight: isRight(order, hasher)))
    }
  }

  private func isRight(_ order: Order, _ hasher: borrowing PasswordHasher) -> Bool {
    let table = files[order.file].currentTable
    guard let (hash, isOwn) = table.hash(of: order.credentials.user, key: key) else { return false }
    let matches = unsafe hasher.matches(order.credentials.password, hash)
    return isOwn && matches
  }

  /// The time between two looks at a file, in milliseconds: a new state is in use after two of them.
  static let lookMilliseconds: UInt32 = 500

  /// The life of the thread that sees files change. `report` is told what is wrong with a file, once; the state before stays in
  /// use then.
  public func watch(report: (PasswordFileError) -> Void) {
    while isWatched.load(ordering: .acquiring) {
      usleep(Self.lookMilliseconds * 1_000)
      for file in files { if let error = file.look() { report(error) } }
    }
  }
}

/// What a checking thread has found, for the worker that asked.
public struct PasswordCheck: Sendable {
  let identifier: UInt64
  let isRight: Bool
}

/// A user and a password on their way to a check; wiped behind it.
@safe
final class Credentials: Sendable {
  let user: [UInt8]
  /// NUL-terminated.
  nonisolated(unsafe) let password: UnsafePointer<CChar>
  private let count: Int

  /// `user:password` without NULs, the user `userCount` bytes long. Nil if there is no memory.
  init?(_ bytes: Span<UInt8>, userCount: Int) {
    count = bytes.count - userCount
    guard let memory = unsafe malloc(count)?.bindMemory(to: CChar.self, capacity: count) else { return nil }
    for index in userCount + 1..<bytes.count {
      unsafe memory[index - userCount - 1] = CChar(bitPattern: bytes[index])
    }
    unsafe memory[count - 1] = 0
    unsafe password = unsafe UnsafePointer(memory)
    user = (0..<userCount).map { bytes[$0] }
  }

  deinit {
    let memory = unsafe UnsafeMutablePointer(mutating: password)
    unsafe explicit_bzero(memory, count)
    unsafe free(memory)
  }
}
