import Glibc
import Reactor

/// A server that runs, for whoever wants something of it.
public struct RunningServer {
  private let process: pid_t

  /// The one whose number is in a file that it has written. Throws one line if there is none.
  public init(pidFile path: String) throws(StartError) {
    guard unsafe access(path, F_OK) == 0 else {
      throw StartError("\(path): there is no such file: is the server running, with --pid-file?")
    }
    guard let number = PIDFile(path).processIdentifier else {
      throw StartError("\(path): no number of a process in it: is the server running, with --pid-file?")
    }
    guard Self.isServer(number) else {
      throw StartError("\(path): process \(number) is no sluice: the file is left over")
    }
    process = number
  }

  /// The one with this number. Throws one line if there is none.
  public init(process: Int32) throws(StartError) {
    guard process > 0, Self.isServer(process) else { throw StartError("process \(process) is no sluice") }
    self.process = process
  }

  /// Whether a process is one, as far as its name says.
  static func isServer(_ process: pid_t) -> Bool {
    PIDFile.text("/proc/\(process)/comm")?.hasPrefix("sluice") == true
  }

  /// Has it serve what its files say now, and waits for that, `seconds` at most: what it says. Throws what is wrong, and nothing
  /// has changed then.
  public func reload(within seconds: Int) throws(ConfigurationError) -> String {
    try ask(SIGHUP, seconds)
  }

  /// Has another process take over from it, and waits for that, `seconds` at most: what it says. Throws why none has.
  public func upgrade(within seconds: Int) throws(ConfigurationError) -> String {
    try ask(SIGUSR2, seconds)
  }

  /// It has another network namespace, where sockets of this one can't be reached (unix(7), "Abstract"). Unknown counts as no.
  private var isElsewhere: Bool {
    var (ours, theirs) = (stat(), stat())
    guard unsafe stat("/proc/self/ns/net", &ours) == 0, unsafe stat("/proc/\(process)/ns/net", &theirs) == 0
    else { return false }
    return ours.st_ino != theirs.st_ino
  }

  private func ask(_ signal: Int32, _ seconds: Int) throws(ConfigurationError) -> String {
    func fail(_ text: String) -> ConfigurationError { ConfigurationError(["process \(process) \(text)"]) }
    if isElsewhere {
      throw fail(
        "is in another network namespace, and can't answer here: send it the signal by kill, and see its log")
    }
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw fail("can't be asked: \(Errno.current)") }
    defer { close(descriptor) }
    guard UnixAddress.bindAutomatically(descriptor), let sender = SignalSender(listeningAt: descriptor) else {
      throw fail("can't be asked: \(Errno.current)")
    }
    guard sender.send(signal, to: process) else {
      throw fail("can't be sent a signal: \(Errno.current)")
    }
    var bytes = [UInt8](repeating: 0, count: SignalSender.mostBytes)
    for _ in 0..<seconds * 10 {
      var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard unsafe poll(&polled, 1, 100) > 0 else {
        if kill(process, 0) != 0, errno == ESRCH { throw fail("has ended") }
        continue
      }
      let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
      let lines = String(decoding: bytes[..<max(0, count)], as: UTF8.self).split(separator: "\n")
      let text = lines.dropFirst().map(String.init)
      guard lines.first.map(String.init) == SignalSender.done else { throw ConfigurationError(text) }
      return text.joined(separator: "\n")
    }
    throw fail("has not said in \(seconds) s what has come of it: see its log")
  }
}
