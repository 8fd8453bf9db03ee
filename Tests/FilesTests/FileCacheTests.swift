import Glibc
import TestSupport
import Testing

@testable import Files

@Suite struct FileCacheTests {
  /// A cache over a folder of its own. The time is what the test says it is.
  final class Fixture {
    let folder: TemporaryFolder
    var cache: FileCache

    /// Files of up to 16 bytes are kept in memory.
    init(capacity: Int = 64) throws {
      folder = try TemporaryFolder()
      cache = FileCache(root: try DocumentRoot(path: folder.path), capacity: capacity, inMemory: 16)
    }

    func find(_ path: String, at now: UInt64 = 0) -> FileReference? {
      cache.find(Array(path.utf8).span, now: now)
    }

    func load(_ path: String, at now: UInt64 = 0) -> FileCache.Loaded {
      cache.load(Array(path.utf8).span, now: now, wallSeconds: 0)
    }

    /// As a worker does it: looks, and opens what is not there.
    func get(_ path: String, at now: UInt64 = 0) throws -> FileReference {
      if let file = find(path, at: now) { return file }
      guard case .file(let file) = load(path, at: now) else { throw SetUpError("no file \(path)") }
      return file
    }

    func text(_ path: String, at now: UInt64 = 0) throws -> String {
      try get(path, at: now).text
    }

    /// Files that are open; the folder itself does not count.
    var openFiles: Int { folder.openFiles }
  }

  static let trust = FileCache.trustMilliseconds
  static let small = "small"
  static let large = "more than sixteen bytes"

  /// What did not become a file, as text.
  static func outcome(_ loaded: FileCache.Loaded) -> String {
    switch loaded {
    case .file(let reference): "file \(reference.text)"
    case .directory: "directory"
    case .failed(let error): "\(error)"
    }
  }

  // MARK: Finding and loading

