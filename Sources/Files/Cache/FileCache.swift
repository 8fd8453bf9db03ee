internal import Glibc

/// A worker's files, found by path without a system call. Bounded by the memory and by the descriptors that it may use;
/// belongs to one thread.
///
/// A file is served for a while without a look at the disk (`trustMilliseconds`), unless another worker has seen a newer
/// state of it (`Revisions`). Then it is looked at again: opened, asked for its status, and read anew if it is small,
/// because times alone do not tell every change. What can't be looked at without waiting for a disk is left to a helper
/// thread: see FileCache+Loading.
@safe
public struct FileCache: ~Copyable {
  typealias Entry = UnsafeMutablePointer<OpenFile>

  /// For how long a file is served without a look whether it has changed, in milliseconds.
  public static var trustMilliseconds: UInt64 { 500 }
  /// For how long after a look a file may be served while a helper thread begins to look again, in milliseconds: if files that
  /// are asked for all the time had to wait for that, all would wait for a slow disk twice a second.
  static var graceMilliseconds: UInt64 { 900 }
  /// The longest path, in bytes: PATH_MAX.
  public static var longestPath: Int { Int(PATH_MAX) - 1 }

  /// What a cache may use.
  public struct Bounds: Sendable {
    /// Bytes for files that are kept in memory, with all that belongs to them.
    public var memory: Int
    /// Files that are kept open.
    public var openFiles: Int
    /// Files up to this many bytes are kept in memory; not more than `memory`.
    public var inMemory: Int
    /// Bytes for listings that are too large for `inMemory`, each of which takes up a multiple of 64 KiB, and a descriptor.
    public var listings: Int

    /// Names the bounds.
    public init(memory: Int, openFiles: Int, inMemory: Int, listings: Int = 0) {
      self.listings = listings
      self.memory = memory
      self.openFiles = openFiles
      self.inMemory = inMemory
    }
  }

  /// The folders whose files it has.
  var roots: [ServedRoot]
  let loader: FileLoader
  /// Called by a helper thread with what it has done.
  let answer: @Sendable (FileCompletion) -> Void
  /// Says what is to be known of a file with this path.
  private let describe: Describe
  let note: Note
  private let seed: UInt64
  private var table = PathTable()
  /// Small files, by their bytes.
  private var inMemory: EvictionQueue
  /// Open files, by their number.
  private var open: EvictionQueue
  /// Large listings, by their bytes.
  private var listings: EvictionQueue
  let reader: FileReader
  /// The path that is looked for, with what is appended to it, NUL-terminated.
  let fullPath: UnsafeMutableBufferPointer<CChar>
  /// What helper threads do for this worker.
  var pending: [PendingLoad] = []
  var lastIdentifier: UInt64 = 0
  /// Where `closeIdle` has come to.
  private var idleCursor = 0
  /// What it has counted.
  public var counts = FileCounts()

  /// Says what is to be known of a file that comes in, by its path relative to the root, without the ending of a coding. The first
  /// `asked` bytes of the path are what it is asked for by.
  public typealias Describe = (Span<UInt8>, _ asked: Int, _ root: Int, _ coding: UInt8) -> FileDescription

  /// What its owner may want to tell somebody.
  public enum News {
    /// A coding is older than its file.
    case staleCoding
    /// What is there can't be served.
    case failed(FileError)
  }

  /// Called with a path relative to the root, each time that there is news of it.
  public typealias Note = (News, Span<UInt8>, _ root: Int) -> Void

  /// An empty cache for the files of some folders, at least one. `describe` is called for every file that comes in. `answer` is
  /// called by helper threads of `loader`, and has to bring what they have done to `finish`.
  public init(
    roots: [(root: DocumentRoot, names: FileNames)], loader: FileLoader, bounds: Bounds,
    describe: @escaping Describe = { _, _, _, _ in FileDescription() },
    note: @escaping Note = { _, _, _ in },
    answer: @escaping @Sendable (FileCompletion) -> Void
  ) {
    self.describe = describe
    self.note = note
    self.roots = roots.map { ServedRoot($0.root, $0.names) }
    self.loader = loader
    self.answer = answer
    // The same for all workers, which tell each other of changes by hashes.
    seed = roots[0].root.hashSeed
    inMemory = EvictionQueue(limit: bounds.memory)
    open = EvictionQueue(limit: bounds.openFiles)
    listings = EvictionQueue(limit: bounds.listings)
    reader = FileReader(inMemory: bounds.inMemory)
    unsafe fullPath = .allocate(capacity: Self.longestPath + 1)
  }

