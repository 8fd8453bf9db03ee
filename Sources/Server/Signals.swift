import CLinux
import Glibc
import Reactor

/// The signals that mean something to the process, or would end it though they should not, as something to read:
/// `signalfd(2)`. They interrupt nobody: threads that are started later inherit the block.
struct Signals: ~Copyable {
  /// Those that stop the server.
  private static let stops = [SIGTERM, SIGINT]
  /// Certificates and the like are read anew.
  private static let reload = SIGHUP
  /// The access log is opened anew.
  private static let reopen = SIGUSR1
  /// Another process takes over.
  private static let upgrade = SIGUSR2
  /// Those that are noted and do nothing, with what to say of them.
  private static let others = [
    (SIGALRM, "SIGALRM: it means nothing here")
  ]

  private let descriptor: Int32

  init() throws(Errno) {
    var set = Self.block()
    descriptor = unsafe signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
    guard descriptor >= 0 else { throw Errno.current }
  }

  /// Keeps them until they are read, in this thread and those that it starts.
  @discardableResult
  static func block() -> sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in stops + [reload, reopen, upgrade] + others.map(\.0) { unsafe sigaddset(&set, number) }
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    return set
  }

  deinit {
    close(descriptor)
  }

  /// What a wait has brought.
  enum News {
    /// The server shall stop.
    case stop(Int32)
    /// What files say shall be used from now on; who waits to hear of that.
    case reload(SignalSender?)
    /// The access log shall be written to a new file.
    case reopen
    /// Another process shall take over; who waits to hear of that.
    case upgrade(SignalSender?)
    /// The other descriptor is readable.
    case readable
    /// Another signal, and what to say of it.
    case other(String)
    /// The waker woke, the time is over, or nothing.
    case none
  }

  /// Waits until a signal comes, `waker` wakes, or another descriptor (-1: none) is readable, at most `milliseconds` (-1: without
  /// end).
  func wait(or waker: borrowing Waker, or other: Int32, milliseconds: Int32) -> News {
    var polled = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: waker.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: other, events: Int16(POLLIN), revents: 0),
    ]
    // Interrupted by being stopped and continued, perhaps: whoever waits looks at the clock again.
    guard unsafe poll(&polled, nfds_t(polled.count), milliseconds) > 0 else { return .none }
    var info = signalfd_siginfo()
    guard unsafe read(descriptor, &info, MemoryLayout<signalfd_siginfo>.size) > 0 else {
      waker.acknowledge()
      return polled[2].revents != 0 ? .readable : .none
    }
    let number = Int32(info.ssi_signo)
    if number == Self.reload { return .reload(SignalSender(info)) }
    if number == Self.reopen { return .reopen }
    if number == Self.upgrade { return .upgrade(SignalSender(info)) }
    if let (_, message) = Self.others.first(where: { $0.0 == number }) { return .other(message) }
    return .stop(number)
  }
}
