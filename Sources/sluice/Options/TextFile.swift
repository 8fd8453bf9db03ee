import Glibc
import Worker

/// A file that an operator has written.
enum TextFile {
  /// When it is read.
  enum Occasion {
    /// Whatever it is: a pipe of the shell's, or /dev/stdin, says once what there is to serve.
    case start
    /// What is no file has said all it had to say, or never does; a reload would wait for that.
    case reload
  }

  /// Why it can't be used: one line, with the file's name.
  struct Fault: Error {
    let description: String
  }

  /// All of a file, in UTF-8 and without NUL, which parsers may take for the end; `Limits.configurationFile` bytes at most.
  static func read(_ path: String, at occasion: Occasion) throws(Fault) -> String {
    let bytes = try bytes(of: path, at: occasion)
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

  /// No more than it takes to see that there are too many.
  private static func bytes(of path: String, at occasion: Occasion) throws(Fault) -> [UInt8] {
    // Not to wait for who writes to a FIFO.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
    guard descriptor >= 0 else { throw fault(path, unsafe String(cString: strerror(errno))) }
    defer { close(descriptor) }
    if occasion == .reload, let kind = otherKind(of: descriptor) {
      throw fault(path, "it is a \(kind), which is read at start only: put a file in its place")
    }
    guard fcntl(descriptor, F_SETFL, 0) == 0 else {
      throw fault(path, unsafe String(cString: strerror(errno)))
    }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = unsafe Glibc.read(descriptor, &part, part.count)
      if count < 0, errno == EINTR { continue }
      if count < 0 { throw fault(path, unsafe String(cString: strerror(errno))) }
      bytes += part[..<count]
      if count == 0 || bytes.count > Limits.configurationFile { return bytes }
    }
  }

  private static func fault(_ path: String, _ reason: String) -> Fault {
    Fault(description: "\(path): cannot read this file: \(reason)")
  }

  /// What it is, if it is something that may have no end. A folder says so itself; /dev/null is what it always is: empty.
  private static func otherKind(of descriptor: Int32) -> String? {
    var (status, null) = (stat(), stat())
    guard unsafe fstat(descriptor, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG, S_IFDIR: return nil
    case S_IFCHR:
      let isNull = unsafe stat("/dev/null", &null) == 0 && null.st_rdev == status.st_rdev
      return isNull ? nil : "device"
    case S_IFIFO: return "pipe"
    default: return "device"
    }
  }
}
