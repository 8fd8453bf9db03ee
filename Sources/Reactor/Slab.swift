internal import Glibc

/// Elements at fixed addresses in slots that are used again, each life of a slot with a generation of its own.
///
/// The memory for all slots is reserved at once and touched only as slots come into use. Adding and removing
/// allocate nothing.
@safe
public struct Slab<Element: ~Copyable>: ~Copyable {
  /// How many elements there can be.
  public let capacity: Int
  /// How many elements there are.
  public private(set) var count = 0

  @usableFromInline let elements: UnsafeMutablePointer<Element>
  /// Odd while the slot is occupied; goes up by one at each insertion and each removal. May start over after 2³¹ lives of a
  /// slot: events of the life before are long gone. Never 0 for an element, since 0 is even.
  @usableFromInline let generations: UnsafeMutablePointer<UInt32>
  /// The free slot after this one, for free slots.
  private let nextFree: UnsafeMutablePointer<UInt32>
  private var firstFree = Self.none
  /// Slots from here on were never used: their memory has not been touched.
  private var untouched = 0

  private static var none: UInt32 { .max }

  /// Reserves room for `capacity` elements (1 to 2³²-2). Throws ENOMEM.
  public init(capacity: Int) throws(Errno) {
    precondition(capacity > 0 && capacity < Int(Self.none))
    let elements = unsafe try zeroedMemory(for: capacity, of: Element.self)
    let generations = unsafe try zeroedMemory(for: capacity, of: UInt32.self)
    let nextFree = unsafe try zeroedMemory(for: capacity, of: UInt32.self)
    self.capacity = capacity
    unsafe self.elements = unsafe elements
    unsafe self.generations = unsafe generations
    unsafe self.nextFree = unsafe nextFree
  }

  deinit {
    for slot in 0..<untouched where unsafe generations[slot] & 1 == 1 {
      unsafe (elements + slot).deinitialize(count: 1)
    }
    unsafe free(elements)
    unsafe free(generations)
    unsafe free(nextFree)
  }

  /// True when no further element fits.
  public var isFull: Bool { count == capacity }

  /// One past the highest slot that was ever used: for walks over all elements.
  public var highWater: Int { untouched }

  /// Puts an element into a free slot. There must be one: ask `isFull` first.
  public mutating func insert(_ element: consuming Element) -> Token {
    precondition(!isFull)
    let slot: Int
    if firstFree != Self.none {
      slot = Int(firstFree)
      firstFree = unsafe nextFree[slot]
    } else {
      slot = untouched
      untouched += 1
      unsafe generations[slot] = 0
    }
    count += 1
    // Not &+=, which the compiler (6.3) can't instrument for the thread sanitizer.
    unsafe generations[slot] = generations[slot] &+ 1
    unsafe (elements + slot).initialize(to: element)
    return unsafe Token(slot: slot, generation: generations[slot])
  }

  /// Ends the element in `slot`. Tokens of this life of the slot are stale from now on.
  public mutating func remove(_ slot: Int) {
    precondition(isOccupied(slot))
    unsafe generations[slot] = generations[slot] &+ 1
    unsafe (elements + slot).deinitialize(count: 1)
    unsafe nextFree[slot] = firstFree
    firstFree = UInt32(slot)
    count -= 1
  }

  /// Whether the slot holds an element.
  @inlinable
  public func isOccupied(_ slot: Int) -> Bool {
    unsafe slot < highWater && generations[slot] & 1 == 1
  }

  /// Whether the life of the slot that the token was made for still lasts.
  @inlinable
  public func isCurrent(_ token: Token) -> Bool {
    unsafe token.slot < highWater && generations[token.slot] == token.generation
  }

  /// The token of the element in `slot`.
  @inlinable
  public func token(of slot: Int) -> Token {
    precondition(isOccupied(slot))
    return unsafe Token(slot: slot, generation: generations[slot])
  }

  /// The element in `slot`, in place. The slot must be occupied.
  @inlinable
  public subscript(slot: Int) -> Element {
    unsafeAddress {
      precondition(isOccupied(slot))
      return unsafe UnsafePointer(elements + slot)
    }
    unsafeMutableAddress {
      precondition(isOccupied(slot))
      return unsafe elements + slot
    }
  }
}
