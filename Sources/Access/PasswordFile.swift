internal import Glibc
internal import Synchronization

/// Why a file with passwords can't be used: one line with file and line that says what to do.
public struct PasswordFileError: Error, CustomStringConvertible {
  /// One line for the operator.
  public let description: String
}

/// A file with users and hashed passwords (htpasswd), as it was when it was last seen whole and right.
public final class PasswordFile: Sendable {
  /// Its path, as the operator wrote it.
  public let path: String
  /// Another number for each state, so that whatever was found true of an old one counts no more.
  private let generation = Atomic<UInt64>(1)
  private let table: Mutex<PasswordTable>
  /// What the last look has seen, and what is in use or was refused.
  private let seen: Mutex<(last: Content, settled: Content)>

  private enum Content: Equatable {
    case bytes([UInt8])
    /// It could not be read: errno.
    case failed(Int32)
  }

  /// The largest file that is read, in bytes.
  private static let largest = 16 << 20

  /// Reads the file.
  public init(path: String) throws(PasswordFileError) {
    self.path = path
    let content = Self.read(path)
    table = Mutex(try Self.table(of: content, path))
    seen = Mutex((content, content))
  }

  private static func table(of content: Content, _ path: String) throws(PasswordFileError) -> PasswordTable {
    switch content {
    case .failed(let error):
      // What reading a regular file never fails of.
      let reason =
        error == EINVAL
        ? "it is a pipe or a device: put a file in its place" : unsafe String(cString: strerror(error))
      throw PasswordFileError(description: "\(path): cannot read this file with passwords: \(reason)")
    case .bytes(let bytes):
      do throws(PasswordTable.Fault) {
        return try PasswordTable(bytes, path: path)
      } catch {
        throw PasswordFileError(description: "\(path):\(error.line): \(error.description)")
      }
    }
  }

  private static func read(_ path: String) -> Content {
    // O_NONBLOCK: should it be a FIFO, opening it must not wait for a writer.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else { return .failed(errno) }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { return .failed(errno) }
    guard status.st_mode & S_IFMT != S_IFDIR else { return .failed(EISDIR) }
    guard status.st_mode & S_IFMT == S_IFREG else { return .failed(EINVAL) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = unsafe Glibc.read(descriptor, &part, part.count)
      if count < 0 { return .failed(errno) }
      if count == 0 { return .bytes(bytes) }
      bytes += part[..<count]
      if bytes.count > largest { return .failed(EFBIG) }
    }
  }

  /// Looks at the file, and goes over to what it says now if the look before has seen the same: what is half written is not taken.
  /// It is read, and not asked for its times, which have a clock's ticks. Returns what is wrong with a state that is not
  /// taken, once.
  func look() -> PasswordFileError? {
    let content = Self.read(path)
    let isNew = seen.withLock { seen in
      let isNew = content == seen.last && content != seen.settled
      if isNew { seen.settled = content }
      seen.last = content
      return isNew
    }
    guard isNew else { return nil }
    do throws(PasswordFileError) {
      let new = try Self.table(of: content, path)
      table.withLock { $0 = new }
      // Behind the table: whoever knows the number finds this state or a newer one.
      generation.add(1, ordering: .releasing)
      return nil
    } catch {
      return error
    }
  }

  var currentGeneration: UInt64 { generation.load(ordering: .acquiring) }
  var currentTable: PasswordTable { table.withLock { $0 } }
}
