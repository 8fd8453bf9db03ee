internal import Glibc

// What can't be done without waiting for a disk, and who waits for it.

/// Something that a helper thread does for a worker.
@safe
struct PendingLoad {
  let identifier: UInt64
  let subject: Subject
  /// The number of the path before the look.
  let revision: UInt32
  /// Who wants it: values of the caller's.
  var waiters: [UInt64]
  /// A folder of this name was found: it is meant unless a name with more behind it leads to a file.
  var isFolder = false

  enum Subject {
    /// What a path leads to, NUL-terminated.
    case path([CChar], PathName, hash: UInt64)
    /// The same for a file that is served meanwhile, retained.
    case check(FileReference, path: [CChar], PathName)
    /// The rest of the window of an open file, retained, that begins here.
    case window(FileReference, offset: Int64)
    /// The path of the root with this number.
    case root(Int)
  }
}

extension FileCache {
  // MARK: Waiting

  /// The look has to be left to a helper thread. `usable`: the entry that may be served meanwhile.
  mutating func wait(
    _ key: OpenFile.Key, _ revision: UInt32, _ usable: Entry?, isFolder: Bool = false, waiter: UInt64
  ) -> Lookup {
    if let usable = unsafe usable {
      let subject = unsafe PendingLoad.Subject.check(
        FileReference(usable), path: Array(key.path), key.name)
      if submit(job(key), subject, revision, isUrgent: true) != nil {
        unsafe usable.pointee.isBeingChecked = true
        unsafe retain(FileReference(usable))
      }
      return unsafe .file(FileReference(usable))
    }
    for index in pending.indices {
      // What was asked for before another worker saw a newer state would be old.
      guard case .path(let path, let name, key.hash) = pending[index].subject, name == key.name,
        unsafe path.elementsEqual(key.path), pending[index].revision == revision
      else { continue }
      return join(index, waiter)
    }
    let path = unsafe Array(key.path)
    return start(job(key), .path(path, key.name, hash: key.hash), revision, isFolder: isFolder, waiter)
  }

  private func job(_ key: OpenFile.Key) -> FileLoader.Job {
    let path = unsafe Array(key.path)
    guard let variant = ListingVariant(number: key.name.coding) else { return roots[key.name.root].job(path) }
    return roots[key.name.root].listing(path, variant, number: key.name.root)
  }

  private mutating func join(_ index: Int, _ waiter: UInt64) -> Lookup {
    counts.diskWaits += 1
    pending[index].waiters.append(waiter)
    return .waits(pending[index].identifier)
  }

  private mutating func start(
    _ job: FileLoader.Job, _ subject: PendingLoad.Subject, _ revision: UInt32, isFolder: Bool = false,
    _ waiter: UInt64
  ) -> Lookup {
    guard let index = submit(job, subject, revision) else {
      counts.diskRefused += 1
      return .failed(.exhausted)
    }
    pending[index].isFolder = isFolder
    return join(index, waiter)
  }

  /// Hands a job to the helper threads; where it stands in `pending`, or nil if too many wait already.
  private mutating func submit(
    _ job: FileLoader.Job, _ subject: PendingLoad.Subject, _ revision: UInt32, isUrgent: Bool = false
  ) -> Int? {
    lastIdentifier += 1
    guard loader.submit(job, identifier: lastIdentifier, isUrgent: isUrgent, answer: answer) else {
      return nil
    }
    pending.append(
      PendingLoad(identifier: lastIdentifier, subject: subject, revision: revision, waiters: []))
    return pending.count - 1
  }

  /// Sees where a root's path leads, or has it seen, unless another worker does.
  mutating func checkRoot(_ number: Int, now: UInt64) {
    // Who comes too early comes again soon: another worker may have looked just before this one's time.
    roots[number].nextCheck = now + DocumentRoot.trustMilliseconds / 5
    let root = roots[number].root
    guard root.beginCheck(now: now), !root.check(.cachedOnly, now: now) else { return }
    if submit(.checkRoot(root), .root(number), 0) == nil { root.giveUpCheck() }
  }

  // MARK: Parts of open files

  /// How much of a file, from `offset` on, can be sent without waiting for a disk: at most `count` bytes, and no further
  /// than the end of the window; 0 if it has to be waited for.
  @inline(__always)
  public func readyCount(_ file: FileReference, offset: Int64, count: Int64, now: UInt64) -> Int64 {
    if unsafe file.pointer.pointee.isResident { return count }
    let end = min(offset &+ count, Residency.windowEnd(offset))
    return isReady(file, offset, now: now) ? end &- offset : 0
  }

  private func isReady(_ file: FileReference, _ offset: Int64, now: UInt64) -> Bool {
    let (descriptor, size, owner) = (file.file.descriptor, file.file.size, file.file.status.owner)
    // Where there is nothing, sending finds that out.
    guard offset < size else { return true }
    if unsafe file.pointer.pointee.isTrusted(offset, now: now) { return true }
    let part = offset..<min(Residency.windowEnd(offset), size)
    guard PageCache.holds(descriptor, part, owner: owner) == true else { return false }
    unsafe file.pointer.pointee.noteResident(offset, now: now)
    return true
  }

  /// Has the part of a file that begins at `offset` brought into the page cache; `waiter` is told by `finish`.
  public mutating func waitForPart(_ file: FileReference, offset: Int64, waiter: UInt64) -> Lookup {
    for index in pending.indices {
      guard case .window(let other, let start) = pending[index].subject,
        unsafe other.pointer == file.pointer, start <= offset,
        Residency.windowEnd(start) == Residency.windowEnd(offset)
      else { continue }
      return join(index, waiter)
    }
    let count = min(Residency.windowEnd(offset), file.file.size) - offset
    let lookup = start(
      .read(descriptor: file.file.descriptor, offset: offset, count: count, isNear: isNear(file.file)),
      .window(file, offset: offset), 0, waiter)
    // Open for as long as the helper thread reads.
    if case .waits = lookup { retain(file) }
    return lookup
  }

