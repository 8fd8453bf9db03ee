import Synchronization
import TestSupport
import Testing

@testable import Files

@Suite struct RevisionsTests {
  @Test func aPathsNumberIsAlwaysTheSame() {
    let revisions = Revisions(areShared: true)
    var numbers = RepeatableNumbers(state: 1)
    for _ in 0..<100 {
      let hash = numbers.next()
      let before = revisions.place(of: hash).current
      #expect(revisions.place(of: hash).advance(from: before) == before + 1)
      #expect(revisions.place(of: hash).current == before + 1)
    }
  }

  /// Each number stands by itself: the first, the last, and one between.
  @Test func pathsWithOtherPlacesAreNotTouched() {
    let revisions = Revisions(areShared: true)
    let hashes: [UInt64] = [0, 1 << 48, 0x7FFF << 48, 0xFFFF << 48]
    for (index, hash) in hashes.enumerated() {
      for _ in 0...index {
        let place = revisions.place(of: hash)
        #expect(place.advance(from: place.current) != nil)
      }
    }
    #expect(hashes.map { revisions.place(of: $0).current } == [1, 2, 3, 4])
  }

  @Test func onlyWhoHasSeenTheLastStateMovesOn() {
    let revisions = Revisions(areShared: true)
    let one = revisions.place(of: 5 << 48)
    let seen = one.current
    #expect(one.advance(from: seen) == seen + 1)
    #expect(one.advance(from: seen) == nil)
    #expect(one.current == seen + 1)
    #expect(one.advance(from: seen + 1) == seen + 2)
  }

  @Test func allMoveOnAtOnce() {
    let revisions = Revisions(areShared: false)
    let hashes = (0..<UInt64(1 << 16)).map { $0 << 48 }
    let place = revisions.place(of: 9 << 48)
    _ = place.advance(from: place.current)
    let before = hashes.map { revisions.place(of: $0).current }
    revisions.advanceAll()
    #expect(hashes.map { revisions.place(of: $0).current } == before.map { $0 + 1 })
    // What was seen before can't be told as new.
    #expect(place.advance(from: before[9]) == nil)
  }

  @Test(arguments: [true, false])
  func rememberWhetherThereIsAnybodyToTell(areShared: Bool) {
    #expect(Revisions(areShared: areShared).areShared == areShared)
  }

  /// Of several workers that have seen the same, one moves on, and the others look again.
  @Test func oneOfManyMovesOn() throws {
    let shared = Shared()
    let threads = try (0..<4).map { _ in
      try TestThread {
        for seen in 0..<UInt32(2_000) {
          // Waits for the others to have come as far.
          while shared.revisions.place(of: 3 << 48).current < seen {}
          if shared.revisions.place(of: 3 << 48).advance(from: seen) != nil {
            shared.moves.add(1, ordering: .relaxed)
          }
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(shared.moves.load(ordering: .relaxed) == 2_000)
    #expect(shared.revisions.place(of: 3 << 48).current == 2_000)
  }

  final class Shared: Sendable {
    let revisions = Revisions(areShared: true)
    let moves = Atomic(0)
  }
}
