import Glibc
import Synchronization

/// A folder in /tmp that goes with its owner, or at the latest when the tests end.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    let name = "\(Self.top)/\(Self.next.add(1, ordering: .relaxed).newValue)"
    guard unsafe mkdir(name, 0o755) == 0 else { throw TestFailure("cannot make the folder \(name)") }
    path = name
  }

  deinit {
    removeTree(path)
  }

  private static let next = Atomic(0)

  /// Everything that the tests of this process write is in here.
  private static let top: String = {
    var name = "/tmp/sluice-tests.XXXXXX".utf8CString
    let path = unsafe name.withUnsafeMutableBufferPointer { buffer in
      unsafe mkdtemp(buffer.baseAddress!).map { unsafe String(cString: $0) }
    }
    atexit { removeTree(TemporaryFolder.top) }
    // For servers that run as somebody else.
    if let path { unsafe chmod(path, 0o755) }
    return path ?? "/tmp"
  }()
}

/// Removes a folder with all that is in it. By a program of its own, since this runs when the tests have ended, too.
private func removeTree(_ path: String) {
  guard path.hasPrefix("/tmp/sluice-tests.") else { return }
  var child = pid_t()
  let arguments = unsafe (["rm", "-rf", path] as [String]).map { unsafe strdup($0) } + [nil]
  defer { unsafe arguments.forEach { unsafe free($0) } }
  if unsafe posix_spawnp(&child, "rm", nil, nil, arguments, environ) == 0 { waitpid(child, nil, 0) }
}

/// All bytes of a file; nil if it can't be read.
func readFile(_ path: String) -> [UInt8]? {
  let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  while true {
    let part = unsafe [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
      unsafe count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
    }
    if part.isEmpty { return bytes }
    bytes += part
  }
}

/// Makes a file, or replaces the content of one in place.
func writeFile(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o644) throws {
  let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
  guard descriptor >= 0 else { throw TestFailure("cannot write \(path)") }
  defer { close(descriptor) }
  var done = 0
  while done < bytes.count {
    let count = unsafe bytes.withUnsafeBytes {
      unsafe write(descriptor, $0.baseAddress! + done, $0.count - done)
    }
    guard count > 0 else { throw TestFailure("cannot write all of \(path)") }
    done += count
  }
}
