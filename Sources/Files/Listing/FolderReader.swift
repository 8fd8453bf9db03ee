internal import CLinux
internal import Glibc

/// Reads what a folder holds: on helper threads, since every step may wait for a disk.
struct FolderReader {
  let lister: FolderLister

  /// A rename that comes in between makes a lookup fail; so often it is tried again.
  private static var attempts: Int { 8 }

  enum Outcome {
    /// With the status of the folder itself.
    case contents(FolderContents, FileStatus)
    case failed(FileError)
    /// Another file system is mounted on the way, which only a thread that may wait for any can look at.
    case leavesFileSystem
  }

  /// Reads the folder of a path that is NUL-terminated, relative to the root, and empty or ends with a slash.
  func read(
    _ path: [CChar], for variant: ListingVariant, in root: RootFolder, number: Int = 0, _ patience: Patience
  ) -> Outcome {
    let name = path.count > 1 ? path.dropLast(2) + [0] : [CChar(bitPattern: UInt8(ascii: ".")), 0]
    let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK
    let descriptor = Self.open(Array(name), flags, in: root, patience)
    guard descriptor >= 0 else {
      return errno == EXDEV && patience == .nearby ? .leavesFileSystem : .failed(FileError(errno: errno))
    }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, let stream = unsafe fdopendir(descriptor) else {
      let error = FileError(errno: errno)
      close(descriptor)
      return .failed(error)
    }
    // Closes the descriptor, too.
    defer { unsafe closedir(stream) }
    var found = FoundEntries(variant, bound: lister.entries)
    let folder = Folder(
      descriptor: descriptor, path: path.dropLast().map { UInt8(bitPattern: $0) }, root: root,
      patience: patience)
    let isVisible = lister.visibility(folder.path, number)
    var looks = 0
    while looks < lister.looks {
      errno = 0
      guard let next = unsafe readdir(stream) else {
        guard errno == 0 else { return .failed(FileError(errno: errno)) }
        return .contents(found.contents(of: folder.path, isComplete: true), FileStatus(status))
      }
      guard let name = unsafe Self.name(of: next) else { continue }
      // No client is to see or to learn of these: RequestPath.
      if unsafe name.pointee == CChar(bitPattern: UInt8(ascii: ".")) { continue }
      looks += 1
      switch unsafe folder.look(at: name, isLink: unsafe next.pointee.d_type == UInt8(DT_LNK)) {
      case .entry(let entry):
        if let isVisible, !isVisible(folder.path + entry.name + (entry.isFolder ? [UInt8(ascii: "/")] : [])) {
          continue
        }
        found.append(entry)
      case .nothing: continue
      case .leavesFileSystem: return .leavesFileSystem
      }
    }
    return .contents(found.contents(of: folder.path, isComplete: false), FileStatus(status))
  }

  fileprivate static func open(
    _ path: [CChar], _ flags: Int32, in root: RootFolder, _ patience: Patience
  ) -> Int32 {
    for _ in 1..<attempts {
      let descriptor = unsafe root.open(path, flags, patience)
      if descriptor >= 0 || errno != EAGAIN { return descriptor }
    }
    return unsafe root.open(path, flags, patience)
  }

  /// In the memory of the stream, NUL-terminated.
  private static func name(of entry: UnsafeMutablePointer<dirent>) -> UnsafePointer<CChar>? {
    guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { return nil }
    return unsafe (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self)
  }
}

/// A folder whose entries are looked at.
private struct Folder {
  let descriptor: Int32
  /// Relative to the root, with its slash.
  let path: [UInt8]
  let root: RootFolder
  let patience: Patience

  enum Look {
    case entry(FolderEntry)
    /// Nothing that can be served.
    case nothing
    case leavesFileSystem
  }

  /// A link is what it leads to, if that lies beneath the root.
  func look(at name: UnsafePointer<CChar>, isLink: Bool) -> Look {
    if isLink { return unsafe followLink(name) }
    // Of what is mounted here, only what is known already: an answer may never come. A disk of this machine knows it all.
    let flags = AT_SYMLINK_NOFOLLOW | (patience == .nearby ? Self.withoutAsking : 0)
    var status = stat()
    guard unsafe fstatat(descriptor, name, &status, flags) == 0 else {
      return .nothing
    }
    return unsafe status.st_mode & S_IFMT == S_IFLNK ? followLink(name) : entry(name, status)
  }

  /// AT_STATX_DONT_SYNC of `statx(2)`, which `newfstatat` knows as well.
  private static var withoutAsking: Int32 { 0x4000 }

  private func followLink(_ name: UnsafePointer<CChar>) -> Look {
    let target = unsafe (path + Self.bytes(name)).map { CChar(bitPattern: $0) } + [0]
    let found = FolderReader.open(
      target, Int32(truncatingIfNeeded: CLinux_O_PATH) | O_CLOEXEC, in: root, patience)
    guard found >= 0 else {
      return errno == EXDEV && patience == .nearby ? .leavesFileSystem : .nothing
    }
    defer { close(found) }
    var status = stat()
    guard unsafe fstat(found, &status) == 0 else { return .nothing }
    return unsafe entry(name, status)
  }

  private static func bytes(_ name: UnsafePointer<CChar>) -> [UInt8] {
    unsafe Array(UnsafeRawBufferPointer(start: name, count: strlen(name)))
  }

  private func entry(_ name: UnsafePointer<CChar>, _ status: stat) -> Look {
    let kind = status.st_mode & S_IFMT
    guard kind == S_IFREG || kind == S_IFDIR else { return .nothing }
    return .entry(
      unsafe FolderEntry(
        name: Self.bytes(name), isFolder: kind == S_IFDIR, size: Int64(status.st_size),
        modifiedSeconds: Int64(status.st_mtim.tv_sec)))
  }
}

/// The first entries in an order, of any number. Keeps twice as many as are wanted at most.
private struct FoundEntries {
  private let variant: ListingVariant
  private let bound: Int
  private var entries: [FolderEntry] = []
  /// The last one of those that were left at the last cut: what does not stand before it is none of the first.
  private var last: FolderEntry?
  private var count = 0

  init(_ variant: ListingVariant, bound: Int) {
    self.variant = variant
    self.bound = bound
  }

  mutating func append(_ entry: FolderEntry) {
    count += 1
    if let last, !variant.precedes(entry, last) { return }
    entries.append(entry)
    if entries.count >= 2 * bound { cut() }
  }

  private mutating func cut() {
    entries.sort(by: variant.precedes)
    guard entries.count > bound else { return }
    entries.removeLast(entries.count - bound)
    last = entries.last
  }

  mutating func contents(of path: [UInt8], isComplete: Bool) -> FolderContents {
    cut()
    return FolderContents(path: path, entries: entries, count: count, isComplete: isComplete)
  }
}
