public import Glibc

/// The kernel's clocks, `clock_gettime(2)`, to the precision of a scheduler tick (1 to 10 ms): enough for
/// timeouts and dates, and the cheapest to read.
public enum Clock {
  /// Milliseconds since some point in the past. Never goes back.
  @inlinable
  public static func monotonicMilliseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
    return UInt64(time.tv_sec) &* 1000 &+ UInt64(time.tv_nsec) / 1_000_000
  }

  /// Milliseconds since 1970-01-01 00:00 UTC.
  @inlinable
  public static func wallMilliseconds() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME_COARSE, &time)
    return Int64(time.tv_sec) &* 1000 &+ Int64(time.tv_nsec) / 1_000_000
  }
}
