internal import CLinux
internal import Glibc
internal import Synchronization

/// Does for workers what may have to wait for a disk, on helper threads: opens and reads files, brings parts of them into the
/// page cache, and sees where roots' paths lead.
///
/// There are two bounded queues: for roots' own file systems, where those are disks of this machine, and for all others. A
/// disk or a network that hangs takes the threads that wait for it, and then its queue; whoever wants more of it is refused at
/// once. One thread serves nothing but roots' own file systems, so that these go on while others hang. What needs no
/// disk goes on without all this.
public final class FileLoader: Sendable {
  /// What is to be done.
  enum Job: Sendable {
    /// Look at a path beneath a root, NUL-terminated. `isNear`: the root is on a disk of this machine.
    case load(DocumentRoot, path: [CChar], isNear: Bool)
    /// Read the folder of a path beneath a root, NUL-terminated, and make a listing of it. The root's number is that of the caller.
    case list(DocumentRoot, number: Int, path: [CChar], ListingVariant, isNear: Bool)
    /// Bring a part of an open file into the page cache. `isNear`: it lies on the root's own file system.
    case read(descriptor: Int32, offset: Int64, count: Int64, isNear: Bool)
    /// See where a root's path leads.
    case checkRoot(DocumentRoot)
  }

  struct Order: Sendable {
    let job: Job
    let identifier: UInt64
    /// Somebody is served what may be old until it is done.
    let isUrgent: Bool
    let answer: @Sendable (FileCompletion) -> Void
  }

  private let inMemory: Int
  /// For the root's own file system.
  private let near: JobQueue
  /// For all others.
  private let far: JobQueue
  /// For listings, where there are any: they take long, and keep nothing else waiting.
  private let listings: Listings?

  private struct Listings {
    let lister: FolderLister
    let near: JobQueue
    let far: JobQueue
  }

  /// Queues for `capacity` jobs each; files up to `inMemory` bytes are read. Folders are listed if there is a `lister`. Nil if
  /// the process has no descriptor left.
  public init?(inMemory: Int, capacity: Int, lister: FolderLister? = nil) {
    guard let near = JobQueue(capacity: capacity), let far = JobQueue(capacity: capacity) else { return nil }
    self.inMemory = inMemory
    self.near = near
    self.far = far
    guard let lister else {
      listings = nil
      return
    }
    guard let near = JobQueue(capacity: capacity), let far = JobQueue(capacity: capacity) else { return nil }
    listings = Listings(lister: lister, near: near, far: far)
  }

  /// Puts a job into its queue, at the front if it is urgent; false if that is full. `answer` is called by a helper thread.
  func submit(
    _ job: Job, identifier: UInt64, isUrgent: Bool = false,
    answer: @escaping @Sendable (FileCompletion) -> Void
  ) -> Bool {
    let order = Order(job: job, identifier: identifier, isUrgent: isUrgent, answer: answer)
    switch job {
    // Where its path leads is not known before.
    case .list(_, _, _, _, let isNear):
      guard let listings else { return false }
      return isNear ? listings.near.append(order) : listings.far.append(order)
    case .load(_, _, let isNear), .read(_, _, _, let isNear):
      return isNear ? near.append(order) : far.append(order)
    case .checkRoot: return far.append(order)
    }
  }

  /// Nothing is to be done any more: the helper threads end, each when it has done what it is at.
  public func end() {
    for queue in [near, far, listings?.near, listings?.far] { queue?.end() }
  }

  /// A helper thread's life. `onlyNear`: it never waits for another file system than the root's own.
  public func run(onlyNear: Bool = false) {
    let reader = FileReader(inMemory: inMemory)
    let passage = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.readStep, alignment: 4096)
    defer { unsafe passage.deallocate() }
    while let (order, isNear) = onlyNear ? near.wait().map({ ($0, true) }) : near.wait(or: far) {
      let patience = isNear ? Patience.nearby : .blocking
      guard let result = unsafe perform(order.job, patience, reader, passage) else {
        // Another file system is mounted there.
        if !far.append(order) { order.answer(.refused(order.identifier)) }
        continue
      }
      order.answer(FileCompletion(identifier: order.identifier, result: result))
    }
  }

  /// The life of a helper thread that lists folders: a few are enough. `isNear`: those of the root's own file system, else those
  /// of all others.
  public func runListings(isNear: Bool) {
    guard let listings else { return }
    while let order = isNear ? listings.near.wait() : listings.far.wait() {
      guard case .list(let root, let number, let path, let variant, _) = order.job else { continue }
      let list = listings.lister.list(
        path, variant, in: root.folder, number: number, isNear ? .nearby : .blocking, inMemory: inMemory)
      if let list {
        order.answer(FileCompletion(identifier: order.identifier, result: .loaded(list)))
      } else if !listings.far.append(order) {
        order.answer(.refused(order.identifier))
      }
    }
  }

  /// Bytes of a file that are read at once to bring them into the page cache.
  private static var readStep: Int { 128 << 10 }

  private func perform(
    _ job: Job, _ patience: Patience, _ reader: borrowing FileReader, _ passage: UnsafeMutableRawBufferPointer
  ) -> FileCompletion.Result? {
    switch job {
    case .load(let root, let path, _):
      // Before the look: what changes after that is newer than what is found.
      let time = LookTime.now()
      let folder = root.folder
      let look = unsafe path.withUnsafeBufferPointer { path in
        unsafe reader.look(path.baseAddress!, in: folder, patience)
      }
      if case .wouldBlock = look { return nil }
      return .loaded(LoadedFile(look, at: time))
    // In queues of their own.
    case .list: return .loaded(LoadedFile(.failed(.inputOutput), at: .now()))
    case .read(let descriptor, let offset, let count, _):
      return .read(isDone: unsafe Self.read(descriptor, offset, count, through: passage))
    case .checkRoot(let root):
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

  /// No thread is there for it.
  static func refused(_ identifier: UInt64) -> FileCompletion {
    FileCompletion(identifier: identifier, result: .loaded(LoadedFile(.failed(.exhausted), at: .now())))
  }

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
  /// See `FoundFile`.
  let tag: UInt64?
  /// When the look began: the worker may learn of it much later.
  let time: LookTime

  /// What was made of a folder; the tag is made of its content.
  init(outcome: Outcome, tag: UInt64? = nil, at time: LookTime) {
    self.time = time
    self.outcome = outcome
    self.tag = tag
  }

  init(_ look: Look, at time: LookTime) {
    self.time = time
    tag = nil
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
            descriptor: descriptor, status: status, content: content.bytes, isResident: isResident, tag: tag))
      )
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
