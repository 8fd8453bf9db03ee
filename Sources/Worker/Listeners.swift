package import Reactor
package import TLS

/// Where connections come in: a socket, and what they must speak.
package struct Listener: ~Copyable, Sendable {
  package let socket: ListeningSocket
  /// nil: plaintext.
  var context: ServerContext?

  /// Names the parts.
  package init(socket: consuming ListeningSocket, context: ServerContext?) {
    self.socket = socket
    self.context = context
  }
}

/// A worker's listeners. Each worker has sockets of its own; the kernel spreads connections over them.
package struct Listeners: ~Copyable, Sendable {
  package var plain: Listener?
  package var secure: Listener?

  /// None yet.
  package init() {}

  /// What connections of the secure listener speak.
  var context: ServerContext? { secure.context }

  /// The descriptor of one of them; nil if there is none.
  func descriptor(secure isSecure: Bool) -> Int32? { isSecure ? secure.descriptor : plain.descriptor }

  /// Takes the next connection of one of them.
  func accept(secure isSecure: Bool) -> ListeningSocket.Accepted {
    isSecure ? secure.accept() : plain.accept()
  }

  /// Takes the next connection and closes it; false if there was none to take.
  func acceptAndClose(secure isSecure: Bool) -> Bool {
    switch accept(secure: isSecure) {
    case .connection: true
    default: false
    }
  }
}

extension Listener? {
  borrowing func accept() -> ListeningSocket.Accepted {
    switch self {
    case .some(let listener): listener.socket.accept()
    case .none: .none
    }
  }

  var context: ServerContext? {
    switch self {
    case .some(let listener): listener.context
    case .none: nil
    }
  }

  var descriptor: Int32? {
    switch self {
    case .some(let listener): listener.socket.descriptor
    case .none: nil
    }
  }
}
