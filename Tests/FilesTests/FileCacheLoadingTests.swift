import Glibc
import TestSupport
import Testing

@testable import Files

/// What is left to helper threads. The kernel is said to answer nothing from its caches, so that every look is; and what
/// they have done comes when a test says so.
@Suite struct FileCacheLoadingTests {
  typealias Fixture = CacheFixture

  static let trust = FileCache.trustMilliseconds
  static let small = FileCacheTests.small
  static let large = FileCacheTests.large

  static func makeFixture(
    bounds: FileCache.Bounds = Fixture.bounds, isShared: Bool = false, queue: Int = 1_024
  ) throws -> Fixture {
    let fixture = try Fixture(bounds: bounds, support: Fixture.asksTheDisk, isShared: isShared, queue: queue)
    try fixture.folder.write("small.txt", small)
    try fixture.folder.write("large.txt", large)
    try fixture.folder.addFolder("sub")
    return fixture
  }

  /// Jobs that are not checks of the root.
  static func jobs(_ fixture: Fixture) -> [UInt64] {
    fixture.cache.pending.compactMap { load in
      if case .root = load.subject { nil } else { load.identifier }
    }
  }

  // MARK: Waiting for a path

  @Test(arguments: [
    ("small.txt", "file \(small)"), ("large.txt", "file \(large)"), ("sub", "directory"),
    ("sub/", "notFound"), ("missing.txt", "notFound"), ("../large.txt", "notFound"),
  ])
  func whoeverWaitsGetsWhatWasFound(path: String, expected: String) throws {
    let fixture = try Self.makeFixture()
    let number = try fixture.wait(path, waiter: 77)
    #expect(fixture.cache.counts.diskWaits == 1)
    let finished = try #require(fixture.complete(number))
    #expect(finished.identifier == number)
    #expect(finished.waiters == [77])
    #expect(Fixture.outcome(finished.lookup) == expected)
    fixture.cache.end(finished)
    #expect(fixture.cache.pending.isEmpty)
    // A file is known from then on.
    #expect((fixture.find(path) != nil) == expected.hasPrefix("file"))
    #expect(fixture.openFiles == (path == "large.txt" ? 1 : 0))
  }

