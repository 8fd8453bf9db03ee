internal import Glibc

/// Zeroed memory for `count` values, of which no page is touched before it is used. Throws ENOMEM. To be given back by
/// `free`; who can't get all that it needs can't start, so it need not give back what it got.
func zeroedMemory<Value: ~Copyable>(
  for count: Int, of type: Value.Type
) throws(Errno) -> UnsafeMutablePointer<Value> {
  precondition(MemoryLayout<Value>.alignment <= MemoryLayout<max_align_t>.alignment)
  let size = count * MemoryLayout<Value>.stride
  guard let memory = unsafe calloc(count, MemoryLayout<Value>.stride) else { throw Errno(rawValue: ENOMEM) }
  // Where huge pages are used for everything (Debian 13), the first value would take 2 MiB.
  let page = 4096
  let start = (UInt(bitPattern: memory) + UInt(page - 1)) & ~UInt(page - 1)
  let end = (UInt(bitPattern: memory) + UInt(size)) & ~UInt(page - 1)
  if end > start {
    unsafe madvise(UnsafeMutableRawPointer(bitPattern: start), Int(end - start), MADV_NOHUGEPAGE)
  }
  return unsafe memory.bindMemory(to: Value.self, capacity: count)
}
