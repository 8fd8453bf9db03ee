internal import Glibc

/// The time of a look.
public struct LookTime: Sendable {
  /// Of the monotonic clock.
  public let milliseconds: UInt64
  /// Of the time of day, since 1970: no file is said to be newer.
  public let wallSeconds: Int64
  private let fixedNanoseconds: Int64?

  /// Now: `milliseconds` of the monotonic clock, `wallSeconds` since 1970.
  public init(milliseconds: UInt64, wallSeconds: Int64) {
    self.milliseconds = milliseconds
    self.wallSeconds = wallSeconds
    fixedNanoseconds = nil
  }

  /// For tests: any time.
  init(milliseconds: UInt64, wallNanoseconds: Int64) {
    self.milliseconds = milliseconds
    wallSeconds = wallNanoseconds / 1_000_000_000
    fixedNanoseconds = wallNanoseconds
  }

  /// Of the time of day, since 1970, as exactly as the kernel can say. Read when it is asked for, as few looks need it.
  var wallNanoseconds: Int64 {
    if let fixedNanoseconds { return fixedNanoseconds }
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return time.nanoseconds
  }
}