  /// One look for all who want the same, in the order in which they came.
  @Test func whoWantsTheSameJoins() throws {
    let fixture = try Self.makeFixture()
    let number = try fixture.wait("large.txt", waiter: 1)
    let other = try fixture.wait("small.txt", waiter: 2)
    #expect(other != number)
    for waiter in UInt64(3)..<6 { #expect(try fixture.wait("large.txt", waiter: waiter) == number) }
    #expect(fixture.cache.pending.count == 2)
    #expect(fixture.cache.counts.diskWaits == 5)
    let finished = try #require(fixture.complete(number))
    #expect(finished.waiters == [1, 3, 4, 5])
    #expect(Fixture.outcome(finished.lookup) == "file \(Self.large)")
    fixture.cache.end(finished)
    let last = try #require(fixture.complete(other))
    #expect(last.waiters == [2])
    fixture.cache.end(last)
    #expect(fixture.cache.counts.loads == 2)
  }

  /// Paths that are almost the same, and a folder and its index, which the cache knows by different names.
  @Test func onlyTheSameIsJoined() throws {
    let fixture = try Self.makeFixture()
    var seen: Set<UInt64> = []
    let paths = ["", "index.html", "a", "b", "ab", "sub", "sub/", "sub/index.html", "sub/a"]
    for path in paths { seen.insert(try fixture.wait(path)) }
    #expect(seen.count == paths.count)
  }

  /// Two waits end in any order.
  @Test func waitsEndInAnyOrder() throws {
    let fixture = try Self.makeFixture()
    let numbers = [try fixture.wait("small.txt"), try fixture.wait("large.txt"), try fixture.wait("sub")]
    var outcomes: [String] = []
    for number in [numbers[1], numbers[2], numbers[0]] {
      let finished = try #require(fixture.complete(number))
      outcomes.append(Fixture.outcome(finished.lookup))
      fixture.cache.end(finished)
    }
    #expect(outcomes == ["file \(Self.large)", "directory", "file \(Self.small)"])
  }

  @Test func whatNobodyWaitsForIsPassedOver() throws {
    let fixture = try Self.makeFixture()
    let number = try fixture.wait("small.txt")
    let completion = try fixture.perform(number)
    #expect(fixture.finish(completion, at: 0) != nil)
    // Twice, or never asked for.
    #expect(fixture.finish(completion, at: 0) == nil)
    let unknown = FileCompletion(identifier: 999, result: .read(isDone: true))
    #expect(fixture.finish(unknown, at: 0) == nil)
  }

  /// Whoever waited is told one after the other, and the cache works meanwhile.
  @Test func aFileThatWasWaitedForStaysUntilAllAreTold() throws {
    let bounds = FileCache.Bounds(memory: 16 << 20, openFiles: 2, inMemory: Fixture.inMemory)
    let fixture = try Self.makeFixture(bounds: bounds)
    let finished = try #require(fixture.complete(try fixture.wait("large.txt", at: 0)))
    guard case .file(let file) = finished.lookup else { throw SetUpError("no file") }
    try fixture.folder.remove("large.txt")
    #expect(Fixture.outcome(fixture.look("large.txt", at: Self.trust)) == "notFound")
    for number in 0..<5 {
      try fixture.folder.write("\(number).txt", Self.large)
      _ = try fixture.get("\(number).txt", at: Self.trust)
    }
    #expect(file.text == Self.large)
    #expect(fixture.openFiles == 2)
    fixture.cache.end(finished)
    #expect(fixture.openFiles == 1)
  }

  // MARK: Another worker

  /// What a helper thread has found before another worker saw something newer is not served.
  @Test(arguments: ["small.txt", "large.txt"])
  func whatMayBeOldIsLookedForOnceMore(path: String) throws {
    let fixture = try Self.makeFixture(isShared: true)
    let other = try fixture.sibling()
    let number = try fixture.wait(path, waiter: 5)
    let old = try fixture.perform(number)
    try fixture.folder.write("new", "new")
    try fixture.folder.rename("new", to: path)
    #expect(Fixture.outcome(other.look(path)) == "file new")
    let finished = try #require(fixture.finish(old, at: 0))
    #expect(Fixture.isWait(finished.lookup))
    #expect(finished.waiters == [5])
    fixture.cache.end(finished)
    #expect(fixture.find(path) == nil)
    #expect(fixture.openFiles == 0)
    #expect(try fixture.text(path) == "new")
  }

  /// Nor does anybody wait for it who comes after that.
  @Test func whatMayBeOldIsNotJoined() throws {
    let fixture = try Self.makeFixture(isShared: true)
    let other = try fixture.sibling()
    let number = try fixture.wait("small.txt")
    try fixture.folder.write("small.txt", "new")
    #expect(Fixture.outcome(other.look("small.txt")) == "file new")
    let later = try fixture.wait("small.txt")
    #expect(later != number)
    let finished = try #require(fixture.complete(later))
    #expect(Fixture.outcome(finished.lookup) == "file new")
    fixture.cache.end(finished)
  }

  /// The first to finish tells the others.
  @Test func twoWhoFindTheSameNewState() throws {
    let fixture = try Self.makeFixture(isShared: true)
    let other = try fixture.sibling()
    let (first, second) = (try fixture.wait("large.txt"), try other.wait("large.txt"))
    let (one, two) = (try fixture.perform(first), try other.perform(second))
    let finished = try #require(fixture.finish(one, at: 0))
    #expect(Fixture.outcome(finished.lookup) == "file \(Self.large)")
    fixture.cache.end(finished)
    let late = try #require(other.finish(two, at: 0))
    #expect(Fixture.isWait(late.lookup))
    #expect(try other.text("large.txt") == Self.large)
    #expect(fixture.find("large.txt") == nil)
  }

  // MARK: Checks

  @Test(arguments: ["small.txt", "large.txt"])
  func aFileIsServedWhileItIsChecked(path: String) throws {
    let fixture = try Self.makeFixture()
    let file = try fixture.get(path)
    let text = file.text
    try fixture.folder.write("new", text.uppercased())
    try fixture.folder.rename("new", to: path)
    let waits = fixture.cache.counts.diskWaits
    for _ in 0..<3 {
      #expect(fixture.find(path, at: Self.trust) == nil)
      #expect(Fixture.outcome(fixture.lookOnce(path, at: Self.trust)) == "file \(text)")
    }
    // Once, and nobody waits.
    let jobs = Self.jobs(fixture)
    #expect(jobs.count == 1)
    #expect(fixture.cache.counts.diskWaits == waits)
    #expect(fixture.complete(try #require(jobs.first), at: Self.trust) == nil)
    #expect(fixture.find(path, at: Self.trust)?.text == text.uppercased())
    #expect(fixture.openFiles == (path == "large.txt" ? 1 : 0))
  }

  @Test(arguments: ["small.txt", "large.txt"])
  func whatHasNotChangedIsTrustedAnew(path: String) throws {
    let fixture = try Self.makeFixture()
    let file = try fixture.get(path)
    for now in [Self.trust, 2 * Self.trust] {
      #expect(fixture.find(path, at: now) == nil)
      _ = fixture.lookOnce(path, at: now)
      let jobs = Self.jobs(fixture)
      #expect(jobs.count == 1)
      #expect(fixture.complete(try #require(jobs.first), at: now) == nil)
      #expect(try #require(fixture.find(path, at: now)).isSame(file))
    }
    #expect(fixture.cache.counts.loads == 1)
  }

  @Test(arguments: ["small.txt", "large.txt"])
  func aCheckSeesThatAFileIsGone(path: String) throws {
    let fixture = try Self.makeFixture()
    _ = try fixture.get(path)
    try fixture.folder.remove(path)
    _ = fixture.lookOnce(path, at: Self.trust)
    #expect(fixture.complete(try #require(Self.jobs(fixture).first), at: Self.trust) == nil)
    #expect(fixture.find(path, at: Self.trust) == nil)
    #expect(Fixture.outcome(fixture.lookOnce(path, at: Self.trust)) == "waits")
    #expect(fixture.openFiles == 0)
  }

  /// Old for sure is not served, however long a disk takes.
  @Test func whatIsKnownToBeOldIsNotServedMeanwhile() throws {
    let fixture = try Self.makeFixture(isShared: true)
    let other = try fixture.sibling()
    _ = try fixture.get("small.txt")
    _ = fixture.lookOnce("small.txt", at: Self.trust)
    let check = try #require(Self.jobs(fixture).first)
    try fixture.folder.write("small.txt", "new")
    #expect(Fixture.outcome(other.look("small.txt", at: Self.trust)) == "file new")
    let number = try fixture.wait("small.txt", at: Self.trust)
    #expect(number != check)
    let finished = try #require(fixture.complete(number, at: Self.trust))
    #expect(Fixture.outcome(finished.lookup) == "file new")
    fixture.cache.end(finished)
    #expect(fixture.complete(check, at: Self.trust) == nil)
    #expect(try fixture.text("small.txt", at: Self.trust) == "new")
  }

  /// The entry that is checked leaves the cache meanwhile.
  @Test func aCheckMayOutliveItsFile() throws {
    let fixture = try Self.makeFixture(isShared: true)
    let other = try fixture.sibling()
    let old = try fixture.get("large.txt")
    _ = fixture.lookOnce("large.txt", at: Self.trust)
    let check = try #require(Self.jobs(fixture).first)
    let late = try fixture.perform(check)
    try fixture.folder.remove("large.txt")
    #expect(Fixture.outcome(other.look("large.txt", at: Self.trust)) == "notFound")
    let finished = try #require(
      fixture.complete(try fixture.wait("large.txt", at: Self.trust), at: Self.trust))
    #expect(Fixture.outcome(finished.lookup) == "notFound")
    fixture.cache.end(finished)
    // Not in the cache any more, but still there for the check; with what that has found.
    #expect(old.text == Self.large)
    #expect(fixture.openFiles == 2)
    #expect(fixture.finish(late, at: Self.trust) == nil)
    #expect(fixture.openFiles == 0)
    #expect(fixture.find("large.txt", at: Self.trust) == nil)
  }

