import Glibc
import Reactor
import TLS
import Worker

/// The sockets that connections come in at, one of each kind for each worker, all of a kind on the same port. Connections that
/// nobody has accepted yet wait in them: so they are copied for whoever comes after these workers, not made anew.
///
/// The workers close them, once `listeners` has been called for each; else its owner does.
struct Binding {
  private static let backlog: Int32 = 4096

  private(set) var plain: [Int32] = []
  private(set) var secure: [Int32] = []

  /// Binds what the configuration says, or takes the sockets that were `inherited`.
  init(_ configuration: Configuration, inherited: InheritedSockets) throws(StartError) {
    let most = max(inherited.plain.count, inherited.secure.count)
    guard most <= configuration.workers else {
      throw StartError(
        "\(most) sockets of one kind are there, and a worker takes one of them: use --workers \(most)")
    }
    do {
      if inherited.isEmpty {
        if let port = configuration.port { plain = try Self.bind(configuration, port) }
        if let port = configuration.secure?.port { secure = try Self.bind(configuration, port) }
      } else {
        plain = try Self.copy(inherited.plain, count: configuration.workers)
        secure = try Self.copy(inherited.secure, count: configuration.workers)
        for descriptor in inherited.plain + inherited.secure { Glibc.close(descriptor) }
      }
    } catch {
      close()
      throw StartError("\(error)")
    }
  }

  /// No sockets.
  static var none: Binding { Binding(plain: [], secure: []) }

  private init(plain: [Int32], secure: [Int32]) {
    (self.plain, self.secure) = (plain, secure)
  }

  /// The same for other workers, as many.
  func copy() throws(Errno) -> Binding {
    let plain = try Self.copy(plain, count: plain.count)
    do throws(Errno) {
      return Binding(plain: plain, secure: try Self.copy(secure, count: secure.count))
    } catch {
      Binding(plain: plain, secure: []).close()
      throw error
    }
  }

  /// Closes those of the workers from this one on.
  func close(from first: Int = 0) {
    for descriptor in plain.dropFirst(first) + secure.dropFirst(first) { Glibc.close(descriptor) }
  }

  // MARK: Where they listen

  var plainURL: String? { Self.address(plain).map { "http://\($0.urlHost):\($0.port)" } }
  var secureURL: String? { Self.address(secure).map { "https://\($0.urlHost):\($0.port)" } }
  /// The port of HTTPS.
  var securePort: UInt16? { Self.address(secure)?.port }

  private static func address(_ sockets: [Int32]) -> SocketAddress? {
    sockets.first.flatMap { try? SocketAddress(boundTo: $0) }
  }

  // MARK: For workers

  /// A worker's listeners, which are its own from now on: called once for each.
  func listeners(ofWorker number: Int, context: ServerContext?) throws(Errno) -> Listeners {
    var listeners = Listeners()
    if !plain.isEmpty {
      listeners.plain = Listener(socket: try ListeningSocket(owning: plain[number]), context: nil)
    }
    if !secure.isEmpty {
      listeners.secure = Listener(socket: try ListeningSocket(owning: secure[number]), context: context)
    }
    return listeners
  }

  /// Each worker has its own, if there are as many; else several have the same.
  private static func copy(_ sockets: [Int32], count: Int) throws(Errno) -> [Int32] {
    var copies: [Int32] = []
    for number in 0..<(sockets.isEmpty ? 0 : count) {
      let copy = fcntl(sockets[number % sockets.count], F_DUPFD_CLOEXEC, 3)
      guard copy >= 0 else {
        let error = Errno.current
        for copy in copies { Glibc.close(copy) }
        throw error
      }
      copies.append(copy)
    }
    return copies
  }

  /// One for each worker. The first one decides the port where port 0 is asked for.
  private static func bind(_ configuration: Configuration, _ port: UInt16) throws(StartError) -> [Int32] {
    let workers = configuration.workers
    let address: SocketAddress
    do throws(AddressError) {
      address = try SocketAddress(host: configuration.host, port: port)
    } catch {
      throw StartError("\(error)")
    }
    var descriptors: [Int32] = []
    do throws(Errno) {
      if workers > 1 && address.port != 0 {
        // A shared port (SO_REUSEPORT) would also be shared with another sluice: have it alone for a moment.
        _ = try ListeningSocket(address: address, shared: false, backlog: 1)
      }
      var address = address
      for _ in 0..<workers {
        let socket = try ListeningSocket(address: address, shared: workers > 1, backlog: backlog)
        address = socket.address
        descriptors.append(socket.take())
      }
      return descriptors
    } catch {
      for descriptor in descriptors { Glibc.close(descriptor) }
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
