import Reactor
import Testing

@testable import Worker

/// Who is given up for taking too little, by what the kernel says of it.
@Suite struct UptakeTests {
  static var limits: Limits {
    var limits = Limits()
    limits.sendMilliseconds = 256 * 100
    limits.uptakeMilliseconds = 256 * 10
    limits.sendRateMilliseconds = 256 * 20
    return limits
  }

  /// Looks at these ticks and what was acknowledged by then.
  static func verdicts(
    _ looks: [(tick: UInt32, acknowledged: UInt64?)], _ limits: Limits = limits
  ) -> [Uptake.Verdict] {
    var uptake = Uptake(at: 1000, limits)
    return looks.map { uptake.look($0.acknowledged, at: 1000 + $0.tick, limits) }
  }

  @Test func whoTakesALittleIsNotGivenUp() {
    let looks = (1...50).map { (tick: UInt32($0 * 100), acknowledged: UInt64($0) as UInt64?) }
    #expect(Self.verdicts(looks).allSatisfy { $0 == .steady })
  }

  @Test func whoTakesNothingIsGivenUp() {
    #expect(Self.verdicts([(4, 0), (104, 0)]) == [.steady, .steady])
    #expect(Self.verdicts([(4, 0), (105, 0)]) == [.steady, .stalled])
    // Its time begins with the last byte.
    #expect(Self.verdicts([(4, 0), (90, 1), (190, 1), (191, 1)]) == [.steady, .steady, .steady, .stalled])
  }

  /// One KiB a second: a client's kernel took in so much that reading it takes longer than the time limit.
  @Test func whoHasTakenMuchMayReadIt() {
    #expect(Self.verdicts([(4, 0), (5, 40 << 10), (160, 40 << 10)])[2] == .steady)
    #expect(Self.verdicts([(4, 0), (5, 40 << 10), (162, 40 << 10)])[2] == .stalled)
    // But not for ever.
    #expect(Self.verdicts([(4, 0), (5, .max / 2), (205, .max / 2)])[2] == .steady)
    #expect(Self.verdicts([(4, 0), (5, .max / 2), (206, .max / 2)])[2] == .stalled)
  }

  @Test func whereTheKernelSaysNothingTheSocketDoes() {
    #expect(Self.verdicts([(50, nil), (100, nil), (101, nil)]) == [.steady, .steady, .stalled])
    var uptake = Uptake(at: 0, Self.limits)
    uptake.noteProgress(at: 60)
    #expect(uptake.look(nil, at: 160, Self.limits) == .steady)
    #expect(uptake.look(nil, at: 161, Self.limits) == .stalled)
  }

  @Test func whoIsSlowerThanAllowedIsGivenUp() {
    var limits = Self.limits
    limits.minimumSendRate = 1000
    // 20 ticks are 5.12 s.
    #expect(Self.verdicts([(4, 7), (24, 7 + 5120)], limits) == [.steady, .steady])
    #expect(Self.verdicts([(4, 7), (24, 7 + 5119)], limits) == [.steady, .tooSlow])
    // Over less time it is not measured; and not again from the start.
    #expect(Self.verdicts([(4, 7), (23, 8), (24, 7 + 5120)], limits) == [.steady, .steady, .steady])
    #expect(
      Self.verdicts([(4, 0), (24, 50_000), (44, 50_010)], limits) == [.steady, .steady, .tooSlow])
  }

  @Test func theNextLookIsBeforeItsTimeIsUp() {
    var uptake = Uptake(at: 0, Self.limits)
    #expect(uptake.nextLook(after: 0, Self.limits) == 11)
    _ = uptake.look(0, at: 4, Self.limits)
    #expect(uptake.nextLook(after: 95, Self.limits) == 105)
  }

  @Test func whatLingersHasTakenSomethingOrNot() {
    var uptake = Uptake(at: 0, Self.limits)
    #expect([0, 0, 5, 5, 6].map { uptake.hasTaken($0) } == [true, false, true, false, true])
  }
}