  // MARK: Late answers

  /// A file is trusted from when it was looked at, not from when the worker came to hear of it.
  @Test(arguments: [false, true])
  func aLateAnswerIsNotTrustedForLonger(isCheck: Bool) throws {
    let fixture = try Self.makeFixture()
    var start: UInt64 = 0
    if isCheck {
      _ = try fixture.get("small.txt")
      start = Self.trust
    }
    _ = fixture.lookOnce("small.txt", at: start)
    let number = try #require(Self.jobs(fixture).first)
    let completion = try fixture.perform(number, at: start)
    try fixture.folder.write("small.txt", "new")
    // A helper thread, or the worker, was kept for as long as every change has to be seen in.
    let late = start + 1_000
    if let finished = fixture.finish(completion, at: late) {
      fixture.cache.end(finished)
    }
    #expect(fixture.find("small.txt", at: late + 1) == nil)
  }

  /// Whether a change may go unseen depends on when the file was looked at: what changes it after that, with the same time, is
  /// not in what was found.
  @Test func aLateAnswerGetsNoStrongTag() throws {
    let fixture = try Self.makeFixture()
    let number = try fixture.wait("large.txt")
    // Just now written, by the time of the look.
    let completion = try fixture.perform(number, wall: 0)
    let finished = try #require(fixture.finish(completion, at: 0))
    guard case .file(let file) = finished.lookup else { throw SetUpError("no file") }
    #expect(file.isRacy)
    fixture.cache.end(finished)
  }