  @Test func whatWasLoadedIsFound() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a", Self.small)
    try fixture.folder.write("b", Self.large)
    for name in ["a", "b"] {
      #expect(fixture.find(name) == nil)
      let loaded = try fixture.get(name)
      let found = try #require(fixture.find(name))
      #expect(found.isSame(loaded))
    }
    #expect(try fixture.text("a") == Self.small)
    #expect(try fixture.text("b") == Self.large)
  }

  /// The hash takes eight bytes at a time and then what is left: names of all lengths that differ in one byte.
  @Test func namesThatAreAlmostTheSame() throws {
    let fixture = try Fixture(capacity: 4_096)
    var names: [String] = []
    for length in 1...40 {
      for place in [0, length / 2, length - 1] {
        var name = [UInt8](repeating: UInt8(ascii: "n"), count: length)
        name[place] = UInt8(ascii: "o")
        names.append(String(decoding: name, as: UTF8.self))
      }
      names.append(String(repeating: "n", count: length))
    }
    for name in Set(names) { try fixture.folder.write(name, String(name.utf8.count) + name.prefix(9)) }
    for name in names { #expect(try fixture.text(name) == String(name.utf8.count) + name.prefix(9)) }
    for name in names { #expect(fixture.find(name)?.text == String(name.utf8.count) + name.prefix(9)) }
    #expect(fixture.find(String(repeating: "n", count: 41)) == nil)
  }

  @Test func foldersStandForTheirIndex() throws {
    let fixture = try Fixture()
    try fixture.folder.write("index.html", "home")
    try fixture.folder.addFolder("sub")
    try fixture.folder.write("sub/index.html", "sub")
    try fixture.folder.addFolder("bare")
    try fixture.folder.addFolder("odd")
    try fixture.folder.addFolder("odd/index.html")
    try fixture.folder.addLink("loop", to: "loop")
    try fixture.folder.addLink("out", to: "/etc/passwd")
    try fixture.folder.addFIFO("fifo")
    try fixture.folder.write("file", "file")
    for (path, expected) in [
      ("", "file home"), ("sub/", "file sub"), ("index.html", "file home"), ("sub/index.html", "file sub"),
      // The folder's own name asks for a redirect.
      ("sub", "directory"), ("bare", "directory"), ("odd/index.html", "directory"),
      ("bare/", "notFound"), ("odd/", "notFound"), ("missing", "notFound"), ("missing/", "notFound"),
      ("file/", "notFound"), ("file/x", "notFound"), ("loop", "notFound"), ("loop/", "notFound"),
      ("out", "notFound"), ("fifo", "notFound"), ("..", "notFound"), ("../", "notFound"), ("/", "notFound"),
      (String(repeating: "n", count: 256), "notFound"),
    ] {
      #expect(Self.outcome(fixture.load(path)) == expected, "\(path)")
    }
    // What is found under one name is not found under the other.
    #expect(try fixture.text("") == "home")
    #expect(try fixture.get("sub/").mediaType == "text/html; charset=utf-8")
    #expect(fixture.find("sub") == nil)
    #expect(fixture.find("missing") == nil)
    #expect(fixture.openFiles == 0)
  }

  @Test func theLongestPathIsTheKernels() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a.txt", "a")
    try fixture.folder.write("index.html", "home")
    func path(_ count: Int, _ end: String) -> String {
      String(repeating: "./", count: (count - end.utf8.count) / 2) + end
    }
    let longest = path(FileCache.longestPath, "a.txt")
    #expect(longest.utf8.count == FileCache.longestPath)
    #expect(Self.outcome(fixture.load(longest)) == "file a")
    #expect(Self.outcome(fixture.load("x" + longest)) == "notFound")
    // With the name of the index it must fit, too.
    #expect(Self.outcome(fixture.load(path(FileCache.longestPath - 11, ""))) == "file home")
    #expect(Self.outcome(fixture.load(path(FileCache.longestPath - 1, ""))) == "notFound")
    #expect(Self.outcome(fixture.load(String(repeating: "n/", count: 100_000))) == "notFound")
  }

  @Test(.enabled(if: geteuid() != 0, "root may read everything"))
  func whatMayNotBeReadIsForbidden() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a", "a")
    try fixture.folder.setMode("a", 0)
    #expect(Self.outcome(fixture.load("a")) == "forbidden")
  }

  // MARK: Content

  @Test(arguments: [(0, true), (1, true), (15, true), (16, true), (17, false), (1_000, false)])
  func smallFilesAreInMemory(size: Int, isInMemory: Bool) throws {
    let fixture = try Fixture()
    let text = String(repeating: "c", count: size)
    try fixture.folder.write("a.txt", text)
    let file = try fixture.get("a.txt")
    #expect(file.isInMemory == isInMemory)
    #expect(file.size == Int64(size))
    #expect(file.text == text)
    #expect((file.descriptor >= 0) == !isInMemory)
    #expect(file.mediaType == "text/plain; charset=utf-8")
    #expect(fixture.openFiles == (isInMemory ? 0 : 1))
  }

  @Test(arguments: ["", "c", "sixteen bytes ab"])
  func headAndContentAreOnePiece(content: String) throws {
    let fixture = try Fixture()
    try fixture.folder.write("a", content)
    let file = try fixture.get("a")
    #expect(file.head == "")
    #expect(file.headDate == .min)
    #expect(file.headAndContent == content)
    // Heads of any length, one after the other.
    for head in [
      "HTTP/1.1 200 OK\r\n\r\n", "", "x", String(repeating: "h", count: OpenFile.headRoom), "short",
    ] {
      file.setHead(Array(head.utf8))
      #expect(file.head == head)
      #expect(file.headAndContent == head + content)
      #expect(file.content == content)
    }
    // It stays for whoever asks next.
    let again = try #require(fixture.find("a"))
    #expect(again.head == "short")
  }

  @Test func largeFilesHaveRoomForAHeadToo() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a", Self.large)
    let file = try fixture.get("a")
    let head = [UInt8](repeating: UInt8(ascii: "h"), count: OpenFile.headRoom)
    file.setHead(head)
    #expect(file.headAndContent == String(decoding: head, as: UTF8.self))
    #expect(file.content == "")
  }

  @Test func filesBeyondFourGigabytes() throws {
    let fixture = try Fixture()
    let size: Int64 = 5 << 30 + 7
    try fixture.folder.write("big", "")
    try fixture.folder.resize("big", to: size)
    let file = try fixture.get("big")
    #expect(file.size == size)
    #expect(!file.isInMemory)
    #expect(lseek(file.descriptor, 0, SEEK_END) == size)
    var byte: UInt8 = 1
    #expect(unsafe pread(file.descriptor, &byte, 1, off_t(size - 1)) == 1)
    #expect(byte == 0)
  }

  @Test func aFileShorterThanItsStatusIsNotRead() throws {
    let folder = try TemporaryFolder()
    try folder.write("a", "0123456789")
    let descriptor = unsafe open(folder("a"), O_RDONLY)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    #expect(unsafe OpenFile.read(descriptor, count: 11) == nil)
    let memory = unsafe try #require(OpenFile.read(descriptor, count: 10))
    defer { unsafe memory.deallocate() }
    #expect(memory.count == OpenFile.headRoom + 10)
  }

  // MARK: Change

  /// How a file can change; each is seen when the time of trust is over, and not before.
  enum Change: CaseIterable {
    case replaced, edited, cut, grown, deleted, becameFolder, becameLink, leadsOut
  }

  @Test(arguments: Change.allCases, [small, large])
  func changesAreSeenWhenTrustIsOver(change: Change, content: String) throws {
    let fixture = try Fixture()
    try fixture.folder.write("a", content)
    try fixture.folder.write("other", "other content!!!!!!!!!!")
    let start: UInt64 = 10_000
    #expect(try fixture.text("a", at: start) == content)

    let folder = fixture.folder
    let expected: String
    switch change {
    case .replaced:
      try folder.rename("other", to: "a")
      expected = "file other content!!!!!!!!!!"
    case .edited:
      // The time of change is that of a tick of the kernel: wait for the next, or nobody could tell.
      try Self.edit(folder, "a", String(content.uppercased()))
      expected = "file \(content.uppercased())"
    case .cut:
      try folder.resize("a", to: 2)
      expected = "file \(content.prefix(2))"
    case .grown:
      try folder.write("a", content + "+")
      expected = "file \(content)+"
    case .deleted:
      try folder.remove("a")
      expected = "notFound"
    case .becameFolder:
      try folder.remove("a")
      try folder.addFolder("a")
      expected = "directory"
    case .becameLink:
      try folder.remove("a")
      try folder.addLink("a", to: "other")
      expected = "file other content!!!!!!!!!!"
    case .leadsOut:
      try folder.remove("a")
      try folder.addLink("a", to: "/etc/passwd")
      expected = "notFound"
    }

    #expect(fixture.find("a", at: start + Self.trust - 1) != nil)
    #expect(fixture.find("a", at: start + Self.trust) == nil)
    #expect(fixture.find("a", at: start + Self.trust) == nil)
    #expect(Self.outcome(fixture.load("a", at: start + Self.trust)) == expected)
  }

  /// Writes over a file until its time of change is another.
  static func edit(_ folder: TemporaryFolder, _ name: String, _ text: String) throws {
    let root = try DocumentRoot(path: folder.path)
    let before = unsafe root.status(name)
    repeat { try folder.write(name, text) } while unsafe root.status(name) == before
  }

  @Test(arguments: [small, large])
  func whatHasNotChangedIsTrustedAnew(content: String) throws {
    let fixture = try Fixture()
    try fixture.folder.write("a", content)
    let first = try fixture.get("a", at: 1_000)
    for now in stride(from: 1_000, to: 5_000, by: 100) {
      let file = try #require(fixture.find("a", at: UInt64(now)))
      #expect(file.isSame(first))
    }
    // Checked at 4500 or later, so it is trusted until 5000 at least.
    try fixture.folder.remove("a")
    #expect(fixture.find("a", at: 4_999) != nil)
    #expect(fixture.find("a", at: 5_900) == nil)
  }

  @Test func aFileThatIsBeingSentOutlivesItsName() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a", Self.large)
    let file = try fixture.get("a")
    fixture.cache.retain(file)
    try fixture.folder.remove("a")
    #expect(fixture.find("a", at: Self.trust) == nil)
    #expect(fixture.openFiles == 1)
    #expect(file.text == Self.large)
    fixture.cache.release(file)
    #expect(fixture.openFiles == 0)
  }

  // MARK: Bounds

  /// One set of 8: the ninth file takes the place of the one that was not asked for longest.
  @Test func theLeastRecentlyUsedGivesWay() throws {
    let fixture = try Fixture(capacity: 1)
    for number in 0..<9 { try fixture.folder.write("\(number)", "\(Self.large) \(number)") }
    for number in 0..<8 { _ = try fixture.get("\(number)", at: UInt64(number)) }
    #expect(fixture.openFiles == 8)
    for number in [0, 1, 2, 4, 5, 6, 7] { #expect(fixture.find("\(number)", at: 100) != nil) }
    #expect(try fixture.text("8", at: 101) == "\(Self.large) 8")
    #expect(fixture.openFiles == 8)
    #expect(fixture.find("3", at: 101) == nil)
    for number in [0, 1, 2, 4, 5, 6, 7, 8] { #expect(fixture.find("\(number)", at: 101) != nil) }
  }

  @Test(arguments: [(1, 8), (8, 8), (9, 8), (16, 16), (17, 16), (31, 16)])
  func thereIsRoomForNoMoreThanTheCapacity(capacity: Int, room: Int) throws {
    let fixture = try Fixture(capacity: capacity)
    for number in 0..<200 {
      try fixture.folder.write("\(number)", "\(Self.large) \(number)")
      #expect(try fixture.text("\(number)", at: UInt64(number)) == "\(Self.large) \(number)")
    }
    // The sets fill unevenly, but 200 names fill them all.
    #expect(fixture.openFiles == room)
  }

  @Test func evictionKeepsWhatIsRetained() throws {
    let fixture = try Fixture(capacity: 1)
    try fixture.folder.write("kept", Self.large)
    try fixture.folder.write("kept small", Self.small)
    let kept = try fixture.get("kept")
    let small = try fixture.get("kept small")
    // Two connections send the one, one the other.
    fixture.cache.retain(kept)
    fixture.cache.retain(kept)
    fixture.cache.retain(small)
    for number in 0..<20 {
      try fixture.folder.write("\(number)", Self.large)
      _ = try fixture.get("\(number)", at: UInt64(number) + 1)
    }
    #expect(fixture.find("kept", at: 30) == nil)
    #expect(fixture.openFiles == 8 + 1)
    #expect(kept.text == Self.large)
    #expect(small.text == Self.small)
    fixture.cache.release(kept)
    #expect(kept.text == Self.large)
    #expect(fixture.openFiles == 8 + 1)
    fixture.cache.release(kept)
    fixture.cache.release(small)
    #expect(fixture.openFiles == 8)
  }

  /// In a process of its own, in which no descriptor is free.
  @Test func withoutADescriptorTheLeastRecentlyUsedGivesWay() async {
    await #expect(processExitsWith: .success) {
      let fixture = try Fixture()
      for name in ["a", "b", "c", "d", "e"] { try fixture.folder.write(name, FileCacheTests.large) }
      try fixture.folder.write("small", FileCacheTests.small)
      _ = try fixture.get("small", at: 1)
      let sent = try fixture.get("a", at: 2)
      fixture.cache.retain(sent)
      _ = try fixture.get("b", at: 3)
      _ = try fixture.get("c", at: 4)
      let free = dup(0)
      close(free)
      var limit = rlimit(rlim_cur: UInt(free), rlim_max: UInt(free))
      precondition(unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
      // What is being sent, and what holds no descriptor, stays.
      let text = try fixture.text("d", at: 5)
      precondition(text == FileCacheTests.large)
      precondition(fixture.find("b", at: 5) == nil)
      for name in ["small", "a", "c", "d"] { precondition(fixture.find(name, at: 6) != nil) }
      for name in ["c", "d"] { fixture.cache.retain(try fixture.get(name, at: 6)) }
      guard case .failed(.exhausted) = fixture.load("e", at: 7) else { preconditionFailure("e is open") }
    }
  }

  @Test func releasingWhatIsCachedKeepsIt() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a", Self.large)
    let file = try fixture.get("a")
    fixture.cache.retain(file)
    fixture.cache.release(file)
    #expect(try fixture.text("a") == Self.large)
    #expect(fixture.openFiles == 1)
  }

  @Test func theEndOfACacheClosesItsFiles() throws {
    let folder = try TemporaryFolder()
    for number in 0..<20 { try folder.write("\(number)", Self.large) }
    do {
      var cache = FileCache(root: try DocumentRoot(path: folder.path), capacity: 64, inMemory: 16)
      for number in 0..<20 {
        _ = cache.load(Array("\(number)".utf8).span, now: 0, wallSeconds: 0)
      }
      #expect(folder.openFiles == 20)
    }
    #expect(folder.openFiles == 0)
  }
}

extension FileReference {
  var descriptor: Int32 { file.descriptor }
  var isInMemory: Bool { file.isInMemory }
  var size: Int64 { file.size }
  var mediaType: String { file.mediaType.description }
  var headDate: Int64 { file.headDate }
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
