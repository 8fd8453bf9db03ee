/// Bytes that a connection keeps between turns: the start of a request that has not come whole, or what the
/// socket would not take. An idle connection has none.
@safe
struct OwnedBytes: ~Copyable {
  private let memory: UnsafeMutableRawPointer?
  private var start = 0
  /// How many bytes are left.
  private(set) var count: Int

  /// No bytes, and no memory.
  init() {
    unsafe memory = nil
    count = 0
  }

  init(copying bytes: UnsafeRawBufferPointer) {
    unsafe self.init(copying: bytes, .empty, .empty)
  }

  /// The bytes of all three, one behind the other.
  init(
    copying first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, _ third: UnsafeRawBufferPointer
  ) {
    count = first.count + second.count + third.count
    let all = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    unsafe all.copyMemory(from: first)
    unsafe UnsafeMutableRawBufferPointer(rebasing: all[first.count...]).copyMemory(from: second)
    unsafe UnsafeMutableRawBufferPointer(rebasing: all[(first.count + second.count)...]).copyMemory(
      from: third)
    unsafe memory = all.baseAddress
  }

  deinit {
    unsafe memory?.deallocate()
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
