internal import Glibc

/// The time of a look.
public struct LookTime: Sendable {
  /// Of the monotonic clock.
  public let milliseconds: UInt64
  /// Of the time of day, since 1970: no file is said to be newer.
  public let wallSeconds: Int64
  /// The same, as exactly as the kernel can say: no later than the look.
  let wallNanoseconds: Int64

  /// Now: `milliseconds` of the monotonic clock, `wallSeconds` since 1970.
  public init(milliseconds: UInt64, wallSeconds: Int64) {
    self.milliseconds = milliseconds
    self.wallSeconds = wallSeconds
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    wallNanoseconds = time.nanoseconds
  }

  /// Any time.
  init(milliseconds: UInt64, wallNanoseconds: Int64) {
    self.milliseconds = milliseconds
    wallSeconds = wallNanoseconds / 1_000_000_000
    self.wallNanoseconds = wallNanoseconds
  }

  /// Now, for a thread that has no clock of its own.
  static func now() -> LookTime {
    var (monotonic, wall) = (timespec(), timespec())
    unsafe clock_gettime(CLOCK_MONOTONIC_COARSE, &monotonic)
    unsafe clock_gettime(CLOCK_REALTIME, &wall)
    return LookTime(
      milliseconds: UInt64(bitPattern: monotonic.nanoseconds / 1_000_000), wallNanoseconds: wall.nanoseconds)
  }
}
