import Reactor

/// What is known of how a client takes what is sent to it while the socket is full.
///
/// That the socket takes more again is no sign of it: a large send buffer stays full for minutes while a slow client empties
/// it. So the kernel is asked now and then how much the client has acknowledged.
struct Uptake {
  /// What a look has found.
  enum Verdict {
    /// It takes what is sent, or its time is not up.
    case steady
    /// It has taken nothing for as long as it may.
    case stalled
    /// It takes less than it must.
    case tooSlow
  }

  /// At what rate a client that took in much at once may be thought to read it, in bytes a second. Its kernel says nothing
  /// until a good part was read: 95 kB with the buffers that Linux gives a socket.
  private static let slowestReader: UInt64 = 1_024

  /// What the client had acknowledged when it was looked at last; nil before that.
  private var acknowledged: UInt64?
  /// What it had acknowledged at `rateTick`, from which its rate is measured.
  private var rateStart: UInt64 = 0
  private var rateTick: UInt32 = 0
  /// When it took something last, as far as that is known.
  private var progressTick: UInt32
  /// So many ticks it may take nothing.
  private var patience: UInt32

  init(at tick: UInt32 = 0, _ limits: Limits = Limits()) {
    progressTick = tick
    patience = TimerWheel.tick(milliseconds: limits.sendMilliseconds)
  }

  /// The socket takes more again, which it can do only if the client did.
  mutating func noteProgress(at tick: UInt32) {
    progressTick = tick
  }

  /// Judges by what the client has acknowledged since the connection began; nil where the kernel does not tell.
  mutating func look(_ acknowledged: UInt64?, at tick: UInt32, _ limits: Limits) -> Verdict {
    if let acknowledged {
      let taken = acknowledged &- (self.acknowledged ?? 0)
      if self.acknowledged == nil {
        (rateStart, rateTick) = (acknowledged, tick)
      }
      if taken > 0 || self.acknowledged == nil {
        progressTick = tick
        let shortest = limits.sendMilliseconds
        let needed = min(taken, .max / 1000) * 1000 / Self.slowestReader
        patience = TimerWheel.tick(milliseconds: min(max(needed, shortest), 2 * shortest))
      }
      self.acknowledged = acknowledged
      if isTooSlow(acknowledged, at: tick, limits) { return .tooSlow }
    }
    return tick &- progressTick > patience ? .stalled : .steady
  }

  /// Whether more is acknowledged than at the last look, if there was one.
  mutating func hasTaken(_ acknowledged: UInt64) -> Bool {
    defer { self.acknowledged = acknowledged }
    return self.acknowledged.map { acknowledged > $0 } ?? true
  }

  private mutating func isTooSlow(_ acknowledged: UInt64, at tick: UInt32, _ limits: Limits) -> Bool {
    let milliseconds = UInt64(tick &- rateTick) * TimerWheel.millisecondsPerTick
    guard milliseconds >= limits.sendRateMilliseconds else { return false }
    let isTooSlow = (acknowledged &- rateStart) &* 1000 < UInt64(limits.minimumSendRate) * milliseconds
    (rateStart, rateTick) = (acknowledged, tick)
    return isTooSlow
  }

  /// When to look again.
  func nextLook(after tick: UInt32, _ limits: Limits) -> UInt32 {
    min(tick &+ TimerWheel.tick(milliseconds: limits.uptakeMilliseconds), progressTick &+ patience) &+ 1
  }
}
