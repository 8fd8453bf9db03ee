import Reactor
import TestSupport
import Testing

@Suite struct SlotQueueTests {
  /// All that stands in it, in order.
  static func drain(_ queue: inout SlotQueue) -> [Int] {
    var slots: [Int] = []
    while let slot = queue.popFirst() { slots.append(slot) }
    return slots
  }

  @Test func firstComeFirstServed() throws {
    var queue = try SlotQueue(capacity: 4)
    #expect(queue.isEmpty == true)
    for slot in [2, 0, 3] { queue.append(slot) }
    let (count, hasOne, hasThree) = (queue.count, queue.contains(1), queue.contains(3))
    #expect(count == 3 && !hasOne && hasThree)
    #expect(Self.drain(&queue) == [2, 0, 3])
    #expect(queue.isEmpty == true)
    let none = queue.popFirst()
    #expect(none == nil)
  }

  @Test func eachStandsInItOnce() throws {
    var queue = try SlotQueue(capacity: 3)
    for slot in [1, 1, 0, 1, 2, 0, 2] { queue.append(slot) }
    let count = queue.count
    #expect(count == 3)
    #expect(Self.drain(&queue) == [1, 0, 2])
  }

  @Test(arguments: [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])])
  func whatIsTakenOutLeavesTheOthersInOrder(slot: Int, left: [Int]) throws {
    var queue = try SlotQueue(capacity: 3)
    for slot in 0..<3 { queue.append(slot) }
    queue.remove(slot)
    queue.remove(slot)
    queue.append(slot)
    queue.remove(slot)
    let count = queue.count
    #expect(count == 2)
    #expect(Self.drain(&queue) == left)
  }

  /// Against an array that does the same.
  @Test func anyOrderOfCalls() throws {
    var numbers = RepeatableNumbers(state: 7)
    var queue = try SlotQueue(capacity: 8)
    var expected: [Int] = []
    for _ in 0..<20_000 {
      let slot = Int.random(in: 0..<8, using: &numbers)
      switch Int.random(in: 0..<4, using: &numbers) {
      case 0:
        queue.remove(slot)
        expected.removeAll { $0 == slot }
      case 1:
        let first = queue.popFirst()
        #expect(first == (expected.isEmpty ? nil : expected.removeFirst()))
      default:
        queue.append(slot)
        if !expected.contains(slot) { expected.append(slot) }
      }
      let (count, isIn) = (queue.count, queue.contains(slot))
      #expect(count == expected.count && isIn == expected.contains(slot))
    }
  }
}
