import Glibc
import Reactor
import Synchronization

/// What started this process and wants to know how it is: sd_notify(3), by datagrams to the socket that NOTIFY_SOCKET names. Without
/// one, nothing is said.
final class ServiceManager: Sendable {
  private let socket: Int32
  private let address: [UInt8]
  /// How often it wants to hear that all is well, in milliseconds; nil if it does not.
  let watchdogMilliseconds: UInt64?

  /// The one in the environment.
  init() {
    func variable(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }
    let path = Array((variable("NOTIFY_SOCKET") ?? "").utf8)
    // A path, or a name of the kernel's abstract ones, which begins with a NUL.
    let isPlace = path.first == UInt8(ascii: "/") || path.first == UInt8(ascii: "@")
    address =
      isPlace && path.count < 108 ? (path[0] == UInt8(ascii: "@") ? [0] + path.dropFirst() : path) : []
    socket =
      address.isEmpty ? -1 : Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
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

  /// All is well.
  func noteAlive() { send("WATCHDOG=1") }

  private func send(_ message: String) {
    if socket < 0 { return }
    var place = sockaddr_un()
    place.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &place.sun_path) { unsafe $0.copyBytes(from: address) }
    let start = MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: place.sun_path)
    // A name of the abstract ones ends where its length says.
    let length = socklen_t(start + address.count + (address[0] == 0 ? 0 : 1))
    let bytes = Array(message.utf8)
    _ = unsafe withUnsafePointer(to: place) { place in
      unsafe place.withMemoryRebound(to: sockaddr.self, capacity: 1) { place in
        // A manager that does not listen holds up nobody.
        unsafe sendto(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT), place, length)
      }
    }
  }
}

/// Sockets that this process was started with: sd_listen_fds(3).
struct InheritedSockets {
  /// Those called `http` and `https`.
  private(set) var plain: [Int32] = []
  private(set) var secure: [Int32] = []

  /// No sockets.
  init() {}

  /// Those that the environment speaks of. Throws if they are not what can be served on.
  static func take() throws(StartError) -> InheritedSockets {
    func variable(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }
    var sockets = InheritedSockets()
    guard variable("LISTEN_PID") == "\(getpid())", let count = variable("LISTEN_FDS").flatMap({ Int32($0) }),
      count > 0
    else { return sockets }
    let names =
      variable("LISTEN_FDNAMES")?.split(separator: ":", omittingEmptySubsequences: false) ?? []
    for index in 0..<Int(count) {
      let descriptor = 3 + Int32(index)
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      let name = index < names.count ? String(names[index]) : "unknown"
      guard name == "http" || name == "https" else {
        throw StartError(
          "the service manager has given a socket called '\(name)': say FileDescriptorName=http or https in its .socket unit"
        )
      }
      guard ListeningSocket.isListening(descriptor) else {
        throw StartError(
          "the service manager has given a socket '\(name)' that does not listen for TCP: use ListenStream=PORT"
        )
      }
      if name == "http" { sockets.plain.append(descriptor) } else { sockets.secure.append(descriptor) }
    }
    return sockets
  }

  var isEmpty: Bool { plain.isEmpty && secure.isEmpty }
}
