internal import CLinux
internal import Glibc

/// How far a look may go.
enum Patience: Sendable {
  /// Only as far as the kernel can answer from its caches: for threads that must not wait for a disk.
  case cachedOnly
  /// Until the disk has answered, as long as it is that of the root's own file system.
  case nearby
  /// Until the disk has answered, whichever it is.
  case blocking
}

/// The folder that a root's path has led to, open. Nothing outside of it can be opened through it. A worker or helper
/// thread holds it while it looks for a file, so that it stays open until all are done with it.
final class RootFolder: Sendable {
  /// What its file system does when it is asked for something.
  enum Kind {
    /// All is in memory: nothing ever waits.
    case memory
    /// What is not in the kernel's caches is on a disk; opening a file whose name is cached does not wait.
    case local
    /// Every call may ask somebody: a network, a program (FUSE).
    case other
  }

  let descriptor: Int32
  let kind: Kind
  /// As long as the folder is open, no other can get its inode.
  let identity: Identity
  private let support: LookupSupport
  /// What becomes of symbolic links in it.
  let links: LinkPolicy

  /// What tells one folder from another.
  struct Identity: Equatable {
    let device: UInt64
    private let inode: UInt64

    /// Of an open folder; nil if it can't be asked.
    init?(of descriptor: Int32) {
      var status = stat()
      guard unsafe fstat(descriptor, &status) == 0 else { return nil }
      device = UInt64(status.st_dev)
      inode = UInt64(status.st_ino)
    }
  }

  /// Takes over the descriptor of a folder.
  init(descriptor: Int32, identity: Identity, support: LookupSupport, links: LinkPolicy) {
    self.descriptor = descriptor
    self.identity = identity
    self.support = support
    self.links = links
    kind = Self.kind(of: descriptor)
  }

  deinit {
    close(descriptor)
  }

  /// File systems that are known not to ask anybody when a file is opened whose name is in the cache: `statfs(2)`.
  private static func kind(of descriptor: Int32) -> Kind {
    switch UInt32(truncatingIfNeeded: CLinux_fileSystemType(descriptor)) {
    // tmpfs, ramfs.
    case 0x0102_1994, 0x8584_58F6: .memory
    // ext2 to ext4, XFS, Btrfs, F2FS, overlayfs.
    case 0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x794C_7630: .local
    // ZFS, bcachefs, EROFS, SquashFS.
    case 0x2FC1_2FC1, 0xCA45_1A4E, 0xE0F5_E1E2, 0x7371_7368: .local
    // FAT, exFAT, ISO 9660, JFS, NTFS.
    case 0x4D44, 0x2011_BAB0, 0x9660, 0x3153_464A, 0x7366_746E: .local
    default: .other
    }
  }

  /// Whether a look with `cachedOnly` has a chance.
  var answersFromCaches: Bool {
    switch kind {
    case .memory: support.beneath
    case .local: support.cachedOnly
    case .other: false
    }
  }

  /// Opens what a path names, if that is beneath the folder: `openat2(2)`, RESOLVE_BENEATH. `path` is relative and
  /// NUL-terminated; neither `..` nor a symbolic link leads out, whatever changes on the disk meanwhile. -1 and `errno` on
  /// failure; with `cachedOnly`, EAGAIN and EXDEV say that only a look that may wait can tell, with `nearby`, EXDEV does.
  ///
  /// An absolute link leads out as far as the kernel is concerned; where waiting is allowed, those that lead to something in
  /// the folder are followed: see AbsoluteLinks.swift.
  func open(_ path: UnsafePointer<CChar>, _ flags: Int32, _ patience: Patience) -> Int32 {
    let beneath = CLinux_RESOLVE_BENEATH | CLinux_RESOLVE_NO_MAGICLINKS | links.resolveFlags
    switch patience {
    case .cachedOnly:
      guard answersFromCaches else {
        errno = EAGAIN
        return -1
      }
      // On another file system that is mounted beneath, opening might wait.
      let cached = kind == .memory ? 0 : CLinux_RESOLVE_CACHED
      return unsafe CLinux_openat2(
        descriptor, path, UInt64(flags), beneath | cached | CLinux_RESOLVE_NO_XDEV)
    case .nearby, .blocking:
      guard support.beneath else { return unsafe openWithoutLinks(path, flags) }
      let resolve = patience == .nearby ? beneath | CLinux_RESOLVE_NO_XDEV : beneath
      let found = unsafe CLinux_openat2(descriptor, path, UInt64(flags), resolve)
      guard found < 0, errno == EXDEV, links.areFollowed else { return found }
      return unsafe openThroughAbsoluteLinks(path, flags, resolve)
    }
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
}

/// What this kernel, or the sandbox around us, lets us ask of `openat2(2)`; found out once.
struct LookupSupport: Sendable {
  /// RESOLVE_BENEATH: not before Linux 5.6 (ENOSYS), nor where a sandbox does not know the call (old Docker: EPERM).
  let beneath: Bool
  /// RESOLVE_CACHED, Linux 5.12.
  let cachedOnly: Bool

  /// Tries both on an open folder.
  init(probing folder: Int32) {
    func works(_ resolve: UInt64) -> Bool {
      let found = unsafe CLinux_openat2(folder, ".", UInt64(O_CLOEXEC) | CLinux_O_PATH, resolve)
      if found >= 0 { close(found) }
      // "." needs no look at a disk, and whoever can open the folder can open it again.
      return found >= 0 || !(errno == ENOSYS || errno == EPERM || errno == EINVAL)
    }
    beneath = works(CLinux_RESOLVE_BENEATH)
    cachedOnly = beneath && works(CLinux_RESOLVE_BENEATH | CLinux_RESOLVE_CACHED)
  }

  /// For tests: what an older kernel can do.
  init(beneath: Bool, cachedOnly: Bool) {
    self.beneath = beneath
    self.cachedOnly = cachedOnly
  }
}
