import Glibc
import Reactor

/// A file with the process's number, for those who send signals.
struct PIDFile: Sendable {
  private let path: String

  /// At this path.
  init(_ path: String) {
    self.path = path
  }

  /// Throws if another server has written it, and runs: whoever sends signals by it means one of the two. `predecessor`: who is
  /// taken over from.
  func check(predecessor: pid_t?) throws(StartError) {
    guard let number = processIdentifier, number != getpid(), number != predecessor,
      RunningServer.isServer(number)
    else { return }
    throw StartError(
      "\(path): process \(number), a sluice, has this file: choose another --pid-file, or stop that one first"
    )
  }

  /// Writes it, all at once. Throws if that can't be done.
  func write() throws(StartError) {
    let new = "\(path).\(getpid())"
    let text = Array("\(getpid())\n".utf8)
    let descriptor = unsafe open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(Errno.current) }
    let count = unsafe Glibc.write(descriptor, text, text.count)
    let error = Errno.current
    close(descriptor)
    guard count == text.count, unsafe rename(new, path) == 0 else {
      let reason = count == text.count ? Errno.current : error
      unsafe unlink(new)
      throw failure(reason)
    }
  }

  private func failure(_ error: Errno) -> StartError {
    StartError("\(path): cannot write the process's number: \(error)")
  }

  /// Removes it, if it still is this process's, or that of another one that has ended before it served.
  func remove(alsoOf other: pid_t?) {
    if let number = processIdentifier, number == getpid() || number == other { unsafe unlink(path) }
  }

  /// The number in it; nil if there is none.
  var processIdentifier: pid_t? {
    Self.text(path).flatMap { pid_t($0.prefix { $0.isNumber }) }.flatMap { $0 > 0 ? $0 : nil }
  }

  /// The first bytes of a small file; nil if there are none.
  static func text(_ path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = unsafe read(descriptor, &bytes, bytes.count)
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}
