/// The time of a look.
public struct LookTime {
  /// Of the monotonic clock.
  public let milliseconds: UInt64
  /// Of the time of day, since 1970.
  public let wallNanoseconds: Int64

  var wallSeconds: Int64 { wallNanoseconds / 1_000_000_000 }

  /// Names the parts.
  public init(milliseconds: UInt64, wallNanoseconds: Int64) {
    self.milliseconds = milliseconds
    self.wallNanoseconds = wallNanoseconds
  }
}
