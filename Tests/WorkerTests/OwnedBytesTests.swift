import Testing

@testable import Worker

@Suite struct OwnedBytesTests {
  /// A budget for a test, that lives for ever: so nobody can outlive it.
  @safe
  struct Budget {
    let pointer: UnsafeMutablePointer<MemoryBudget>

    init(limit: Int = .max) {
      unsafe pointer = .allocate(capacity: 1)
      unsafe pointer.initialize(to: MemoryBudget(limit: limit))
    }

    var used: Int { unsafe pointer.pointee.used }
  }

  static func copy(_ bytes: [UInt8], _ budget: Budget) -> OwnedBytes? {
    var owned: OwnedBytes?
    unsafe bytes.withUnsafeBytes { unsafe owned = OwnedBytes(copying: $0, within: budget.pointer) }
    return owned
  }

  static func copy(_ bytes: [UInt8]) -> OwnedBytes { copy(bytes, Budget()) ?? OwnedBytes() }

  static func copy(_ first: [UInt8], _ second: [UInt8], _ third: [UInt8]) -> OwnedBytes {
    var owned: OwnedBytes?
    unsafe first.withUnsafeBytes { first in
      unsafe second.withUnsafeBytes { second in
        unsafe third.withUnsafeBytes { third in
          unsafe owned = OwnedBytes(copying: first, second, third, within: Budget().pointer)
        }
      }
    }
    return owned ?? OwnedBytes()
  }

  static func array(_ bytes: borrowing OwnedBytes) -> [UInt8] { unsafe Array(bytes.bytes) }

  @Test func noBytes() {
    let none = OwnedBytes()
    #expect(none.isEmpty == true)
    #expect(unsafe none.bytes.isEmpty)
    let copied = Self.copy([])
    #expect(copied.isEmpty == true)
  }

  @Test(arguments: [[1], [1, 2, 3], [UInt8](repeating: 7, count: 100_000)])
  func copies(bytes: [UInt8]) {
    let owned = Self.copy(bytes)
    #expect(owned.isEmpty == false)
    let copied = Self.array(owned)
    #expect(copied == bytes)
  }

  @Test(
    arguments: [
      ([], [], []), ([1], [], []), ([], [2], []), ([], [], [3]), ([1, 2], [3], [4, 5, 6]), ([], [1], [2]),
      ([1], [], [2]),
    ] as [([UInt8], [UInt8], [UInt8])])
  func threePartsAreOneBehindTheOther(first: [UInt8], second: [UInt8], third: [UInt8]) {
    let owned = Self.copy(first, second, third)
    let copied = Self.array(owned)
    #expect(copied == first + second + third)
    #expect(owned.isEmpty == copied.isEmpty)
  }

  @Test func bytesLeaveFromTheFront() {
    var owned = Self.copy([1, 2, 3, 4, 5])
    owned.removeFirst(0)
    owned.removeFirst(2)
    let rest = Self.array(owned)
    #expect(rest == [3, 4, 5])
    owned.removeFirst(2)
    #expect(owned.isEmpty == false)
    owned.removeFirst(1)
    #expect(owned.isEmpty == true)
    let none = Self.array(owned)
    #expect(none == [])
  }

  @Test func takingLeavesNothing() {
    var owned = Self.copy([1, 2, 3])
    owned.removeFirst(1)
    let taken = owned.take()
    #expect(owned.isEmpty == true)
    let bytes = Self.array(taken)
    #expect(bytes == [2, 3])
    // What is left can be used again.
    let again = owned.take()
    #expect(again.isEmpty && owned.isEmpty)
    owned = Self.copy([4])
    let fresh = Self.array(owned)
    #expect(fresh == [4])
  }

  // MARK: Memory

  @Test func theBudgetIsUsedAndGivenBack() {
    let budget = Budget(limit: 100)
    do {
      var first = Self.copy([UInt8](repeating: 1, count: 60), budget) ?? OwnedBytes()
      #expect(budget.used == 60)
      let tooMuch = Self.copy([UInt8](repeating: 2, count: 41), budget) == nil
      #expect(tooMuch && budget.used == 60)
      let second = Self.copy([UInt8](repeating: 3, count: 40), budget)
      #expect(budget.used == 100)
      // What has left from the front is memory still.
      first.removeFirst(59)
      #expect(budget.used == 100)
      let taken = first.take()
      #expect(budget.used == 100)
      let bytes = Self.array(taken)
      #expect(bytes == [1])
      _ = consume taken
      #expect(budget.used == 40)
      _ = consume second
    }
    #expect(budget.used == 0)
  }

  @Test func noMemoryIsNoBytes() {
    let budget = Budget()
    // Nothing is read of what can't be copied.
    let huge = unsafe UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: 4096), count: .max / 2)
    let isRefused = unsafe OwnedBytes(copying: huge, within: budget.pointer) == nil
    #expect(isRefused && budget.used == 0)
  }

  @Test func outgoingKeepsWhatItHadWhereThereIsNoRoomForMore() {
    let budget = Budget(limit: 10)
    var outgoing = Outgoing()
    let kept = unsafe [UInt8](1...4).withUnsafeBytes { bytes in
      unsafe [
        outgoing.keep(bytes, .empty, from: 1, within: budget.pointer),
        outgoing.keep(bytes, bytes, from: 0, within: budget.pointer),
      ]
    }
    #expect(kept == [true, false])
    let bytes = unsafe Array(outgoing.bytes.bytes)
    #expect(bytes == [2, 3, 4] && budget.used == 3)
  }
}
