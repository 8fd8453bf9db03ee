import Reactor
import TestSupport
import Testing

@Suite struct SlabTests {
  /// How many probes there are.
  final class Census {
    var count = 0
  }

  /// An element that is counted.
  struct Probe: ~Copyable {
    var number: Int
    let census: Census

    init(_ number: Int, _ census: Census) {
      self.number = number
      self.census = census
      census.count += 1
    }

    deinit {
      census.count -= 1
    }
  }

  @Test(
    arguments: [
      (0, 0, 0), (0, 1, 0x1_0000_0000), (7, 0, 7), (7, 3, 0x3_0000_0007),
      (Int(UInt32.max), .max, .max), (Int(UInt32.max) - 1, 0x8000_0001, 0x8000_0001_FFFF_FFFE),
    ] as [(Int, UInt32, UInt64)])
  func tokensHoldSlotAndGeneration(slot: Int, generation: UInt32, rawValue: UInt64) {
    let token = Token(slot: slot, generation: generation)
    #expect(token.rawValue == rawValue)
    #expect(token.slot == slot)
    #expect(token.generation == generation)
    #expect(Token(rawValue: rawValue) == token)
  }

  @Test func elementsAreFoundWhereTheyWerePut() throws {
    let census = Census()
    var slab = try Slab<Probe>(capacity: 3)
    #expect(slab.count == 0 && slab.highWater == 0 && !slab.isFull && slab.capacity == 3)
    for number in 0..<3 {
      let token = slab.insert(Probe(number, census))
      #expect(token.slot == number)
      // No generation of an element is 0: tokens with 0 may stand for something else.
      #expect(token.generation == 1)
      #expect(slab.isOccupied(token.slot) && slab.isCurrent(token) && slab.token(of: token.slot) == token)
    }
    #expect(slab.isFull && slab.count == 3 && slab.highWater == 3 && census.count == 3)
    slab[1].number = 10
    #expect(slab[0].number == 0)
    #expect(slab[1].number == 10)
    #expect(slab[2].number == 2)
  }

  @Test func slotsThatWereNeverUsedAreEmpty() throws {
    let census = Census()
    var slab = try Slab<Probe>(capacity: 10)
    _ = slab.insert(Probe(0, census))
    for slot in 1..<10 {
      #expect(slab.isOccupied(slot) == false)
      for generation in [0, 1, UInt32.max] {
        #expect(slab.isCurrent(Token(slot: slot, generation: generation)) == false)
      }
    }
    #expect(slab.isCurrent(Token(rawValue: .max)) == false)
  }

  @Test func tokensOfEarlierLivesAreStale() throws {
    let census = Census()
    var slab = try Slab<Probe>(capacity: 2)
    var stale: [Token] = []
    for number in 0..<100 {
      let token = slab.insert(Probe(number, census))
      #expect(token.slot == 0)
      #expect(!stale.contains(token))
      for old in stale where slab.isCurrent(old) { Issue.record("\(old) lives again") }
      #expect(slab.isCurrent(token) == true)
      slab.remove(token.slot)
      #expect(!slab.isCurrent(token) && !slab.isOccupied(token.slot))
      #expect(census.count == 0 && slab.count == 0)
      stale.append(token)
    }
    // Memory is touched only as slots are needed.
    #expect(slab.highWater == 1)
  }

  @Test func removingEndsTheElementAtOnce() throws {
    let census = Census()
    var slab = try Slab<Probe>(capacity: 4)
    for number in 0..<4 { _ = slab.insert(Probe(number, census)) }
    slab.remove(1)
    #expect(census.count == 3 && slab.count == 3 && !slab.isFull)
    slab.remove(3)
    #expect(census.count == 2)
    #expect(slab.isOccupied(0) && !slab.isOccupied(1) && slab.isOccupied(2) && !slab.isOccupied(3))
    // The slot that was left last is the warmest.
    #expect(slab.insert(Probe(5, census)).slot == 3)
    #expect(slab.insert(Probe(6, census)).slot == 1)
    #expect(slab.isFull && slab[0].number == 0 && slab[1].number == 6 && slab[2].number == 2)
  }

  @Test func theEndOfASlabEndsItsElements() throws {
    let census = Census()
    do {
      var slab = try Slab<Probe>(capacity: 1_000)
      for number in 0..<10 { _ = slab.insert(Probe(number, census)) }
      for slot in [0, 4, 9] { slab.remove(slot) }
      #expect(census.count == 7)
    }
    #expect(census.count == 0)
  }

  @Test func anyOrderOfInsertionsAndRemovals() throws {
    let census = Census()
    var numbers = RepeatableNumbers(state: 1)
    var slab = try Slab<Probe>(capacity: 50)
    var alive: [Int: (token: Token, number: Int)] = [:]
    var stale: Set<UInt64> = []
    for round in 0..<20_000 {
      if !slab.isFull, alive.isEmpty || Bool.random(using: &numbers) {
        let token = slab.insert(Probe(round, census))
        if alive[token.slot] != nil || stale.contains(token.rawValue) { Issue.record("\(token) is in use") }
        alive[token.slot] = (token, round)
      } else if let slot = alive.keys.sorted().randomElement(using: &numbers), let element = alive[slot] {
        if slab[slot].number != element.number { Issue.record("slot \(slot) in round \(round)") }
        slab.remove(slot)
        alive[slot] = nil
        stale.insert(element.token.rawValue)
      }
      if slab.count != alive.count || census.count != alive.count { Issue.record("count in round \(round)") }
    }
    for slot in 0..<slab.capacity { #expect(slab.isOccupied(slot) == (alive[slot] != nil)) }
    for (slot, element) in alive {
      #expect(slab.isCurrent(element.token) && slab[slot].number == element.number)
    }
    for rawValue in stale where slab.isCurrent(Token(rawValue: rawValue)) {
      Issue.record("\(rawValue) lives again")
    }
  }

  @Test func misuseTraps() async {
    await #expect(processExitsWith: .failure) {
      var slab = try Slab<Int>(capacity: 1)
      _ = slab.insert(1)
      _ = slab.insert(2)
    }
    await #expect(processExitsWith: .failure) {
      var slab = try Slab<Int>(capacity: 1)
      _ = slab.insert(1)
      slab.remove(0)
      slab.remove(0)
    }
    await #expect(processExitsWith: .failure) {
      let slab = try Slab<Int>(capacity: 1)
      _ = slab[0]
    }
  }
}
