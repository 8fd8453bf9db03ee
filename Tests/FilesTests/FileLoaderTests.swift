import Glibc
import TestSupport
import Testing

@testable import Files

@Suite struct FileLoaderTests {
  /// What helper threads have done, in the order in which they were done with it.
  ///
  /// Under a lock of pthread's, which ThreadSanitizer sees whole: not so Swift's Mutex where threads meet in it, and what
  /// passes through here is read by the test.
  @safe
  final class Completions: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private var all: [FileCompletion] = []

    init() {
      unsafe lock = .allocate(capacity: 1)
      unsafe lock.initialize(to: pthread_mutex_t())
      unsafe pthread_mutex_init(lock, nil)
    }

    deinit {
      unsafe pthread_mutex_destroy(lock)
      unsafe lock.deallocate()
    }

    private func withLock<Result>(_ body: () -> Result) -> Result {
      unsafe pthread_mutex_lock(lock)
      defer { unsafe pthread_mutex_unlock(lock) }
      return body()
    }

    func add(_ completion: FileCompletion) {
      withLock { all.append(completion) }
    }

    /// All, once there are so many.
    func wait(for count: Int) -> [FileCompletion] {
      for _ in 0..<60_000 {
        let now = withLock { all }
        if now.count >= count { return now }
        usleep(1_000)
      }
      return withLock { all }
    }
  }

  /// A site whose files are as many as they are named.
  static func makeSite() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.addFolder("root")
    for number in 0..<20 { try folder.write("root/\(number).txt", "\(number)") }
    return folder
  }

  static func makeLoader(_ folder: TemporaryFolder, capacity: Int) throws -> (FileLoader, DocumentRoot) {
    let root = try DocumentRoot(path: folder("root"))
    return (try #require(FileLoader(inMemory: 16, capacity: capacity)), root)
  }

  /// A helper thread, which lasts as long as the tests.
  static func start(_ loader: FileLoader) throws {
    _ = try TestThread { loader.run() }
  }

  static func path(_ name: String) -> [CChar] { Array(name.utf8CString) }

  /// What was loaded, as text.
  static func outcome(_ completion: FileCompletion) -> String {
    switch completion.result {
    case .loaded(let loaded):
      switch loaded.outcome {
      case .file(let descriptor, _, let content, _):
        if descriptor >= 0 {
          defer { close(descriptor) }
          return "open \(readFile(descriptor))"
        }
        return unsafe "file \(String(decoding: content.bytes, as: UTF8.self))"
      case .directory: return "directory"
      case .failed(let error): return "\(error)"
      }
    case .read(let isDone): return "read \(isDone)"
    case .rootIsChecked: return "root"
    }
  }

  @Test func jobsAreDoneInTheirOrder() throws {
    let folder = try Self.makeSite()
    let (loader, root) = try Self.makeLoader(folder, capacity: 100)
    let completions = Completions()
    for number in 0..<20 {
      let isIn = loader.submit(
        .load(root, path: Self.path("\(number).txt"), isNear: true), identifier: UInt64(number) + 7
      ) {
        completions.add($0)
      }
      #expect(isIn)
    }
    try Self.start(loader)
    let all = completions.wait(for: 20)
    #expect(all.map(\.identifier) == Array(7..<27))
    #expect(all.map(Self.outcome) == (0..<20).map { "file \($0)" })
  }

  @Test func whatALookFindsIsTold() throws {
    let folder = try Self.makeSite()
    try folder.write("root/large.txt", FileCacheTests.large)
    try folder.addFolder("root/sub")
    try folder.addLink("root/out.txt", to: "/etc/passwd")
    let (loader, root) = try Self.makeLoader(folder, capacity: 100)
    let completions = Completions()
    try Self.start(loader)
    let names = ["1.txt", "large.txt", "sub", "missing.txt", "out.txt"]
    for (number, name) in names.enumerated() {
      #expect(
        loader.submit(.load(root, path: Self.path(name), isNear: true), identifier: UInt64(number)) {
          completions.add($0)
        })
    }
    let all = completions.wait(for: names.count)
    #expect(
      all.map(Self.outcome) == [
        "file 1", "open \(FileCacheTests.large)", "directory", "notFound", "notFound",
      ])
    #expect(folder.openFiles == 1, "the folder, and nothing else")
  }

  /// Who is refused is told at once; when some of the jobs are done there is room again.
  @Test func aFullQueueTakesNoMore() throws {
    let folder = try Self.makeSite()
    let (loader, root) = try Self.makeLoader(folder, capacity: 3)
    let completions = Completions()
    func submit(_ number: UInt64) -> Bool {
      loader.submit(.load(root, path: Self.path("1.txt"), isNear: true), identifier: number) {
        completions.add($0)
      }
    }
    #expect((0..<6).map { submit($0) } == [true, true, true, false, false, false])
    try Self.start(loader)
    #expect(completions.wait(for: 3).map(\.identifier) == [0, 1, 2])
    #expect(submit(9))
    #expect(completions.wait(for: 4).map(\.identifier) == [0, 1, 2, 9])
  }

  @Test func aQueueWithoutRoomTakesNothing() throws {
    let folder = try Self.makeSite()
    let (loader, root) = try Self.makeLoader(folder, capacity: 0)
    #expect(!loader.submit(.checkRoot(root), identifier: 1) { _ in })
  }

  /// Several threads share the work: every job is done once.
  @Test func everyJobIsDoneOnce() throws {
    let folder = try Self.makeSite()
    let (loader, root) = try Self.makeLoader(folder, capacity: 1_000)
    let completions = Completions()
    for _ in 0..<3 { try Self.start(loader) }
    for number in 0..<UInt64(500) {
      #expect(
        loader.submit(.load(root, path: Self.path("\(number % 20).txt"), isNear: true), identifier: number) {
          completions.add($0)
        })
    }
    let all = completions.wait(for: 500)
    #expect(all.map(\.identifier).sorted() == Array(0..<500))
    for completion in all { #expect(Self.outcome(completion) == "file \(completion.identifier % 20)") }
  }

  @Test func theRootIsChecked() throws {
    let folder = try Self.makeSite()
    let (loader, root) = try Self.makeLoader(folder, capacity: 10)
    let before = root.folder.identity
    try folder.rename("root", to: "old")
    try folder.addFolder("root")
    try folder.write("root/1.txt", "another")
    let completions = Completions()
    try Self.start(loader)
    // A check that has begun is the caller's.
    #expect(root.beginCheck(now: 1_000))
    #expect(loader.submit(.checkRoot(root), identifier: 1) { completions.add($0) })
    #expect(
      loader.submit(.load(root, path: Self.path("1.txt"), isNear: true), identifier: 2) {
        completions.add($0)
      })
    #expect(completions.wait(for: 2).map(Self.outcome).contains("root"))
    #expect(root.folder.identity != before)
    #expect(root.folderNumber == 1)
  }

  /// A part of a file that the kernel has let go is in its cache again.
  @Test func aPartIsBroughtIntoThePageCache() throws {
    let folder = try Self.makeSite()
    let size = 3 << 20
    try folder.write("root/a.bin", [UInt8](repeating: 1, count: size))
    let descriptor = unsafe open(folder("root/a.bin"), O_RDONLY | O_CLOEXEC)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    _ = dropFromPageCache(descriptor)
    let (loader, _) = try Self.makeLoader(folder, capacity: 10)
    let completions = Completions()
    try Self.start(loader)
    let jobs = [(0, 1 << 20), (2 << 20, 1 << 20), (size - 10, 10), (size, 100), (size - 1, 1 << 20)]
    for (number, part) in jobs.enumerated() {
      let job = FileLoader.Job.read(
        descriptor: descriptor, offset: Int64(part.0), count: Int64(part.1), isNear: part.0 > 0)
      #expect(loader.submit(job, identifier: UInt64(number)) { completions.add($0) })
    }
    // Where a file was cut meanwhile, sending finds that out.
    let all = completions.wait(for: jobs.count)
    #expect(all.map(Self.outcome) == jobs.map { _ in "read true" })
    #expect(PageCache.holds(descriptor, 0..<1 << 20, owner: geteuid()) == true)
    #expect(PageCache.holds(descriptor, 2 << 20..<3 << 20, owner: geteuid()) == true)
  }

  @Test func aDiskThatFailsIsTold() throws {
    let folder = try Self.makeSite()
    let (loader, _) = try Self.makeLoader(folder, capacity: 10)
    let completions = Completions()
    try Self.start(loader)
    // In place of a disk that fails: a folder can't be read.
    let descriptor = unsafe open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    for (number, job) in [
      FileLoader.Job.read(descriptor: descriptor, offset: 0, count: 10, isNear: false),
      .read(descriptor: -1, offset: 0, count: 10, isNear: false),
    ].enumerated() {
      #expect(loader.submit(job, identifier: UInt64(number)) { completions.add($0) })
    }
    #expect(completions.wait(for: 2).map(Self.outcome) == ["read false", "read false"])
  }
}
