import Glibc
import Reactor
import Testing

@Suite struct ClockTests {
  @Test func monotonicTimeNeverGoesBack() {
    var last = Clock.monotonicMilliseconds()
    for _ in 0..<10_000 {
      let now = Clock.monotonicMilliseconds()
      if now < last { Issue.record("\(now) after \(last)") }
      last = now
    }
  }

  /// Between two readings of another clock of the kernel, but for a tick of the scheduler.
  @Test func wallTimeIsTheKernels() {
    let before = time(nil)
    let now = Clock.wallMilliseconds() / 1000
    let after = time(nil)
    #expect(now >= Int64(before) - 1 && now <= Int64(after))
  }

  @Test func monotonicTimeIsInMilliseconds() {
    var precise = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &precise)
    let before = UInt64(precise.tv_sec) * 1_000
    let now = Clock.monotonicMilliseconds()
    unsafe clock_gettime(CLOCK_MONOTONIC, &precise)
    let after = UInt64(precise.tv_sec) * 1_000 + 1_000
    // To the second: a tick of the scheduler makes no difference beyond that.
    #expect(now + 1_000 >= before && now <= after)
  }
}
