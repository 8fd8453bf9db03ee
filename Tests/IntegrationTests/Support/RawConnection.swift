import CLinux
import Glibc

/// A TCP connection to a server on this machine that sends exactly what it is told to. Closed with its owner.
final class RawConnection {
  /// How the server ended the connection.
  enum End: Equatable {
    /// With a FIN: in good order.
    case closed
    /// With a reset.
    case reset
  }

  let descriptor: Int32
  /// Received, not used.
  private var buffer: [UInt8] = []

  /// Connects. `receiveBuffer` bounds what the kernel takes in for us: SO_RCVBUF.
  init(port: UInt16, receiveBuffer: Int32? = nil) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    if var size = receiveBuffer {
      unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    let status = unsafe withUnsafePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe Glibc.connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw errno == ECONNREFUSED ? Refused.refused : Refused.other(errno) }
    var yes: Int32 = 1
    unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Why there is no connection.
  enum Refused: Error, Equatable {
    case refused
    case other(Int32)
  }

  deinit {
    close(descriptor)
  }

  // MARK: Sending

  /// Sends all bytes. Throws if the server has closed.
  func send(_ bytes: [UInt8]) throws {
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.send(descriptor, $0.baseAddress! + done, $0.count - done, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw TestFailure("cannot send: error \(errno)") }
      done += count
    }
  }

  func send(_ text: String) throws {
    try send(Array(text.utf8))
  }

  /// Sends a GET with a Host and these fields, each ended by CRLF.
  func get(_ path: String, _ fields: String = "", method: String = "GET") throws {
    try send("\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n")
  }

  /// Ends our direction.
  func endSending() {
    shutdown(descriptor, Int32(SHUT_WR))
  }

  /// Makes the close at the end a reset.
  func resetOnClose() {
    var option = linger(l_onoff: 1, l_linger: 0)
    unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }

  // MARK: Receiving

  private enum Received {
    case bytes(Int)
    case end(End)
  }

  /// Waits for more and appends it to the buffer.
  private func receiveMore(_ seconds: Double = Patience.seconds) throws -> Received {
    try waitForInput(descriptor, patience: seconds)
    var result = 0
    var error: Int32 = 0
    let part = unsafe [UInt8](unsafeUninitializedCapacity: 1 << 18) { part, count in
      unsafe result = recv(descriptor, part.baseAddress, part.count, 0)
      error = errno
      count = max(0, result)
    }
    buffer += part
    if result > 0 { return .bytes(result) }
    return .end(result < 0 && error == ECONNRESET ? .reset : .closed)
  }

  /// The next response. `toHead`: it answers a HEAD request, so it has no body.
  func response(toHead: Bool = false) throws -> HTTPResponse {
    let marker = Array("\r\n\r\n".utf8)
    var end = buffer.firstRange(of: marker)
    while end == nil {
      if case .end(let end) = try receiveMore() {
        throw TestFailure("\(end) instead of a response: \(String(decoding: buffer, as: UTF8.self))")
      }
      end = buffer.firstRange(of: marker)
    }
    guard let end else { throw TestFailure("no response") }
    var response = try HTTPResponse(head: Array(buffer[..<end.lowerBound] + [0x0D, 0x0A]))
    buffer.removeFirst(end.upperBound)
    if !toHead && !response.isBodiless { response.body = try bytes(response.contentLength ?? 0) }
    return response
  }

  /// The next `count` bytes.
  func bytes(_ count: Int) throws -> [UInt8] {
    while buffer.count < count {
      if case .end(let end) = try receiveMore() {
        throw TestFailure("\(end) after \(buffer.count) of \(count) bytes")
      }
    }
    let bytes = Array(buffer.prefix(count))
    buffer.removeFirst(count)
    return bytes
  }

  /// Everything until the server ends the connection, and how it does.
  func rest(seconds: Double = Patience.seconds) throws -> (bytes: [UInt8], end: End) {
    while true {
      if case .end(let end) = try receiveMore(seconds) {
        defer { buffer = [] }
        return (buffer, end)
      }
    }
  }

  /// Whether the server resets the connection, without anything being read.
  func isReset() -> Bool {
    var polled = pollfd(fd: descriptor, events: 0, revents: 0)
    return unsafe poll(&polled, 1, Int32(Patience.seconds * 1000)) == 1
      && polled.revents & Int16(POLLERR) != 0
  }

  /// Whether nothing comes for so long.
  func isSilent(seconds: Double) -> Bool {
    var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe buffer.isEmpty && poll(&polled, 1, Int32(seconds * 1000)) == 0
  }
}
