internal import Glibc

/// A worker's files, found by path without a system call. Bounded; belongs to one thread.
///
/// A set-associative table: a path can stand in few places only, so looking costs the same whatever paths
/// clients invent, and the least recently used of those places gives way.
@safe
public struct FileCache: ~Copyable {
  /// How many files a set holds.
  private static var ways: Int { 8 }
  /// For how long a file is served without a look whether it has changed, in milliseconds.
  public static var trustMilliseconds: UInt64 { 500 }
  /// The longest path, in bytes: PATH_MAX.
  public static var longestPath: Int { Int(PATH_MAX) - 1 }

  /// A place in the table. The hash stands here, too, so that looking touches no file but the right one.
  @safe
  private struct Slot {
    var hash: UInt64 = 0
    var entry: UnsafeMutablePointer<OpenFile>?
  }

  private let root: DocumentRoot
  private let inMemory: Int
  private let table: UnsafeMutablePointer<Slot>
  private let slots: Int
  /// The bits of a hash that are the index of a set's first slot.
  private let setMask: UInt64

  /// Room for `capacity` files at most (rounded down to a power of two, at least 8); files up to `inMemory` bytes are kept
  /// in memory.
  public init(root: DocumentRoot, capacity: Int, inMemory: Int) {
    self.root = root
    self.inMemory = inMemory
    var sets = 1
    while sets * 2 * Self.ways <= capacity { sets *= 2 }
    slots = sets * Self.ways
    setMask = UInt64(slots - Self.ways)
    unsafe table = .allocate(capacity: slots)
    unsafe table.initialize(repeating: Slot(), count: slots)
  }

  deinit {
    for index in 0..<slots {
      guard let entry = unsafe table[index].entry else { continue }
      unsafe entry.pointee.isCached = false
      if unsafe entry.pointee.users == 0 {
        unsafe entry.deinitialize(count: 1)
        unsafe entry.deallocate()
      }
    }
    unsafe table.deallocate()
  }

  /// The file known by `path`, if it is in the cache and still what the path names. `path` is relative to the
  /// root, decoded, and a folder's ends with a slash or is empty: then its index.html is meant.
  public mutating func find(_ path: Span<UInt8>, now: UInt64) -> FileReference? {
    let hash = unsafe Self.hash(path.bytes)
    let first = firstSlot(of: hash)
    for way in 0..<Self.ways {
      let index = first &+ way
      guard unsafe table[index].hash == hash, let entry = unsafe table[index].entry,
        unsafe entry.pointee.keyCount == path.count, unsafe Self.equals(path.bytes, entry.pointee.path)
      else { continue }
      unsafe entry.pointee.usedAt = now
      if unsafe now &- entry.pointee.checkedAt < Self.trustMilliseconds { return unsafe FileReference(entry) }
      return unsafe recheck(index, entry, now: now)
    }
    return nil
  }

  @inline(__always)
  private func firstSlot(of hash: UInt64) -> Int {
    Int(truncatingIfNeeded: hash & setMask)
  }

  private mutating func recheck(
    _ index: Int, _ entry: UnsafeMutablePointer<OpenFile>, now: UInt64
  ) -> FileReference? {
    if unsafe root.status(entry.pointee.path) == entry.pointee.status {
      unsafe entry.pointee.checkedAt = now
      return unsafe FileReference(entry)
    }
    drop(index)
    return nil
  }

  /// What a path leads to.
  public enum Loaded {
    /// A file, now in the cache.
    case file(FileReference)
    /// A folder, named without its slash.
    case directory
    /// Nothing that can be served.
    case failed(FileError)
  }

  /// Opens the file that `path` names and puts it into the cache. `wallSeconds` is the time in seconds since 1970: no file
  /// is said to be newer.
  public mutating func load(_ path: Span<UInt8>, now: UInt64, wallSeconds: Int64) -> Loaded {
    let index: StaticString = "index.html"
    let namesFolder = path.isEmpty || path[path.count - 1] == UInt8(ascii: "/")
    let fullCount = path.count + (namesFolder ? index.utf8CodeUnitCount : 0)
    guard fullCount <= Self.longestPath else { return .failed(.notFound) }
    let fullPath = UnsafeMutablePointer<CChar>.allocate(capacity: fullCount + 1)
    let bytes = unsafe UnsafeMutableRawBufferPointer(start: fullPath, count: fullCount + 1)
    unsafe path.bytes.withUnsafeBytes { unsafe bytes.copyMemory(from: $0) }
    if namesFolder {
      unsafe memcpy(fullPath + path.count, index.utf8Start, index.utf8CodeUnitCount)
    }
    unsafe fullPath[fullCount] = 0

    var opened = unsafe root.open(fullPath)
    if case .failed(.exhausted) = opened, closeLeastRecentlyUsed() { opened = unsafe root.open(fullPath) }
    switch opened {
    case .failed(let error):
      unsafe fullPath.deallocate()
      return .failed(error)
    case .directory:
      unsafe fullPath.deallocate()
      // "index.html" may itself be a folder: that is no file to serve.
      return namesFolder ? .failed(.notFound) : .directory
    case .file(let descriptor, let status):
      let isSmall = status.size <= Int64(inMemory)
      let memory = unsafe OpenFile.read(descriptor, count: isSmall ? Int(status.size) : 0)
      guard let memory = unsafe memory else {
        close(descriptor)
        unsafe fullPath.deallocate()
        return .failed(.inputOutput)
      }
      if isSmall { close(descriptor) }
      let entry = UnsafeMutablePointer<OpenFile>.allocate(capacity: 1)
      unsafe entry.initialize(
        to: OpenFile(
          descriptor: isSmall ? -1 : descriptor, memory: memory, status: status, openedSeconds: wallSeconds,
          path: fullPath,
          keyCount: path.count, hash: Self.hash(path.bytes)))
      unsafe entry.pointee.checkedAt = now
      unsafe entry.pointee.usedAt = now
      unsafe insert(entry)
      return unsafe .file(FileReference(entry))
    }
  }

