internal import Glibc

/// Entries by the hash of their paths: open addressing, at most half full, so that looking costs a step or two. Grows by
/// doubling; the entries stay where they are.
@safe
struct PathTable: ~Copyable {
  typealias Entry = UnsafeMutablePointer<OpenFile>

  /// A place. The hash stands here, too, so that looking touches no entry but the right one.
  @safe
  struct Slot {
    var hash: UInt64 = 0
    var entry: UnsafeMutablePointer<OpenFile>?
  }

  private(set) var slots: UnsafeMutablePointer<Slot>
  /// Places, less one.
  private(set) var mask: Int
  private(set) var count = 0

  init() {
    mask = 1023
    guard let memory = unsafe calloc(mask + 1, MemoryLayout<Slot>.stride) else {
      fatalError("no memory for the table of files")
    }
    unsafe slots = memory.bindMemory(to: Slot.self, capacity: mask + 1)
  }

  deinit {
    unsafe free(slots)
  }

  /// Puts an entry in; false if there is no memory for it.
  mutating func insert(_ entry: Entry) -> Bool {
    if count * 2 > mask { grow() }
    // One place stays free: there every search ends.
    guard count < mask else { return false }
    unsafe place(entry)
    count += 1
    return true
  }

  private func place(_ entry: Entry) {
    let hash = unsafe entry.pointee.hash
    var index = Int(truncatingIfNeeded: hash) & mask
    while unsafe slots[index].entry != nil { index = (index + 1) & mask }
    unsafe slots[index] = unsafe Slot(hash: hash, entry: entry)
  }

  private mutating func grow() {
    let (old, oldCount) = unsafe (slots, mask + 1)
    // Where there is no memory for it, it becomes fuller.
    guard let memory = unsafe calloc(oldCount * 2, MemoryLayout<Slot>.stride) else { return }
    mask = oldCount * 2 - 1
    unsafe slots = memory.bindMemory(to: Slot.self, capacity: mask + 1)
    for index in 0..<oldCount {
      if let entry = unsafe old[index].entry { unsafe place(entry) }
    }
    unsafe free(old)
  }

  /// Takes an entry out that is in; those behind it move up, so that none is cut off from its place.
  mutating func remove(_ entry: Entry) {
    var index = unsafe Int(truncatingIfNeeded: entry.pointee.hash) & mask
    while unsafe slots[index].entry != entry { index = (index + 1) & mask }
    var hole = index
    while true {
      index = (index + 1) & mask
      guard unsafe slots[index].entry != nil else { break }
      let home = unsafe Int(truncatingIfNeeded: slots[index].hash) & mask
      // It may stand in the hole unless its home lies behind that.
      if (index - home) & mask >= (index - hole) & mask {
        unsafe slots[hole] = unsafe slots[index]
        hole = index
      }
    }
    unsafe slots[hole] = Slot()
    count -= 1
  }
}
