import CLinux
import Glibc
import Reactor

/// Who has sent a signal and waits to hear what comes of it: `RunningServer`.
///
/// Its datagram socket has a name that the kernel has chosen, five hexadecimal digits among the abstract ones (autobind, unix(7)); they
/// come with the signal as a number, sigqueue(3). Whoever does not listen there gets nothing.
struct SignalSender {
  private let number: Int32

  /// Nil if the signal came without a number.
  init?(_ info: signalfd_siginfo) {
    guard info.ssi_code == Int32(SI_QUEUE), info.ssi_int > 0 else { return nil }
    number = info.ssi_int
  }

  /// One that listens at this socket; nil if it can't be named by a number.
  init?(listeningAt descriptor: Int32) {
    guard let name = UnixAddress(boundTo: descriptor)?.name, name.first == 0,
      let number = Int32(String(decoding: name.dropFirst(), as: UTF8.self), radix: 16), number > 0
    else { return nil }
    self.number = number
  }

  /// Sends a process a signal. False, and `errno`, if it can't be.
  func send(_ signal: Int32, to process: pid_t) -> Bool {
    unsafe sigqueue(process, signal, sigval(sival_int: number)) == 0
  }

  /// Says what has come of it: whether it is done, and a line or more about that.
  func answer(isDone: Bool, _ lines: [String]) {
    let digits = String(number, radix: 16)
    let name = [0] + Array((String(repeating: "0", count: max(0, 5 - digits.count)) + digits).utf8)
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    let text = ([isDone ? Self.done : Self.failed] + lines).joined(separator: "\n")
    UnixAddress(name)?.send(text.utf8.prefix(Self.mostBytes), by: descriptor)
  }

  /// The first line of an answer.
  static let done = "done"
  static let failed = "failed"
  /// Of an answer; what is longer is cut off.
  static let mostBytes = 64 << 10
}
