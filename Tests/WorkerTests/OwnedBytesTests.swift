import Testing

@testable import Worker

@Suite struct OwnedBytesTests {
  static func copy(_ bytes: [UInt8]) -> OwnedBytes {
    var owned = OwnedBytes()
    unsafe bytes.withUnsafeBytes { unsafe owned = OwnedBytes(copying: $0) }
    return owned
  }

  static func copy(_ first: [UInt8], _ second: [UInt8], _ third: [UInt8]) -> OwnedBytes {
    var owned = OwnedBytes()
    unsafe first.withUnsafeBytes { first in
      unsafe second.withUnsafeBytes { second in
        unsafe third.withUnsafeBytes { third in unsafe owned = OwnedBytes(copying: first, second, third) }
      }
    }
    return owned
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
}
