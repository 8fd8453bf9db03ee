import Glibc
import TestSupport
import Testing

@testable import Files

/// A status made of what the arguments say; all else is zero.
func makeStatus(
  inode: UInt = 0, size: Int = 0, modified: timespec = timespec(), changed: timespec = timespec()
) -> FileStatus {
  var status = stat()
  status.st_ino = inode
  status.st_size = size
  status.st_mtim = modified
  status.st_ctim = changed
  return FileStatus(status)
}

@Suite struct FileStatusTests {
  @Test func statusTellsOneStateFromAnother() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.txt", "a")
    let path = folder("a.txt")
    let first = fileStatus(path)
    #expect(first != nil)
    #expect(fileStatus(path) == first)
    try folder.resize("a.txt", to: 2)
    let second = fileStatus(path)
    #expect(second?.size == 2 && second != first)
    // Another file of the same size in its place.
    try folder.write("new", "aa")
    try folder.rename("new", to: "a.txt")
    let third = fileStatus(path)
    #expect(third?.size == 2 && third?.inode != second?.inode && third != second)
  }

  @Test(arguments: [
    (0, 0, 0), (0, 999_999_999, 999_999_999), (1, 1, 1_000_000_001), (-1, 999_999_999, -1),
    (-1, 0, -1_000_000_000),
    (1_700_000_000, 5, 1_700_000_000_000_000_005),
    // The last that there are, and those beyond: the years 2262, 2446 (ext4), 12000, and 1677.
    (9_223_372_036, 854_775_807, .max), (9_223_372_036, 854_775_808, .max), (9_223_372_037, 0, .max),
    (15_032_385_535, 0, .max), (316_516_579_200, 0, .max), (.max, 999_999_999, .max),
    (-9_223_372_036, 0, -9_223_372_036_000_000_000), (-9_300_000_000, 0, .min), (.min, 0, .min),
  ])
  func timesAreInNanoseconds(seconds: Int, nanoseconds: Int, expected: Int64) {
    var status = stat()
    status.st_mtim = timespec(tv_sec: seconds, tv_nsec: nanoseconds)
    #expect(FileStatus(status).modifiedNanoseconds == expected)
  }

  @Test func settlesTwoSecondsAfterTheChange() {
    let status = makeStatus(
      modified: timespec(tv_sec: 5_000, tv_nsec: 0), changed: timespec(tv_sec: 1_000, tv_nsec: 7))
    let changed: Int64 = 1_000_000_000_007
    for (now, expected) in [
      (changed - 1, false), (changed, false), (changed + 1_999_999_999, false),
      (changed + 2_000_000_000, false), (changed + 2_000_000_001, true), (changed + 1 << 60, true),
    ] {
      #expect(status.isSettled(atNanoseconds: now) == expected, "\(now)")
    }
  }

  /// A file whose change lies in the future, because a clock was set back, is racy until then.
  @Test func theFutureIsNotSettled() {
    let status = makeStatus(changed: timespec(tv_sec: 2_000_000_000, tv_nsec: 0))
    #expect(!status.isSettled(atNanoseconds: 1_700_000_000_000_000_000))
    let last = makeStatus(changed: timespec(tv_sec: .max, tv_nsec: 0))
    #expect(!last.isSettled(atNanoseconds: 1_700_000_000_000_000_000))
  }

  @Test(
    arguments: [
      (0, 0, false), (0, 1, false), (1, 0, false), (1, 999_999_999, false), (2, 0, true),
      (-1, 999_999_999, true),
      (-1_000_000_000, 0, true), (1_700_000_000, 0, true), (.max, 0, true),
    ])
  func theFirstSecondsOf1970SayNothing(seconds: Int, nanoseconds: Int, saysSomething: Bool) {
    let status = makeStatus(modified: timespec(tv_sec: seconds, tv_nsec: nanoseconds))
    #expect(status.hasModificationTime == saysSomething)
  }

  /// By the times of modification and of change.
  @Test(
    arguments: [
      // The kernel's own time of change, whatever was said of the modification.
      ((1_700_000_000, 0), (1_700_000_000, 1), .strong), ((1_700_000_000, 5), (1_700_000_000, 5), .strong),
      ((0, 0), (1_700_000_000, 5), .strong), ((1, 0), (1_700_000_000, 0), .strong),
      // None of its own.
      ((1_700_000_000, 0), (1_700_000_000, 0), .weak), ((-1_000, 0), (-1_000, 0), .weak),
      ((0, 0), (0, 0), .none), ((1, 0), (1, 0), .none),
    ] as [((Int, Int), (Int, Int), TagStrength)])
  func tagsAreAsStrongAsTheTimesAre(modified: (Int, Int), changed: (Int, Int), strength: TagStrength) {
    let status = makeStatus(
      modified: timespec(tv_sec: modified.0, tv_nsec: modified.1),
      changed: timespec(tv_sec: changed.0, tv_nsec: changed.1))
    #expect(status.tagStrength == strength)
  }

  /// The time of change, which nobody can set back, and the inode: a file that takes another's name brings its times.
  @Test func theNumberForATagDependsOnAllThatTellsStatesApart() {
    let time = timespec(tv_sec: 1_700_000_000, tv_nsec: 5)
    let next = timespec(tv_sec: 1_700_000_000, tv_nsec: 6)
    let states = [
      makeStatus(inode: 1, modified: time, changed: time),
      makeStatus(inode: 2, modified: time, changed: time),
      makeStatus(inode: 1, modified: next, changed: time),
      makeStatus(inode: 1, modified: time, changed: next),
      makeStatus(inode: 1, modified: next, changed: next),
    ]
    #expect(Set(states.map(\.tagState)).count == states.count)
    #expect(makeStatus(inode: 1, modified: time, changed: time).tagState == states[0].tagState)
  }

  @Test func numbersForTagsOfMillionsOfStatesAreAllOthers() {
    var seen: Set<UInt64> = []
    for inode in 0..<UInt(100) {
      for tick in 0..<1_000 {
        let time = timespec(tv_sec: 1_700_000_000, tv_nsec: tick * 4_000_000 % 1_000_000_000 + tick / 250)
        seen.insert(makeStatus(inode: inode, modified: time, changed: time).tagState)
      }
    }
    #expect(seen.count == 100 * 1_000)
  }
}

