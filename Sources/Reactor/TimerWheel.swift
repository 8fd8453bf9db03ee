import Glibc

/// One timer for each slot of a slab, in a wheel of ticks: `arm`, `disarm` and a tick's passing take constant
/// time and allocate nothing.
///
/// Deadlines are pushed back on every request, so the wheel is lazy: it is told only of a deadline that comes
/// *earlier* than the one it knows. A timer that goes off too early finds the later deadline in its
/// connection, and is armed again.
@safe
public struct TimerWheel: ~Copyable {
  /// The shortest time that can be told apart, in milliseconds.
  public static var millisecondsPerTick: UInt64 { 256 }
  /// Deadlines farther off than this many ticks (131 s) go off early, to be armed again by their owner.
  public static var horizon: UInt32 { 511 }

  private static var buckets: Int { 512 }
  private static var none: UInt32 { 0 }

  /// Links hold slot + 1, so that zeroed memory means "not armed" and untouched slots cost no page.
  @usableFromInline
  struct Links {
    @usableFromInline var next: UInt32
    @usableFromInline var previous: UInt32
    @usableFromInline var tick: UInt32
    @usableFromInline var isArmed: Bool

    init(next: UInt32, previous: UInt32, tick: UInt32, isArmed: Bool) {
      self.next = next
      self.previous = previous
      self.tick = tick
      self.isArmed = isArmed
    }
  }

  @usableFromInline let links: UnsafeMutablePointer<Links>
  private let heads: UnsafeMutablePointer<UInt32>
  /// All ticks up to and with this one have passed. No sum of ticks overflows: 2³² of them are 34,000 years of the monotonic
  /// clock, which begins when the machine does.
  private var passed: UInt32
  /// How many timers are armed.
  public private(set) var count = 0

  /// A wheel for slots 0 ..< `capacity`, that starts at tick `now`. Throws ENOMEM.
  public init(capacity: Int, now: UInt32) throws(Errno) {
    let links = unsafe try zeroedMemory(for: capacity, of: Links.self)
    // Zeroed: `none`.
    let heads = unsafe try zeroedMemory(for: Self.buckets, of: UInt32.self)
    unsafe self.links = unsafe links
    unsafe self.heads = unsafe heads
    passed = now
  }

  deinit {
    unsafe free(links)
    unsafe free(heads)
  }

  /// The tick in which a time falls, given in milliseconds of the monotonic clock.
  @inlinable
  public static func tick(milliseconds: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: milliseconds / millisecondsPerTick)
  }

  /// Makes sure that the slot's timer goes off at `tick` or before: arms it, or moves it if it is later.
  @inlinable
  public mutating func tighten(_ slot: Int, to tick: UInt32) {
    // Nearly always: the deadline was pushed back.
    if unsafe links[slot].isArmed && links[slot].tick <= tick { return }
    arm(slot, at: tick)
  }

  @usableFromInline
  mutating func arm(_ slot: Int, at tick: UInt32) {
    disarm(slot)
    let tick = min(max(tick, passed + 1), passed + Self.horizon)
    let bucket = Int(tick) % Self.buckets
    let first = unsafe heads[bucket]
    unsafe links[slot] = Links(next: first, previous: Self.none, tick: tick, isArmed: true)
    if first != Self.none { unsafe links[Int(first) - 1].previous = UInt32(slot) + 1 }
    unsafe heads[bucket] = UInt32(slot) + 1
    count += 1
  }

  /// Takes the slot's timer out of the wheel, if it is in.
  public mutating func disarm(_ slot: Int) {
    let link = unsafe links[slot]
    guard link.isArmed else { return }
    if link.previous != Self.none {
      unsafe links[Int(link.previous) - 1].next = link.next
    } else {
      unsafe heads[Int(link.tick) % Self.buckets] = link.next
    }
    if link.next != Self.none { unsafe links[Int(link.next) - 1].previous = link.previous }
    unsafe links[slot].isArmed = false
    count -= 1
  }

  /// A slot whose timer has gone off by tick `now`, taken out of the wheel; nil when there is none left.
  public mutating func popExpired(at now: UInt32) -> Int? {
    while passed < now {
      let head = unsafe heads[Int(passed + 1) % Self.buckets]
      if head != Self.none {
        let slot = Int(head) - 1
        disarm(slot)
        return slot
      }
      // Nothing is armed: there is no tick to look at on the way.
      passed = count == 0 ? now : passed + 1
    }
    return nil
  }
}
