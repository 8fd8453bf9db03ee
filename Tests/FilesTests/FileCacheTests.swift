import Glibc
import TestSupport
import Testing

@testable import Files

@Suite struct FileCacheTests {
  typealias Fixture = CacheFixture

  static let trust = FileCache.trustMilliseconds
  static let small = "small"
  static let large = "more than sixteen bytes"

  // MARK: Finding and looking

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
    let fixture = try Fixture()
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
      #expect(Fixture.outcome(fixture.look(path)) == expected, "\(path)")
    }
    // What is found under one name is not found under the other.
    #expect(try fixture.text("") == "home")
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
    #expect(Fixture.outcome(fixture.look(longest)) == "file a")
    #expect(Fixture.outcome(fixture.look("x" + longest)) == "notFound")
    // With the name of the index it must fit, too.
    #expect(Fixture.outcome(fixture.look(path(FileCache.longestPath - 11, ""))) == "file home")
    #expect(Fixture.outcome(fixture.look(path(FileCache.longestPath - 1, ""))) == "notFound")
    #expect(Fixture.outcome(fixture.look(String(repeating: "n/", count: 100_000))) == "notFound")
  }

  @Test(.enabled(if: geteuid() != 0, "root may read everything"))
  func whatMayNotBeReadIsForbidden() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a", "a")
    try fixture.folder.setMode("a", 0)
    #expect(Fixture.outcome(fixture.look("a")) == "forbidden")
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
      "HTTP/1.1 200 OK\r\n\r\n", "", "x", String(repeating: "h", count: file.headRoom), "short",
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
    let head = [UInt8](repeating: UInt8(ascii: "h"), count: file.headRoom)
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
    #expect(Fixture.outcome(fixture.look("a", at: start + Self.trust)) == expected)
  }

  /// Writes over a file until its time of change is another.
  static func edit(_ folder: TemporaryFolder, _ name: String, _ text: String) throws {
    let before = fileStatus(folder(name))
    repeat { try folder.write(name, text) } while fileStatus(folder(name)) == before
  }

  @Test(arguments: [small, large])
  func whatHasNotChangedIsTrustedAnew(content: String) throws {
    let fixture = try Fixture()
    try fixture.folder.write("a", content)
    let first = try fixture.get("a", at: 1_000)
    for now in stride(from: 1_000, to: 5_000, by: 100) {
      let file = try fixture.get("a", at: UInt64(now))
      #expect(file.isSame(first))
    }
    #expect(fixture.cache.counts.loads == 1)
    // Checked at 4500, so it is trusted until 5000.
    try fixture.folder.remove("a")
    #expect(fixture.find("a", at: 4_999) != nil)
    #expect(fixture.find("a", at: 5_000) == nil)
  }

  @Test func aFileThatIsBeingSentOutlivesItsName() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a", Self.large)
    let file = try fixture.get("a")
    fixture.cache.retain(file)
    try fixture.folder.remove("a")
    #expect(Fixture.outcome(fixture.look("a", at: Self.trust)) == "notFound")
    #expect(fixture.openFiles == 1)
    #expect(file.text == Self.large)
    fixture.cache.release(file)
    #expect(fixture.openFiles == 0)
  }

  // MARK: Bounds

  static func bounds(memory: Int = 16 << 20, openFiles: Int) -> FileCache.Bounds {
    FileCache.Bounds(memory: memory, openFiles: openFiles, inMemory: Fixture.inMemory)
  }

  /// What was asked for again stays; of the others the one that came first goes.
  @Test func theOldestThatNobodyAskedForGivesWay() throws {
    let fixture = try Fixture(bounds: Self.bounds(openFiles: 8))
    for number in 0..<9 { try fixture.folder.write("\(number)", "\(Self.large) \(number)") }
    for number in 0..<8 { _ = try fixture.get("\(number)", at: UInt64(number)) }
    #expect(fixture.openFiles == 8)
    for number in [0, 1, 2, 4, 5, 6, 7] {
      for _ in 0..<2 { #expect(fixture.find("\(number)", at: 100) != nil) }
    }
    #expect(try fixture.text("8", at: 101) == "\(Self.large) 8")
    #expect(fixture.openFiles == 8)
    #expect(fixture.cache.counts.evictions == 1)
    #expect(fixture.find("3", at: 101) == nil)
    for number in [0, 1, 2, 4, 5, 6, 7, 8] { #expect(fixture.find("\(number)", at: 101) != nil) }
  }

  @Test(arguments: [1, 2, 8, 9, 31])
  func noMoreFilesAreOpenThanMayBe(openFiles: Int) throws {
    let fixture = try Fixture(bounds: Self.bounds(openFiles: openFiles))
    for number in 0..<200 {
      try fixture.folder.write("\(number)", "\(Self.large) \(number)")
      #expect(try fixture.text("\(number)", at: UInt64(number)) == "\(Self.large) \(number)")
      #expect(fixture.openFiles == min(number + 1, openFiles))
    }
    #expect(fixture.cache.counts.evictions == 200 - openFiles)
    // The youngest is there.
    #expect(fixture.find("199", at: 200)?.text == "\(Self.large) 199")
  }

  @Test func evictionKeepsWhatIsRetained() throws {
    // Room for 4 files in memory.
    let fixture = try Fixture(bounds: Self.bounds(memory: 4 * Self.entryWeight("kept small"), openFiles: 4))
    try fixture.folder.write("kept", Self.large)
    try fixture.folder.write("kept small", Self.small)
    let kept = try fixture.get("kept")
    let small = try fixture.get("kept small")
    // Two connections send the one, one the other.
    fixture.cache.retain(kept)
    fixture.cache.retain(kept)
    fixture.cache.retain(small)
    // They leave the cache, because their files have changed.
    try fixture.folder.remove("kept")
    try fixture.folder.remove("kept small")
    #expect(Fixture.outcome(fixture.look("kept", at: Self.trust)) == "notFound")
    #expect(Fixture.outcome(fixture.look("kept small", at: Self.trust)) == "notFound")
    for number in 0..<20 {
      try fixture.folder.write("\(number)", Self.large)
      try fixture.folder.write("\(number) small", Self.small)
      _ = try fixture.get("\(number)", at: UInt64(number) + 1)
      _ = try fixture.get("\(number) small", at: UInt64(number) + 1)
    }
    #expect(fixture.find("kept", at: 30) == nil)
    // What is still being sent counts.
    #expect(fixture.openFiles == 4)
    #expect(kept.text == Self.large)
    #expect(small.text == Self.small)
    fixture.cache.release(kept)
    #expect(kept.text == Self.large)
    #expect(fixture.openFiles == 4)
    fixture.cache.release(kept)
    fixture.cache.release(small)
    #expect(fixture.openFiles == 3)
    _ = try fixture.get("0", at: 30)
    #expect(fixture.openFiles == 4)
  }

  /// Files of all sizes, and names of all lengths: together they weigh no more than they may, and not much less.
  @Test(arguments: [20_000, 100_000, 1_000_000])
  func filesInMemoryWeighNoMoreThanTheyMay(memory: Int) throws {
    let bounds = FileCache.Bounds(memory: memory, openFiles: 8, inMemory: 4_096)
    let fixture = try Fixture(bounds: bounds)
    var numbers = RepeatableNumbers(state: UInt64(memory))
    var names: [String] = []
    for step in 0..<600 {
      let name = "\(step)" + String(repeating: "n", count: Int(numbers.next() % 200)) + ".txt"
      let size = Int(numbers.next() % 4_097)
      try fixture.folder.write(name, [UInt8](repeating: UInt8(truncatingIfNeeded: step), count: size))
      names.append(name)
      let file = try fixture.get(name)
      #expect(file.isInMemory && file.size == Int64(size))
      // With its head and its path, and something for the cache itself.
      #expect(file.weight > size + file.headRoom + name.utf8.count)
      guard step % 20 == 19 else { continue }
      let weight = names.compactMap { fixture.find($0)?.weight }.reduce(0, +)
      #expect(weight <= memory)
      if fixture.cache.counts.evictions > 0 { #expect(weight > memory - 6_000) }
    }
    #expect(fixture.cache.counts.evictions > 0)
    #expect(fixture.openFiles == 0)
  }

  /// Neither kind of file takes the room of the other.
  @Test func bothBoundsStandByThemselves() throws {
    let weight = try Self.entryWeight("0.txt")
    let fixture = try Fixture(bounds: Self.bounds(memory: 4 * weight, openFiles: 2))
    for name in ["0", "1", "2", "3"] { try fixture.folder.write("\(name).txt", Self.small) }
    for name in ["0", "1", "2", "3"] { _ = try fixture.get("\(name).txt") }
    for number in 0..<10 {
      try fixture.folder.write("\(number).bin", Self.large)
      _ = try fixture.get("\(number).bin")
    }
    #expect(fixture.cache.counts.evictions == 8)
    for name in ["0", "1", "2", "3"] { #expect(fixture.find("\(name).txt") != nil) }
    try fixture.folder.write("4.txt", Self.small)
    _ = try fixture.get("4.txt")
    #expect(fixture.cache.counts.evictions == 9)
    #expect(fixture.find("9.bin") != nil && fixture.openFiles == 2)
  }

  /// What changes all the time does not use the room up.
  @Test func whatIsReplacedMakesRoomForItself() throws {
    let fixture = try Fixture(bounds: Self.bounds(memory: 2 * Self.entryWeight("a.txt"), openFiles: 2))
    for step in 0..<UInt64(100) {
      try fixture.folder.write("a.txt", "\(step)")
      try fixture.folder.write("b.bin", "\(step) \(Self.large)")
      #expect(Fixture.outcome(fixture.look("a.txt", at: step * Self.trust, wall: 0)) == "file \(step)")
      #expect(
        Fixture.outcome(fixture.look("b.bin", at: step * Self.trust, wall: 0)) == "file \(step) \(Self.large)"
      )
    }
    #expect(fixture.cache.counts.evictions == 0)
    #expect(fixture.openFiles == 1)
  }

  @Test func whenAllThatMayBeOpenIsBeingSentOthersAreRefused() throws {
    let fixture = try Fixture(bounds: Self.bounds(openFiles: 3))
    let names = ["a.txt", "b.txt", "c.txt"]
    for name in names + ["d.txt"] { try fixture.folder.write(name, "\(name) \(Self.large)") }
    let sent = try names.map { try fixture.get($0) }
    for file in sent { fixture.cache.retain(file) }
    #expect(Fixture.outcome(fixture.look("d.txt")) == "exhausted")
    #expect(fixture.openFiles == 3)
    for name in names { #expect(fixture.find(name) != nil) }
    // As soon as one is sent, there is room.
    for (name, file) in zip(names, sent) { #expect(file.text == "\(name) \(Self.large)") }
    fixture.cache.release(sent[1])
    #expect(try fixture.text("d.txt") == "d.txt \(Self.large)")
    #expect(fixture.openFiles == 3)
    for index in [0, 2] { fixture.cache.release(sent[index]) }
    for name in names { #expect(try fixture.text(name) == "\(name) \(Self.large)") }
    #expect(fixture.openFiles == 3)
  }

  /// As a client does who reads everything once.
  @Test func whatIsAskedForOftenSurvivesAScan() throws {
    let fixture = try Fixture(bounds: Self.bounds(openFiles: 20))
    for number in 0..<200 { try fixture.folder.write("\(number).txt", "\(number) \(Self.large)") }
    for _ in 0..<4 {
      for number in 0..<10 { _ = try fixture.get("\(number).txt") }
    }
    for number in 10..<200 { _ = try fixture.get("\(number).txt") }
    for number in 0..<10 { #expect(fixture.find("\(number).txt") != nil) }
    #expect(fixture.openFiles == 20)
  }

  /// What a small file with this name counts against the bound of memory.
  static func entryWeight(_ name: String) throws -> Int {
    let fixture = try Fixture()
    try fixture.folder.write(name, small)
    return try fixture.get(name).weight
  }

  /// In a process of its own, in which no descriptor is free.
  @Test func withoutADescriptorTheOldestGivesWay() async {
    await #expect(processExitsWith: .success) {
      let fixture = try CacheFixture()
      // Names with an ending are opened at once.
      for name in ["a", "b", "c", "d", "e"] { try fixture.folder.write("\(name).txt", FileCacheTests.large) }
      try fixture.folder.write("small.txt", FileCacheTests.small)
      _ = try fixture.get("small.txt", at: 1)
      let sent = try fixture.get("a.txt", at: 2)
      fixture.cache.retain(sent)
      _ = try fixture.get("b.txt", at: 3)
      _ = try fixture.get("c.txt", at: 4)
      let free = dup(0)
      close(free)
      var limit = rlimit(rlim_cur: UInt(free), rlim_max: UInt(free))
      precondition(unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
      // What is being sent, and what holds no descriptor, stays.
      let text = try fixture.text("d.txt", at: 5)
      precondition(text == FileCacheTests.large)
      precondition(fixture.find("b.txt", at: 5) == nil)
      for name in ["small.txt", "a.txt", "c.txt", "d.txt"] {
        precondition(fixture.find(name, at: 6) != nil)
      }
      for name in ["c.txt", "d.txt"] { fixture.cache.retain(try fixture.get(name, at: 6)) }
      guard case .failed(.exhausted) = fixture.look("e.txt", at: 7) else { preconditionFailure("e is open") }
    }
  }

  /// Deleted or not: what nobody asks for any more does not keep its disk.
  @Test func whatNobodyAsksForIsClosed() throws {
    let fixture = try Fixture()
    for name in ["idle", "sent", "asked for"] { try fixture.folder.write(name, Self.large) }
    for name in ["idle", "sent"] { _ = try fixture.get(name, at: 1_000) }
    let sent = try fixture.get("sent", at: 1_000)
    fixture.cache.retain(sent)
    _ = try fixture.get("asked for", at: 2_000)
    #expect(fixture.openFiles == 3)
    // The table is looked through in parts.
    for _ in 0..<8 { fixture.cache.closeIdle(since: 1_500) }
    #expect(fixture.openFiles == 2)
    fixture.cache.release(sent)
    for _ in 0..<8 { fixture.cache.closeIdle(since: 1_500) }
    #expect(fixture.openFiles == 1 && fixture.find("asked for", at: 2_000) != nil)
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
      let fixture = try Fixture(folder: folder, root: try DocumentRoot(path: folder.path))
      for number in 0..<20 { _ = try fixture.get("\(number)") }
      #expect(folder.openFiles == 20)
    }
    #expect(folder.openFiles == 0)
  }
}
