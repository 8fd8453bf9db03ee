import Glibc

/// What a test could not set up.
package struct SetUpError: Error, CustomStringConvertible {
  package let description: String

  package init(_ call: String) {
    description = "\(call): \(unsafe String(cString: strerror(errno)))"
  }
}

/// A folder for one test, removed with all that is in it.
package final class TemporaryFolder: Sendable {
  package let path: String

  package init() throws {
    var name = "/tmp/sluice-tests.XXXXXX".utf8CString
    let made = unsafe name.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) != nil }
    guard made else { throw SetUpError("mkdtemp") }
    path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    removeAll()
  }

  /// Removes the folder with all that is in it: for what lasts as long as the tests.
  package func removeAll() {
    Self.removeTree(path)
  }

  /// Removes a name, and what is in it if that is a folder.
  private static func removeTree(_ path: String) {
    guard unsafe Glibc.remove(path) != 0, let list = unsafe opendir(path) else { return }
    while let name = unsafe nextName(list) { removeTree("\(path)/\(name)") }
    unsafe closedir(list)
    unsafe _ = Glibc.remove(path)
  }

  private static func nextName(_ list: OpaquePointer) -> String? {
    while let entry = unsafe readdir(list) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { name in
        unsafe String(cString: name.bindMemory(to: CChar.self).baseAddress!)
      }
      if name != "." && name != ".." { return name }
    }
    return nil
  }

  private func check(_ status: Int32, _ call: String) throws {
    guard status == 0 else { throw SetUpError(call) }
  }

  /// The name of something in the folder.
  package func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  package func addFolder(_ name: String) throws { try check(unsafe mkdir(self(name), 0o755), "mkdir") }

  package func addLink(_ name: String, to target: String) throws {
    try check(unsafe symlink(target, self(name)), "symlink")
  }

  package func addFIFO(_ name: String) throws { try check(unsafe mkfifo(self(name), 0o644), "mkfifo") }

  /// Makes a file, or writes over the one that is there.
  package func write(_ name: String, _ content: some Sequence<UInt8>) throws {
    let descriptor = unsafe open(self(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw SetUpError("open") }
    defer { close(descriptor) }
    let bytes = Array(content)
    let written = unsafe Glibc.write(descriptor, bytes, bytes.count)
    guard written == bytes.count else { throw SetUpError("write") }
  }

  package func write(_ name: String, _ text: String) throws { try write(name, text.utf8) }

  /// Makes a file longer by a hole, or shorter.
  package func resize(_ name: String, to size: Int64) throws {
    try check(unsafe truncate(self(name), off_t(size)), "truncate")
  }

  package func rename(_ name: String, to other: String) throws {
    try check(unsafe Glibc.rename(self(name), self(other)), "rename")
  }

  package func remove(_ name: String) throws { try check(unsafe Glibc.remove(self(name)), "remove") }

  package func setMode(_ name: String, _ mode: UInt32) throws {
    try check(unsafe chmod(self(name), mode), "chmod")
  }

  /// Makes a socket, which nobody listens on any more.
  package func addSocket(_ name: String) throws {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw SetUpError("socket") }
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = Array(self(name).utf8)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let status = unsafe withUnsafePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, size) }
    }
    try check(status, "bind")
  }

  /// How many descriptors of this process are files in the folder, whether they still have a name or not.
  package var openFiles: Int {
    guard let list = unsafe opendir("/proc/self/fd") else { return -1 }
    defer { unsafe closedir(list) }
    var count = 0
    while let name = unsafe Self.nextName(list) {
      var target = [UInt8](repeating: 0, count: 4_096)
      let length = unsafe target.withUnsafeMutableBytes { target in
        unsafe readlink(
          "/proc/self/fd/\(name)", target.bindMemory(to: CChar.self).baseAddress!, target.count)
      }
      if length > 0, target[..<length].starts(with: "\(path)/".utf8) { count += 1 }
    }
    return count
  }
}

/// All of a file, as text.
package func readText(_ path: String) throws -> String {
  let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw SetUpError(path) }
  defer { close(descriptor) }
  var bytes = [UInt8](repeating: 0, count: 1 << 20)
  let count = unsafe read(descriptor, &bytes, bytes.count)
  return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
}
