import CLinux
import Glibc

/// A folder to be served, with files whose content is known: see `Pattern`.
final class TemporarySite: Sendable {
  /// Sizes at and around what matters: nothing, one record (16 KiB), several, and many of them.
  static let sizes = [0, 1, 1023, 1024, 16383, 16384, 16385, 100 << 10, 1 << 20 + 1]
  /// The size of `big.bin`.
  static let bigSize = 64 << 20

  let folder: TemporaryFolder
  var path: String { folder.path }

  /// An empty site.
  init() throws {
    folder = try TemporaryFolder()
  }

  /// One for all tests that change nothing: `<size>.bin` for each of `sizes`, and `big.bin`.
  static let shared: TemporarySite? = try? {
    let site = try TemporarySite()
    for size in sizes { try site.add("\(size).bin", Pattern.bytes(size)) }
    try site.addBig("big.bin")
    try site.add("index.html", Array("<!doctype html><title>Home</title>\n".utf8))
    try site.add("hello.txt", Array("hello\n".utf8))
    return site
  }()

  /// `shared`, for those who can't go on without.
  static func common() throws -> TemporarySite {
    guard let shared else { throw TestFailure("cannot make the site") }
    return shared
  }

  /// Writes a file, in place if it is there.
  func add(_ name: String, _ bytes: [UInt8], mode: mode_t = 0o644) throws {
    try writeFile("\(path)/\(name)", bytes, mode: mode)
  }

  func add(_ name: String, _ text: String) throws {
    try add(name, Array(text.utf8))
  }

  /// Writes a file of 64 MiB of the pattern.
  func addBig(_ name: String) throws {
    try add(name, Pattern.bytes(Self.bigSize))
  }

  /// A file of this length without content: a hole.
  func addSparse(_ name: String, size: Int64) throws {
    try add(name, [UInt8]())
    guard unsafe truncate("\(path)/\(name)", off_t(size)) == 0 else {
      throw TestFailure("cannot make \(name)")
    }
  }

  func addFolder(_ name: String) throws {
    guard unsafe mkdir("\(path)/\(name)", 0o755) == 0 else { throw TestFailure("cannot make \(name)") }
  }

  func addLink(_ name: String, to target: String) throws {
    guard unsafe symlink(target, "\(path)/\(name)") == 0 else { throw TestFailure("cannot link \(name)") }
  }

  func addFIFO(_ name: String) throws {
    guard unsafe mkfifo("\(path)/\(name)", 0o644) == 0 else { throw TestFailure("cannot make \(name)") }
  }

  /// A socket that stays behind when its owner is gone.
  func addSocket(_ name: String) throws {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = Array("\(path)/\(name)".utf8)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path) }
    let status = unsafe withUnsafePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(descriptor, address, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard status == 0 else { throw TestFailure("cannot make \(name)") }
  }

  /// Cuts a file.
  func cut(_ name: String, to size: Int) throws {
    guard unsafe truncate("\(path)/\(name)", off_t(size)) == 0 else {
      throw TestFailure("cannot cut \(name)")
    }
  }
}

/// Content that differs from itself at any other offset that a mistake could lead to: pseudo-random bytes that
/// repeat after a prime number of them.
enum Pattern {
  private static let period = 1_000_003
  private static let block: [UInt8] = {
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    return (0..<period).map { _ in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return UInt8(truncatingIfNeeded: state >> 24)
    }
  }()

  /// `count` bytes from `offset` on.
  static func bytes(_ count: Int, from offset: Int = 0) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      unsafe block.withUnsafeBytes { block in
        var done = 0
        while done < count {
          let start = (offset + done) % period
          let length = min(count - done, period - start)
          unsafe memcpy(buffer.baseAddress! + done, block.baseAddress! + start, length)
          done += length
        }
      }
      initialized = count
    }
  }

  /// Whether `bytes` are the pattern's from `offset` on.
  static func matches(_ bytes: [UInt8], from offset: Int = 0) -> Bool {
    let expected = self.bytes(bytes.count, from: offset)
    return unsafe bytes.isEmpty || memcmp(bytes, expected, bytes.count) == 0
  }
}
