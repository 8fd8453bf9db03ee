import TestSupport
import Testing

@testable import Files

/// Who gives way, and who is remembered: the ghosts are asked through the queue.
@Suite struct EvictionQueueTests {
  typealias Entry = Entries.Handle

  static func hash(_ number: Int) -> UInt64 {
    // The table of ghosts takes its place from the upper half.
    UInt64(number) << 32 | UInt64(number) << 1 | 1
  }

  static func make(_ entries: Entries, _ numbers: Range<Int>) -> [Entry] {
    numbers.map { entries.make(hash: hash($0)) }
  }

  /// All that give way, in their order, as indices into `all`.
  static func victims(_ queue: inout EvictionQueue, of all: [Entry]) -> [Int] {
    var order: [Int] = []
    while let victim = queue.pop() {
      order.append(all.firstIndex(of: victim) ?? -1)
    }
    return order
  }

  // MARK: Order

  @Test func whatCameFirstGivesWayFirst() {
    let entries = Entries()
    let all = Self.make(entries, 0..<20)
    var queue = EvictionQueue(limit: 10 * entries.weight())
    for entry in all { queue.insert(entry) }
    let order = Self.victims(&queue, of: all)
    let weight = queue.weight
    #expect(order == Array(0..<20))
    #expect(weight == 0)
  }

  @Test func whatWasTakenOutDoesNotGiveWay() {
    let entries = Entries()
    let all = Self.make(entries, 0..<10)
    var queue = EvictionQueue(limit: 10 * entries.weight())
    for entry in all { queue.insert(entry) }
    // The first, the last, and two in the middle.
    for index in [0, 9, 4, 5] { queue.remove(all[index]) }
    let weight = queue.weight
    #expect(weight == 6 * entries.weight())
    let order = Self.victims(&queue, of: all)
    #expect(order == [1, 2, 3, 6, 7, 8])
  }

  /// Against a list.
  @Test(arguments: 0..<5)
  func theOrderStaysWhateverComesAndGoes(seed: UInt64) {
    let entries = Entries()
    var numbers = RepeatableNumbers(state: seed)
    let all = Self.make(entries, 0..<100)
    var queue = EvictionQueue(limit: 10 * entries.weight())
    var expected: [Int] = []
    for _ in 0..<2_000 {
      let index = Int(numbers.next() % 100)
      if let place = expected.firstIndex(of: index) {
        queue.remove(all[index])
        expected.remove(at: place)
      } else {
        queue.insert(all[index])
        expected.append(index)
      }
      let weight = queue.weight
      #expect(weight == expected.count * entries.weight())
    }
    let order = Self.victims(&queue, of: all)
    #expect(order == expected)
  }

  @Test func thereIsRoomUpToTheLimit() {
    let entries = Entries()
    let weight = entries.weight()
    var queue = EvictionQueue(limit: 3 * weight)
    for number in 0..<3 {
      let hasRoom = queue.hasRoom(weight)
      #expect(hasRoom)
      queue.insert(entries.make(hash: Self.hash(number)))
    }
    let (one, none) = (queue.hasRoom(1), queue.hasRoom(0))
    #expect(!one && none)
  }

  // MARK: What was asked for again

  @Test func whatWasAskedForAgainMovesToTheMainQueue() {
    let entries = Entries()
    let all = Self.make(entries, 0..<10)
    var queue = EvictionQueue(limit: 10 * entries.weight())
    for entry in all { queue.insert(entry) }
    // Once more is not enough.
    all[0].frequency = 1
    all[1].frequency = 2
    all[2].frequency = 3
    let first = queue.pop()
    let second = queue.pop()
    #expect(first == all[0] && second == all[3])
    let states = all.map { $0.isInMainQueue }
    #expect(states == (0..<10).map { $0 == 1 || $0 == 2 })
    // There they begin anew.
    #expect(all[1].frequency == 0 && all[2].frequency == 0)
    let order = Self.victims(&queue, of: all)
    // No more than a tenth of the room is left to the small queue then.
    #expect(order == [4, 5, 6, 7, 8, 1, 2, 9])
  }

  @Test func inTheMainQueueEachAskingIsARound() {
    let entries = Entries()
    let all = Self.make(entries, 0..<4)
    var queue = EvictionQueue(limit: 4 * entries.weight())
    for entry in all {
      queue.insert(entry)
      entry.frequency = 3
    }
    // All move there, and the first has to go.
    let victim = queue.pop()
    #expect(victim == all[0])
    let isMain = all.map { $0.isInMainQueue }
    #expect(isMain == [true, true, true, true])
    all[1].frequency = 2
    all[2].frequency = 1
    let order = Self.victims(&queue, of: all)
    #expect(order == [3, 2, 1])
  }

  // MARK: Ghosts

  @Test func whoComesAgainGoesToTheMainQueueAtOnce() {
    let entries = Entries()
    let all = Self.make(entries, 0..<3)
    var queue = EvictionQueue(limit: 2 * entries.weight())
    queue.insert(all[0])
    queue.insert(all[1])
    let victim = queue.pop()
    #expect(victim == all[0])
    queue.insert(all[0])
    #expect(all[0].isInMainQueue)
    // Once: it is forgotten then.
    queue.remove(all[0])
    queue.insert(all[0])
    #expect(!all[0].isInMainQueue)
  }

