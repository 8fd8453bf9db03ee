import Glibc
import TestSupport
import Testing

@testable import Files

/// Listings, as resources of the cache.
@Suite struct FileCacheListingTests {
  private static let variant = ListingVariant()

  private func list(
    _ fixture: CacheFixture, _ path: String = "", _ variant: ListingVariant = variant, at now: UInt64 = 0
  ) throws -> FileCache.Lookup {
    let bytes = Array(path.utf8)
    if let file = fixture.cache.findListing(bytes.span, variant, now: CacheFixture.time(now)) {
      return .file(file)
    }
    let lookup = fixture.cache.list(bytes.span, variant, now: CacheFixture.time(now), waiter: 7)
    guard case .waits(let number) = lookup else { return lookup }
    let finished = try #require(fixture.complete(number, at: now))
    #expect(finished.waiters == [7])
    defer { fixture.cache.end(finished) }
    return finished.lookup(of: bytes.span, coding: variant.number) ?? .failed(.inputOutput)
  }

  private func text(_ lookup: FileCache.Lookup) throws -> String {
    guard case .file(let file) = lookup else { throw SetUpError(CacheFixture.outcome(lookup)) }
    return file.text
  }

  @Test func knownForAWhile() throws {
    let fixture = try CacheFixture()
    try fixture.folder.write("a", "1")
    #expect(try text(list(fixture)) == "a")
    let looks = fixture.cache.counts.looks
    #expect(try text(list(fixture, at: 400)) == "a" && fixture.cache.counts.looks == looks)
    // Old, but it is shown while a helper thread reads.
    try fixture.folder.write("b", "2")
    #expect(try text(list(fixture, at: 700)) == "a")
    #expect(try text(list(fixture, at: 700)) == "a" && fixture.cache.pending.count == 1)
    #expect(fixture.complete(fixture.cache.pending[0].identifier, at: 710) == nil)
    #expect(try text(list(fixture, at: 720)) == "a\nb")
    // Too old to be shown.
    try fixture.folder.remove("a")
    #expect(try text(list(fixture, at: 5000)) == "b")
  }

  @Test func theTagIsThatOfTheContent() throws {
    let fixture = try CacheFixture()
    try fixture.folder.write("a", "1")
    guard case .file(let file) = try list(fixture) else { throw SetUpError("no listing") }
    let tag = file.tagState
    #expect(!file.isRacy && file.file.isListing && !file.file.variesByCoding)
    try fixture.folder.write("a", "12")
    guard case .file(let same) = try list(fixture, at: 5000) else { throw SetUpError("no listing") }
    #expect(same.tagState == tag && same.isSame(file))
    try fixture.folder.write("b", "1")
    guard case .file(let other) = try list(fixture, at: 10_000) else { throw SetUpError("no listing") }
    #expect(other.tagState != tag)
  }

  @Test func largeOnesAreInFilesThatWeighBytes() throws {
    var bounds = CacheFixture.bounds
    bounds.listings = 128 << 10
    let fixture = try CacheFixture(bounds: bounds)
    for index in 0..<20 { try fixture.folder.write("file-\(index)", "") }
    for name in ["a", "b", "c"] {
      try fixture.folder.addFolder(name)
      try fixture.folder.write("\(name)/a-rather-long-name-in-\(name)", "")
    }
    guard case .file(let file) = try list(fixture) else { throw SetUpError("no listing") }
    #expect(!file.isInMemory && file.weight == 64 << 10 && !file.isRacy)
    #expect(file.text.hasPrefix("a\nb\nc\nfile-0\nfile-1\n"))
    let isUnchanged = fixture.cache.isUnchanged(file)
    #expect(isUnchanged)
    #expect(fixture.ready(file, 0, count: file.size) == file.size)
    // Two have room; a third takes the place of another, and all are right.
    for _ in 0..<2 {
      for name in ["a", "b", "c"] {
        #expect(try text(list(fixture, "\(name)/")) == "a-rather-long-name-in-\(name)")
      }
    }
    #expect(fixture.cache.counts.evictions > 0)
    let isOpen = fixture.cache.hasOpenFiles
    for _ in 0..<8 { fixture.cache.closeIdle(since: 1_000_000) }
    let isStillOpen = fixture.cache.hasOpenFiles
    #expect(isOpen && !isStillOpen)
  }

  @Test func oneTooLargeIsRefused() throws {
    let fixture = try CacheFixture()
    for index in 0..<20 { try fixture.folder.write("file-\(index)", "") }
    guard case .failed(.exhausted) = try list(fixture) else {
      Issue.record("there is no room for it")
      return
    }
  }

  @Test func errorsAndTheWayBack() throws {
    let fixture = try CacheFixture()
    guard case .failed(.notFound) = try list(fixture, "none/") else {
      Issue.record("it is not there")
      return
    }
    try fixture.folder.addFolder("none")
    #expect(try text(list(fixture, "none/")) == "")
    try fixture.folder.remove("none")
    guard case .failed(.notFound) = try list(fixture, "none/", at: 5000) else {
      Issue.record("it is gone")
      return
    }
  }

  @Test func manyWaitForOne() throws {
    let fixture = try CacheFixture()
    try fixture.folder.write("a", "1")
    let path: [UInt8] = []
    for waiter in 1...3 {
      guard
        case .waits = fixture.cache.list(
          path.span, Self.variant, now: CacheFixture.time(0), waiter: UInt64(waiter))
      else { throw SetUpError("no wait") }
    }
    #expect(fixture.cache.pending.count == 1 && fixture.cache.pending[0].waiters == [1, 2, 3])
    // Another order is another one, and so is an index.
    let json = ListingVariant(format: .json)
    guard case .waits = fixture.cache.list(path.span, json, now: CacheFixture.time(0), waiter: 4) else {
      throw SetUpError("no wait")
    }
    #expect(fixture.cache.pending.count == 2)
    #expect(fixture.find("") == nil)
  }

  /// What one worker has shown, another one does not take back.
  @Test func newForAllWorkers() throws {
    let one = try CacheFixture(isShared: true)
    let other = try one.sibling()
    try one.folder.write("a", "1")
    #expect(try text(list(one)) == "a")
    #expect(try text(list(other)) == "a")
    _ = try list(one, at: 400)
    try one.folder.write("b", "1")
    #expect(try text(list(one, at: 5000)) == "a\nb")
    // Seen at the same time, it would be new enough for itself.
    #expect(try text(list(other, at: 100)) == "a\nb")
  }
}