  // MARK: The end of a cache

  /// What helper threads have begun, they bring to its end, with what they need.
  @Test func jobsMayOutliveTheCache() throws {
    let folder = try TemporaryFolder()
    try folder.write("large.txt", Self.large)
    let root = try DocumentRoot(path: folder.path, isShared: false, support: Fixture.asksTheDisk)
    let loader = try #require(FileLoader(inMemory: Fixture.inMemory, capacity: 10))
    let completions = FileLoaderTests.Completions()
    do {
      var cache = FileCache(roots: [(root, FileNames())], loader: loader, bounds: Fixture.bounds) {
        completions.add($0)
      }
      let path = Array("large.txt".utf8)
      guard case .waits = cache.look(path.span, now: Fixture.time(0), waiter: 1) else {
        Issue.record("no wait")
        return
      }
    }
    try FileLoaderTests.start(loader)
    #expect(completions.wait(for: 1).map(FileLoaderTests.outcome) == ["open \(Self.large)"])
    #expect(folder.openFiles == 0)
  }

  // MARK: Full queues

  @Test func whoFindsTheQueueFullIsRefused() throws {
    let fixture = try Self.makeFixture(queue: 2)
    let numbers = [try fixture.wait("small.txt", waiter: 1), try fixture.wait("large.txt", waiter: 2)]
    #expect(Fixture.outcome(fixture.lookOnce("sub")) == "exhausted")
    #expect(Fixture.outcome(fixture.lookOnce("other.txt")) == "exhausted")
    #expect(fixture.cache.counts.diskRefused == 2)
    #expect(fixture.cache.counts.diskWaits == 2)
    // Who wants what is waited for already is not.
    #expect(try fixture.wait("large.txt", waiter: 3) == numbers[1])
    #expect(fixture.cache.pending.count == 2)
  }