  @Test func onlyWhoGaveWayIsRemembered() {
    let entries = Entries()
    let all = Self.make(entries, 0..<3)
    var queue = EvictionQueue(limit: 2 * entries.weight())
    // Its file has changed.
    queue.insert(all[0])
    queue.remove(all[0])
    queue.insert(all[0])
    #expect(!all[0].isInMainQueue)
    _ = queue.pop()
    // Nor who gave way in the main queue: it had its time.
    queue.insert(all[0])
    #expect(all[0].isInMainQueue)
    let victim = queue.pop()
    #expect(victim == all[0])
    queue.insert(all[0])
    #expect(!all[0].isInMainQueue)
  }

  @Test func aLaterGhostTakesThePlaceOfAnEarlierOne() {
    let entries = Entries()
    // The same place, another mark.
    let (first, second) = (entries.make(hash: 7 << 32 | 2), entries.make(hash: 7 << 32 | 4))
    var queue = EvictionQueue(limit: entries.weight())
    for entry in [first, second] {
      queue.insert(entry)
      _ = queue.pop()
    }
    queue.insert(first)
    queue.insert(second)
    #expect(!first.isInMainQueue && second.isInMainQueue)
  }

  // MARK: A cache's life

  /// The hashes that a cache of `capacity` files knows, as the file cache runs the queue.
  struct Simulation: ~Copyable {
    let entries = Entries()
    var queue: EvictionQueue
    var known: [UInt64: Entry] = [:]
    var misses = 0

    init(capacity: Int) {
      queue = EvictionQueue(limit: capacity * entries.weight())
    }

    mutating func ask(_ hash: UInt64) {
      if let entry = known[hash] {
        entry.frequency = min(3, entry.frequency + 1)
        return
      }
      misses += 1
      let entry = entries.make(hash: hash)
      while !queue.hasRoom(entry.weight) {
        guard let victim = queue.pop() else { return }
        known[victim.hash] = nil
      }
      queue.insert(entry)
      known[hash] = entry
    }

    func count(_ hashes: Range<Int>) -> Int { hashes.count { known[hash($0)] != nil } }
  }

  /// A client reads everything once, 50 times as much as fits, while nobody asks for what was asked for before.
  @Test func aHotSetSurvivesAScan() {
    var cache = Simulation(capacity: 100)
    for _ in 0..<3 {
      for number in 0..<50 { cache.ask(Self.hash(number)) }
    }
    for number in 1_000..<6_000 { cache.ask(Self.hash(number)) }
    let (hot, known) = (cache.count(0..<50), cache.known.count)
    #expect(hot == 50)
    #expect(known == 100)
  }

  /// With a set as large as the room, what is asked for during the scan stays, but for a few.
  @Test func aHotSetThatIsAskedForSurvivesAScan() {
    var cache = Simulation(capacity: 100)
    var numbers = RepeatableNumbers(state: 1)
    for _ in 0..<10 {
      for number in 0..<80 { cache.ask(Self.hash(number)) }
    }
    cache.misses = 0
    for number in 1_000..<6_000 {
      cache.ask(Self.hash(number))
      cache.ask(Self.hash(Int(numbers.next() % 80)))
    }
    let misses = cache.misses - 5_000
    #expect(misses <= 100, "of 5000")
  }

  /// What was hot and is not any more makes room.
  @Test func aNewHotSetTakesTheRoomOfAnOldOne() {
    var cache = Simulation(capacity: 100)
    for _ in 0..<10 {
      for number in 0..<100 { cache.ask(Self.hash(number)) }
    }
    for _ in 0..<20 {
      for number in 200..<290 { cache.ask(Self.hash(number)) }
    }
    let (new, known) = (cache.count(200..<290), cache.known.count)
    #expect(new == 90)
    #expect(known <= 100)
  }

  /// However many files there are whose time has not come: finding one that gives way takes so many steps.
  @Test func stepsAreBounded() {
    let entries = Entries()
    let all = Self.make(entries, 0..<1_000)
    var queue = EvictionQueue(limit: 1_000 * entries.weight())
    for entry in all {
      queue.insert(entry)
      entry.frequency = 3
    }
    let victim = queue.pop()
    #expect(victim != nil)
    let moved = all.count { $0.isInMainQueue }
    #expect(moved == 64)
    let weight = queue.weight
    #expect(weight == 999 * entries.weight())
  }

  // MARK: What is being sent

  @Test func whatIsBeingSentGivesWayLast() {
    let entries = Entries()
    let all = Self.make(entries, 0..<6)
    var queue = EvictionQueue(limit: 6 * entries.weight())
    for entry in all { queue.insert(entry) }
    all[0].users = 1
    all[3].users = 2
    let order = (0..<4).map { _ in
      let victim = queue.pop()
      return all.firstIndex { $0 == victim }
    }
    #expect(order == [1, 2, 4, 5])
  }

  @Test func whatIsBeingSentCountsUntilItsEnd() {
    let entries = Entries()
    let weight = entries.weight()
    let all = Self.make(entries, 0..<2)
    var queue = EvictionQueue(limit: 2 * weight)
    for entry in all {
      queue.insert(entry)
      entry.users = 1
    }
    // Neither can give way, but both may be taken out: they have changed.
    let victim = queue.pop()
    #expect(victim == nil)
    for entry in all { queue.remove(entry) }
    var (held, whole, hasRoom) = (queue.heldWeight, queue.weight, queue.hasRoom(1))
    #expect(held == 2 * weight && whole == 2 * weight && !hasRoom)
    queue.noteEnd(of: all[0])
    (held, whole, hasRoom) = (queue.heldWeight, queue.weight, queue.hasRoom(weight))
    #expect(held == weight && whole == weight && hasRoom)
    queue.noteEnd(of: all[1])
    whole = queue.weight
    #expect(whole == 0)
  }
}
