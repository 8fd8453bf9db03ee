internal import CLinux
internal import Glibc

// Symbolic links whose targets begin with a slash, as deploys make them: `/srv/www/a.html` → `/srv/www/releases/2/a.html`.
// With RESOLVE_BENEATH they lead out, wherever that is. Here their targets are put into the path in their place, without the
// part that names the root, and the kernel is asked to open that path beneath the root. So whatever the links say, and
// however they change meanwhile, what is opened was found by one `openat2(2)` with RESOLVE_BENEATH from the open folder: what is
// read of links decides which file of the folder that is, and nothing else. Nothing is ever opened from `/`.

/// What becomes of symbolic links in the folder.
enum LinkPolicy: Sendable {
  /// Those that lead to something in it are followed. `rootName` is the path of the root as the operator wrote it; its path as it
  /// resolves is asked of the kernel when it is needed.
  case followed(rootName: PathComponents)
  /// None is.
  case refused

  var areFollowed: Bool {
    if case .followed = self { true } else { false }
  }

  /// RESOLVE_* of `openat2(2)`.
  var resolveFlags: UInt64 { areFollowed ? 0 : CLinux_RESOLVE_NO_SYMLINKS }
}

/// The names in an absolute path, one after the other.
struct PathComponents: Sendable {
  private let names: [[UInt8]]

  init(_ path: some Collection<UInt8>) {
    names = path.split(separator: UInt8(ascii: "/")).map { Array($0) }.filter { $0 != [UInt8(ascii: ".")] }
  }

  /// A relative path begins in the current folder.
  init(absolute path: String) {
    guard !path.hasPrefix("/"), let current = unsafe getcwd(nil, 0) else {
      self.init(path.utf8)
      return
    }
    defer { unsafe free(current) }
    self.init(unsafe Array("\(String(cString: current))/\(path)".utf8))
  }

  /// What follows these names in an absolute path, which begins with them; nil if it does not.
  func rest(of path: [UInt8]) -> ArraySlice<UInt8>? {
    let slash = UInt8(ascii: "/")
    var rest = path[...]
    for name in names {
      rest = rest.drop { $0 == slash }
      guard rest.starts(with: name) else { return nil }
      rest = rest.dropFirst(name.count)
      guard rest.isEmpty || rest.first == slash else { return nil }
    }
    return rest.drop { $0 == slash }
  }
}

extension RootFolder {
  /// So many links are followed in one path, as by the kernel: path_resolution(7).
  private static var mostLinks: Int { 40 }

  /// Why a path can't be followed: `errno`.
  private struct Failure: Error {
    let code: Int32
  }

  /// Opens what a path names that leads out by absolute links alone. `resolve` are RESOLVE_* of `openat2(2)`, with RESOLVE_BENEATH.
  /// -1 and `errno` on failure: EXDEV if the path leads out of the folder, or to another file system where that is not allowed;
  /// EAGAIN if links change faster than they can be read.
  func openThroughAbsoluteLinks(_ path: UnsafePointer<CChar>, _ flags: Int32, _ resolve: UInt64) -> Int32 {
    var path = unsafe Array(UnsafeRawBufferPointer(start: path, count: strlen(path)))
    do throws(Failure) {
      // No link's doing.
      if path.first == UInt8(ascii: "/") { throw Failure(code: EXDEV) }
      for _ in 0..<Self.mostLinks {
        let next = try withoutFirstLink(path, resolve)
        path = next ?? path
        let found = open(path[...], flags, resolve)
        if found >= 0 || errno != EXDEV { return found }
        // No part of it has led out, and all of it does: a link has changed, twice perhaps. Look again, as after a rename.
        if next == nil { throw Failure(code: EAGAIN) }
      }
      throw Failure(code: ELOOP)
    } catch {
      errno = error.code
      return -1
    }
  }

  /// The path with the target of a link in place of it: of the first that does not lead to something in the folder by itself. Nil
  /// if there is none.
  private func withoutFirstLink(_ path: [UInt8], _ resolve: UInt64) throws(Failure) -> [UInt8]? {
    let slash = UInt8(ascii: "/")
    var end = path.startIndex
    while let start = path[end...].firstIndex(where: { $0 != slash }) {
      end = path[start...].firstIndex(of: slash) ?? path.endIndex
      let found = open(path[..<end], Int32(truncatingIfNeeded: CLinux_O_PATH) | O_CLOEXEC, resolve)
      if found >= 0 {
        close(found)
        continue
      }
      guard errno == EXDEV else { throw Failure(code: errno) }
      let target = try readLink(path[..<end], resolve)
      let before = target.first == slash ? [] : path[..<start]
      let behind = target.first == slash ? try rest(of: target) : target[...]
      let next = before + behind + path[end...]
      // To the folder itself, or to nothing with a slash behind it: a path that begins with one would be absolute.
      let isRelative = next.first != nil && next.first != slash
      guard next.count < Int(PATH_MAX) - 2 else { throw Failure(code: ENAMETOOLONG) }
      return Array(isRelative ? next : [UInt8(ascii: "."), slash] + next)
    }
    return nil
  }

  /// The target of a link beneath the folder.
  private func readLink(_ path: ArraySlice<UInt8>, _ resolve: UInt64) throws(Failure) -> [UInt8] {
    let link = open(path, Int32(truncatingIfNeeded: CLinux_O_PATH) | O_NOFOLLOW | O_CLOEXEC, resolve)
    guard link >= 0 else { throw Failure(code: errno) }
    defer { close(link) }
    // If it is none, it was one a moment ago: look again.
    guard let target = Self.readLink(link, "") else { throw Failure(code: EAGAIN) }
    return target
  }

  /// What an absolute target names in the folder, relative to it.
  private func rest(of target: [UInt8]) throws(Failure) -> ArraySlice<UInt8> {
    if case .followed(let rootName) = links, let rest = rootName.rest(of: target) { return rest }
    // Where the folder is now, whatever was moved since it was opened.
    guard let name = Self.readLink(AT_FDCWD, "/proc/self/fd/\(descriptor)"), name.first == UInt8(ascii: "/"),
      let rest = PathComponents(name).rest(of: target)
    else { throw Failure(code: EXDEV) }
    return rest
  }

  private static func readLink(_ folder: Int32, _ path: String) -> [UInt8]? {
    let room = Int(PATH_MAX)
    let target = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
      let bytes = unsafe UnsafeMutableRawBufferPointer(buffer).bindMemory(to: CChar.self)
      count = unsafe max(0, readlinkat(folder, path, bytes.baseAddress!, room))
    }
    // A longer one would have been cut off.
    return target.isEmpty || target.count == room ? nil : target
  }

  /// Opens what a part of a path names, beneath the folder.
  private func open(_ path: ArraySlice<UInt8>, _ flags: Int32, _ resolve: UInt64) -> Int32 {
    let terminated = path.map { CChar(bitPattern: $0) } + [0]
    return unsafe CLinux_openat2(descriptor, terminated, UInt64(flags), resolve)
  }
}
