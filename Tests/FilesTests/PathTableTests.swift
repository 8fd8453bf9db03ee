import TestSupport
import Testing

@testable import Files

@Suite struct PathTableTests {
  typealias Entry = Entries.Handle

  @Test func aNewTableIsEmpty() {
    let table = PathTable()
    let (count, taken) = (table.count, table.taken)
    #expect(count == 0 && taken == 0)
  }

  /// What is in is found and what is not is not, whatever came and went: with hashes whose places are the same or next to
  /// each other, around the end of the table.
  @Test(arguments: [1, 3, 16, 1_000] as [UInt64])
  func holdsWhatWasPutIn(places: UInt64) {
    let entries = Entries()
    var numbers = RepeatableNumbers(state: places)
    // The last of them are at the end of the table, those beyond at its beginning.
    let all = (0..<400).map { _ in
      let place = 1_024 - places / 2 + numbers.next() % places
      return entries.make(hash: numbers.next() << 32 | place % 1_024)
    }
    var table = PathTable()
    var isIn = [Bool](repeating: false, count: all.count)
    for step in 0..<4_000 {
      let index = Int(numbers.next() % UInt64(all.count))
      if isIn[index] {
        table.remove(all[index])
      } else {
        let isInserted = table.insert(all[index])
        #expect(isInserted)
      }
      isIn[index].toggle()
      let count = table.count
      #expect(count == isIn.count { $0 })
      guard step % 20 == 0 else { continue }
      let found = all.map { table.contains($0) }
      #expect(found == isIn, "step \(step)")
      let taken = table.taken
      #expect(taken == count)
    }
  }

  /// Entries whose hashes are the very same are told apart by who asks.
  @Test func theSameHashMayBeInManyTimes() {
    let entries = Entries()
    var table = PathTable()
    let all = (0..<10).map { _ in entries.make(hash: 0x1234) }
    for entry in all { _ = table.insert(entry) }
    table.remove(all[3])
    table.remove(all[0])
    let found = all.map { table.contains($0) }
    #expect(found == (0..<10).map { $0 != 0 && $0 != 3 })
  }

  @Test func growsBeforeItIsMoreThanHalfFull() {
    let entries = Entries()
    var numbers = RepeatableNumbers(state: 1)
    var table = PathTable()
    var all: [Entry] = []
    for _ in 0..<5_000 {
      let entry = entries.make(hash: numbers.next())
      let isInserted = table.insert(entry)
      all.append(entry)
      let (count, places) = (table.count, table.mask + 1)
      #expect(isInserted && count == all.count)
      #expect(count * 2 <= places)
      // A power of two, or `mask` would not do.
      #expect(places & (places - 1) == 0)
    }
    let places = table.mask + 1
    #expect(places == 16_384)
    let found = all.count { table.contains($0) }
    #expect(found == 5_000)
    for entry in all.shuffled(using: &numbers) { table.remove(entry) }
    let (count, taken) = (table.count, table.taken)
    #expect(count == 0 && taken == 0)
  }
}
