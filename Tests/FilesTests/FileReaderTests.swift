import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Files

/// How files are opened and read; where paths lead is tested with the root.
@Suite struct FileReaderTests {
  /// What a look has seen, with a copy of the content.
  static func look(
    _ path: String, in folder: TemporaryFolder, inMemory: Int, _ patience: Patience = .blocking
  ) throws -> LoadedFile {
    let root = try DocumentRoot(path: folder.path)
    let reader = FileReader(inMemory: inMemory)
    return LoadedFile(unsafe reader.look(path, in: root.folder, patience), at: .now())
  }

  @Test(arguments: [true, false])
  func statusOfAFileThatWasFoundIsThatOfItsPath(isOpen: Bool) throws {
    let folder = try TemporaryFolder()
    try folder.addFolder("sub")
    try folder.write("sub/b.txt", "bb")
    let root = try DocumentRoot(path: folder.path)
    let reader = FileReader(inMemory: isOpen ? 1 : 16)
    guard case .file(let file) = unsafe reader.look("sub/b.txt", in: root.folder, .blocking) else {
      Issue.record("not found")
      return
    }
    #expect(fileStatus(folder("sub/b.txt")) == file.status)
    #expect(file.status.size == 2 && file.size == 2)
    #expect(file.isInMemory == !isOpen)
    if isOpen {
      #expect(fcntl(file.descriptor, F_GETFD) & FD_CLOEXEC != 0)
      close(file.descriptor)
    }
  }

  /// With an ending, and without: then it is looked at before it is opened.
  @Test(arguments: [0, 1, 99, 100, 101, 5_000], ["a.txt", "a"])
  func filesUpToTheBoundAreRead(size: Int, name: String) throws {
    let folder = try TemporaryFolder()
    let content = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
    try folder.write(name, content)
    guard
      case .file(let descriptor, let status, let read, _) = try Self.look(name, in: folder, inMemory: 100)
        .outcome
    else {
      Issue.record("not found")
      return
    }
    #expect(status == fileStatus(folder(name)))
    #expect(status.size == size)
    #expect((descriptor < 0) == (size <= 100))
    #expect(unsafe Array(read.bytes) == (size <= 100 ? content : []))
    #expect(folder.openFiles == (size <= 100 ? 0 : 1))
    if descriptor >= 0 { close(descriptor) }
  }

  /// Where nothing is to be kept in memory.
  @Test func ofNoBytesOnlyAnEmptyFileIsRead() throws {
    let folder = try TemporaryFolder()
    try folder.write("empty.txt", "")
    try folder.write("one.txt", "1")
    for (name, isOpen) in [("empty.txt", false), ("one.txt", true)] {
      let outcome = try Self.look(name, in: folder, inMemory: 0).outcome
      guard case .file(let descriptor, _, _, _) = outcome else {
        Issue.record("not found")
        continue
      }
      if isOpen {
        #expect(descriptor >= 0)
      } else {
        #expect(descriptor < 0)
      }
      if descriptor >= 0 { close(descriptor) }
    }
  }

  @Test(arguments: ["missing", "missing.txt", "sub/missing.txt", "a.txt/b.txt"])
  func whatIsNotThereIsNotFound(path: String) throws {
    let folder = try TemporaryFolder()
    try folder.addFolder("sub")
    try folder.write("a.txt", "a")
    guard case .failed(.notFound) = try Self.look(path, in: folder, inMemory: 16).outcome else {
      Issue.record("found")
      return
    }
  }

  @Test(arguments: ["sub", "sub.d", "sub/", "sub.d/", "."])
  func foldersAreTold(path: String) throws {
    let folder = try TemporaryFolder()
    try folder.addFolder("sub")
    try folder.addFolder("sub.d")
    guard case .directory = try Self.look(path, in: folder, inMemory: 16).outcome else {
      Issue.record("no folder")
      return
    }
    #expect(folder.openFiles == 0)
  }

  /// The time limit is part of the test: opening a FIFO without a writer would wait for one.
  @Test(.timeLimit(.minutes(10)), arguments: ["fifo", "fifo.txt", "socket", "socket.txt"])
  func whatIsNeitherFileNorFolderIsNotFound(name: String) throws {
    let folder = try TemporaryFolder()
    if name.hasPrefix("fifo") { try folder.addFIFO(name) } else { try folder.addSocket(name) }
    guard case .failed(.notFound) = try Self.look(name, in: folder, inMemory: 16).outcome else {
      Issue.record("found")
      return
    }
    #expect(folder.openFiles == 0)
  }

