internal import Glibc

/// Slots of a slab in a row, first come, first served; each stands in it once at most, and leaves it when its element ends.
///
/// The links lie beside the slab, one for each slot, so that the row can't be longer than the slab, whatever happens in
/// between: nothing has to be counted, checked for room, or allocated.
@safe
public struct SlotQueue: ~Copyable {
  /// Hold slot + 1, `end` at either end of the row, and 0 outside of it: zeroed memory is an empty queue, and untouched
  /// slots cost no page.
  private struct Links {
    var next: UInt32
    var previous: UInt32
  }

  private static var end: UInt32 { .max }

  /// A slot's are looked at once `contains` has found it to be within `capacity`; what they name has stood there before.
  private let links: UnsafeMutablePointer<Links>
  private let capacity: Int
  private var first = Self.end
  private var last = Self.end
  /// How many slots stand in it.
  public private(set) var count = 0

  /// An empty queue for slots 0 ..< `capacity`. Throws ENOMEM.
  public init(capacity: Int) throws(Errno) {
    unsafe links = try zeroedMemory(for: capacity, of: Links.self)
    self.capacity = capacity
  }

  deinit {
    unsafe free(links)
  }

  /// True for no slots.
  public var isEmpty: Bool { count == 0 }

  /// Whether the slot stands in it.
  public func contains(_ slot: Int) -> Bool {
    precondition(slot >= 0 && slot < capacity)
    return unsafe links[slot].next != 0
  }

  /// Puts the slot at the end, unless it stands in the row already.
  public mutating func append(_ slot: Int) {
    guard !contains(slot) else { return }
    unsafe links[slot] = Links(next: Self.end, previous: last)
    if last == Self.end {
      first = UInt32(slot) + 1
    } else {
      unsafe links[Int(last) - 1].next = UInt32(slot) + 1
    }
    last = UInt32(slot) + 1
    count += 1
  }

  /// Takes the slot out, if it is in.
  public mutating func remove(_ slot: Int) {
    guard contains(slot) else { return }
    let link = unsafe links[slot]
    if link.previous == Self.end {
      first = link.next
    } else {
      unsafe links[Int(link.previous) - 1].next = link.next
    }
    if link.next == Self.end {
      last = link.previous
    } else {
      unsafe links[Int(link.next) - 1].previous = link.previous
    }
    unsafe links[slot] = Links(next: 0, previous: 0)
    count -= 1
  }

  /// Takes out the slot that has stood in the row for the longest; nil if there is none.
  public mutating func popFirst() -> Int? {
    guard first != Self.end else { return nil }
    let slot = Int(first) - 1
    remove(slot)
    return slot
  }
}