@Suite struct ContentHashTests {
  static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
    unsafe Array(bytes).withUnsafeBytes { unsafe ContentHash.of($0) }
  }

  @Test func theSameBytesHaveTheSameNumberWhereverTheyAre() {
    var numbers = RepeatableNumbers(state: 1)
    for count in 0...100 {
      let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
      let expected = Self.hash(bytes)
      for offset in 0..<16 {
        let moved = [UInt8](repeating: 0xA5, count: offset) + bytes + [UInt8](repeating: 0x5A, count: 20)
        let hash = unsafe moved.withUnsafeBytes {
          unsafe ContentHash.of(UnsafeRawBufferPointer(rebasing: $0[offset..<offset + count]))
        }
        #expect(hash == expected, "\(count) bytes at \(offset)")
      }
    }
  }

  /// At all lengths, around and between the steps of 16 bytes: no bit is passed over.
  @Test(arguments: [0x00, 0xFF, nil] as [UInt8?])
  func everyBitCounts(filler: UInt8?) {
    var numbers = RepeatableNumbers(state: 2)
    for count in 0...100 {
      var bytes = (0..<count).map { _ in filler ?? UInt8(truncatingIfNeeded: numbers.next()) }
      var seen: Set<UInt64> = [Self.hash(bytes)]
      for bit in 0..<count * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8)
        seen.insert(Self.hash(bytes))
        bytes[bit / 8] ^= 1 << (bit % 8)
      }
      #expect(seen.count == count * 8 + 1, "\(count) bytes")
    }
  }

  /// The same content but for its length, as of files that are cut or grow by a hole.
  @Test(arguments: [0x00, 0x20, 0xFF] as [UInt8])
  func everyLengthCounts(filler: UInt8) {
    let hashes = (0...1_000).map { Self.hash([UInt8](repeating: filler, count: $0)) }
    #expect(Set(hashes).count == hashes.count)
  }

  /// Parts that change places.
  @Test func theOrderCounts() {
    let parts = (0..<8).map { [UInt8](repeating: UInt8($0), count: 8) }
    var seen: Set<UInt64> = []
    for first in 0..<8 {
      for second in 0..<8 {
        var order = Array(0..<8)
        order.swapAt(first, second)
        seen.insert(Self.hash(order.flatMap { parts[$0] }))
      }
    }
    // 28 pairs, and the order that was.
    #expect(seen.count == 29)
  }

  /// Numbers in text, as files that are made one after the other have them.
  @Test func contentsThatAreAlmostTheSame() {
    let hashes = (0..<100_000).map { Self.hash("{\"number\": \($0), \"name\": \"file\"}\n".utf8) }
    #expect(Set(hashes).count == hashes.count)
  }
}
