import Glibc
import TestSupport
import Testing

@testable import Files

/// That no client sees an old state for long, nor after a new one, nor two contents under one strong tag.
@Suite struct FileCacheFreshnessTests {
  typealias Fixture = CacheFixture

  static let trust = FileCache.trustMilliseconds
  static let small = FileCacheTests.small
  static let large = FileCacheTests.large

  // MARK: Changes that times don't tell

  /// Stores through a mapping change no time while the page is dirty.
  @Test func aStoreThroughAMappingIsSeenAtTheNextLook() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a.txt", "0123456789")
    let descriptor = unsafe open(fixture.folder("a.txt"), O_RDWR | O_CLOEXEC)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    let mapping = unsafe mmap(nil, 10, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    let bytes = unsafe try #require(mapping == MAP_FAILED ? nil : mapping)
    defer { unsafe munmap(bytes, 10) }
    var now: UInt64 = 10_000
    var unseen = 0
    for _ in 0..<100 {
      for digit in UInt8(0x30)...0x39 {
        let before = fileStatus(fixture.folder("a.txt"))
        unsafe bytes.storeBytes(of: digit, as: UInt8.self)
        if before == fileStatus(fixture.folder("a.txt")) { unseen += 1 }
        let expected = String(decoding: [digit], as: UTF8.self) + "123456789"
        #expect(try fixture.text("a.txt", at: now) == expected)
        now += Self.trust
      }
      if unseen > 20 { break }
    }
    // Or the test would be of no use.
    #expect(unseen > 0)
  }

  /// Whoever writes can set the time of modification back.
  @Test(arguments: [small, large])
  func aTimeThatIsSetBackHidesNoChange(content: String) throws {
    let fixture = try Fixture()
    try fixture.folder.write("a.txt", content)
    let path = fixture.folder("a.txt")
    #expect(try fixture.text("a.txt", at: 1_000) == content)
    var before = stat()
    try #require(unsafe stat(path, &before) == 0)
    var after = before
    repeat {
      try fixture.folder.write("a.txt", content.uppercased())
      let times = [before.st_atim, before.st_mtim]
      try #require(unsafe utimensat(AT_FDCWD, path, times, 0) == 0)
      unsafe stat(path, &after)
    } while after.st_ctim.nanoseconds == before.st_ctim.nanoseconds
    #expect(FileStatus(after).modifiedNanoseconds == FileStatus(before).modifiedNanoseconds)
    #expect(after.st_size == before.st_size)
    let tag = try #require(fixture.find("a.txt", at: 1_000)).tagState
    let changed = try fixture.get("a.txt", at: 1_000 + Self.trust)
    #expect(changed.text == content.uppercased())
    #expect(changed.tagState != tag)
  }

  // MARK: Tags

  /// A file is written as fast as can be, again and again within one tick of the file system's clock; each look gets a tag.
  @Test(arguments: [5, 16, 17, 100])
  func aStrongTagStandsForOneContent(size: Int) throws {
    let fixture = try Fixture()
    var numbers = RepeatableNumbers(state: UInt64(size))
    var contents: [UInt64: String] = [:]
    for step in 0..<2_000 {
      let text = String(numbers.next() % 50) + String(repeating: "-", count: size)
      try fixture.folder.write("a.txt", String(text.prefix(size)))
      // Often the change comes between two looks, and often it does not.
      for _ in 0...step % 3 {
        guard case .file(let file) = fixture.look("a.txt", at: UInt64(step), wall: 0) else {
          Issue.record("no file")
          return
        }
        #expect(file.isRacy == !file.isInMemory)
        guard !file.isRacy else { continue }
        let other = contents.updateValue(file.text, forKey: file.tagState)
        #expect(other == nil || other == file.text)
      }
    }
    // 50 numbers, all of which fit.
    #expect(contents.count == (size <= Fixture.inMemory ? 50 : 0))
  }

