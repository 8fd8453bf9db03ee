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
  }

  /// Opens, reads and closes.
  static func open(_ root: DocumentRoot, _ path: String) -> Outcome {
    switch unsafe root.open(path) {
    case .file(let descriptor, _):
      defer { close(descriptor) }
      return .file(readFile(descriptor))
    case .directory: return .directory
    case .failed(let error): return .failed(error)
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
    #expect(Self.open(try DocumentRoot(path: folder("link")), "a.txt") == .file("a"))
  }

  @Test func aFolderStaysTheSameWhateverItsName() throws {
    let folder = try Self.makeSite()
    let root = try DocumentRoot(path: folder("root"))
    try folder.rename("root", to: "old")
    try folder.addFolder("root")
    try folder.write("root/a.txt", "another")
    #expect(Self.open(root, "a.txt") == .file("a"))
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
    #expect(Self.open(try DocumentRoot(path: folder("root")), path) == outcome)
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
      ("ROOT/a.txt", "", .failed(.notFound)),
      // To nothing, and in circles.
      ("missing", "", .failed(.notFound)), ("link", "", .failed(.notFound)),
      ("./link", "/a", .failed(.notFound)),
      // Magic links of /proc.
      ("/proc/self/root/etc/passwd", "", .failed(.notFound)),
      ("/proc/self/cwd", "/Package.swift", .failed(.notFound)),
    ] as [(String, String, Outcome)])
  func symbolicLinks(target: String, rest: String, outcome: Outcome) throws {
    let folder = try Self.makeSite()
    let absolute = target.hasPrefix("ROOT") ? folder("root") + target.dropFirst(4) : target
    try folder.addLink("root/link", to: absolute)
    #expect(Self.open(try DocumentRoot(path: folder("root")), "link\(rest)") == outcome)
  }

  @Test func linksInAFolderBelow() throws {
    let folder = try Self.makeSite()
    try folder.addLink("root/sub/up", to: "../a.txt")
    try folder.addLink("root/sub/out", to: "../../secret.txt")
    try folder.addLink("root/chain", to: "sub/up")
    try folder.addLink("root/ring", to: "sub/ring")
    try folder.addLink("root/sub/ring", to: "../ring")
    let root = try DocumentRoot(path: folder("root"))
    #expect(Self.open(root, "sub/up") == .file("a"))
    #expect(Self.open(root, "sub/out") == .failed(.notFound))
    #expect(Self.open(root, "chain") == .file("a"))
    #expect(Self.open(root, "ring") == .failed(.notFound))
  }

  /// The time limit is part of the test: opening a FIFO without a writer would wait for one.
  @Test(.timeLimit(.minutes(10)))
  func whatIsNeitherFileNorFolderIsNotServed() throws {
    let folder = try Self.makeSite()
    try folder.addFIFO("root/fifo")
    try folder.addSocket("root/socket")
    try folder.addLink("root/link", to: "fifo")
    let root = try DocumentRoot(path: folder("root"))
    for name in ["fifo", "socket", "link"] { #expect(Self.open(root, name) == .failed(.notFound)) }
    #expect(folder.openFiles == 1, "the folder, and nothing else")
  }

  @Test(.enabled(if: geteuid() == 0, "only root makes device nodes"))
  func devicesAreNotServed() throws {
    let folder = try Self.makeSite()
    // The device of /dev/zero.
    guard unsafe mknod(folder("root/zero"), S_IFCHR | 0o644, 0x105) == 0 else {
      try Test.cancel("mknod is not allowed here")
    }
    #expect(Self.open(try DocumentRoot(path: folder("root")), "zero") == .failed(.notFound))
  }

  @Test func namesThatAreTooLong() throws {
    let folder = try Self.makeSite()
    let root = try DocumentRoot(path: folder("root"))
    let longest = String(repeating: "n", count: 255)
    try folder.write("root/\(longest)", "long")
    #expect(Self.open(root, longest) == .file("long"))
    #expect(Self.open(root, longest + "n") == .failed(.notFound))
    let deep = String(repeating: "./", count: 2_045) + "a.txt"
    #expect(deep.utf8.count == FileCache.longestPath)
    #expect(Self.open(root, deep) == .file("a"))
    #expect(Self.open(root, "/" + deep) == .failed(.notFound))
  }

  @Test(.enabled(if: geteuid() != 0, "root may read everything"))
  func whatMayNotBeReadIsForbidden() throws {
    let folder = try Self.makeSite()
    try folder.setMode("root/a.txt", 0)
    try folder.setMode("root/sub", 0)
    defer { try? folder.setMode("root/sub", 0o755) }
    let root = try DocumentRoot(path: folder("root"))
    #expect(Self.open(root, "a.txt") == .failed(.forbidden))
    #expect(Self.open(root, "sub/b.txt") == .failed(.forbidden))
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
    let descriptor = unsafe root.openWithoutLinks(path, O_RDONLY | O_CLOEXEC)
    if let expected {
      #expect(readFile(descriptor) == expected)
      close(descriptor)
    } else {
      #expect(descriptor == -1)
      #expect(FileError(errno: errno) == .notFound)
    }
    #expect(folder.openFiles == 1, "the folder, and nothing else")
  }

  // MARK: Statuses and errors

  @Test func statusTellsOneStateFromAnother() throws {
    let folder = try Self.makeSite()
    let root = try DocumentRoot(path: folder("root"))
    let first = unsafe root.status("a.txt")
    #expect(first != nil)
    #expect(unsafe root.status("a.txt") == first)
    #expect(unsafe root.status("missing") == nil)
    try folder.resize("root/a.txt", to: 2)
    let second = unsafe root.status("a.txt")
    #expect(second?.size == 2 && second != first)
    // Another file of the same size in its place.
    try folder.write("root/new", "aa")
    try folder.rename("root/new", to: "root/a.txt")
    let third = unsafe root.status("a.txt")
    #expect(third?.size == 2 && third?.inode != second?.inode && third != second)
  }

  @Test func statusOfAnOpenedFileIsThatOfItsPath() throws {
    let folder = try Self.makeSite()
    let root = try DocumentRoot(path: folder("root"))
    guard case .file(let descriptor, let status) = unsafe root.open("sub/b.txt") else {
      Issue.record("not opened")
      return
    }
    defer { close(descriptor) }
    #expect(unsafe root.status("sub/b.txt") == status)
    #expect(status.size == 1)
    #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
  }

  @Test(arguments: [
    (0, 0, 0), (0, 999_999_999, 999_999_999), (1, 1, 1_000_000_001), (-1, 999_999_999, -1),
    (-1, 0, -1_000_000_000),
    (1_700_000_000, 5, 1_700_000_000_000_000_005),
  ])
  func timesAreInNanoseconds(seconds: Int, nanoseconds: Int, expected: Int64) {
    var status = stat()
    status.st_mtim = timespec(tv_sec: seconds, tv_nsec: nanoseconds)
    #expect(FileStatus(status).modifiedNanoseconds == expected)
  }

  @Test(
    arguments: [
      (ENOENT, .notFound), (ENOTDIR, .notFound), (EXDEV, .notFound), (ELOOP, .notFound),
      (ENAMETOOLONG, .notFound),
      (ENXIO, .notFound), (ENODEV, .notFound), (EINVAL, .notFound),
      (EACCES, .forbidden), (EPERM, .forbidden),
      (EMFILE, .exhausted), (ENFILE, .exhausted), (ENOMEM, .exhausted), (EAGAIN, .exhausted),
      (EIO, .inputOutput), (ESTALE, .inputOutput), (ENOSYS, .inputOutput), (0, .inputOutput),
    ] as [(Int32, FileError)])
  func errors(code: Int32, error: FileError) {
    #expect(FileError(errno: code) == error)
  }
}
