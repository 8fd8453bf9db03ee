import Glibc
import Reactor

/// A file with the process's number, for those who send signals.
public struct PIDFile: Sendable {
  private let path: String

  /// At this path.
  public init(_ path: String) {
    self.path = path
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

  /// Has the server whose number is in the file serve what its files say now. Throws one line if there is none.
  public func reload() throws(StartError) { _ = try signal(SIGHUP) }

  /// Has another process take over from the server whose number is in the file, and waits until it has: its number. Throws one line
  /// if it does not, within `seconds`.
  public func upgrade(within seconds: Int) throws(StartError) -> Int32 {
    let old = try signal(SIGUSR2)
    var hasStarted = false
    for step in 0..<seconds * 100 {
      usleep(10_000)
      if let new = processIdentifier, new != old, kill(new, 0) == 0 { return new }
      guard kill(old, 0) == 0 else { throw StartError("process \(old) has ended, and nobody has taken over") }
      // proc(5): who is being started. Empty where the kernel does not say.
      let isStarting = Self.text("/proc/\(old)/task/\(old)/children") != nil
      hasStarted = hasStarted || isStarting
      // The file is looked at again, after that.
      if !isStarting, hasStarted || step == 200, processIdentifier == old { break }
    }
    throw StartError("process \(old) still serves: its log says why nobody has taken over")
  }

  /// Sends it one, and says to whom.
  private func signal(_ signal: Int32) throws(StartError) -> pid_t {
    guard unsafe access(path, F_OK) == 0 else {
      throw StartError("\(path): there is no such file: is the server running, with --pid-file?")
    }
    guard let number = processIdentifier else {
      throw StartError("\(path): no number of a process in it: is the server running, with --pid-file?")
    }
    guard Self.text("/proc/\(number)/comm")?.hasPrefix("sluice") == true else {
      throw StartError("\(path): process \(number) is no sluice: the file is left over")
    }
    guard kill(number, signal) == 0 else { throw StartError("process \(number): \(Errno.current)") }
    return number
  }

  private static func text(_ path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = unsafe read(descriptor, &bytes, bytes.count)
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}