  deinit {
    for index in 0...table.mask {
      guard let entry = unsafe table.slots[index].entry else { continue }
      unsafe entry.pointee.isCached = false
      if unsafe entry.pointee.users == 0 { unsafe Self.free(entry) }
    }
    unsafe fullPath.deallocate()
  }

  // MARK: Finding

  /// The file known by `path`, if it need not be looked at. `path` is relative to the root, decoded, and a folder's ends
  /// with a slash or is empty: then its index is meant.
  public mutating func find(_ path: Span<UInt8>, root: Int, now: UInt64) -> FileReference? {
    find(path, PathKind(root: root, coding: 0), now: now)
  }

  /// The same beneath the first root, of which there are no others mostly: apart, because that saves instructions.
  public mutating func find(_ path: Span<UInt8>, now: UInt64) -> FileReference? {
    find(path, PathKind(root: 0, coding: 0), now: now)
  }

  @inline(__always)
  mutating func find(_ path: Span<UInt8>, _ kind: PathKind, now: UInt64) -> FileReference? {
    let hash = unsafe hash(path.bytes, kind)
    guard let entry = unsafe entry(path, hash, kind) else { return nil }
    if unsafe entry.pointee.frequency < 3 { unsafe entry.pointee.frequency &+= 1 }
    guard unsafe now &- entry.pointee.checkedAt < Self.trustMilliseconds,
      unsafe entry.pointee.revisionPlace.current == entry.pointee.revision
    else { return nil }
    return unsafe FileReference(entry)
  }

  @inline(__always)
  func entry(_ path: Span<UInt8>, _ hash: UInt64, _ kind: PathKind) -> Entry? {
    var index = Int(truncatingIfNeeded: hash) & table.mask
    while let entry = unsafe table.slots[index].entry {
      if unsafe table.slots[index].hash == hash, unsafe entry.pointee.name.count == path.count,
        unsafe entry.pointee.name.kind == kind, unsafe PathHash.equals(path.bytes, entry.pointee.path)
      {
        return unsafe entry
      }
      index = (index &+ 1) & table.mask
    }
    return nil
  }

  /// A hash for each kind of file that a path may ask for.
  @inline(__always)
  private func hash(_ path: RawSpan, _ kind: PathKind) -> UInt64 {
    PathHash.of(path, seed: kind.seed(seed))
  }

  /// A number that tells a path from nearly all others, and is not 0: for those who have to remember a few for a moment.
  public func mark(_ path: Span<UInt8>, root: Int, coding: UInt8 = 0) -> UInt32 {
    unsafe Self.mark(hash(path.bytes, PathKind(root: root, coding: coding)))
  }

