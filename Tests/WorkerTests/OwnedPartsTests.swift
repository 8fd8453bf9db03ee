import HTTP
import Testing

@testable import Worker

@Suite struct OwnedPartsTests {
  static let ranges = (0..<200).map { ByteRange(lowerBound: $0 * 1000, count: $0 + 1) }

  static func copy(_ ranges: [ByteRange], _ budget: OwnedBytesTests.Budget) -> OwnedParts? {
    var parts: OwnedParts?
    unsafe ranges.withUnsafeBufferPointer {
      unsafe parts = OwnedParts(
        copying: PartsToFollow(boundary: MultipartBoundary(1, 2), ranges: $0), within: budget.pointer)
    }
    return parts
  }

  @Test(arguments: [0, 1, 2, 200]) func oneAfterTheOther(count: Int) throws {
    var parts = Self.copy(Array(Self.ranges.prefix(count)), OwnedBytesTests.Budget())
    for index in 0..<count {
      #expect(unsafe parts?.rest.count == count - index)
      #expect(parts?.next() == Self.ranges[index])
    }
    #expect(unsafe parts?.rest.isEmpty == true)
    for _ in 0..<2 { #expect(parts?.next() == nil) }
  }

  /// 16 bytes a part, and as many as a head's line for all.
  @Test func theBudgetKnowsThem() {
    let budget = OwnedBytesTests.Budget()
    do {
      let parts = Self.copy(Self.ranges, budget)
      #expect((200 * 16...200 * 16 + 64).contains(budget.used))
      _ = consume parts
    }
    #expect(budget.used == 0)
    let small = OwnedBytesTests.Budget(limit: 3000)
    let isRefused =
      switch Self.copy(Self.ranges, small) {
      case .none: true
      case .some: false
      }
    #expect(isRefused && small.used == 0)
  }

  /// A connection that has none pays a pointer.
  @Test func size() {
    #expect(MemoryLayout<OwnedParts?>.size == MemoryLayout<Int>.size)
  }
}
