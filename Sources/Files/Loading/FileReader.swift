internal import CLinux
internal import Glibc

/// What a path leads to, as one look has seen it.
enum Look {
  case file(FoundFile)
  /// A folder.
  case directory
  /// Nothing that can be served.
  case failed(FileError)
  /// Only a look that may wait can tell.
  case wouldBlock
}

/// A file that was found: open, or, if it is small, read.
@safe
struct FoundFile {
  /// -1 where the content was read.
  let descriptor: Int32
  let status: FileStatus
  /// In the memory of the reader, good until its next look.
  let content: UnsafeRawBufferPointer
  /// Nothing of it can be anywhere but in memory.
  let isResident: Bool
  /// Made of the content, where that was made here; else the content or the status tells one state from another.
  var tag: UInt64?

  var isInMemory: Bool { descriptor < 0 }
  /// In bytes: what was read, or what the status says.
  var size: Int64 { unsafe isInMemory ? Int64(content.count) : status.size }
}

/// Opens files beneath a folder, and reads the small ones: one for each thread that does it.
@safe
struct FileReader: ~Copyable {
  /// A file that is cut while it is read, or that does not come in one piece, gets so many looks.
  private static var attempts: Int { 8 }

  /// For the content of small files.
  private let memory: UnsafeMutableRawBufferPointer
  /// Files up to this many bytes are read.
  private let inMemory: Int

  /// Files up to `inMemory` bytes are read.
  init(inMemory: Int) {
    self.inMemory = inMemory
    unsafe memory = .allocate(byteCount: max(1, inMemory), alignment: 64)
  }

  deinit {
    unsafe memory.deallocate()
  }

  /// Looks at what the path names now: four system calls for a small file, three for a large one, one for a name that
  /// does not exist.
  func look(_ path: UnsafePointer<CChar>, in folder: RootFolder, _ patience: Patience) -> Look {
    if unsafe Self.mayBeSpecial(path), let look = unsafe lookBeforeOpening(path, in: folder, patience) {
      return look
    }
    // O_NONBLOCK: should it be a FIFO, opening it must not wait for a writer.
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
    for attempt in 1...Self.attempts {
      let descriptor = unsafe folder.open(path, flags, patience)
      guard descriptor >= 0 else {
        if let look = Self.failure(errno, patience) { return look }
        continue
      }
      let look = lookAt(descriptor, folder, patience, isLast: attempt == Self.attempts)
      if let look { return look }
      // It was cut meanwhile: see what it is now.
    }
    return .failed(.exhausted)
  }

  /// What it means that a path can't be opened; nil if it is to be tried again: a rename has come in between (openat2(2)).
  private static func failure(_ error: Int32, _ patience: Patience) -> Look? {
    switch error {
    case EAGAIN: patience == .cachedOnly ? .wouldBlock : nil
    case EXDEV where patience != .blocking: .wouldBlock
    default: .failed(FileError(errno: error))
    }
  }

  /// Takes over the descriptor. Nil if the file was cut while it was read, unless this is the last look.
  private func lookAt(
    _ descriptor: Int32, _ folder: RootFolder, _ patience: Patience, isLast: Bool
  ) -> Look? {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      close(descriptor)
      return .failed(.inputOutput)
    }
    let found = FileStatus(status)
    switch status.st_mode & S_IFMT {
    case S_IFREG where found.size > Int64(inMemory):
      return .file(
        unsafe FoundFile(
          descriptor: descriptor, status: found, content: UnsafeRawBufferPointer(start: nil, count: 0),
          isResident: folder.kind == .memory))
    case S_IFREG:
      defer { close(descriptor) }
      switch read(descriptor, found, folder, patience, inOneCall: !isLast) {
      case .bytes(let count):
        guard count == Int(found.size) || isLast else { return nil }
        let content = unsafe UnsafeRawBufferPointer(rebasing: memory[..<count])
        return .file(
          unsafe FoundFile(descriptor: -1, status: found, content: content, isResident: true))
      case .wouldBlock: return .wouldBlock
      case .failed: return .failed(.inputOutput)
      }
    default:
      close(descriptor)
      return status.st_mode & S_IFMT == S_IFDIR ? .directory : .failed(.notFound)
    }
  }

  private enum Reading {
    case bytes(Int)
    case wouldBlock
    case failed
  }

  /// Reads a small file from its beginning; fewer bytes than its status says if it was cut.
  ///
  /// `inOneCall`: what the first call does not bring is left out. It is the end of a file that was cut, and what is behind
  /// it a moment later belongs to another state. Only where a file system never gives all at once, more calls are needed.
  private func read(
    _ descriptor: Int32, _ status: FileStatus, _ folder: RootFolder, _ patience: Patience, inOneCall: Bool
  ) -> Reading {
    var mayWait = patience != .cachedOnly || folder.kind == .memory
    var done = 0
    while done < Int(status.size) {
      let room = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[done..<Int(status.size)])
      let count =
        unsafe mayWait
        ? pread(descriptor, room.baseAddress, room.count, off_t(done))
        : CLinux_preadCached(descriptor, room.baseAddress, room.count, off_t(done))
      if count > 0 {
        done += count
        guard inOneCall, done < Int(status.size) else { continue }
        // What is missing may just not be in the page cache.
        return mayWait ? .bytes(done) : .wouldBlock
      } else if count == 0 {
        break
      } else if !mayWait {
        // It is not there, or this file system can't say (EOPNOTSUPP; another way of asking may), or a sandbox does not know
        // the call: a thread that may wait finds out.
        guard errno == EOPNOTSUPP,
          PageCache.holds(descriptor, 0..<status.size, owner: status.owner) == true
        else { return .wouldBlock }
        mayWait = true
      } else {
        return .failed
      }
    }
    return .bytes(done)
  }

  // MARK: What is no file

  /// Names of FIFOs and sockets have no ending, as a rule, and those of a site's files have one: only the former are looked
  /// at before they are opened, which takes three more system calls.
  private static func mayBeSpecial(_ path: UnsafePointer<CChar>) -> Bool {
    let name = unsafe strrchr(path, Int32(UInt8(ascii: "/"))) ?? UnsafeMutablePointer(mutating: path)
    return unsafe strchr(name, Int32(UInt8(ascii: "."))) == nil
  }

  /// What is neither file nor folder is not opened at all: that alone would let the writer of a FIFO go on. Nil for what can
  /// be opened.
  private func lookBeforeOpening(
    _ path: UnsafePointer<CChar>, in folder: RootFolder, _ patience: Patience
  ) -> Look? {
    let found = unsafe folder.open(path, Int32(truncatingIfNeeded: CLinux_O_PATH) | O_CLOEXEC, patience)
    guard found >= 0 else { return Self.failure(errno, patience) }
    defer { close(found) }
    var status = stat()
    guard unsafe fstat(found, &status) == 0 else { return .failed(.inputOutput) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return nil
    case S_IFDIR: return .directory
    default: return .failed(.notFound)
    }
  }
}
