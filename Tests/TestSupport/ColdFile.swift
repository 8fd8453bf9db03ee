import Glibc

/// Makes the kernel let go of what its page cache holds of a file (posix_fadvise(2)); false if it has not within some
/// seconds. It skips pages that it is still writing, or that another CPU has not yet put on its lists.
package func dropFromPageCache(_ descriptor: CInt) -> Bool {
  for _ in 0..<500 {
    fsync(descriptor)
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    if residentPages(descriptor) == 0 { return true }
    usleep(10_000)
  }
  return false
}

/// How many pages of a file are in memory: mincore(2), which does not begin to read the others.
private func residentPages(_ descriptor: CInt) -> Int {
  var status = stat()
  guard unsafe fstat(descriptor, &status) == 0, status.st_size > 0 else { return 0 }
  let count = Int(status.st_size)
  let mapping = unsafe mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0)
  guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else { return -1 }
  defer { unsafe munmap(mapping, count) }
  var pages = [UInt8](repeating: 0, count: (count + 4_095) / 4_096)
  guard unsafe mincore(mapping, count, &pages) == 0 else { return -1 }
  return pages.count { $0 & 1 != 0 }
}