  // MARK: What helper threads have done

  /// What a wait has come to.
  public struct Finished {
    /// The number of the wait.
    public let identifier: UInt64
    /// What was waited for; `waits` if it has to be looked for once more. A file is retained until `end`.
    public let lookup: Lookup
    /// Who waited for it.
    public let waiters: [UInt64]
    /// The path that was looked for, or nothing where a part of a file was.
    private let path: ArraySlice<CChar>?
    private let kind: PathKind
    private let mark: UInt32

    init(_ load: PendingLoad, _ lookup: Lookup) {
      identifier = load.identifier
      waiters = load.waiters
      self.lookup = lookup
      if case .path(let path, let name, let hash) = load.subject {
        self.path = path[..<name.count]
        kind = name.kind
        mark = FileCache.mark(hash)
      } else {
        path = nil
        kind = PathKind(root: 0, coding: 0)
        mark = 0
      }
    }

    /// What tells the path that was looked for from others, if there is nothing by it: see `FileCache.mark`.
    public var missing: UInt32? {
      if case .failed(.notFound) = lookup { mark } else { nil }
    }

    /// What it says of the part of a file that was waited for, if that can't be read; else nil.
    public var failedPart: Lookup? {
      if path == nil, case .failed = lookup { lookup } else { nil }
    }

    /// What it says of a path; nil if it is about another, or if that has to be looked for once more.
    public func lookup(of path: Span<UInt8>, root: Int = 0, coding: UInt8 = 0) -> Lookup? {
      guard let own = self.path, own.count == path.count, kind == PathKind(root: root, coding: coding),
        own.indices.allSatisfy({ UInt8(bitPattern: own[$0]) == path[$0] })
      else { return nil }
      if case .waits = lookup { return nil }
      return lookup
    }
  }

  /// Takes in what a helper thread has done. To be followed by `end`, when all who waited have been told.
  public mutating func finish(_ completion: FileCompletion, now: LookTime) -> Finished? {
    guard let index = pending.firstIndex(where: { $0.identifier == completion.identifier }) else {
      return nil
    }
    let load = pending.remove(at: index)
    switch load.subject {
    case .path(_, let name, _), .check(_, _, let name): roots[name.root].follow()
    case .root(let number): roots[number].follow()
    case .window: break
    }
    let lookup: Lookup
    switch (load.subject, completion.result) {
    case (.path(let path, let name, _), .loaded(let loaded)):
      let found = take(loaded, path, name, load)
      if lookFurther(load, path, name, behind: found) { return nil }
      if load.isFolder, case .failed(.notFound) = found { lookup = .directory } else { lookup = found }
    case (.check(let file, let path, let name), .loaded(let loaded)):
      let found = take(loaded, path, name, load)
      if lookFurther(load, path, name, behind: found) { return nil }
      unsafe file.pointer.pointee.isBeingChecked = false
      release(file)
      return nil
    case (.window(let file, let offset), .read(let isDone)):
      if isDone {
        unsafe file.pointer.pointee.noteResident(offset, now: now.milliseconds)
      } else {
        note(.failed(.inputOutput), file.file.fullPath, file.root)
      }
      lookup = isDone ? .file(file) : .failed(.inputOutput)
      if isDone { retain(file) }
      release(file)
      return Finished(load, lookup)
    default: return nil
    }
    if case .file(let file) = lookup { retain(file) }
    return Finished(load, lookup)
  }

  private mutating func take(
    _ loaded: LoadedFile, _ path: [CChar], _ name: PathName, _ load: PendingLoad
  ) -> Lookup {
    unsafe path.withUnsafeBufferPointer { path in
      let key = unsafe key(path, name)
      let known = unsafe entry(key)
      // If somebody has seen a newer state meanwhile, whoever waits looks again.
      return loaded.withLook { unsafe settle($0, key, load.revision, known, now: loaded.time) }
        ?? .waits(load.identifier)
    }
  }

  /// Has the next of the files looked at that a path may lead to, for those who wait, if no file was found and there is another.
  private mutating func lookFurther(
    _ load: PendingLoad, _ path: [CChar], _ name: PathName, behind found: Lookup
  ) -> Bool {
    let isFolder: Bool
    switch found {
    case .failed(.notFound): isFolder = load.isFolder
    case .directory: isFolder = true
    case .file, .failed, .waits: return false
    }
    guard name.coding == 0, let ending = roots[name.root].names.number(after: name.ending)
    else { return false }
    let suffix = roots[name.root].names.suffixes(ending, 0).ending
    var next = name
    next.ending = ending
    let full = path[..<name.count] + suffix.map { CChar(bitPattern: $0) } + [0]
    guard full.count - 1 <= Self.longestPath else { return false }
    let (hash, revision) = unsafe full.withUnsafeBufferPointer { path in
      let key = unsafe self.key(path, next)
      return (key.hash, key.revisionPlace.current)
    }
    let subject: PendingLoad.Subject =
      switch load.subject {
      case .check(let file, _, _): .check(file, path: Array(full), next)
      default: .path(Array(full), next, hash: hash)
      }
    let job = roots[name.root].job(Array(full))
    guard loader.submit(job, identifier: load.identifier, isUrgent: true, answer: answer)
    else { return false }
    pending.append(
      PendingLoad(
        identifier: load.identifier, subject: subject, revision: revision, waiters: load.waiters,
        isFolder: isFolder))
    return true
  }

  /// All who waited have been told.
  public mutating func end(_ finished: Finished) {
    if case .file(let file) = finished.lookup { release(file) }
  }
}