  /// A writer that waits for a reader would go on if the FIFO were only opened: one without an ending, as FIFOs have none,
  /// is not.
  @Test func aFIFOWithoutAnEndingIsNotOpened() throws {
    let folder = try TemporaryFolder()
    try folder.addFIFO("fifo")
    _ = try Self.look("fifo", in: folder, inMemory: 16)
    // As long as nobody reads, nobody can write without waiting.
    let writer = unsafe open(folder("fifo"), O_WRONLY | O_NONBLOCK | O_CLOEXEC)
    #expect(writer < 0 && errno == ENXIO)
    let shared = Flag()
    let path = folder("fifo")
    let thread = try TestThread {
      // Waits for a reader.
      let writer = unsafe open(path, O_WRONLY | O_CLOEXEC)
      shared.isSet.store(true, ordering: .releasing)
      close(writer)
    }
    for _ in 0..<100 { _ = try Self.look("fifo", in: folder, inMemory: 16) }
    let isOpen = shared.isSet.load(ordering: .acquiring)
    #expect(!isOpen)
    let reader = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    thread.join()
    close(reader)
  }

  final class Flag: Sendable {
    let isSet = Atomic(false)
  }

  /// What only a look that may wait can tell.
  @Test(arguments: ["a.txt", "a", "missing.txt"])
  func withoutAnswersFromCachesALookWouldBlock(path: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("a.txt", "a")
    try folder.write("a", "a")
    let root = try DocumentRoot(path: folder.path, isShared: false, support: CacheFixture.asksTheDisk)
    let reader = FileReader(inMemory: 16)
    guard case .wouldBlock = unsafe reader.look(path, in: root.folder, .cachedOnly) else {
      Issue.record("it has waited")
      return
    }
    #expect(folder.openFiles == 0)
  }

  /// The next look uses the same memory: no byte of one file is in another's content.
  @Test func contentsDoNotMix() throws {
    let folder = try TemporaryFolder()
    try folder.write("long.txt", "0123456789")
    try folder.write("short.txt", "abc")
    try folder.write("empty.txt", "")
    let root = try DocumentRoot(path: folder.path)
    let reader = FileReader(inMemory: 10)
    for (name, content) in [
      ("long.txt", "0123456789"), ("short.txt", "abc"), ("empty.txt", ""), ("long.txt", "0123456789"),
    ] {
      guard case .file(let file) = unsafe reader.look(name, in: root.folder, .blocking) else {
        Issue.record("not found")
        continue
      }
      #expect(unsafe String(decoding: file.content, as: UTF8.self) == content)
      #expect(file.isInMemory && file.isResident && file.size == Int64(content.utf8.count))
    }
  }

  /// A file that another program cuts and lets grow all the time: what is read is no longer than it says.
  @Test func aFileThatIsCutWhileItIsRead() throws {
    let folder = try TemporaryFolder()
    let size = 1 << 20
    try folder.write("a.txt", "")
    let shared = Flag()
    let thread = try TestThread {
      while !shared.isSet.load(ordering: .acquiring) {
        try? folder.resize("a.txt", to: 0)
        try? folder.resize("a.txt", to: Int64(size))
      }
    }
    defer {
      shared.isSet.store(true, ordering: .releasing)
      thread.join()
    }
    let root = try DocumentRoot(path: folder.path)
    let reader = FileReader(inMemory: size)
    for _ in 0..<1_000 {
      guard case .file(let file) = unsafe reader.look("a.txt", in: root.folder, .blocking), file.isInMemory
      else {
        Issue.record("not found")
        return
      }
      let count = unsafe Int64(file.content.count)
      #expect(count <= file.status.size && file.size == count)
    }
  }

  /// As if it were cut at each look: a file of sysfs gives less than its status says. It is looked at again, and at last
  /// taken as it is.
  @Test func aFileThatNeverGivesWhatItSays() throws {
    let path = "/sys/kernel/mm/transparent_hugepage"
    guard let status = fileStatus("\(path)/enabled"), let root = try? DocumentRoot(path: path) else {
      try Test.cancel("no such file here")
    }
    let content = try readText("\(path)/enabled")
    // Opening and closing take turns, or the kernel would make one of several events.
    let watch = inotify_init1(Int32(O_NONBLOCK | O_CLOEXEC))
    try #require(watch >= 0)
    defer { close(watch) }
    try #require(unsafe inotify_add_watch(watch, "\(path)/enabled", UInt32(IN_OPEN | IN_CLOSE_NOWRITE)) >= 0)
    let reader = FileReader(inMemory: 1 << 16)
    guard case .file(let file) = unsafe reader.look("enabled", in: root.folder, .blocking) else {
      Issue.record("not found")
      return
    }
    #expect(file.isInMemory && file.size < status.size)
    #expect(unsafe String(decoding: file.content, as: UTF8.self) == content)
    var events = [inotify_event](repeating: inotify_event(), count: 100)
    let bytes = unsafe read(watch, &events, events.count * MemoryLayout<inotify_event>.stride)
    let opened = events.prefix(max(0, bytes) / MemoryLayout<inotify_event>.stride).count {
      $0.mask & UInt32(IN_OPEN) != 0
    }
    #expect(opened == 8)
  }
}
