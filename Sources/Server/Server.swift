public import Logging

import Files
import Glibc
import Reactor
import Synchronization
import TLS

/// Why the server can't start: one line that says what to do.
public struct StartError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// The control plane: puts everything in place, starts the workers, and waits for the signal to stop.
public enum Server {
  /// Serves until SIGTERM or SIGINT, then finishes what is being sent, 30 s at most; a second signal ends the
  /// process at once. `announce` gets one line a listener when connections are accepted:
  /// `listening https://127.0.0.1:8443 tls=1.2,1.3 ktls=on`.
  public static func run(
    _ configuration: Configuration, log: Logger, announce: (String) -> Void
  ) throws(StartError) {
    // OpenSSL's control messages on a kernel TLS socket lack MSG_NOSIGNAL (openssl#23033).
    signal(SIGPIPE, SIG_IGN)
    do {
      let signals = try StopSignals()
      let root = try DocumentRoot(path: configuration.root)
      if !root.followsLinks {
        log.warning("this kernel has no openat2: symbolic links in the folder are not followed")
      }
      let secure = try configuration.secure.map { secure throws(StartError) in try SecureSetup(secure) }
      let limits = try DescriptorBudget.fit(configuration.limits, workers: configuration.workers, log: log)
      var crew = try Crew()
      var binding = try Binding(configuration, context: secure?.context)
      for _ in 0..<configuration.workers {
        try crew.start(
          try binding.listeners(), root: root, requiresKernelTLS: secure?.requiresKernelTLS ?? false,
          limits: limits)
      }
      if let url = binding.plainURL { announce("listening \(url)") }
      if let url = binding.secureURL, let secure { announce("listening \(url) \(secure.description)") }
      try crew.work(until: signals, log: log)
    } catch {
      throw StartError("\(error)")
    }
  }
}

/// The HTTPS listener's certificate, and whether the kernel will encrypt.
private struct SecureSetup {
  let context: ServerContext
  let requiresKernelTLS: Bool
  /// `tls=… ktls=…`, for the announcement.
  let description: String

  init(_ secure: Configuration.Secure) throws(StartError) {
    let availability =
      secure.kernelTLS == .off
      ? .unavailable(reason: "turned off by --ktls off") : KernelTLS.probe()
    requiresKernelTLS = secure.kernelTLS == .require
    switch availability {
    case .available: description = "tls=1.2,1.3 ktls=on"
    case .unavailable(let reason):
      if requiresKernelTLS { throw StartError("--ktls require: \(reason)") }
      description = "tls=1.2,1.3 ktls=off reason=\"\(reason)\""
    }
    do {
      context = try ServerContext(
        certificateFile: secure.certificateFile, keyFile: secure.keyFile,
        usesKernelTLS: availability == .available)
    } catch {
      throw StartError(error.description)
    }
  }
}

/// Binds the listeners, a set for each worker, all to the same ports.
private struct Binding {
  private static let backlog: Int32 = 4096

  private let context: ServerContext?
  private let isShared: Bool
  private var plain: SocketAddress?
  private var secure: SocketAddress?
  private(set) var plainURL: String?
  private(set) var secureURL: String?

  init(_ configuration: Configuration, context: ServerContext?) throws(AddressError) {
    self.context = context
    isShared = configuration.workers > 1
    if let port = configuration.port { plain = try SocketAddress(host: configuration.host, port: port) }
    if let port = configuration.secure?.port {
      secure = try SocketAddress(host: configuration.host, port: port)
    }
  }

  /// The next worker's listeners. The first ones decide the real port where port 0 was asked for.
  mutating func listeners() throws(StartError) -> Listeners {
    var listeners = Listeners()
    if let address = plain {
      let listener = Listener(socket: try bind(address, isFirst: plainURL == nil), context: nil)
      plain = listener.socket.address
      plainURL = listener.url
      listeners.plain = consume listener
    }
    if let address = secure {
      let listener = Listener(socket: try bind(address, isFirst: secureURL == nil), context: context)
      secure = listener.socket.address
      secureURL = listener.url
      listeners.secure = consume listener
    }
    return listeners
  }

  private func bind(_ address: SocketAddress, isFirst: Bool) throws(StartError) -> ListeningSocket {
    do throws(Errno) {
      if isFirst && isShared && address.port != 0 {
        // A shared port (SO_REUSEPORT) would also be shared with another sluice: have it alone for a moment.
        _ = try ListeningSocket(address: address, shared: false, backlog: 1)
      }
      return try ListeningSocket(address: address, shared: isShared, backlog: Self.backlog)
    } catch {
      let advice =
        switch error.rawValue {
        case EADDRINUSE: ": another program listens there; choose another port"
        case EACCES: ": ports below 1024 need root or CAP_NET_BIND_SERVICE"
        case EADDRNOTAVAIL: ": this machine does not have that address"
        default: ""
        }
      throw StartError("cannot listen on \(address.urlHost):\(address.port): \(error)\(advice)")
    }
  }
}

/// The worker threads.
private struct Crew: ~Copyable {
  private var controls: [WorkerControl] = []
  private var threads: [Thread] = []
  /// Wakes the control plane when a worker has ended.
  private let ended: SharedWaker

  init() throws(Errno) {
    ended = try SharedWaker()
  }

  mutating func start(
    _ listeners: consuming Listeners, root: DocumentRoot, requiresKernelTLS: Bool, limits: Limits
  ) throws(Errno) {
    let control = try WorkerControl()
    let ended = ended
    let handover = Mutex<Listeners?>(listeners)
    let seat = Seat(handover)
    threads.append(
      try Thread {
        do throws(Errno) {
          guard let listeners = seat.take() else { return }
          var worker = try Worker(
            listeners: listeners, control: control, root: root, requiresKernelTLS: requiresKernelTLS,
            limits: limits)
          control.finish(.success(worker.run()))
        } catch {
          control.finish(.failure(error))
        }
        ended.waker.wake()
      })
    controls.append(control)
  }

  /// Waits for a signal, then stops the workers and waits for them. Throws if a worker could not work.
  consuming func work(until signals: borrowing StopSignals, log: Logger) throws(StartError) {
    var isStopping = false
    while !controls.allSatisfy(\.hasEnded) {
      // One worker less would leave clients of the shared port without an answer.
      for control in controls where control.hasEnded { _ = try control.metrics() }
      let signal = signals.wait(or: ended.waker)
      if let signal, isStopping {
        log.warning("second signal: ending at once")
        exit(128 + signal)
      }
      if signal != nil {
        isStopping = true
        log.info("stopping: finishing what is being sent")
        for control in controls { control.stop() }
      }
    }
    var total = Metrics()
    for control in controls { total.add(try control.metrics()) }
    for thread in threads { thread.join() }
    log.info("stopped: \(total)")
  }
}

private final class SharedWaker: Sendable {
  let waker: Waker

  init() throws(Errno) {
    waker = try Waker()
  }
}

/// Carries a worker's listeners to its thread.
private final class Seat: Sendable {
  private let listeners: Mutex<Listeners?>

  init(_ listeners: consuming Mutex<Listeners?>) {
    self.listeners = listeners
  }

  func take() -> Listeners? {
    listeners.withLock { $0.take() }
  }
}
