import Reactor
import TestSupport
import Testing

@Suite struct TimerWheelTests {
  /// All that go off by `now`, in order.
  static func popAll(_ wheel: inout TimerWheel, at now: UInt32) -> [Int] {
    var slots: [Int] = []
    while let slot = wheel.popExpired(at: now) { slots.append(slot) }
    return slots
  }

  @Test(
    arguments: [(0, 0), (255, 0), (256, 1), (511, 1), (512, 2), (1 << 40, 0), (1 << 40 + 256, 1)]
      as [(UInt64, UInt32)])
  func ticks(milliseconds: UInt64, tick: UInt32) {
    #expect(TimerWheel.tick(milliseconds: milliseconds) == tick)
  }

  @Test func nothingGoesOffBeforeItsTick() throws {
    var wheel = try TimerWheel(capacity: 4, now: 100)
    wheel.tighten(2, to: 105)
    #expect(wheel.count == 1)
    for now in UInt32(100)...104 { #expect(wheel.popExpired(at: now) == nil) }
    #expect(wheel.popExpired(at: 105) == 2)
    #expect(wheel.count == 0)
    #expect(wheel.popExpired(at: 105) == nil)
    #expect(wheel.popExpired(at: 10_000) == nil)
  }

  @Test func theEarliestGoesOffFirst() throws {
    var wheel = try TimerWheel(capacity: 6, now: 0)
    for (slot, tick) in [30, 10, 500, 20, 1, 511].enumerated() { wheel.tighten(slot, to: UInt32(tick)) }
    #expect(Self.popAll(&wheel, at: 20) == [4, 1, 3])
    #expect(Self.popAll(&wheel, at: 20) == [])
    #expect(Self.popAll(&wheel, at: 1_000) == [0, 2, 5])
  }

  @Test func oneTickMayHaveMany() throws {
    var wheel = try TimerWheel(capacity: 10, now: 0)
    for slot in 0..<10 { wheel.tighten(slot, to: 7) }
    wheel.disarm(0)
    wheel.disarm(9)
    wheel.disarm(5)
    #expect(wheel.popExpired(at: 6) == nil)
    #expect(Self.popAll(&wheel, at: 7).sorted() == [1, 2, 3, 4, 6, 7, 8])
  }

  /// The owner of a timer that was armed for too early a tick arms it again when it goes off.
  @Test func aLaterTickIsIgnored() throws {
    var wheel = try TimerWheel(capacity: 1, now: 0)
    wheel.tighten(0, to: 10)
    wheel.tighten(0, to: 20)
    wheel.tighten(0, to: 10)
    #expect(wheel.count == 1)
    #expect(wheel.popExpired(at: 10) == 0)
    wheel.tighten(0, to: 20)
    #expect(wheel.popExpired(at: 19) == nil)
    #expect(wheel.popExpired(at: 20) == 0)
    #expect(wheel.popExpired(at: 1_000) == nil)
  }

  @Test func anEarlierTickIsTaken() throws {
    var wheel = try TimerWheel(capacity: 1, now: 0)
    wheel.tighten(0, to: 20)
    wheel.tighten(0, to: 10)
    #expect(wheel.count == 1)
    #expect(wheel.popExpired(at: 9) == nil)
    #expect(wheel.popExpired(at: 10) == 0)
    #expect(wheel.popExpired(at: 20) == nil)
  }

  @Test func whatIsDueGoesOffWithTheNextTick() throws {
    var wheel = try TimerWheel(capacity: 3, now: 100)
    wheel.tighten(0, to: 0)
    wheel.tighten(1, to: 100)
    wheel.tighten(2, to: 101)
    #expect(wheel.popExpired(at: 100) == nil)
    #expect(Self.popAll(&wheel, at: 101).sorted() == [0, 1, 2])
  }

  @Test func whatIsTooFarOffGoesOffAtTheHorizon() throws {
    var wheel = try TimerWheel(capacity: 3, now: 100)
    wheel.tighten(0, to: 100 + TimerWheel.horizon)
    wheel.tighten(1, to: 101 + TimerWheel.horizon)
    wheel.tighten(2, to: 100_000)
    #expect(wheel.popExpired(at: 99 + TimerWheel.horizon) == nil)
    #expect(Self.popAll(&wheel, at: 100 + TimerWheel.horizon).sorted() == [0, 1, 2])
  }

  @Test func aDisarmedTimerDoesNotGoOff() throws {
    var wheel = try TimerWheel(capacity: 2, now: 0)
    wheel.disarm(0)
    wheel.tighten(0, to: 5)
    wheel.tighten(1, to: 5)
    wheel.disarm(0)
    wheel.disarm(0)
    #expect(wheel.count == 1)
    #expect(Self.popAll(&wheel, at: 5) == [1])
    // It can be armed again.
    wheel.tighten(0, to: 6)
    #expect(Self.popAll(&wheel, at: 6) == [0])
  }

  /// With no timer armed, nobody asks the wheel for a long time.
  @Test func aWheelThatWasForgottenCatchesUp() throws {
    var wheel = try TimerWheel(capacity: 1, now: 0)
    let now: UInt32 = 400_000
    let deadline = now + 40
    wheel.tighten(0, to: deadline)
    var early = 0
    while wheel.popExpired(at: now) != nil {
      early += 1
      wheel.tighten(0, to: deadline)
    }
    // Once for each horizon that has passed, not for each tick.
    #expect(early < 1_000)
    #expect(wheel.popExpired(at: deadline - 1) == nil)
    #expect(wheel.popExpired(at: deadline) == 0)
  }

  /// Against a model that knows every timer's tick.
  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func thousandsOfTimersInAnyOrder(seed: UInt64) throws {
    var numbers = RepeatableNumbers(state: seed)
    let capacity = 300
    var now = UInt32.random(in: 0...5_000, using: &numbers)
    var wheel = try TimerWheel(capacity: capacity, now: now)
    var armed: [Int: UInt32] = [:]
    var expired = 0
    for _ in 0..<3_000 {
      for _ in 0..<Int.random(in: 0...8, using: &numbers) {
        let slot = Int.random(in: 0..<capacity, using: &numbers)
        if Int.random(in: 0..<4, using: &numbers) == 0 {
          wheel.disarm(slot)
          armed[slot] = nil
        } else {
          let ahead = UInt32.random(in: 0...(TimerWheel.horizon + 100), using: &numbers)
          let tick = min(max(now + ahead, now + 1), now + TimerWheel.horizon)
          wheel.tighten(slot, to: now + ahead)
          armed[slot] = min(armed[slot] ?? .max, tick)
        }
      }
      if wheel.count != armed.count { Issue.record("\(wheel.count) armed, not \(armed.count), at \(now)") }

      // Mostly tick by tick, sometimes far ahead.
      now += numbers.next() % 16 == 0 ? UInt32.random(in: 0...1_200, using: &numbers) : 1
      var last: UInt32 = 0
      while let slot = wheel.popExpired(at: now) {
        guard let tick = armed.removeValue(forKey: slot), tick <= now, tick >= last else {
          Issue.record("slot \(slot) goes off at \(now)")
          return
        }
        last = tick
        expired += 1
      }
      for (slot, tick) in armed where tick <= now {
        Issue.record("slot \(slot) was due at \(tick), and it is \(now)")
        return
      }
    }
    #expect(expired > 1_000)
  }
}
