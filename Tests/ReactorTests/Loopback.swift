import Glibc
import Testing

@testable import Reactor

/// A listener on a free port of 127.0.0.1.
func makeListener(shared: Bool = false) throws -> ListeningSocket {
  try ListeningSocket(address: SocketAddress(host: "127.0.0.1", port: 0), shared: shared, backlog: 8)
}

/// The next connection of a listener, which is waited for.
func accept(_ listener: borrowing ListeningSocket) throws -> Socket {
  #expect(wait(for: POLLIN, on: listener.descriptor))
  guard case .connection(let socket) = listener.accept() else { throw Errno.current }
  return socket
}

/// A client and the server's socket, connected.
struct Loopback: ~Copyable {
  let client: Client
  let server: Socket

  init() throws {
    let listener = try makeListener()
    let client = try Client(listener.address)
    server = try accept(listener)
    self.client = client
  }
}

/// A connection's other end: blocking, but never for ever.
struct Client: ~Copyable {
  let descriptor: Int32

  init(_ address: SocketAddress) throws {
    descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var patience = timeval(tv_sec: 10, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    guard descriptor >= 0,
      unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, size) == 0,
      unsafe address.withSocketAddress({ unsafe connect(descriptor, $0, $1) }) == 0
    else { throw Errno.current }
  }

  deinit {
    close(descriptor)
  }

  func send(_ text: String) {
    #expect(unsafe Glibc.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL)) == text.utf8.count)
  }

  /// `count` bytes, or as many as come before the end.
  func receive(_ count: Int) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
      while done < count {
        let received = unsafe recv(descriptor, buffer.baseAddress! + done, count - done, 0)
        if received <= 0 { return }
        done += received
      }
    }
  }

  /// As text, all that comes before the end.
  func receiveAll() -> String { String(decoding: receive(1 << 20), as: UTF8.self) }

  func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Makes the close a reset.
  func resetOnClose() {
    var option = linger(l_onoff: 1, l_linger: 0)
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }
}

/// Waits until one of `events` has come; false if it has not after 10 seconds.
func wait(for events: Int32, on descriptor: Int32) -> Bool {
  var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
  return unsafe poll(&entry, 1, 10_000) == 1
}

extension Socket {
  /// One receive.
  func receive(upTo count: Int) -> (Transfer, text: String) {
    var bytes = [UInt8](repeating: 0, count: count)
    let transfer = unsafe bytes.withUnsafeMutableBytes { unsafe receive(into: $0) }
    guard case .bytes(let received) = transfer else { return (transfer, "") }
    return (transfer, String(decoding: bytes[..<received], as: UTF8.self))
  }

  func send(_ bytes: [UInt8], more: Bool = false) -> Transfer {
    unsafe bytes.withUnsafeBytes { unsafe send($0, more: more) }
  }

  func send(_ text: String, more: Bool = false) -> Transfer { send(Array(text.utf8), more: more) }

  func send(_ first: [UInt8], _ second: [UInt8]) -> Transfer {
    unsafe first.withUnsafeBytes { first in
      unsafe second.withUnsafeBytes { second in unsafe send(first, second) }
    }
  }
}

extension Transfer: Equatable {
  static func == (left: Transfer, right: Transfer) -> Bool {
    switch (left, right) {
    case (.bytes(let count), .bytes(let other)): count == other
    case (.wouldBlock, .wouldBlock), (.ended, .ended): true
    case (.failed(let error), .failed(let other)): error == other
    default: false
    }
  }
}
