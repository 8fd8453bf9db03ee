internal import CLinux
internal import Glibc
internal import Synchronization

/// Why a folder can't be served: one line that says what to do.
public struct RootError: Error, CustomStringConvertible {
  /// One line for the user, naming the folder.
  public let description: String
}

/// The folder whose files are served, by its path: when the path leads to another folder (a symbolic link was switched, a
/// folder was moved or made anew), that one is served from then on. All workers and helper threads share it.
public final class DocumentRoot: Sendable {
  /// How long the path is believed to lead to the same folder, in milliseconds. With the time that a file is trusted, it is
  /// less than the second in which every change is seen.
  static let trustMilliseconds: UInt64 = 250

  private struct State {
    var folder: RootFolder
    var checkedAt: UInt64
    var isBeingChecked = false
  }

  /// Goes up whenever another folder takes the place of the one before, after it has.
  private let generation = Atomic<UInt32>(0)
  /// NUL-terminated.
  private let path: ContiguousArray<CChar>
  private let support: LookupSupport
  private let state: Mutex<State>
  let revisions: Revisions
  /// Makes the hashes of paths such as nobody outside can foresee; the same for all workers, which share `revisions`.
  let hashSeed = UInt64.random(in: .min ... .max)
  /// What becomes of symbolic links in the folder.
  private let links: LinkPolicy
  /// Whether symbolic links that stay inside are followed. Not where the kernel has no `openat2(2)` (before 5.6,
  /// or in a sandbox): then no link is.
  public var followsLinks: Bool { support.beneath && links.areFollowed }

  /// Opens the folder. `isShared`: several workers serve it. `followsLinks`: symbolic links that stay inside are followed;
  /// those in `path` itself are in any case.
  public convenience init(
    path: String, isShared: Bool = false, followsLinks: Bool = true
  ) throws(RootError) {
    try self.init(path: path, isShared: isShared, followsLinks: followsLinks, support: nil)
  }

  /// For tests: `support` in place of what this kernel can do.
  init(
    path: String, isShared: Bool, followsLinks: Bool = true, support: LookupSupport?
  ) throws(RootError) {
    let descriptor = unsafe Glibc.open(path, Self.flags)
    guard descriptor >= 0 else { throw RootError(path) }
    self.path = path.utf8CString
    self.support = support ?? LookupSupport(probing: descriptor)
    links = followsLinks ? .followed(rootName: PathComponents(absolute: path)) : .refused
    guard let identity = RootFolder.Identity(of: descriptor) else { throw RootError(path) }
    let folder = RootFolder(
      descriptor: descriptor, identity: identity, support: self.support, links: links)
    state = Mutex(State(folder: folder, checkedAt: 0))
    revisions = Revisions(areShared: isShared)
  }

  private static let flags = Int32(O_DIRECTORY | O_CLOEXEC) | Int32(truncatingIfNeeded: CLinux_O_PATH)

  /// The folder as of late.
  var folder: RootFolder { state.withLock { $0.folder } }

  /// The number of the folder: as long as it stays, so does the folder. Who sees a new one calls `revisions.advanceAll`
  /// before anything of the new folder is served.
  var folderNumber: UInt32 { generation.load(ordering: .acquiring) }

  /// It is time to see where the path leads, and nobody does it yet: whoever is told so calls `check`.
  func beginCheck(now: UInt64) -> Bool {
    state.withLock { state in
      guard !state.isBeingChecked, now &- state.checkedAt >= Self.trustMilliseconds else { return false }
      state.isBeingChecked = true
      return true
    }
  }

  /// Sees where the path leads now. False if that can't be said without waiting: then it is still to be done. A path that
  /// leads nowhere for the moment (a folder is moved away before the new one takes its place) changes nothing.
  func check(_ patience: Patience, now: UInt64) -> Bool {
    let descriptor: Int32
    switch patience {
    case .cachedOnly:
      guard support.cachedOnly else { return false }
      descriptor = unsafe path.withUnsafeBufferPointer { path in
        unsafe CLinux_openat2(AT_FDCWD, path.baseAddress, UInt64(Self.flags), CLinux_RESOLVE_CACHED)
      }
      if descriptor < 0 && errno == EAGAIN { return false }
    case .nearby, .blocking:
      descriptor = unsafe path.withUnsafeBufferPointer { unsafe Glibc.open($0.baseAddress!, Self.flags) }
    }
    replace(by: descriptor)
    state.withLock { state in
      state.isBeingChecked = false
      state.checkedAt = now
    }
    return true
  }

  /// Who was told to check can't.
  func giveUpCheck() {
    state.withLock { $0.isBeingChecked = false }
  }

  /// Takes over the descriptor of what the path leads to; nothing changes if that is the same folder, or none.
  private func replace(by descriptor: Int32) {
    guard descriptor >= 0 else { return }
    guard let identity = RootFolder.Identity(of: descriptor),
      identity != state.withLock({ $0.folder.identity })
    else {
      close(descriptor)
      return
    }
    let found = RootFolder(descriptor: descriptor, identity: identity, support: support, links: links)
    state.withLock { $0.folder = found }
    generation.wrappingAdd(1, ordering: .releasing)
  }
}

extension RootError {
  fileprivate init(_ path: String) {
    description = "\(path): cannot serve this folder: \(unsafe String(cString: strerror(errno)))"
  }
}
