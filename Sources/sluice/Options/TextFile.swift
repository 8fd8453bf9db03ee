import Glibc
import Worker

/// A file that an operator has written.
enum TextFile {
  /// Why it can't be used: one line, with the file's name.
  struct Fault: Error {
    let description: String
  }

  /// All of a file, in UTF-8 and without NUL, which parsers may take for the end; `Limits.configurationFile` bytes at most.
  static func read(_ path: String) throws(Fault) -> String {
    guard let bytes = bytes(of: path) else {
      throw Fault(description: "\(path): cannot read this file: \(unsafe String(cString: strerror(errno)))")
    }
    guard bytes.count <= Limits.configurationFile else {
      throw Fault(
        description: "\(path): this file is too large: use \(Limits.configurationFile) bytes or less")
    }
    guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
      throw Fault(description: "\(path): this is no text in UTF-8")
    }
    return text
  }

  /// No more than it takes to see that there are too many. Nil, and `errno`, if it can't be read.
  private static func bytes(of path: String) -> [UInt8]? {
    // Not to wait for who writes to a FIFO.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    guard fcntl(descriptor, F_SETFL, 0) == 0 else { return nil }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = unsafe Glibc.read(descriptor, &part, part.count)
      if count < 0, errno == EINTR { continue }
      if count < 0 { return nil }
      bytes += part[..<count]
      if count == 0 || bytes.count > Limits.configurationFile { return bytes }
    }
  }
}
