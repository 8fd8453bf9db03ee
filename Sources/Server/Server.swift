public import Logging

import Glibc
import Reactor
import Site
import Worker

/// Why the server can't start: one line that says what to do.
public struct StartError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// What is wrong with a configuration.
public struct ConfigurationError: Error {
  /// A line each that says what to do; at least one.
  public let problems: [String]

  /// Names the problems.
  public init(_ problems: [String]) {
    self.problems = problems
  }
}

/// The control plane: puts everything in place, starts the workers, and waits for the signal to stop.
public enum Server {
  /// This process was started to take over from another one.
  public static var takesOver: Bool { InheritedSockets.areTakenOver }

  /// Serves until SIGTERM or SIGINT, then finishes what is being sent, 30 s at most; a second signal ends the
  /// process at once, and so does a worker that hangs, 2 s later (exit code 1). At SIGUSR2 another process takes over; at SIGHUP it serves what `reread` says from then
  /// on, and warns of what that warns of. Other signals are noted in the log. `announce` gets one line a listener when all workers take connections:
  /// `listening https://127.0.0.1:8443 tls=1.2,1.3 ktls=on`.
  public static func run(
    _ configuration: Configuration, log: Logger, announce: (String) -> Void,
    reread: @escaping @Sendable () throws(ConfigurationError) -> (Configuration, warnings: [String])
  ) throws(StartError) {
    // OpenSSL's control messages on a kernel TLS socket lack MSG_NOSIGNAL (openssl#23033).
    signal(SIGPIPE, SIG_IGN)
    MachineMemory.setUpMalloc()
    do {
      let signals = try Signals()
      let inherited = try InheritedSockets.take()
      try inherited.check(configuration)
      let pidFile = configuration.pidFile.map(PIDFile.init)
      try pidFile?.check(predecessor: inherited.areTakenOver ? getppid() : nil)
      var supervisor = try Supervisor(
        configuration, inherited: inherited, log: log, reread: reread)
      let admin = try configuration.admin.map { place throws(StartError) in
        try AdminListener(
          place, inherited: inherited.admin, status: supervisor.status, limits: configuration.limits)
      }
      try admin?.start()
      supervisor.admin = admin
      try pidFile?.write()
      for line in supervisor.listening { announce("listening \(line)") }
      if let admin, let place = configuration.admin { announce("admin \(admin.url(place))") }
      supervisor.supervise(until: signals)
      pidFile?.remove(alsoOf: supervisor.killedSuccessor)
      if !supervisor.isRelieved, case .path(let path) = configuration.admin { unsafe unlink(path) }
      // What exit(3) waits for may be held by a thread that hangs.
      if supervisor.isReloading { _exit(0) }
    } catch {
      throw StartError("\(error)")
    }
  }

  /// Keeps the signals that `run` understands until it does: one that comes early ends nothing. For the first thread, before it
  /// starts others.
  public static func keepSignals() { Signals.block() }
}
