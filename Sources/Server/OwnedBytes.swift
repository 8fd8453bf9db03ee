/// Bytes that a connection keeps between turns: the start of a request that has not come whole, or what the
/// socket would not take. An idle connection has none.
@safe
struct OwnedBytes: ~Copyable {
  private let memory: UnsafeMutableRawBufferPointer
  private var start = 0

  /// No bytes, and no memory.
  init() {
    unsafe memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  }

  init(copying bytes: UnsafeRawBufferPointer) {
    unsafe memory = .allocate(byteCount: bytes.count, alignment: 1)
    unsafe memory.copyMemory(from: bytes)
  }

  /// The bytes of all three, one behind the other.
  init(
    copying first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, _ third: UnsafeRawBufferPointer
  ) {
    unsafe memory = .allocate(byteCount: first.count + second.count + third.count, alignment: 1)
    unsafe memory.copyMemory(from: first)
    unsafe UnsafeMutableRawBufferPointer(rebasing: memory[first.count...]).copyMemory(from: second)
    unsafe UnsafeMutableRawBufferPointer(rebasing: memory[(first.count + second.count)...])
      .copyMemory(from: third)
  }

  deinit {
    unsafe memory.deallocate()
  }

  var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(rebasing: memory[start...]) }

  var isEmpty: Bool { unsafe start == memory.count }

  /// All bytes; none are left here.
  mutating func take() -> OwnedBytes {
    let taken = self
    self = OwnedBytes()
    return taken
  }

  mutating func removeFirst(_ count: Int) {
    start += count
  }
}
