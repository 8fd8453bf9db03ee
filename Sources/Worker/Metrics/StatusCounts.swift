/// How many responses of each site have had each status.
public struct StatusCounts: Sendable {
  /// One for each status and site: `slots` for a site.
  var counts: [UInt64]
  static let slots = 5 * 32

  /// None yet.
  package init(sites: Int) {
    counts = Array(repeating: 0, count: sites * Self.slots)
  }

  /// A status of 100 to 599 whose last two digits are below 32.
  static func slot(_ status: UInt16) -> Int {
    let (kind, rest) = status.quotientAndRemainder(dividingBy: 100)
    return (Int(clamping: kind) &- 1 & 7) % 5 &* 32 &+ Int(rest & 31)
  }

  /// All that are not 0: the number of the site, the status, and how many.
  package var all: [(site: Int, status: Int, count: UInt64)] {
    counts.indices.filter { counts[$0] > 0 }.map { index in
      let (site, slot) = index.quotientAndRemainder(dividingBy: Self.slots)
      return (site, (slot / 32 + 1) * 100 + slot % 32, counts[index])
    }
  }

  /// Has the sites have other numbers, by those that they have.
  mutating func number(_ numbers: [Int]) {
    var new = StatusCounts(sites: (numbers.max() ?? -1) + 1)
    for index in counts.indices {
      let (site, slot) = index.quotientAndRemainder(dividingBy: Self.slots)
      new.counts[numbers[site] * Self.slots + slot] += counts[index]
    }
    self = new
  }

  mutating func add(_ other: StatusCounts) {
    if counts.count < other.counts.count {
      counts += Array(repeating: 0, count: other.counts.count - counts.count)
    }
    for index in other.counts.indices { counts[index] += other.counts[index] }
  }
}

/// The counts of a worker, in memory of their own: no reference is counted for them.
@safe
struct StatusTable: ~Copyable {
  private let counts: UnsafeMutableBufferPointer<UInt64>

  init(sites: Int) {
    unsafe counts = .allocate(capacity: sites * StatusCounts.slots)
    unsafe counts.initialize(repeating: 0)
  }

  deinit {
    unsafe counts.deallocate()
  }

  @inline(__always)
  func note(_ status: UInt16, site: Int) {
    // Through a local: the compiler (6.3) can't instrument a change through a stored pointer for the thread sanitizer.
    let counts = unsafe counts
    let place = site &* StatusCounts.slots &+ StatusCounts.slot(status)
    unsafe counts[place] &+= 1
  }

  /// As they are now.
  var all: StatusCounts {
    var all = StatusCounts(sites: 0)
    all.counts = unsafe Array(counts)
    return all
  }
}

/// How often something took how long.
public struct Histogram: Sendable {
  /// The upper bounds of the buckets, in milliseconds; the last one has none.
  package static let bounds: [UInt32] = [
    1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000,
  ]
  /// How many fall into each.
  package private(set) var counts = InlineArray<14, UInt64>(repeating: 0)
  /// All times together, in milliseconds.
  package private(set) var sum: UInt64 = 0

  package init() {}

  mutating func note(_ milliseconds: UInt32) {
    let bucket = Self.bounds.firstIndex { milliseconds <= $0 } ?? Self.bounds.count
    counts[bucket] += 1
    sum += UInt64(milliseconds)
  }

  /// So many that took no time worth speaking of.
  package mutating func noteQuick(_ count: UInt64) { counts[0] += count }

  /// How many there are.
  package var count: UInt64 { counts.indices.reduce(0) { $0 + counts[$1] } }

  mutating func add(_ other: Histogram) {
    for index in counts.indices { counts[index] += other.counts[index] }
    sum += other.sum
  }
}

/// What a worker's connections are about, now.
public struct ConnectionStates: Sendable {
  package enum State: Int, CaseIterable, Sendable {
    case handshaking, idle, receiving, waiting, sending, closing

    package var name: String { "\(self)" }
  }

  package private(set) var counts = InlineArray<6, Int>(repeating: 0)

  package init() {}

  mutating func note(_ state: State) { counts[state.rawValue] += 1 }

  mutating func add(_ other: ConnectionStates) {
    for index in counts.indices { counts[index] += other.counts[index] }
  }
}
