internal import Glibc

/// Zeroed memory for `count` values, of which no page is touched before it is used. Throws ENOMEM. To be given back by
/// `free`; who can't get all that it needs can't start, so it need not give back what it got.
func zeroedMemory<Value: ~Copyable>(
  for count: Int, of type: Value.Type
) throws(Errno) -> UnsafeMutablePointer<Value> {
  precondition(MemoryLayout<Value>.alignment <= MemoryLayout<max_align_t>.alignment)
  guard let memory = unsafe calloc(count, MemoryLayout<Value>.stride) else { throw Errno(rawValue: ENOMEM) }
  return unsafe memory.bindMemory(to: Value.self, capacity: count)
}
