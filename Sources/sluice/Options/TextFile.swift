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
    if let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) { return text }
    let isUTF16 = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
    throw Fault(
      description:
        "\(path):\(isUTF16 ? 1 : faultyLine(of: bytes)): this is no text in UTF-8: save the file as \(isUTF16 ? "UTF-8, not as UTF-16" : "UTF-8")"
    )
  }

  /// The first line that is not in UTF-8, or has a NUL.
  private static func faultyLine(of bytes: [UInt8]) -> Int {
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    let index = lines.firstIndex { $0.contains(0) || String(validating: $0, as: UTF8.self) == nil }
    return (index ?? 0) + 1
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
