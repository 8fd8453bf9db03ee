import Glibc
import HTTP

/// The parts of a response with several that were not begun yet (RFC 9110 §14.6). All in one piece of memory: a connection
/// without them has a pointer. What is said of a part is written when it is sent.
@safe
struct OwnedParts: ~Copyable {
  private struct State: ~Copyable {
    let share: MemoryShare
    let boundary: MultipartBoundary
    let count: Int
    var next = 0
  }

  private let state: UnsafeMutablePointer<State>

  /// A copy; nil if there is no memory for it, or the budget does not allow it.
  init?(copying parts: PartsToFollow, within budget: UnsafeMutablePointer<MemoryBudget>) {
    let count = unsafe parts.ranges.count
    let size = MemoryLayout<State>.stride + count * MemoryLayout<ByteRange>.stride
    // Not allocate(capacity:), which ends the process if there is no memory.
    guard let share = unsafe MemoryShare(of: budget, size), let memory = unsafe malloc(size) else {
      return nil
    }
    unsafe state = memory.bindMemory(to: State.self, capacity: 1)
    unsafe state.initialize(to: State(share: share, boundary: parts.boundary, count: count))
    unsafe UnsafeMutableRawBufferPointer(start: ranges, count: size - MemoryLayout<State>.stride)
      .copyMemory(from: UnsafeRawBufferPointer(parts.ranges))
  }

  deinit {
    unsafe state.deinitialize(count: 1)
    unsafe free(state)
  }

  /// Behind the state.
  private var ranges: UnsafeMutableRawPointer {
    unsafe UnsafeMutableRawPointer(state) + MemoryLayout<State>.stride
  }

  /// What stands between the parts, and behind the last.
  var boundary: MultipartBoundary { unsafe state.pointee.boundary }

  /// Those that were not taken; for as long as this lives.
  var rest: UnsafeBufferPointer<ByteRange> {
    let (next, count) = unsafe (state.pointee.next, state.pointee.count)
    let first = unsafe ranges.assumingMemoryBound(to: ByteRange.self) + next
    return unsafe UnsafeBufferPointer(start: first, count: count - next)
  }

  /// Takes the next part; nil behind the last.
  mutating func next() -> ByteRange? {
    // Through a local: the compiler (6.3) can't instrument a change through a stored pointer for the thread sanitizer.
    let state = unsafe state
    let index = unsafe state.pointee.next
    guard unsafe index < state.pointee.count else { return nil }
    unsafe state.pointee.next = index + 1
    return unsafe ranges.load(fromByteOffset: index * MemoryLayout<ByteRange>.stride, as: ByteRange.self)
  }
}
