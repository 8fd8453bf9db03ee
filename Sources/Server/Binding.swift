import Glibc
import Reactor
import TLS
import Worker

/// Binds the listeners, a set for each worker, all to the same ports.
struct Binding {
  private static let backlog: Int32 = 4096

  private let context: ServerContext?
  private let isShared: Bool
  private let inherited: InheritedSockets
  /// How many workers have theirs.
  private var count = 0
  private var plain: SocketAddress?
  private var secure: SocketAddress?
  private(set) var plainURL: String?
  private(set) var secureURL: String?
  /// The port of HTTPS; known when the first listeners are bound.
  var securePort: UInt16? { secure?.port }

  /// Sockets that were `inherited` are listened on in place of those that the configuration says.
  init(
    _ configuration: Configuration, context: ServerContext?, inherited: InheritedSockets
  ) throws(AddressError) {
    self.context = context
    self.inherited = inherited
    isShared = configuration.workers > 1
    guard inherited.isEmpty else { return }
    if let port = configuration.port { plain = try SocketAddress(host: configuration.host, port: port) }
    if let port = configuration.secure?.port {
      secure = try SocketAddress(host: configuration.host, port: port)
    }
  }

  /// The next worker's listeners. The first ones decide the real port where port 0 was asked for.
  mutating func listeners() throws(StartError) -> Listeners {
    if !inherited.isEmpty { return try inheritedListeners() }
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

  /// A worker has one of each kind: its own, if there are as many; else several have the same.
  private mutating func inheritedListeners() throws(StartError) -> Listeners {
    defer { count += 1 }
    var listeners = Listeners()
    do throws(Errno) {
      if !inherited.plain.isEmpty {
        let socket = inherited.plain[count % inherited.plain.count]
        let listener = Listener(socket: try ListeningSocket(copying: socket), context: nil)
        plainURL = listener.url
        listeners.plain = consume listener
      }
      if !inherited.secure.isEmpty {
        let socket = inherited.secure[count % inherited.secure.count]
        let listener = Listener(socket: try ListeningSocket(copying: socket), context: context)
        secure = listener.socket.address
        secureURL = listener.url
        listeners.secure = consume listener
      }
    } catch {
      throw StartError("the service manager's sockets can't be used: \(error)")
    }
    return listeners
  }

  private func bind(_ address: SocketAddress, isFirst: Bool) throws(StartError) -> ListeningSocket {
    do throws(Errno) {
      if isFirst && isShared && address.port != 0 {
        // A shared port (SO_REUSEPORT) would also be shared with another sluice: have it alone for a moment.
        _ = try ListeningSocket(address: address, shared: false, backlog: 1)
      }
      return try ListeningSocket(
        address: address, shared: isShared, backlog: Self.backlog)
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