  /// A file that is known is served, and looked at when there is room.
  @Test func withAFullQueueWhatIsKnownIsServed() throws {
    let fixture = try Self.makeFixture(queue: 2)
    // What is in the queues stays there: no thread takes it out. The root is looked at by way of the other one.
    for number in 1...2 {
      #expect(
        fixture.cache.loader.submit(.checkRoot(fixture.root), identifier: UInt64(1_000_000 + number)) { _ in }
      )
    }
    _ = try fixture.get("small.txt")
    _ = try fixture.wait("sub")
    for now in [Self.trust, FileCache.graceMilliseconds - 1] {
      #expect(Fixture.outcome(fixture.lookOnce("small.txt", at: now)) == "file \(Self.small)")
      #expect(Self.jobs(fixture).count == 1)
    }
    // It may have changed a second ago.
    #expect(Fixture.outcome(fixture.lookOnce("small.txt", at: FileCache.graceMilliseconds)) == "exhausted")
    let file = try #require(fixture.find("small.txt", at: 0))
    #expect(!file.isBeingChecked && file.users == 0)
    // Whoever was to look at the root leaves it to the next.
    #expect(fixture.root.beginCheck(now: 20 * Self.trust))
  }

  // MARK: The root

  @Test func theRootIsCheckedByOne() throws {
    let folder = try TemporaryFolder()
    for name in ["one", "two"] {
      try folder.addFolder(name)
      try folder.write("\(name)/a.txt", name)
    }
    try folder.addLink("root", to: "one")
    let root = try DocumentRoot(path: folder("root"), isShared: true, support: Fixture.asksTheDisk)
    let workers = [try Fixture(folder: folder, root: root), try Fixture(folder: folder, root: root)]
    // The first has to look once more, since the second has seen what may have been new.
    for worker in workers + workers { #expect(try worker.text("a.txt") == "one") }
    try folder.addLink("next", to: "two")
    try folder.rename("next", to: "root")
    for worker in workers {
      for now in Self.trust..<Self.trust + 3 {
        #expect(Fixture.outcome(worker.lookOnce("a.txt", at: now)) == "file one")
      }
    }
    // The first of them, once.
    let checks = workers.map { worker in worker.cache.pending.count - Self.jobs(worker).count }
    #expect(checks == [1, 0])
    for load in workers[0].cache.pending {
      if case .root = load.subject {
        #expect(workers[0].complete(load.identifier, at: Self.trust) == nil)
      }
    }
    // Whatever the checks of the file come to, which began before that.
    for worker in workers {
      #expect(worker.find("a.txt", at: 1) == nil)
      #expect(try worker.text("a.txt", at: Self.trust + 3) == "two")
    }
  }

  // MARK: Parts of open files

  /// A file of three windows, which the kernel has let go.
  static func makeCold() throws -> (Fixture, FileReference) {
    let fixture = try Fixture()
    try fixture.folder.write("cold.bin", [UInt8](repeating: 1, count: Int(2 * window) + 100))
    let file = try fixture.get("cold.bin")
    guard fixture.root.folder.kind == .local else { try Test.cancel("no file system of a disk") }
    try letGo(file)
    return (fixture, file)
  }

  static func letGo(_ file: FileReference) throws {
    guard dropFromPageCache(file.descriptor) else { try Test.cancel("the kernel keeps the file") }
  }

  static let window = Residency.window

  @Test func whatIsInThePageCacheIsReadyUpToTheWindowsEnd() throws {
    let fixture = try Fixture()
    let size = 2 * Self.window + 100
    try fixture.folder.write("a.bin", [UInt8](repeating: 1, count: Int(size)))
    let file = try fixture.get("a.bin")
    guard fixture.root.folder.kind == .local else { try Test.cancel("no file system of a disk") }
    for (offset, count, expected) in [
      (0, size, Self.window), (0, 10, 10), (5, size - 5, Self.window - 5),
      (Self.window - 1, 10, 1), (Self.window, 10, 10), (2 * Self.window, 100, 100), (size - 1, 1, 1),
    ] {
      #expect(fixture.ready(file, offset, count: count, at: 5) == expected)
    }
  }

  /// In memory altogether: no window is asked for.
  @Test func whatIsResidentIsReadyAsAWhole() throws {
    let fixture = try Fixture()
    try fixture.folder.write("a.txt", Self.small)
    let file = try fixture.get("a.txt")
    #expect(fixture.ready(file, 0, count: 5 << 30, at: 5) == 5 << 30)
  }

  @Test func aPartThatIsNotThereIsWaitedFor() throws {
    let (fixture, file) = try Self.makeCold()
    #expect(fixture.ready(file, 10, count: 1_000, at: 50) == 0)
    guard case .waits(let number) = fixture.waitForPart(file, 10, waiter: 4) else {
      Issue.record("no wait")
      return
    }
    #expect(file.users == 1)
    let finished = try #require(
      fixture.finish(FileCompletion(identifier: number, result: .read(isDone: true)), at: 100))
    #expect(finished.waiters == [4])
    guard case .file(let same) = finished.lookup, same.isSame(file) else {
      Issue.record("another file")
      return
    }
    #expect(file.users == 1)
    fixture.cache.end(finished)
    #expect(file.users == 0)
    // Whether or not the kernel still has it: for a while.
    try Self.letGo(file)
    #expect(fixture.ready(file, 10, count: 1_000, at: 1_099) == 1_000)
    #expect(fixture.ready(file, 10, count: 1_000, at: 1_100) == 0)
    #expect(fixture.ready(file, Self.window, count: 1_000, at: 150) == 0)
  }

  @Test func aDiskThatFailsIsToldToAll() throws {
    let (fixture, file) = try Self.makeCold()
    guard case .waits(let number) = fixture.waitForPart(file, 0, waiter: 1),
      case .waits(number) = fixture.waitForPart(file, 0, waiter: 2)
    else {
      Issue.record("no wait")
      return
    }
    let failure = FileCompletion(identifier: number, result: .read(isDone: false))
    let finished = try #require(fixture.finish(failure, at: 100))
    #expect(finished.waiters == [1, 2])
    #expect(Fixture.outcome(finished.lookup) == "inputOutput")
    fixture.cache.end(finished)
    #expect(file.users == 0)
    #expect(fixture.ready(file, 0, count: 1, at: 100) == 0)
  }

  /// Who comes later joins if what is read includes what it wants.
  @Test func partsOfOneWindowAreReadOnce() throws {
    let (fixture, file) = try Self.makeCold()
    func wait(_ offset: Int64) throws -> UInt64 {
      guard case .waits(let number) = fixture.waitForPart(file, offset, waiter: 1) else {
        throw SetUpError("no wait")
      }
      return number
    }
    let middle = try wait(1_000)
    #expect(try [1_000, 1_001, Self.window - 1].map(wait) == [middle, middle, middle])
    // What comes before it is not read.
    let first = try wait(0)
    #expect(first != middle)
    #expect(try wait(999) == first)
    let others = try [Self.window, 2 * Self.window].map(wait)
    #expect(Set([first, middle] + others).count == 4)
    #expect(file.users == 4)
    #expect(fixture.cache.pending.count == 4)
  }

  @Test func theSamePartOfAnotherFileIsAnother() throws {
    let (fixture, file) = try Self.makeCold()
    try fixture.folder.write("other.bin", "")
    try fixture.folder.resize("other.bin", to: 1_000)
    let other = try fixture.get("other.bin")
    guard case .waits(let number) = fixture.waitForPart(file, 0, waiter: 1),
      case .waits(let second) = fixture.waitForPart(other, 0, waiter: 2)
    else {
      Issue.record("no wait")
      return
    }
    #expect(number != second)
  }

  /// A file whose part is read stays open, though its name is gone and nobody sends it any more.
  @Test func aFileIsOpenForAsLongAsItIsRead() throws {
    let (fixture, file) = try Self.makeCold()
    guard case .waits(let number) = fixture.waitForPart(file, 0, waiter: 1) else {
      Issue.record("no wait")
      return
    }
    try fixture.folder.remove("cold.bin")
    #expect(Fixture.outcome(fixture.lookOnce("cold.bin", at: Self.trust)) != "directory")
    while let load = fixture.cache.pending.first(where: { $0.identifier != number }) {
      _ = fixture.complete(load.identifier, at: Self.trust)
    }
    #expect(fixture.find("cold.bin", at: Self.trust) == nil)
    #expect(fixture.openFiles == 1)
    let finished = try #require(fixture.complete(number, at: Self.trust))
    #expect(fixture.openFiles == 1)
    fixture.cache.end(finished)
    #expect(fixture.openFiles == 0)
  }

  @Test func aFullQueueRefusesParts() throws {
    let folder = try TemporaryFolder()
    try folder.write("cold.bin", [UInt8](repeating: 1, count: 100))
    let fixture = try Fixture(folder: folder, root: try DocumentRoot(path: folder.path), queue: 0)
    guard fixture.root.folder.kind == .local, case .file(let file) = fixture.lookOnce("cold.bin") else {
      try Test.cancel("no file system of a disk")
    }
    #expect(Fixture.outcome(fixture.waitForPart(file, 0, waiter: 1)) == "exhausted")
    #expect(fixture.cache.counts.diskRefused == 1)
    #expect(file.users == 0)
  }
}
