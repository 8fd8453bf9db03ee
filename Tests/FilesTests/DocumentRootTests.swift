import Glibc
import TestSupport
import Testing

@testable import Files

@Suite struct DocumentRootTests {
  /// What a path leads to.
  enum Outcome: Equatable {
    case file(String)
    case directory
    case failed(FileError)
    case wouldBlock
  }

  /// Looks, reads and closes. Files of one byte are read by the look itself.
  static func look(_ root: DocumentRoot, _ path: String, _ patience: Patience = .blocking) -> Outcome {
    let reader = FileReader(inMemory: 1)
    switch unsafe reader.look(path, in: root.folder, patience) {
    case .file(let file) where file.isInMemory:
      return .file(unsafe String(decoding: file.content, as: UTF8.self))
    case .file(let file):
      defer { close(file.descriptor) }
      return .file(readFile(file.descriptor))
    case .directory: return .directory
    case .failed(let error): return .failed(error)
    case .wouldBlock: return .wouldBlock
    }
  }

  /// The same without waiting, once a look that waits has brought names and content into the kernel's caches. The kernel may
  /// still give up, when something else changes, or has a time of access to write down: then it is asked again.
  static func lookFromCaches(_ root: DocumentRoot, _ path: String) -> Outcome {
    for _ in 0..<2_000 {
      let isServed = look(root, path, .blocking).isServed
      let outcome = look(root, path, .cachedOnly)
      guard outcome == .wouldBlock, isServed, root.folder.answersFromCaches else { return outcome }
      usleep(1_000)
    }
    return .wouldBlock
  }

  /// What both kinds of look must say, of a root that is open no longer than for them.
  static func expect(_ outcome: Outcome, of path: String, in folder: TemporaryFolder) throws {
    let root = try DocumentRoot(path: folder("root"))
    #expect(look(root, path, .blocking) == outcome)
    let fromCaches = lookFromCaches(root, path)
    if outcome.isServed && root.folder.answersFromCaches {
      #expect(fromCaches == outcome)
    } else {
      // What leads out of the folder is for a look that may wait to tell.
      #expect(fromCaches == outcome || fromCaches == .wouldBlock)
    }
  }

