import Glibc
import Reactor

/// Sockets that this process was started with: by a service manager (sd_listen_fds(3)), or by the process that it takes over from
/// (`Successor`).
struct InheritedSockets {
  /// Those called `http` and `https`.
  private(set) var plain: [Int32] = []
  private(set) var secure: [Int32] = []
  /// What the process before answers questions at.
  private(set) var admin: Int32?
  /// Where it learns that this one serves; nil without one.
  private(set) var readiness: Int32?

  /// No sockets.
  init() {}

  var isEmpty: Bool { plain.isEmpty && secure.isEmpty }
  /// They come from a service manager, if need be through another process: the configuration does not say where.
  private(set) var areGiven = false
  /// They are another process's that waits to be relieved.
  var areTakenOver: Bool { readiness != nil }

  /// Names in the environment.
  static let variables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", predecessor, given]
  /// The process before has them from a service manager.
  static let given = "LISTEN_GIVEN"
  /// The number of the process before, where there is one: what it starts has a number that it does not know beforehand.
  static let predecessor = "LISTEN_PREDECESSOR"

  /// The environment speaks of some, which another process has.
  static var areTakenOver: Bool { variable(predecessor) == "\(getppid())" }

  private static func variable(_ name: String) -> String? {
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }

  /// Those that the environment speaks of, which it does no longer after that. Throws if they are not what can be served on.
  static func take() throws(StartError) -> InheritedSockets {
    defer { for name in variables { unsafe unsetenv(name) } }
    let isTakenOver = areTakenOver
    guard variable("LISTEN_PID") == "\(isTakenOver ? getppid() : getpid())",
      let count = variable("LISTEN_FDS").flatMap({ Int32($0) }), count > 0
    else { return InheritedSockets() }
    let names = variable("LISTEN_FDNAMES")?.split(separator: ":", omittingEmptySubsequences: false) ?? []
    var sockets = InheritedSockets()
    sockets.areGiven = !isTakenOver || variable(given) != nil
    for index in 0..<Int(count) {
      let descriptor = 3 + Int32(index)
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      let name = index < names.count ? String(names[index]) : "unknown"
      switch name {
      case "admin" where isTakenOver: sockets.admin = descriptor
      case "ready" where isTakenOver: sockets.readiness = descriptor
      default: try sockets.add(descriptor, name)
      }
    }
    return sockets
  }

  private mutating func add(_ descriptor: Int32, _ name: String) throws(StartError) {
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
    if name == "http" { plain.append(descriptor) } else { secure.append(descriptor) }
  }

  /// Throws if they are not where the configuration wants to listen: what a service manager gives goes before that, what a process
  /// before has listened on does not.
  func check(_ configuration: Configuration) throws(StartError) {
    if !secure.isEmpty, configuration.secure == nil {
      throw StartError("there is a socket 'https', and there is no certificate: --cert and --key")
    }
    guard areTakenOver, !areGiven else { return }
    for (name, sockets, port) in [
      ("port", plain, configuration.port), ("tls-port", secure, configuration.secure?.port),
    ] {
      let address = sockets.first.flatMap { try? SocketAddress(boundTo: $0) }
      let wanted = port.flatMap { try? SocketAddress(host: configuration.host, port: $0) }
      guard address?.urlHost == wanted?.urlHost, address?.port == wanted?.port || port == 0 else {
        throw StartError(
          "address and \(name) can't change when another process is taken over from: stop it first")
      }
    }
  }

  /// Tells the process before that this one serves.
  func noteServing() {
    guard let readiness else { return }
    _ = unsafe write(readiness, "1", 1)
    close(readiness)
  }
}
