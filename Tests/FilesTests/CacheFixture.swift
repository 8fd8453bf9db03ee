import Glibc
import TestSupport
import Testing

@testable import Files

/// A cache over a folder of its own. The time is what the test says it is, and what helper threads do is done when the test
/// says so: the loader's queue has no threads.
final class CacheFixture {
  let folder: TemporaryFolder
  let root: DocumentRoot
  var cache: FileCache
  private let bounds: FileCache.Bounds
  /// Files up to this many bytes are kept in memory.
  static let inMemory = 16

  /// A cache that may use all it wants.
  static let bounds = FileCache.Bounds(memory: 16 << 20, openFiles: 1024, inMemory: inMemory)

  /// Names, one a line.
  static let lister = FolderLister(entries: 100, looks: 1000) { contents, _ in
    Array(contents.entries.map(\.name).joined(separator: [0x0A]))
  }

  /// In place of what this kernel can do: every look, be it at the root, is left to a helper thread.
  static let asksTheDisk = LookupSupport(beneath: false, cachedOnly: false)

  convenience init(
    bounds: FileCache.Bounds = bounds, support: LookupSupport? = nil, isShared: Bool = false,
    queue: Int = 1024
  ) throws {
    let folder = try TemporaryFolder()
    let root = try DocumentRoot(path: folder.path, isShared: isShared, support: support)
    try self.init(folder: folder, root: root, bounds: bounds, queue: queue)
  }

  /// One of several caches over a root.
  init(
    folder: TemporaryFolder, root: DocumentRoot, bounds: FileCache.Bounds = bounds, queue: Int = 1024
  ) throws {
    self.folder = folder
    self.root = root
    self.bounds = bounds
    let loader = try #require(
      FileLoader(inMemory: bounds.inMemory, capacity: queue, lister: Self.lister))
    cache = FileCache(roots: [(root, FileNames())], loader: loader, bounds: bounds) { _ in }
  }

  /// Another cache over the same root.
  func sibling() throws -> CacheFixture { try CacheFixture(folder: folder, root: root) }

  // MARK: Looking

  /// So long after now that every time of change tells one state from all others.
  static let settled: Int64 = 10_000_000_000

  static func time(_ now: UInt64, wall: Int64 = settled) -> LookTime {
    LookTime(milliseconds: now, wallNanoseconds: wallNanoseconds() + wall)
  }

  /// The time of day.
  static func wallNanoseconds() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return time.nanoseconds
  }

  func find(_ path: String, at now: UInt64 = 0) -> FileReference? {
    cache.find(Array(path.utf8).span, now: now)
  }

  /// A look as a worker does it: what helper threads do is left.
  func lookOnce(
    _ path: String, at now: UInt64 = 0, wall: Int64 = settled, waiter: UInt64 = 0
  ) -> FileCache.Lookup {
    cache.look(Array(path.utf8).span, now: Self.time(now, wall: wall), waiter: waiter)
  }

  /// A look to its end, with all that helper threads have to do for it.
  func look(_ path: String, at now: UInt64 = 0, wall: Int64 = settled) -> FileCache.Lookup {
    for _ in 0..<100 {
      let lookup = lookOnce(path, at: now, wall: wall)
      if cache.pending.isEmpty { return lookup }
      var result: FileCache.Lookup?
      while let load = cache.pending.first {
        guard let finished = complete(load.identifier, at: now, wall: wall) else { continue }
        if case .waits(load.identifier) = lookup { result = finished.lookup }
        cache.end(finished)
      }
      if let result, !Self.isWait(result) { return result }
      if case .file = lookup, let file = find(path, at: now) { return .file(file) }
    }
    return .failed(.exhausted)
  }

  static func isWait(_ lookup: FileCache.Lookup) -> Bool {
    if case .waits = lookup { true } else { false }
  }

  /// The number of the wait that a look has led to.
  func wait(_ path: String, at now: UInt64 = 0, waiter: UInt64 = 0) throws -> UInt64 {
    guard case .waits(let number) = lookOnce(path, at: now, waiter: waiter) else {
      throw SetUpError("no wait for \(path)")
    }
    return number
  }

  /// As a worker does it: looks for what it need not look at, and looks at what is not there.
  func get(_ path: String, at now: UInt64 = 0) throws -> FileReference {
    if let file = find(path, at: now) { return file }
    guard case .file(let file) = look(path, at: now) else { throw SetUpError("no file \(path)") }
    return file
  }

  func text(_ path: String, at now: UInt64 = 0) throws -> String {
    try get(path, at: now).text
  }

  /// Files that are open; the folder itself does not count.
  var openFiles: Int { folder.openFiles }

  // MARK: What helper threads do

  /// Does a helper thread's job; what it has done is on its way.
  func perform(_ number: UInt64, at now: UInt64 = 0, wall: Int64 = settled) throws -> FileCompletion {
    let load = try #require(cache.pending.first { $0.identifier == number })
    let reader = FileReader(inMemory: bounds.inMemory)
    let result: FileCompletion.Result
    switch load.subject {
    case .path(let path, let name, _), .check(_, let path, let name):
      if let variant = ListingVariant(number: name.coding) {
        result = .loaded(
          try #require(Self.lister.list(path, variant, in: root.folder, .blocking, inMemory: bounds.inMemory))
            .at(Self.time(now, wall: wall)))
        break
      }
      result = .loaded(
        LoadedFile(
          unsafe reader.look(path, in: root.folder, .blocking),
          at: Self.time(now, wall: wall)))
    case .window: result = .read(isDone: true)
    case .root:
      _ = root.check(.blocking, now: now)
      result = .rootIsChecked
    }
    return FileCompletion(identifier: number, result: result)
  }

  /// Does the job, and takes in what it has come to.
  func complete(_ number: UInt64, at now: UInt64 = 0, wall: Int64 = settled) -> FileCache.Finished? {
    guard let completion = try? perform(number, at: now, wall: wall) else { return nil }
    return finish(completion, at: now, wall: wall)
  }

  /// Takes in what a helper thread has done.
  func finish(_ completion: FileCompletion, at now: UInt64 = 0, wall: Int64 = settled) -> FileCache.Finished?
  {
    cache.finish(completion, now: Self.time(now, wall: wall))
  }

  // MARK: Parts of open files

  func ready(_ file: FileReference, _ offset: Int64, count: Int64, at now: UInt64 = 0) -> Int64 {
    cache.readyCount(file, offset: offset, count: count, now: now)
  }

  func waitForPart(_ file: FileReference, _ offset: Int64, waiter: UInt64 = 0) -> FileCache.Lookup {
    cache.waitForPart(file, offset: offset, waiter: waiter)
  }

  // MARK: Outcomes

  /// What a look has come to, as text.
  static func outcome(_ lookup: FileCache.Lookup) -> String {
    switch lookup {
    case .file(let reference): "file \(reference.text)"
    case .directory: "directory"
    case .failed(let error): "\(error)"
    case .waits: "waits"
    }
  }
}

