import Files
import Reactor

/// The time as a worker's turn sees it.
struct WorkerClock {
  /// Of the monotonic clock.
  private(set) var milliseconds: UInt64 = 0
  /// Of the timer wheel.
  private(set) var tick: UInt32 = 0
  /// What `Date` says: seconds since 1970.
  private(set) var wallSeconds: Int64 = 0

  /// Milliseconds since 1970, less those of the monotonic clock.
  private var wallBase: Int64 = 0
  /// Milliseconds since 1970.
  var wallMilliseconds: Int64 { wallBase + Int64(milliseconds) }

  /// Reads the clock; the time of day once in a tick.
  @inline(__always)
  mutating func read() {
    milliseconds = Clock.monotonicMilliseconds()
    let tick = TimerWheel.tick(milliseconds: milliseconds)
    if tick != self.tick {
      self.tick = tick
      readWallClock()
    }
  }

  mutating func readWallClock() {
    let wall = Clock.wallMilliseconds()
    wallSeconds = wall / 1000
    wallBase = wall - Int64(milliseconds)
  }

  /// As the file cache wants it.
  var lookTime: LookTime { LookTime(milliseconds: milliseconds, wallSeconds: wallSeconds) }
}
