/// Decides which file gives way when a bound is reached: S3-FIFO (Yang and others, SOSP 2023), in constant time.
///
/// New files stand in a small queue, a tenth of the room; those that are asked for again there move to the main queue, the
/// others give way soon, so that a client who reads everything once passes through the small queue only. Who has given way
/// is remembered for a while by its hash: if it comes again, it goes to the main queue at once. In the main queue, a file
/// that was asked for gets another round.
@safe
struct EvictionQueue: ~Copyable {
  typealias Entry = UnsafeMutablePointer<OpenFile>

  /// So many files are looked at to find one that gives way; then the next one does, whatever speaks for it.
  private static var steps: Int { 64 }

  /// What all files may weigh together.
  let limit: Int
  private var small = EntryList()
  private var main = EntryList()
  private var ghosts = GhostTable()
  /// What files weigh that gave way but are still being sent.
  private(set) var heldWeight = 0

  init(limit: Int) {
    self.limit = limit
  }

  var weight: Int { small.weight + main.weight + heldWeight }

  /// Whether a file of this weight fits.
  func hasRoom(_ weight: Int) -> Bool { self.weight + weight <= limit }

  /// `isKnown`: it takes the place of one that stood in the main queue.
  mutating func insert(_ entry: Entry, isKnown: Bool = false) {
    if unsafe ghosts.remove(entry.pointee.hash) || isKnown {
      unsafe entry.pointee.isInMainQueue = true
      unsafe main.push(entry)
    } else {
      unsafe entry.pointee.isInMainQueue = false
      unsafe small.push(entry)
    }
  }

  mutating func remove(_ entry: Entry) {
    if unsafe entry.pointee.isInMainQueue { unsafe main.remove(entry) } else { unsafe small.remove(entry) }
    if unsafe entry.pointee.users > 0 { heldWeight += unsafe entry.pointee.weight }
  }

  /// A file that gave way is not being sent any more.
  mutating func noteEnd(of entry: Entry) {
    heldWeight -= unsafe entry.pointee.weight
  }

  /// The file that shall give way, taken out of its queue; nil if none is found that is not being sent.
  mutating func popVictim() -> Entry? {
    for _ in 0..<Self.steps {
      if let entry = unsafe small.last, unsafe small.weight * 10 > limit || main.last == nil {
        if unsafe entry.pointee.frequency > 1 || entry.pointee.users > 0 {
          unsafe small.remove(entry)
          unsafe entry.pointee.frequency = 0
          unsafe entry.pointee.isInMainQueue = true
          unsafe main.push(entry)
          continue
        }
        unsafe ghosts.insert(entry.pointee.hash)
        unsafe remove(entry)
        return unsafe entry
      }
      guard let entry = unsafe main.last else { return nil }
      if unsafe entry.pointee.frequency > 0 || entry.pointee.users > 0 {
        unsafe entry.pointee.frequency -= entry.pointee.frequency > 0 ? 1 : 0
        unsafe main.remove(entry)
        unsafe main.push(entry)
        continue
      }
      unsafe remove(entry)
      return unsafe entry
    }
    // One that is being sent would give nothing free.
    guard let entry = unsafe small.last ?? main.last, unsafe entry.pointee.users == 0 else { return nil }
    unsafe remove(entry)
    return unsafe entry
  }
}

/// Entries in a row, newest first.
@safe
private struct EntryList {
  typealias Entry = UnsafeMutablePointer<OpenFile>

  private(set) var last: Entry?
  private var first: Entry?
  private(set) var weight = 0

  mutating func push(_ entry: Entry) {
    unsafe entry.pointee.previous = nil
    unsafe entry.pointee.next = unsafe first
    if let first = unsafe first {
      unsafe first.pointee.previous = unsafe entry
    } else {
      unsafe last = unsafe entry
    }
    unsafe first = unsafe entry
    weight += unsafe entry.pointee.weight
  }

  mutating func remove(_ entry: Entry) {
    let (next, previous) = unsafe (entry.pointee.next, entry.pointee.previous)
    if let previous = unsafe previous {
      unsafe previous.pointee.next = unsafe next
    } else {
      unsafe first = unsafe next
    }
    if let next = unsafe next {
      unsafe next.pointee.previous = unsafe previous
    } else {
      unsafe last = unsafe previous
    }
    weight -= unsafe entry.pointee.weight
  }
}

/// Hashes of files that gave way lately. Each hash has one place, where a later one takes over.
private struct GhostTable: ~Copyable {
  private static let count = 1 << 15
  /// Made when the first file gives way.
  private var hashes: [UInt32] = []

  private static func place(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash >> 32) & (count - 1) }
  private static func mark(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash) | 1 }

  mutating func insert(_ hash: UInt64) {
    if hashes.isEmpty { hashes = [UInt32](repeating: 0, count: Self.count) }
    hashes[Self.place(hash)] = Self.mark(hash)
  }

  /// Whether it was there.
  mutating func remove(_ hash: UInt64) -> Bool {
    let place = Self.place(hash)
    guard !hashes.isEmpty, hashes[place] == Self.mark(hash) else { return false }
    hashes[place] = 0
    return true
  }
}
