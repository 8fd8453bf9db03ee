/// How long a listener is left alone because accepting from it failed: twice as long each time, until it succeeds. A listener
/// stays ready for as long as a connection waits, so a worker that asked again at once would do nothing else.
struct AcceptPause {
  /// The first pause, in milliseconds: what stood in the way may be over at once.
  static let shortest: UInt64 = 4

  /// The last one's length in milliseconds; 0 if accepting has succeeded since.
  private var length: UInt64 = 0
  /// When it is over, in milliseconds of the monotonic clock; nil: none lasts.
  private(set) var end: UInt64?

  /// Accepting failed.
  mutating func begin(at now: UInt64, longest: UInt64) {
    length = min(max(2 * length, Self.shortest), longest)
    end = now + length
  }

  /// Whether a pause was to last until now; then none lasts.
  mutating func isOver(at now: UInt64) -> Bool {
    guard let end, end <= now else { return false }
    self.end = nil
    return true
  }

  /// Accepting succeeded: the next pause is a short one.
  mutating func noteSuccess() {
    length = 0
  }
}

/// The pauses of a worker's listeners.
struct AcceptPauses {
  private var plain = AcceptPause()
  private var secure = AcceptPause()
  /// How many last.
  private(set) var count = 0

  /// Accepting from a listener has failed.
  mutating func begin(secure isSecure: Bool, at now: UInt64, longest: UInt64) {
    if (isSecure ? secure : plain).end == nil { count += 1 }
    if isSecure { secure.begin(at: now, longest: longest) } else { plain.begin(at: now, longest: longest) }
  }

  /// Ends the pause of a listener if its time has come; false if it hasn't, or if there is none.
  mutating func end(secure isSecure: Bool, at now: UInt64) -> Bool {
    guard isSecure ? secure.isOver(at: now) : plain.isOver(at: now) else { return false }
    count -= 1
    return true
  }

  /// Accepting from a listener has succeeded.
  mutating func noteSuccess(secure isSecure: Bool) {
    if isSecure { secure.noteSuccess() } else { plain.noteSuccess() }
  }

  /// How long until one ends, in milliseconds, and `longest` at most (-1: without end).
  func rest(at now: UInt64, longest: Int32) -> Int32 {
    let end = min(plain.end ?? .max, secure.end ?? .max)
    if end == .max { return longest }
    let left = Int32(clamping: end > now ? end - now : 0)
    return longest < 0 ? left : min(left, longest)
  }
}
