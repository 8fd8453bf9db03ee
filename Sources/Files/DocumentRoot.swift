internal import CLinux
internal import Glibc

/// Why a folder can't be served: one line that says what to do.
public struct RootError: Error, CustomStringConvertible {
  /// One line for the user, naming the folder.
  public let description: String
}

/// The folder whose files are served. Nothing outside of it can be opened through it.
public final class DocumentRoot: Sendable {
  let descriptor: Int32
  /// Whether symbolic links that stay inside are followed. Not where the kernel has no `openat2(2)` (before 5.6,
  /// or in a sandbox): then no link is.
  public let followsLinks: Bool

  /// Opens the folder. It stays this folder even if another one takes its name later.
  public init(path: String) throws(RootError) {
    let flags = Int32(O_DIRECTORY | O_CLOEXEC) | Int32(truncatingIfNeeded: CLinux_O_PATH)
    descriptor = unsafe Glibc.open(path, flags)
    guard descriptor >= 0 else {
      throw RootError(
        description: "\(path): cannot serve this folder: \(unsafe String(cString: strerror(errno)))")
    }
    let probe = unsafe CLinux_openat2(
      descriptor, ".", UInt64(O_CLOEXEC) | CLinux_O_PATH, CLinux_RESOLVE_BENEATH)
    followsLinks = probe >= 0 || errno != ENOSYS
    if probe >= 0 { close(probe) }
  }

  deinit {
    close(descriptor)
  }

  /// How opening a path went.
  enum Opened {
    case file(descriptor: Int32, FileStatus)
    case directory
    case failed(FileError)
  }

  /// Opens a regular file for reading. `path` is relative and NUL-terminated; neither `..` nor a symbolic link
  /// leads out of the root, whatever changes on the disk meanwhile: `openat2(2)`, RESOLVE_BENEATH.
  func open(_ path: UnsafePointer<CChar>) -> Opened {
    // What is neither file nor folder is not opened at all: that alone would let the writer of a FIFO go on.
    switch unsafe lookUp(path) {
    case .failure(let error): return .failed(error)
    case .success(let status):
      let type = status.st_mode & S_IFMT
      guard type == S_IFREG || type == S_IFDIR else { return .failed(.notFound) }
    }
    // O_NONBLOCK: it may have become a FIFO meanwhile, whose opening must not wait for a writer.
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
    let descriptor = unsafe openBeneath(path, flags)
    guard descriptor >= 0 else { return .failed(FileError(errno: errno)) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      close(descriptor)
      return .failed(.inputOutput)
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .file(descriptor: descriptor, FileStatus(status))
    case S_IFDIR:
      close(descriptor)
      return .directory
    default:
      close(descriptor)
      return .failed(.notFound)
    }
  }

  /// Opens what the path names, if it is beneath the root.
  private func openBeneath(_ path: UnsafePointer<CChar>, _ flags: Int32) -> Int32 {
    followsLinks
      ? unsafe CLinux_openat2(
        descriptor, path, UInt64(flags), CLinux_RESOLVE_BENEATH | CLinux_RESOLVE_NO_MAGICLINKS)
      : unsafe openWithoutLinks(path, flags)
  }

  /// Opens one folder after the other, none of them through a link: what can be done without `openat2`. The path
  /// has no `..`, which would lead out.
  func openWithoutLinks(_ path: UnsafePointer<CChar>, _ flags: Int32) -> Int32 {
    let copy = unsafe strdup(path)
    defer { unsafe free(copy) }
    guard var name = unsafe copy else { return -1 }
    var folder = descriptor
    while let slash = unsafe strchr(name, Int32(UInt8(ascii: "/"))) {
      unsafe slash.pointee = 0
      let next = unsafe openat(
        folder, name, Int32(truncatingIfNeeded: CLinux_O_PATH) | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      if folder != descriptor { close(folder) }
      guard next >= 0 else { return -1 }
      folder = next
      unsafe name = unsafe slash + 1
    }
    defer { if folder != descriptor { close(folder) } }
    return unsafe openat(folder, name, flags | O_NOFOLLOW)
  }

  /// The status of what a path names now; nil where there is nothing beneath the root.
  func status(_ path: UnsafePointer<CChar>) -> FileStatus? {
    switch unsafe lookUp(path) {
    case .success(let status): FileStatus(status)
    case .failure: nil
    }
  }

  /// Finds what a path names, as `open` does, without opening it (O_PATH).
  private func lookUp(_ path: UnsafePointer<CChar>) -> Result<stat, FileError> {
    let found = unsafe openBeneath(path, Int32(truncatingIfNeeded: CLinux_O_PATH) | O_CLOEXEC)
    var status = stat()
    guard found >= 0 else {
      let error = FileError(errno: errno)
      // Without a free descriptor, a file that is open already must not be lost; no other is opened by this.
      let isThere = unsafe error == .exhausted && fstatat(descriptor, path, &status, 0) == 0
      return isThere ? .success(status) : .failure(error)
    }
    defer { close(found) }
    return unsafe fstat(found, &status) == 0 ? .success(status) : .failure(.inputOutput)
  }
}

/// Why a file can't be served.
public enum FileError: Error {
  /// There is none, or nothing that can be served, or it lies outside of the root.
  case notFound
  /// The file system does not let us read it.
  case forbidden
  /// No file descriptor or no memory is free: a matter of time.
  case exhausted
  /// The disk, or what stands for it, has failed.
  case inputOutput

  init(errno code: Int32) {
    self =
      switch code {
      // EXDEV: leads out of the root. ELOOP: links in a circle, or a magic link. ENXIO, ENODEV: a socket, a
      // device without driver.
      case ENOENT, ENOTDIR, EXDEV, ELOOP, ENAMETOOLONG, ENXIO, ENODEV, EINVAL: .notFound
      case EACCES, EPERM: .forbidden
      case EMFILE, ENFILE, ENOMEM, EAGAIN: .exhausted
      default: .inputOutput
      }
  }
}

/// What tells one state of a file from another.
struct FileStatus: Equatable {
  let device: UInt64
  let inode: UInt64
  let size: Int64
  let modifiedNanoseconds: Int64
  let changedNanoseconds: Int64

  init(_ status: stat) {
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    size = Int64(status.st_size)
    modifiedNanoseconds = status.st_mtim.nanoseconds
    changedNanoseconds = status.st_ctim.nanoseconds
  }
}

extension timespec {
  /// Nanoseconds since 1970; wraps for times that no file system can hold in 64 bits.
  fileprivate var nanoseconds: Int64 { Int64(tv_sec) &* 1_000_000_000 &+ Int64(tv_nsec) }
}
