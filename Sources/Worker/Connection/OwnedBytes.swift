import Glibc

/// Bytes that a connection keeps between turns: the start of a request that has not come whole, or what the
/// socket would not take. An idle connection has none.
@safe
struct OwnedBytes: ~Copyable {
  private let memory: UnsafeMutableRawPointer?
  private let share: MemoryShare?
  private var start = 0
  /// How many bytes are left.
  private(set) var count: Int

  /// No bytes, and no memory.
  init() {
    unsafe memory = nil
    share = nil
    count = 0
  }

  /// A copy; nil if there is no memory for it, or the budget does not allow it.
  init?(copying bytes: UnsafeRawBufferPointer, within budget: UnsafeMutablePointer<MemoryBudget>) {
    unsafe self.init(copying: bytes, .empty, .empty, within: budget)
  }

  /// The bytes of all three, one behind the other; nil if there is no memory for them, or the budget does not allow them.
  init?(
    copying first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, _ third: UnsafeRawBufferPointer,
    within budget: UnsafeMutablePointer<MemoryBudget>
  ) {
    let count = first.count + second.count + third.count
    // Not allocate(byteCount:), which ends the process if there is no memory.
    guard let share = unsafe MemoryShare(of: budget, count), let memory = unsafe malloc(max(1, count)) else {
      return nil
    }
    let all = unsafe UnsafeMutableRawBufferPointer(start: memory, count: count)
    unsafe all.copyMemory(from: first)
    unsafe UnsafeMutableRawBufferPointer(rebasing: all[first.count...]).copyMemory(from: second)
    unsafe UnsafeMutableRawBufferPointer(rebasing: all[(first.count + second.count)...]).copyMemory(
      from: third)
    unsafe self.memory = unsafe memory
    self.share = consume share
    self.count = count
  }

  deinit {
    unsafe free(memory)
  }

  var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: memory.map { unsafe $0 + start }, count: count)
  }

  var isEmpty: Bool { count == 0 }

  /// All bytes; none are left here.
  mutating func take() -> OwnedBytes {
    let taken = self
    self = OwnedBytes()
    return taken
  }

  mutating func removeFirst(_ number: Int) {
    precondition(number <= count)
    start += number
    count -= number
  }
}