extension FileReference {
  var descriptor: Int32 { file.descriptor }
  var isInMemory: Bool { file.isInMemory }
  var size: Int64 { file.size }
  var headRoom: Int { file.headRoom }
  var headDate: Int64 { file.headDate }
  var tagState: UInt64 { file.tagState }
  var isRacy: Bool { file.isRacy }
  var modifiedSeconds: Int64 { file.modifiedSeconds }
  var weight: Int { file.weight }
  var revision: UInt32 { file.revision }
  var users: Int { file.users }
  var isBeingChecked: Bool { file.isBeingChecked }
  var head: String { unsafe String(decoding: file.head, as: UTF8.self) }
  var content: String { unsafe String(decoding: file.content, as: UTF8.self) }
  var headAndContent: String { unsafe String(decoding: file.headAndContent, as: UTF8.self) }

  /// The content, wherever it is.
  var text: String { isInMemory ? content : readFile(descriptor) }

  func setHead(_ head: [UInt8]) {
    unsafe head.withUnsafeBytes { unsafe file.setHead($0) }
  }

  func isSame(_ other: FileReference) -> Bool { unsafe pointer == other.pointer }
}

/// The content of an open file, from its beginning.
func readFile(_ descriptor: Int32, count: Int = 1_024) -> String {
  var bytes = [UInt8](repeating: 0, count: count)
  let read = unsafe pread(descriptor, &bytes, count, 0)
  return String(decoding: bytes[..<max(0, read)], as: UTF8.self)
}

/// The status of what a path names; nil where there is nothing.
func fileStatus(_ path: String) -> FileStatus? {
  var status = stat()
  return unsafe stat(path, &status) == 0 ? FileStatus(status) : nil
}

extension LoadedFile {
  /// The same, as if it had been done at another time.
  func at(_ time: LookTime) -> LoadedFile { LoadedFile(outcome: outcome, tag: tag, at: time) }
}