  /// In memory, the tag is the content's own, whatever the file's times and name.
  @Test func theSameContentInMemoryHasTheSameTag() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a.txt", Self.small)
    try fixture.folder.write("b.txt", Self.small)
    try fixture.folder.write("c.txt", Self.small.uppercased())
    let tags = try ["a.txt", "b.txt", "c.txt"].map { try fixture.get($0).tagState }
    #expect(tags[0] == tags[1] && tags[0] != tags[2])
    try FileCacheTests.edit(fixture.folder, "a.txt", Self.small)
    #expect(try fixture.get("a.txt", at: Self.trust).tagState == tags[0])
  }

  @Test func aTagIsWeakWhileAChangeMayGoUnseenAndThenStrong() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a.txt", Self.large)
    func look(wall: Int64) throws -> (tag: UInt64, isRacy: Bool) {
      guard case .file(let file) = fixture.look("a.txt", wall: wall) else { throw SetUpError("no file") }
      return (file.tagState, file.isRacy)
    }
    let (first, second) = try (look(wall: 0), look(wall: 0))
    #expect(first.isRacy && second.isRacy)
    #expect(first.tag != second.tag)
    let strong = try look(wall: 10_000_000_000)
    #expect(!strong.isRacy)
    #expect(strong.tag == fileStatus(fixture.folder("a.txt"))?.tagState)
    #expect(strong.tag != first.tag && strong.tag != second.tag)
    // And so it stays.
    let loads = fixture.cache.counts.loads
    #expect(try look(wall: 11_000_000_000) == strong)
    #expect(fixture.cache.counts.loads == loads)
    #expect(fixture.openFiles == 1)
  }

  /// What was found racy is opened anew at each look, even with the same status; in between it is trusted like any other.
  @Test func whatMayHaveChangedUnseenIsLoadedAnew() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a.txt", Self.large)
    for step in 0..<UInt64(5) {
      guard case .file = fixture.look("a.txt", at: step * Self.trust, wall: 0) else {
        Issue.record("no file")
        return
      }
      #expect(fixture.find("a.txt", at: step * Self.trust + Self.trust - 1) != nil)
    }
    #expect(fixture.cache.counts.loads == 5)
    #expect(fixture.openFiles == 1)
  }

  /// A date that lies in the future is that of the look, and then stays (RFC 9110 §8.8.2.1).
  @Test func noFileIsYoungerThanItsLook() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a.txt", Self.small)
    let future = Fixture.wallNanoseconds() / 1_000_000_000 + 100_000
    let times = [timespec(tv_sec: Int(future), tv_nsec: 0), timespec(tv_sec: Int(future), tv_nsec: 0)]
    try #require(unsafe utimensat(AT_FDCWD, fixture.folder("a.txt"), times, 0) == 0)
    let file = try fixture.get("a.txt")
    let modified = file.modifiedSeconds
    let now = Fixture.time(0).wallSeconds
    #expect(modified <= now && modified > now - 60)
    guard case .file(let again) = fixture.look("a.txt", at: Self.trust, wall: 50_000_000_000) else {
      Issue.record("no file")
      return
    }
    #expect(again.modifiedSeconds == modified)
  }

  // MARK: Two workers

  /// A cache's state of a path, and another's, over a root that both share.
  static func makePair() throws -> (Fixture, Fixture) {
    let first = try Fixture(isShared: true)
    return (first, try first.sibling())
  }

  @Test(arguments: [small, large])
  func nobodyServesAnOldStateAfterAnotherHasServedANewOne(content: String) throws {
    let (first, second) = try Self.makePair()
    try first.folder.write("a.txt", content)
    try first.folder.write("b.txt", content)
    for fixture in [first, second] {
      _ = try fixture.get("b.txt", at: 1_000)
      _ = try fixture.get("a.txt", at: 1_000)
    }
    try FileCacheTests.edit(first.folder, "a.txt", content.uppercased())
    // The one still trusts what it has.
    #expect(second.find("a.txt", at: 1_100) != nil)
    guard case .file(let new) = first.look("a.txt", at: 1_100) else {
      Issue.record("no file")
      return
    }
    #expect(new.text == content.uppercased())
    // Within the time of trust: not another moment.
    #expect(second.find("a.txt", at: 1_100) == nil)
    #expect(try second.text("a.txt", at: 1_100) == content.uppercased())
    // Neither does the first go back, and both trust what they have once they have it.
    #expect(try first.text("a.txt", at: 1_200) == content.uppercased())
    #expect(try second.text("a.txt", at: 1_200) == content.uppercased())
  }

  @Test(arguments: [small, large])
  func whatOneHasSeenDeletedNobodyServes(content: String) throws {
    let (first, second) = try Self.makePair()
    try first.folder.write("a.txt", content)
    for fixture in [first, second] { _ = try fixture.get("a.txt", at: 1_000) }
    try first.folder.remove("a.txt")
    #expect(Fixture.outcome(first.look("a.txt", at: 1_000 + Self.trust)) == "notFound")
    #expect(second.find("a.txt", at: 1_001) == nil)
    #expect(Fixture.outcome(second.look("a.txt", at: 1_001)) == "notFound")
    #expect(first.openFiles == 0)
    // It comes back.
    try first.folder.write("a.txt", "again")
    #expect(try second.text("a.txt", at: 1_002) == "again")
    #expect(try first.text("a.txt", at: 1_002) == "again")
  }

  /// One file, by its own name and as its folder's.
  @Test(arguments: [
    ("", "index.html"), ("index.html", ""), ("sub/", "sub/index.html"), ("sub/index.html", "sub/"),
  ])
  func aFolderAndItsIndexAreOne(name: String, other: String) throws {
    let (first, second) = try Self.makePair()
    try first.folder.addFolder("sub")
    for path in ["index.html", "sub/index.html"] { try first.folder.write(path, "old") }
    for fixture in [first, second] {
      for path in [name, other] { #expect(try fixture.text(path, at: 1_000) == "old") }
    }
    for path in ["index.html", "sub/index.html"] { try first.folder.write(path, "new") }
    #expect(Fixture.outcome(first.look(name, at: 1_000 + Self.trust)) == "file new")
    // Neither by another name in the same cache nor in the other.
    #expect(first.find(other, at: 1_001) == nil)
    for path in [name, other] { #expect(second.find(path, at: 1_001) == nil) }
    for fixture in [first, second] {
      for path in [name, other] { #expect(try fixture.text(path, at: 1_001) == "new") }
    }
  }

  /// Random changes and requests, and all that is served to anybody is at least as new as what was served before.
  @Test(arguments: 0..<4 as Range<UInt64>)
  func noWorkerGoesBack(seed: UInt64) throws {
    let first = try Fixture(isShared: true)
    let workers = [first, try first.sibling(), try first.sibling()]
    let names = ["a.txt", "b.txt", "index.html", "sub/index.html"]
    let aliases = ["a.txt", "b.txt", "index.html", "", "sub/index.html", "sub/"]
    func name(_ alias: String) -> String {
      alias.isEmpty || alias.hasSuffix("/") ? alias + "index.html" : alias
    }
    try first.folder.addFolder("sub")
    var numbers = RepeatableNumbers(state: seed)
    var served: [String: Int] = [:]
    var latest: [String: (version: Int, at: UInt64)] = [:]
    var version = 0
    var now: UInt64 = 1_000
    func write(_ name: String) throws {
      version += 1
      // Small and large, in one piece: written beside it and renamed.
      let text = "\(version)" + (numbers.next() % 2 == 0 ? "" : String(repeating: " ", count: 30))
      try first.folder.write("new", text)
      try first.folder.rename("new", to: name)
      latest[name] = (version, now)
    }
    for name in names { try write(name) }
    for _ in 0..<4_000 {
      now += numbers.next() % 40
      if numbers.next() % 20 == 0 { try write(names[Int(numbers.next() % 4)]) }
      let alias = aliases[Int(numbers.next() % 6)]
      let worker = workers[Int(numbers.next() % 3)]
      let text = try worker.text(alias, at: now)
      let seen = try #require(Int(text.prefix { $0 != " " }))
      let file = name(alias)
      try #require(seen >= served[file, default: 0], "\(alias) at \(now)")
      served[file] = seen
      // Within the time of trust, every change is seen.
      if let latest = latest[file], now >= latest.at + Self.trust { #expect(seen == latest.version) }
    }
  }

  /// With one worker, there is nobody to be told, and nothing that others would have to look at again.
  @Test func whoIsAloneTellsNobody() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a.txt", "old")
    _ = try fixture.get("a.txt", at: 1_000)
    let revision = try fixture.get("a.txt", at: 1_000).revision
    try fixture.folder.write("a.txt", "new")
    #expect(try fixture.text("a.txt", at: 1_000 + Self.trust) == "new")
    #expect(try fixture.get("a.txt", at: 1_000 + Self.trust).revision == revision)
  }

  // MARK: The root

  @Test(arguments: [small, large], [true, false])
  func allIsLookedAtAgainWhenTheRootIsAnother(content: String, byLink: Bool) throws {
    let folder = try TemporaryFolder()
    for name in ["one", "two"] {
      try folder.addFolder(name)
      for number in 0..<5 { try folder.write("\(name)/\(number).txt", "\(number) \(name) \(content)") }
    }
    try folder.write("one/gone.txt", content)
    try folder.write("two/new.txt", content)
    if byLink { try folder.addLink("root", to: "one") } else { try folder.rename("one", to: "root") }
    let root = try DocumentRoot(path: folder("root"), isShared: true)
    let workers = [try Fixture(folder: folder, root: root), try Fixture(folder: folder, root: root)]
    for worker in workers {
      for number in 0..<5 {
        #expect(try worker.text("\(number).txt", at: 1_000) == "\(number) one \(content)")
      }
      _ = try worker.get("gone.txt", at: 1_000)
    }
    if byLink {
      try folder.addLink("next", to: "two")
      try folder.rename("next", to: "root")
    } else {
      try folder.rename("root", to: "old")
      try folder.rename("two", to: "root")
    }
    // A look at anything sees it, once the root's time of trust is over.
    let later = 1_000 + DocumentRoot.trustMilliseconds
    #expect(workers[1].find("0.txt", at: later) != nil)
    #expect(Fixture.outcome(workers[0].look("nothing.txt", at: later)) == "notFound")
    for worker in workers {
      for number in 0..<5 {
        #expect(worker.find("\(number).txt", at: later) == nil)
        #expect(try worker.text("\(number).txt", at: later) == "\(number) two \(content)")
      }
      #expect(Fixture.outcome(worker.look("gone.txt", at: later)) == "notFound")
      #expect(try worker.text("new.txt", at: later) == content)
    }
  }

  /// A file that is the very same in the new folder, by a hard link, is kept as it is.
  @Test func whatBothFoldersHaveIsKept() throws {
    let folder = try TemporaryFolder()
    for name in ["one", "two"] { try folder.addFolder(name) }
    try folder.write("one/a.txt", Self.large)
    try #require(unsafe link(folder("one/a.txt"), folder("two/a.txt")) == 0)
    try folder.addLink("root", to: "one")
    let fixture = try Fixture(folder: folder, root: try DocumentRoot(path: folder("root")))
    let before = try fixture.get("a.txt", at: 1_000)
    try folder.addLink("next", to: "two")
    try folder.rename("next", to: "root")
    _ = fixture.look("nothing.txt", at: 2_000)
    #expect(fixture.find("a.txt", at: 1_001) == nil)
    #expect(try fixture.get("a.txt", at: 2_000).isSame(before))
  }
}
