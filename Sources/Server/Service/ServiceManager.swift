import Glibc
import Reactor
import Synchronization

/// What started this process and wants to know how it is: sd_notify(3), by datagrams to the socket that NOTIFY_SOCKET names. Without
/// one, nothing is said.
final class ServiceManager: Sendable {
  private let socket: Int32
  private let address: UnixAddress?
  /// How often it wants to hear that all is well, in milliseconds; nil if it does not.
  let watchdogMilliseconds: UInt64?

  /// The one in the environment.
  init() {
    func variable(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }
    let path = Array((variable("NOTIFY_SOCKET") ?? "").utf8)
    // A path, or a name of the kernel's abstract ones.
    address =
      switch path.first {
      case UInt8(ascii: "/"): UnixAddress(path)
      case UInt8(ascii: "@"): UnixAddress([0] + path.dropFirst())
      default: nil
      }
    socket =
      address == nil ? -1 : Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    let isForUs = variable("WATCHDOG_PID").map { $0 == "\(getpid())" } ?? true
    let interval = variable("WATCHDOG_USEC").flatMap { UInt64($0) }
    watchdogMilliseconds = socket >= 0 && isForUs ? interval.map { max(1, $0 / 1_000) } : nil
  }

  deinit {
    if socket >= 0 { close(socket) }
  }

  /// All workers serve.
  func noteReady(_ status: String) { send("READY=1\nSTATUS=\(status)") }

  /// What files say is taken in now; to be followed by `noteReady`.
  func noteReloading() {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    let microseconds = UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1_000
    send("RELOADING=1\nMONOTONIC_USEC=\(microseconds)\nSTATUS=reloading")
  }

  /// The signal to stop has come.
  func noteStopping() { send("STOPPING=1\nSTATUS=finishing what is being sent") }

  /// Another process is the service from now on, and talks to the manager.
  func noteRelief(by process: pid_t) { send("MAINPID=\(process)") }

  /// All is well.
  func noteAlive() { send("WATCHDOG=1") }

  private func send(_ message: String) {
    // A manager that does not listen holds up nobody.
    if socket >= 0 { address?.send(message.utf8, by: socket) }
  }
}