  private mutating func insert(_ entry: UnsafeMutablePointer<OpenFile>) {
    let first = unsafe firstSlot(of: entry.pointee.hash)
    var place = first
    for index in first..<first + Self.ways {
      guard let other = unsafe table[index].entry else {
        place = index
        break
      }
      if let oldest = unsafe table[place].entry, unsafe other.pointee.usedAt < oldest.pointee.usedAt {
        place = index
      }
    }
    drop(place)
    unsafe table[place] = unsafe Slot(hash: entry.pointee.hash, entry: entry)
  }

  /// Gives up the open file that nobody has asked for the longest and nobody is being sent, so that its descriptor is free.
  /// False if there is none.
  private mutating func closeLeastRecentlyUsed() -> Bool {
    var oldest: (index: Int, usedAt: UInt64)?
    for index in 0..<slots {
      guard let entry = unsafe table[index].entry, unsafe entry.pointee.users == 0,
        unsafe !entry.pointee.isInMemory, unsafe entry.pointee.usedAt < oldest?.usedAt ?? .max
      else { continue }
      oldest = (index, unsafe entry.pointee.usedAt)
    }
    guard let oldest else { return false }
    drop(oldest.index)
    return true
  }

  private mutating func drop(_ index: Int) {
    guard let entry = unsafe table[index].entry else { return }
    unsafe table[index] = Slot()
    unsafe entry.pointee.isCached = false
    if unsafe entry.pointee.users == 0 { unsafe free(entry) }
  }

  private func free(_ entry: UnsafeMutablePointer<OpenFile>) {
    unsafe entry.deinitialize(count: 1)
    unsafe entry.deallocate()
  }

  /// Keeps a file alive beyond the current turn.
  public func retain(_ reference: FileReference) {
    unsafe reference.pointer.pointee.users += 1
  }

  /// Ends what `retain` began.
  public func release(_ reference: FileReference) {
    let entry = unsafe reference.pointer
    unsafe entry.pointee.users -= 1
    if unsafe entry.pointee.users == 0 && !entry.pointee.isCached { unsafe free(entry) }
  }

  /// Whether as many bytes as `path` has are the same. Paths are short: a call of memcmp costs more than this.
  @inline(__always)
  private static func equals(_ path: RawSpan, _ other: UnsafePointer<CChar>) -> Bool {
    let other = unsafe UnsafeRawPointer(other)
    let count = path.byteCount
    @inline(__always)
    func isSame<Word: FixedWidthInteger & BitwiseCopyable>(_ type: Word.Type, at index: Int) -> Bool {
      unsafe path.load(type, at: index) == other.loadUnaligned(fromByteOffset: index, as: type)
    }
    // What is left at the end is compared by loads that overlap what was compared before.
    if count >= 8 {
      var index = 0
      while index &+ 8 < count {
        guard isSame(UInt64.self, at: index) else { return false }
        index &+= 8
      }
      return isSame(UInt64.self, at: count &- 8)
    }
    if count >= 4 { return isSame(UInt32.self, at: 0) && isSame(UInt32.self, at: count &- 4) }
    return count == 0
      || isSame(UInt8.self, at: 0) && isSame(UInt8.self, at: count / 2) && isSame(UInt8.self, at: count &- 1)
  }

  /// Eight bytes at a time. Needs no secret: flooding one set only evicts that set's files.
  @inline(__always)
  private static func hash(_ bytes: RawSpan) -> UInt64 {
    let multiplier: UInt64 = 0x9E37_79B9_7F4A_7C15
    var hash = UInt64(truncatingIfNeeded: bytes.byteCount) &* multiplier
    var index = 0
    while index &+ 8 <= bytes.byteCount {
      hash = (hash ^ bytes.load(UInt64.self, at: index)) &* multiplier
      hash ^= hash >> 32
      index &+= 8
    }
    // The last 1 to 7 bytes, by loads that overlap.
    let rest = bytes.byteCount &- index
    var last: UInt64 = 0
    if rest >= 4 {
      last = UInt64(bytes.load(UInt32.self, at: index)) << 32
      last |= UInt64(bytes.load(UInt32.self, at: bytes.byteCount &- 4))
    } else if rest > 0 {
      last = UInt64(bytes.load(UInt8.self, at: index)) << 16
      last |= UInt64(bytes.load(UInt8.self, at: index &+ rest / 2)) << 8
      last |= UInt64(bytes.load(UInt8.self, at: bytes.byteCount &- 1))
    }
    hash = (hash ^ last) &* multiplier
    return hash ^ hash >> 32
  }
}

extension RawSpan {
  /// The integer from `index` on, all of which must be there.
  @inline(__always)
  fileprivate func load<Word: FixedWidthInteger & BitwiseCopyable>(_ type: Word.Type, at index: Int) -> Word {
    unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: type)
  }
}