  static func mark(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash) | 1 }

  /// Whether a file that was found still has the content that its tag stands for: one in memory has, an open one is asked,
  /// where that can't wait for anybody.
  public func isUnchanged(_ file: FileReference) -> Bool {
    guard !file.file.isInMemory, isNear(file.file) else { return true }
    var status = stat()
    return unsafe fstat(file.file.descriptor, &status) != 0 || FileStatus(status) == file.file.status
  }

  /// Whether a file lies on its root's own file system, and that is a disk of this machine.
  func isNear(_ file: borrowing OpenFile) -> Bool {
    roots[file.name.root].isNear(file.status)
  }

  /// What a path leads to.
  public enum Lookup {
    /// A file, in the cache.
    case file(FileReference)
    /// A folder, named without its slash.
    case directory
    /// Nothing that can be served.
    case failed(FileError)
    /// A helper thread looks; `finish` will say for whom. The number is that of the wait.
    case waits(UInt64)
  }

  /// Looks at what `path` leads to now, for whoever `find` had no answer for. `waiter` is told by `finish` if that takes
  /// a helper thread.
  public mutating func look(_ path: Span<UInt8>, root: Int = 0, now: LookTime, waiter: UInt64) -> Lookup {
    let namesFolder = path.isEmpty || path[path.count - 1] == UInt8(ascii: "/")
    var isFolder = false
    for ending in roots[root].names.numbers(forFolder: namesFolder) {
      let lookup = look(
        path, ending, PathKind(root: root, coding: 0), isFolder: isFolder, now: now, waiter: waiter)
      switch lookup {
      case .failed(.notFound): continue
      // A page may have the name of the folder in which the pages beneath it are.
      case .directory: isFolder = true
      case .file, .failed, .waits: return lookup
      }
    }
    return isFolder ? .directory : .failed(.notFound)
  }

  /// Looks at one of the files that a path may lead to. `isFolder`: there is a folder of its name, which is meant if there is no file.
  mutating func look(
    _ path: Span<UInt8>, _ ending: UInt8, _ kind: PathKind, isFolder: Bool = false, now: LookTime,
    waiter: UInt64
  ) -> Lookup {
    guard let key = makeKey(path, ending, kind) else { return .failed(.notFound) }
    var known = unsafe entry(path, key.hash, kind)
    counts.looks += 1
    if now.milliseconds >= roots[kind.root].nextCheck { checkRoot(kind.root, now: now.milliseconds) }
    // Another worker may see a newer state just now: then what was seen here is looked at again.
    for _ in 0..<8 {
      roots[kind.root].follow()
      let revision = key.revisionPlace.current
      // Old for sure, if another worker has said so. Else it may be served while a helper thread looks.
      let isUsable =
        unsafe known.map { unsafe $0.pointee.revision == $0.pointee.revisionPlace.current } ?? false
      if isUsable, let known = unsafe known, unsafe known.pointee.isBeingChecked {
        return unsafe .file(FileReference(known))
      }
      let look = unsafe reader.look(key.path.baseAddress!, in: roots[kind.root].folder, .cachedOnly)
      if case .wouldBlock = look {
        // What was not looked at for longer may have changed more than a second ago.
        let isRecent =
          unsafe known.map { unsafe now.milliseconds &- $0.pointee.checkedAt < Self.graceMilliseconds }
          ?? false
        return unsafe wait(
          key, revision, isUsable && isRecent ? known : nil, isFolder: isFolder, waiter: waiter)
      }
      if let lookup = unsafe settle(look, key, revision, known, now: now) { return lookup }
      unsafe known = unsafe entry(path, key.hash, kind)
    }
    return .failed(.exhausted)
  }

  /// What the cache knows the path by, and the path to open. Good until the next call.
  func makeKey(_ path: Span<UInt8>, _ ending: UInt8, _ kind: PathKind) -> OpenFile.Key? {
    let suffix = roots[kind.root].names.suffixes(ending, kind.coding)
    let count = path.count + suffix.ending.count + suffix.coding.count
    guard count <= Self.longestPath else { return nil }
    let bytes = unsafe UnsafeMutableRawBufferPointer(fullPath)
    unsafe path.bytes.withUnsafeBytes { unsafe bytes.copyMemory(from: $0) }
    unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[path.count...]).copyBytes(from: suffix.ending)
    unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[(path.count + suffix.ending.count)...])
      .copyBytes(from: suffix.coding)
    unsafe fullPath[count] = 0
    return unsafe key(
      UnsafeBufferPointer(rebasing: fullPath[...count]),
      PathName(count: path.count, ending: ending, root: kind.root, coding: kind.coding))
  }

  /// `path` is NUL-terminated.
  func key(_ path: UnsafeBufferPointer<CChar>, _ name: PathName) -> OpenFile.Key {
    let bytes = unsafe UnsafeRawBufferPointer(path).dropLast()
    func hash(_ count: Int, _ kind: PathKind) -> UInt64 {
      unsafe self.hash(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: bytes.prefix(count))), kind)
    }
    // A file is one file, whether it is asked for by its own name or as its folder's index.
    let place = unsafe roots[name.root].root.revisions.place(
      of: hash(bytes.count, PathKind(root: name.root, coding: 0)))
    return unsafe OpenFile.Key(
      path: path, name: name, hash: hash(name.count, name.kind), revisionPlace: place)
  }

  /// The entry that a path is known by.
  func entry(_ key: OpenFile.Key) -> Entry? {
    let bytes = unsafe UnsafeRawBufferPointer(key.path).bindMemory(to: UInt8.self)
    return unsafe entry(
      UnsafeBufferPointer(rebasing: bytes[..<key.name.count]).span, key.hash, key.name.kind)
  }

  // MARK: What a look has seen

  /// Makes what was seen the cache's own. Nil if another worker may have seen a newer state meanwhile.
  mutating func settle(
    _ look: Look, _ key: OpenFile.Key, _ revision: UInt32, _ known: Entry?, now: LookTime
  ) -> Lookup? {
    // What another ending has led to stays as it is, unless this one leads to a file.
    let other = unsafe known
    let known = unsafe known.flatMap { unsafe $0.pointee.name == key.name ? $0 : nil }
    if case .file(let found) = look, let known = unsafe known, unsafe known.pointee.isSame(as: found) {
      if !found.isInMemory { close(found.descriptor) }
      guard key.revisionPlace.current == revision else { return nil }
      unsafe known.pointee.checkedAt = now.milliseconds
      unsafe known.pointee.revision = revision
      unsafe known.pointee.forgetCodings()
      return unsafe .file(FileReference(known))
    }
    // Without a free descriptor, a file that is known must not be lost.
    if case .failed(.exhausted) = look {
      if let known = unsafe known, unsafe known.pointee.revision == key.revisionPlace.current {
        return unsafe .file(FileReference(known))
      }
      return closeOne() ? nil : failed(.exhausted, key)
    }
    // A new state, to this worker at least: the others are told before anybody can see it.
    guard
      let revision = roots[key.name.root].root.revisions.areShared
        ? key.revisionPlace.advance(from: revision) : revision
    else {
      if case .file(let found) = look, !found.isInMemory { close(found.descriptor) }
      return nil
    }
    let isHot = unsafe other.map { unsafe $0.pointee.isInMainQueue } ?? false
    if case .file(let found) = look {
      if let other = unsafe other { unsafe drop(other) }
      return insert(found, key, revision, isHot: isHot, now: now)
    }
    if let known = unsafe known { unsafe drop(known) }
    switch look {
    case .directory:
      // The index of a folder may itself be a folder: that is no file to serve.
      return unsafe key.path.count - 1 > key.name.count ? .failed(.notFound) : .directory
    case .failed(let error): return failed(error, key)
    case .file, .wouldBlock: return .failed(.inputOutput)
    }
  }

  /// The path leads to nothing that can be served.
  private func failed(_ error: FileError, _ key: OpenFile.Key) -> Lookup {
    if error != .notFound {
      let path = unsafe UnsafeRawBufferPointer(key.path).bindMemory(to: UInt8.self).dropLast()
      unsafe note(.failed(error), UnsafeBufferPointer(rebasing: path).span, key.name.root)
    }
    return .failed(error)
  }

  private mutating func insert(
    _ found: FoundFile, _ key: OpenFile.Key, _ revision: UInt32, isHot: Bool, now: LookTime
  ) -> Lookup {
    counts.loads += 1
    let coding = roots[key.name.root].names.suffixes(key.name.ending, key.name.coding).coding
    let count = unsafe key.path.count - 1 - coding.count
    let path = unsafe UnsafeRawBufferPointer(key.path).bindMemory(to: UInt8.self)
    let description = unsafe describe(
      UnsafeBufferPointer(rebasing: path[..<count]).span, key.name.count, key.name.root, key.name.coding)
    guard let file = OpenFile(found, key, description, revision: revision, now: now) else {
      return .failed(.exhausted)
    }
    guard makeRoom(for: file),
      let memory = unsafe malloc(MemoryLayout<OpenFile>.stride)
    else { return .failed(.exhausted) }
    let entry = unsafe memory.bindMemory(to: OpenFile.self, capacity: 1)
    unsafe entry.initialize(to: file)
    guard unsafe table.insert(entry) else {
      unsafe Self.free(entry)
      return .failed(.exhausted)
    }
    switch unsafe entry.pointee.room {
    case .memory: unsafe inMemory.insert(entry, isKnown: isHot)
    case .open: unsafe open.insert(entry, isKnown: isHot)
    case .listings: unsafe listings.insert(entry, isKnown: isHot)
    }
    return unsafe .file(FileReference(entry))
  }

  // MARK: Giving way

  /// Lets others give way until this one fits; false if all that is left is being sent.
  private mutating func makeRoom(for file: borrowing OpenFile) -> Bool {
    let weight = file.weight
    while true {
      let victim: Entry?
      switch file.room {
      case .memory:
        if inMemory.hasRoom(weight) { return true }
        unsafe victim = unsafe inMemory.popVictim()
      case .open:
        if open.hasRoom(weight) { return true }
        unsafe victim = unsafe open.popVictim()
      case .listings:
        if listings.hasRoom(weight) { return true }
        unsafe victim = unsafe listings.popVictim()
      }
      guard let victim = unsafe victim else { return false }
      counts.evictions += 1
      unsafe forget(victim)
    }
  }

  /// Gives up an open file, so that its descriptor is free. False if there is none that is not being sent.
  private mutating func closeOne() -> Bool {
    guard let victim = unsafe open.popVictim() else { return false }
    counts.evictions += 1
    unsafe forget(victim)
    return true
  }

  /// Whether `closeIdle` has something to do sooner or later.
  public var hasOpenFiles: Bool { open.weight > 0 || listings.weight > 0 }

  /// Closes open files that nobody has asked for since `time`, in milliseconds: a part of the table at each call.
  public mutating func closeIdle(since time: UInt64) {
    guard hasOpenFiles else { return }
    for _ in 0..<256 {
      idleCursor = (idleCursor &+ 1) & table.mask
      guard let entry = unsafe table.slots[idleCursor].entry, unsafe !entry.pointee.isInMemory,
        unsafe entry.pointee.users == 0, unsafe entry.pointee.checkedAt < time
      else { continue }
      unsafe drop(entry)
    }
  }

  private mutating func drop(_ entry: Entry) {
    switch unsafe entry.pointee.room {
    case .memory: unsafe inMemory.remove(entry)
    case .open: unsafe open.remove(entry)
    case .listings: unsafe listings.remove(entry)
    }
    unsafe forget(entry)
  }

  /// Takes an entry that is in no queue any more out of the table.
  private mutating func forget(_ entry: Entry) {
    unsafe table.remove(entry)
    unsafe entry.pointee.isCached = false
    if unsafe entry.pointee.users == 0 { unsafe Self.free(entry) }
  }

  private static func free(_ entry: Entry) {
    unsafe entry.deinitialize(count: 1)
    unsafe Glibc.free(entry)
  }

  /// Keeps a file alive beyond the current turn.
  public func retain(_ reference: FileReference) {
    unsafe reference.pointer.pointee.users += 1
  }

  /// Ends what `retain` began.
  public mutating func release(_ reference: FileReference) {
    let entry = unsafe reference.pointer
    unsafe entry.pointee.users -= 1
    guard unsafe entry.pointee.users == 0 && !entry.pointee.isCached else { return }
    switch unsafe entry.pointee.room {
    case .memory: unsafe inMemory.noteEnd(of: entry)
    case .open: unsafe open.noteEnd(of: entry)
    case .listings: unsafe listings.noteEnd(of: entry)
    }
    unsafe Self.free(entry)
  }
}
