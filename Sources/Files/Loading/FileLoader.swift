internal import CLinux
internal import Glibc
internal import Synchronization

/// Does for workers what may have to wait for a disk, on helper threads of its own: opens and reads files, brings parts of
/// them into the page cache, and sees where the root's path leads.
///
/// The queue is bounded: a disk that hangs takes the threads and then the queue, and whoever wants more of it is refused at
/// once. What needs no disk goes on without all this.
public final class FileLoader: Sendable {
  /// What is to be done.
  enum Job: Sendable {
    /// Look at a path, NUL-terminated.
    case load(path: [CChar])
    /// Bring a part of an open file into the page cache.
    case read(descriptor: Int32, offset: Int64, count: Int64)
    /// See where the root's path leads.
    case checkRoot
  }

  private struct Order: Sendable {
    let job: Job
    let identifier: UInt64
    let answer: @Sendable (FileCompletion) -> Void
  }

  private let root: DocumentRoot
  private let inMemory: Int
  private let capacity: Int
  private let orders = Mutex<[Order]>([])
  /// A semaphore: as many as there are orders (`eventfd(2)`, EFD_SEMAPHORE).
  private let semaphore: Int32

  /// A queue for `capacity` jobs; files up to `inMemory` bytes are read. Nil if the process has no descriptor left.
  public init?(root: DocumentRoot, inMemory: Int, capacity: Int) {
    semaphore = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_SEMAPHORE))
    guard semaphore >= 0 else { return nil }
    self.root = root
    self.inMemory = inMemory
    self.capacity = capacity
    orders.withLock { $0.reserveCapacity(capacity) }
  }

  deinit {
    close(semaphore)
  }

  /// Puts a job into the queue; false if that is full. `answer` is called by a helper thread.
  func submit(_ job: Job, identifier: UInt64, answer: @escaping @Sendable (FileCompletion) -> Void) -> Bool {
    let isIn = orders.withLock { orders in
      guard orders.count < capacity else { return false }
      orders.append(Order(job: job, identifier: identifier, answer: answer))
      return true
    }
    if isIn { eventfd_write(semaphore, 1) }
    return isIn
  }

  /// A helper thread's life.
  public func run() -> Never {
    let reader = FileReader(inMemory: inMemory)
    let passage = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.readStep, alignment: 4096)
    while true {
      var one: eventfd_t = 0
      guard unsafe eventfd_read(semaphore, &one) == 0 else { continue }
      guard let order = orders.withLock({ $0.count == 0 ? nil : $0.remove(at: 0) }) else { continue }
      let result = unsafe perform(order.job, reader, passage)
      order.answer(FileCompletion(identifier: order.identifier, result: result))
    }
  }

  /// Bytes of a file that are read at once to bring them into the page cache.
  private static var readStep: Int { 128 << 10 }

  private func perform(
    _ job: Job, _ reader: borrowing FileReader, _ passage: UnsafeMutableRawBufferPointer
  ) -> FileCompletion.Result {
    switch job {
    case .load(let path):
      // Before the look: what changes after that is newer than what is found.
      let time = LookTime.now()
      if root.beginCheck(now: time.milliseconds) { _ = root.check(.blocking, now: time.milliseconds) }
      let folder = root.folder
      return unsafe path.withUnsafeBufferPointer { path in
        .loaded(LoadedFile(unsafe reader.look(path.baseAddress!, in: folder, .blocking), at: time))
      }
    case .read(let descriptor, let offset, let count):
      return .read(isDone: unsafe Self.read(descriptor, offset, count, through: passage))
    case .checkRoot:
      _ = root.check(.blocking, now: LookTime.now().milliseconds)
      return .rootIsChecked
    }
  }

  /// Reads the part and throws it away: it is in the page cache then. False if the disk has failed.
  private static func read(
    _ descriptor: Int32, _ offset: Int64, _ count: Int64, through buffer: UnsafeMutableRawBufferPointer
  ) -> Bool {
    // All of it is asked for at once; reading then waits for one after the other.
    posix_fadvise(descriptor, off_t(offset), off_t(count), POSIX_FADV_WILLNEED)
    var done: Int64 = 0
    while done < count {
      let wanted = Int(min(Int64(buffer.count), count - done))
      let got = unsafe pread(descriptor, buffer.baseAddress, wanted, off_t(offset + done))
      if got < 0 { return false }
      // Cut meanwhile: sending finds that out.
      if got == 0 { return true }
      done += Int64(got)
    }
    return true
  }
}

/// What a helper thread has done, for the worker that wanted it.
public struct FileCompletion: Sendable {
  let identifier: UInt64
  let result: Result

  enum Result: Sendable {
    case loaded(LoadedFile)
    case read(isDone: Bool)
    case rootIsChecked
  }
}

/// A look on its way from a helper thread to a worker, with a copy of the content, since the helper looks for others
/// meanwhile.
struct LoadedFile: Sendable {
  enum Outcome: Sendable {
    case file(descriptor: Int32, FileStatus, FileContent, isResident: Bool)
    case directory
    case failed(FileError)
  }

  let outcome: Outcome
  /// When the look began: the worker may learn of it much later.
  let time: LookTime

  init(_ look: Look, at time: LookTime) {
    self.time = time
    outcome =
      switch look {
      case .file(let file):
        if let content = unsafe FileContent(copying: file.content) {
          .file(descriptor: file.descriptor, file.status, content, isResident: file.isResident)
        } else {
          .failed(.exhausted)
        }
      case .directory: .directory
      case .failed(let error): .failed(error)
      case .wouldBlock: .failed(.inputOutput)
      }
  }

  /// Lets `body` see it as its own look would.
  func withLook<Result>(_ body: (Look) -> Result) -> Result {
    switch outcome {
    case .directory: body(.directory)
    case .failed(let error): body(.failed(error))
    case .file(let descriptor, let status, let content, let isResident):
      body(
        .file(
          unsafe FoundFile(
            descriptor: descriptor, status: status, content: content.bytes, isResident: isResident)))
    }
  }
}

/// A copy of a small file's content.
@safe
final class FileContent: Sendable {
  nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

  /// Nil if there is no memory for it.
  init?(copying content: UnsafeRawBufferPointer) {
    guard let memory = unsafe malloc(max(1, content.count)) else { return nil }
    let copy = unsafe UnsafeMutableRawBufferPointer(start: memory, count: content.count)
    unsafe copy.copyMemory(from: content)
    unsafe bytes = UnsafeRawBufferPointer(copy)
  }

  deinit {
    unsafe free(UnsafeMutableRawPointer(mutating: bytes.baseAddress))
  }
}
