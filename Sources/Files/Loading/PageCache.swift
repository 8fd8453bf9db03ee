internal import CLinux
internal import Glibc

/// What the kernel's page cache holds of a file: what can be read, or sent, without waiting for a disk.
enum PageCache {
  private static var pageSize: Int64 { 4096 }
  /// One page of so many bytes is looked at where the kernel has no better answer: what readahead brings in at once, and
  /// what reclaim lets go together, is of that size or more.
  private static var probeDistance: Int64 { 64 << 10 }

  /// Whether it holds all of a part, which must lie in the file and not be empty; nil if nobody can say.
  static func holds(_ descriptor: Int32, _ part: Range<Int64>, owner: UInt32) -> Bool? {
    let start = part.lowerBound / pageSize * pageSize
    let pages = (part.upperBound - start + pageSize - 1) / pageSize
    let cached = CLinux_cachedPages(descriptor, UInt64(start), UInt64(part.upperBound - start))
    if cached >= pages {
      // It counts pages that are still being read, too; the last one comes last.
      return probe(descriptor, part.upperBound - 1)
        ?? askByMapping(descriptor, start..<part.upperBound, owner: owner)
    }
    // On some file systems what it is asked of is not where the pages are: then it says 0.
    if cached > 0 { return false }
    return askByProbes(descriptor, part) ?? askByMapping(descriptor, start..<part.upperBound, owner: owner)
  }

  /// preadv2(2) with RWF_NOWAIT of one byte; nil where the file system can't say.
  private static func probe(_ descriptor: Int32, _ offset: Int64) -> Bool? {
    var byte: UInt8 = 0
    if unsafe CLinux_preadCached(descriptor, &byte, 1, off_t(offset)) >= 0 { return true }
    return errno == EOPNOTSUPP ? nil : false
  }

  /// A byte here and there.
  private static func askByProbes(_ descriptor: Int32, _ part: Range<Int64>) -> Bool? {
    for offset in stride(from: part.lowerBound, to: part.upperBound, by: Int(probeDistance)) {
      let isThere = probe(descriptor, offset)
      guard isThere == true else { return isThere }
    }
    return probe(descriptor, part.upperBound - 1)
  }

  /// mincore(2), which tells the truth only to who owns the file, or to root.
  private static func askByMapping(_ descriptor: Int32, _ part: Range<Int64>, owner: UInt32) -> Bool? {
    let user = geteuid()
    guard user == 0 || user == owner else { return nil }
    let count = Int(part.count)
    let mapping = unsafe mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, off_t(part.lowerBound))
    guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else { return nil }
    defer { unsafe munmap(mapping, count) }
    let pages = (count + Int(pageSize) - 1) / Int(pageSize)
    return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: pages) { states in
      guard unsafe mincore(mapping, count, states.baseAddress!) == 0 else { return nil }
      return unsafe states.allSatisfy { $0 & 1 == 1 }
    }
  }
}