  /// A folder `root` with files in it, and files beside it that nobody is to see.
  static func makeSite() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.write("secret.txt", "secret")
    try folder.addFolder("outside")
    try folder.write("outside/secret.txt", "secret")
    try folder.addFolder("root")
    try folder.write("root/a.txt", "a")
    try folder.addFolder("root/sub")
    try folder.write("root/sub/b.txt", "b")
    try folder.write("root/..hidden", "dots")
    return folder
  }

  // MARK: The folder

  @Test func aFolderMayBeNamedByALink() throws {
    let folder = try Self.makeSite()
    try folder.addLink("link", to: "root")
    #expect(Self.look(try DocumentRoot(path: folder("link")), "a.txt") == .file("a"))
  }

  @Test func theRootFollowsItsPath() throws {
    let folder = try Self.makeSite()
    let root = try DocumentRoot(path: folder("root"))
    try folder.rename("root", to: "old")
    try folder.addFolder("root")
    try folder.write("root/a.txt", "another")
    // Until it is checked, the folder is what it was.
    #expect(Self.look(root, "a.txt") == .file("a"))
    #expect(root.beginCheck(now: 1_000) && root.check(.blocking, now: 1_000))
    #expect(Self.look(root, "a.txt") == .file("another"))
    #expect(folder.openFiles == 1, "the folder that was is closed")
  }

  /// Whoever looks in it just now still has it.
  @Test func aFolderIsOpenForAsLongAsItIsHeld() throws {
    let folder = try Self.makeSite()
    let root = try DocumentRoot(path: folder("root"))
    let held = root.folder
    try folder.rename("root", to: "old")
    try folder.addFolder("root")
    #expect(root.beginCheck(now: 1_000) && root.check(.blocking, now: 1_000))
    #expect(root.folder !== held)
    let descriptor = unsafe held.open("a.txt", O_RDONLY | O_CLOEXEC, .blocking)
    #expect(readFile(descriptor) == "a")
    close(descriptor)
    #expect(folder.openFiles == 2)
    withExtendedLifetime(held) {}
  }

  /// As a site is switched to a new state at once.
  @Test(arguments: [Patience.blocking, .cachedOnly])
  func theRootFollowsALinkThatIsSwitched(patience: Patience) throws {
    let folder = try TemporaryFolder()
    for name in ["one", "two"] {
      try folder.addFolder(name)
      try folder.write("\(name)/a.txt", name)
    }
    try folder.addLink("current", to: "one")
    let root = try DocumentRoot(path: folder("current"), isShared: true)
    var now: UInt64 = 1_000
    for name in ["two", "one", "two"] {
      let before = (root.folderNumber, root.folder.identity)
      try folder.addLink("next", to: name)
      try folder.rename("next", to: "current")
      #expect(root.beginCheck(now: now))
      // The kernel may have to look at a disk, or to note the time at which a link was read.
      if !root.check(patience, now: now) { #expect(root.check(.blocking, now: now)) }
      #expect(Self.look(root, "a.txt") == .file(name))
      #expect(root.folder.identity != before.1)
      #expect(root.folderNumber == before.0 + 1)
      now += DocumentRoot.trustMilliseconds
    }
    // Nothing is where it leads to the same folder.
    let before = root.folderNumber
    #expect(root.beginCheck(now: now) && root.check(.blocking, now: now))
    #expect(root.folderNumber == before)
  }

  /// A folder is moved away before the new one takes its place.
  @Test func aPathThatLeadsNowhereChangesNothing() throws {
    let folder = try Self.makeSite()
    let root = try DocumentRoot(path: folder("root"))
    func check(at now: UInt64) { #expect(root.beginCheck(now: now) && root.check(.blocking, now: now)) }
    try folder.rename("root", to: "old")
    check(at: 1_000)
    #expect(Self.look(root, "a.txt") == .file("a"))
    try folder.write("root", "a file")
    check(at: 2_000)
    #expect(Self.look(root, "a.txt") == .file("a"))
    #expect(root.folderNumber == 0)
    // Back again.
    try folder.remove("root")
    try folder.rename("old", to: "root")
    check(at: 3_000)
    #expect(root.folderNumber == 0)
    try folder.rename("root", to: "old")
    try folder.addFolder("root")
    check(at: 4_000)
    #expect(Self.look(root, "a.txt") == .failed(.notFound))
    #expect(root.folderNumber == 1)
    #expect(folder.openFiles == 1)
  }

  /// By one at a time, and not before it is due.
  @Test func theRootIsCheckedOnceInAWhile() throws {
    let folder = try Self.makeSite()
    let root = try DocumentRoot(path: folder("root"))
    let trust = DocumentRoot.trustMilliseconds
    #expect(root.beginCheck(now: 5_000))
    for now: UInt64 in [5_000, 5_000 + trust, 100_000] { #expect(!root.beginCheck(now: now)) }
    #expect(root.check(.blocking, now: 5_000))
    #expect(!root.beginCheck(now: 5_000 + trust - 1))
    #expect(root.beginCheck(now: 5_000 + trust))
    // Who can't do it leaves it to the next.
    root.giveUpCheck()
    #expect(root.beginCheck(now: 5_000 + trust))
  }

  @Test func withoutAnswersFromCachesTheCheckIsLeftToWhoMayWait() throws {
    let folder = try Self.makeSite()
    for support in [LookupSupport(beneath: true, cachedOnly: false), CacheFixture.asksTheDisk] {
      let root = try DocumentRoot(path: folder("root"), isShared: false, support: support)
      #expect(root.beginCheck(now: 1_000))
      #expect(!root.check(.cachedOnly, now: 1_000))
      // Still to be done, by the same.
      #expect(!root.beginCheck(now: 2_000))
      #expect(root.check(.blocking, now: 2_000))
      #expect(root.beginCheck(now: 3_000))
    }
  }

  /// A change of the root is seen within the second in which all changes are, with the time that files are trusted.
  @Test func timesOfTrustAreLessThanASecond() {
    #expect(DocumentRoot.trustMilliseconds + FileCache.trustMilliseconds < 1_000)
  }

  @Test func linksAreFollowedOnlyWhereTheKernelKeepsThemInside() throws {
    let folder = try Self.makeSite()
    try folder.addLink("root/link.txt", to: "a.txt")
    let root = try DocumentRoot(path: folder("root"), isShared: false, support: CacheFixture.asksTheDisk)
    #expect(!root.followsLinks)
    #expect(Self.look(root, "link.txt") == .failed(.notFound))
    #expect(Self.look(root, "a.txt") == .file("a"))
    #expect(Self.look(root, "sub/b.txt", .cachedOnly) == .wouldBlock)
    let modern = LookupSupport(beneath: true, cachedOnly: false)
    #expect(try DocumentRoot(path: folder("root"), isShared: false, support: modern).followsLinks)
  }

  @Test(arguments: [
    ("missing", "No such file or directory"), ("secret.txt", "Not a directory"),
    ("secret.txt/x", "Not a directory"), ("loop", "Too many levels of symbolic links"),
  ])
  func whatIsNoFolderIsNamed(name: String, reason: String) throws {
    let folder = try Self.makeSite()
    try folder.addLink("loop", to: "loop")
    let path = folder(name)
    let error = try #require(throws: RootError.self) { _ = try DocumentRoot(path: path) }
    #expect(error.description == "\(path): cannot serve this folder: \(reason)")
  }

  @Test func theFolderIsClosedWithItsOwner() throws {
    let folder = try Self.makeSite()
    do {
      let root = try DocumentRoot(path: folder("root"))
      #expect(folder.openFiles == 1)
      withExtendedLifetime(root) {}
    }
    #expect(folder.openFiles == 0)
  }

  // MARK: What is in it

  @Test(
    arguments: [
      ("a.txt", .file("a")), ("sub/b.txt", .file("b")), ("sub", .directory), ("sub/", .directory),
      (".", .directory),
      // Nothing leads out by itself, however it is written.
      ("sub/../a.txt", .file("a")), ("./sub//./b.txt", .file("b")), ("..hidden", .file("dots")),
      ("missing", .failed(.notFound)), ("sub/missing", .failed(.notFound)),
      ("missing/a.txt", .failed(.notFound)),
      ("a.txt/", .failed(.notFound)), ("a.txt/b", .failed(.notFound)), ("", .failed(.notFound)),
      // Out of it.
      ("..", .failed(.notFound)), ("../", .failed(.notFound)), ("../secret.txt", .failed(.notFound)),
      ("sub/../../secret.txt", .failed(.notFound)), ("sub/../../root/a.txt", .failed(.notFound)),
      ("../../../../../../../../etc/passwd", .failed(.notFound)), ("/", .failed(.notFound)),
      ("/etc/passwd", .failed(.notFound)), ("//etc/passwd", .failed(.notFound)),
      ("/proc/self/environ", .failed(.notFound)),
    ] as [(String, Outcome)])
  func paths(path: String, outcome: Outcome) throws {
    let folder = try Self.makeSite()
    try Self.expect(outcome, of: path, in: folder)
    #expect(folder.openFiles == 0)
  }

  @Test(
    arguments: [
      // Within.
      ("a.txt", "", .file("a")), ("sub/b.txt", "", .file("b")), ("./sub/../a.txt", "", .file("a")),
      ("sub", "/b.txt", .file("b")), ("sub", "", .directory), (".", "/a.txt", .file("a")),
      // Out, by a file or a folder.
      ("../secret.txt", "", .failed(.notFound)), ("../outside", "/secret.txt", .failed(.notFound)),
      ("../outside", "", .failed(.notFound)), ("..", "/secret.txt", .failed(.notFound)),
      // Out and in again: what lies outside may be replaced.
      ("../root/a.txt", "", .failed(.notFound)), ("../root", "/a.txt", .failed(.notFound)),
      // Absolute, wherever they lead.
      ("/etc/passwd", "", .failed(.notFound)), ("/", "/etc/passwd", .failed(.notFound)),
      // To nothing, and in circles.
      ("missing", "", .failed(.notFound)), ("link", "", .failed(.notFound)),
      ("./link", "/a", .failed(.notFound)),
      // Magic links of /proc.
      ("/proc/self/root/etc/passwd", "", .failed(.notFound)),
      ("/proc/self/cwd", "/Package.swift", .failed(.notFound)),
    ] as [(String, String, Outcome)])
  func symbolicLinks(target: String, rest: String, outcome: Outcome) throws {
    let folder = try Self.makeSite()
    try folder.addLink("root/link", to: target)
    try Self.expect(outcome, of: "link\(rest)", in: folder)
    #expect(folder.openFiles == 0)
  }

  @Test func linksInAFolderBelow() throws {
    let folder = try Self.makeSite()
    try folder.addLink("root/sub/up", to: "../a.txt")
    try folder.addLink("root/sub/out", to: "../../secret.txt")
    try folder.addLink("root/chain", to: "sub/up")
    try folder.addLink("root/ring", to: "sub/ring")
    try folder.addLink("root/sub/ring", to: "../ring")
    for (path, outcome) in [
      ("sub/up", .file("a")), ("sub/out", .failed(.notFound)), ("chain", .file("a")),
      ("ring", .failed(.notFound)),
    ] as [(String, Outcome)] {
      try Self.expect(outcome, of: path, in: folder)
    }
  }

  /// The time limit is part of the test: opening a FIFO without a writer would wait for one.
  @Test(.timeLimit(.minutes(10)))
  func whatIsNeitherFileNorFolderIsNotServed() throws {
    let folder = try Self.makeSite()
    // With an ending and without: the latter are not even opened.
    for ending in ["", ".txt"] {
      try folder.addFIFO("root/fifo\(ending)")
      try folder.addSocket("root/socket\(ending)")
      try folder.addLink("root/link\(ending)", to: "fifo\(ending)")
      for name in ["fifo", "socket", "link"] {
        try Self.expect(.failed(.notFound), of: name + ending, in: folder)
      }
    }
    #expect(folder.openFiles == 0)
  }

  @Test(.enabled(if: geteuid() == 0, "only root makes device nodes"))
  func devicesAreNotServed() throws {
    let folder = try Self.makeSite()
    // The device of /dev/zero.
    guard unsafe mknod(folder("root/zero"), S_IFCHR | 0o644, 0x105) == 0 else {
      try Test.cancel("mknod is not allowed here")
    }
    try Self.expect(.failed(.notFound), of: "zero", in: folder)
  }

  @Test func namesThatAreTooLong() throws {
    let folder = try Self.makeSite()
    let longest = String(repeating: "n", count: 255)
    try folder.write("root/\(longest)", "long")
    try Self.expect(.file("long"), of: longest, in: folder)
    try Self.expect(.failed(.notFound), of: longest + "n", in: folder)
    let deep = String(repeating: "./", count: 2_045) + "a.txt"
    #expect(deep.utf8.count == FileCache.longestPath)
    try Self.expect(.file("a"), of: deep, in: folder)
    try Self.expect(.failed(.notFound), of: "/" + deep, in: folder)
  }

  @Test(.enabled(if: geteuid() != 0, "root may read everything"))
  func whatMayNotBeReadIsForbidden() throws {
    let folder = try Self.makeSite()
    try folder.setMode("root/a.txt", 0)
    try folder.setMode("root/sub", 0)
    defer { try? folder.setMode("root/sub", 0o755) }
    try Self.expect(.failed(.forbidden), of: "a.txt", in: folder)
    try Self.expect(.failed(.forbidden), of: "sub/b.txt", in: folder)
  }

  /// What is done where the kernel has no `openat2(2)`.
  @Test(
    arguments: [
      ("a.txt", "a"), ("sub/b.txt", "b"), ("..hidden", "dots"), ("sub/deep/c.txt", "c"),
      // No link is followed, wherever it leads.
      ("inner", nil), ("folder/b.txt", nil), ("outer", nil), ("sub/up", nil), ("out/secret.txt", nil),
      ("missing", nil), ("sub/missing", nil), ("missing/b.txt", nil), ("a.txt/b", nil), ("", nil),
      ("/etc/passwd", nil),
      ("sub//b.txt", nil),
    ] as [(String, String?)])
  func openingWithoutLinks(path: String, expected: String?) throws {
    let folder = try Self.makeSite()
    try folder.addFolder("root/sub/deep")
    try folder.write("root/sub/deep/c.txt", "c")
    try folder.addLink("root/inner", to: "a.txt")
    try folder.addLink("root/folder", to: "sub")
    try folder.addLink("root/outer", to: "../secret.txt")
    try folder.addLink("root/out", to: "../outside")
    try folder.addLink("root/sub/up", to: "../a.txt")
    let root = try DocumentRoot(path: folder("root"))
    let descriptor = unsafe root.folder.openWithoutLinks(path, O_RDONLY | O_CLOEXEC)
    if let expected {
      #expect(readFile(descriptor) == expected)
      close(descriptor)
    } else {
      #expect(descriptor == -1)
      #expect(FileError(errno: errno) == .notFound)
    }
    #expect(folder.openFiles == 1, "the folder, and nothing else")
  }
}

extension DocumentRootTests.Outcome {
  /// A file or a folder.
  var isServed: Bool {
    switch self {
    case .file, .directory: true
    case .failed, .wouldBlock: false
    }
  }
}
