import Glibc
import HTTP
import Logging
import Reactor
import Synchronization
import Worker

/// Answers questions about the server, on a port or a socket of its own and with threads of its own: also while all workers are busy,
/// or hang. One request for a connection.
final class AdminListener: Sendable {
  private let status: ServerStatus
  let descriptor: Int32
  /// Wakes the thread that accepts when that is over.
  private let waker: Waker
  /// Connections that have not been answered yet, by when they came, or have asked: the oldest first.
  private let waiting = Mutex<[Int32]>([])
  /// Threads that converse.
  private let threads = Atomic(0)
  private let limits: Limits

  /// Listens at `place`, or at the socket that was `inherited` if that is there, and answers from `start` on. Throws if it can't.
  init(
    _ place: Configuration.AdminPlace, inherited: Int32? = nil, status: ServerStatus, limits: Limits
  ) throws(StartError) {
    self.status = status
    self.limits = limits
    do throws(Errno) {
      waker = try Waker()
      if let inherited, Self.isBound(inherited, to: place) {
        descriptor = inherited
      } else {
        if let inherited { close(inherited) }
        descriptor = try Self.listen(place)
      }
    } catch {
      let reason = Self.obstacle(at: place, error) ?? "\(error)"
      throw StartError("--admin: cannot listen on \(place.text): \(reason)")
    }
    // Another process may take the connection that both are told of.
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
  }

  /// Answers from now on. Throws if there can be no thread for that.
  func start() throws(StartError) {
    do throws(Errno) {
      try Thread.detach(stackBytes: 512 << 10) { self.run() }
    } catch {
      throw StartError("--admin: \(error)")
    }
  }

  /// Takes no more connections: another process does.
  func end() { waker.wake() }

  private func run() {
    while true {
      var polled = [
        pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: waker.descriptor, events: Int16(POLLIN), revents: 0),
      ]
      unsafe poll(&polled, nfds_t(polled.count), -1)
      if polled[1].revents != 0 { break }
      if polled[0].revents != 0 { answer(ListeningSocket.acceptBlocking(descriptor)) }
    }
    close(descriptor)
  }

  private static func isBound(_ descriptor: Int32, to place: Configuration.AdminPlace) -> Bool {
    switch place {
    case .address(let host, let port):
      guard let address = try? SocketAddress(boundTo: descriptor),
        let wanted = try? SocketAddress(host: host, port: port)
      else { return false }
      return address.urlHost == wanted.urlHost && (port == 0 || port == address.port)
    case .path(let path): return ListeningSocket.isBound(descriptor, toUnixPath: path)
    }
  }

  private static func listen(_ place: Configuration.AdminPlace) throws(Errno) -> Int32 {
    switch place {
    case .address(let host, let port):
      guard let address = try? SocketAddress(host: host, port: port) else {
        throw Errno(rawValue: EADDRNOTAVAIL)
      }
      return try ListeningSocket.bindBlocking(address)
    case .path(let path): return try ListeningSocket.bindBlocking(unixPath: path)
    }
  }

  /// What is where a Unix socket was to be, and what to do: "Address already in use" is said of files, too. Nil if nothing is.
  private static func obstacle(at place: Configuration.AdminPlace, _ error: Errno) -> String? {
    var status = stat()
    guard error.rawValue == EADDRINUSE, case .path(let path) = place, unsafe lstat(path, &status) == 0 else {
      return nil
    }
    switch status.st_mode & S_IFMT {
    case S_IFSOCK: return "another program listens there: end it, or choose another path"
    case S_IFDIR:
      return "a folder is there: choose a path in it, such as \(path)\(path.hasSuffix("/") ? "" : "/")admin"
    case S_IFLNK: return "a symbolic link is there: choose the path that it leads to, or remove it"
    default: return "a file is there that is no socket, and stays: move it away, or choose another path"
    }
  }

  /// `http://127.0.0.1:9464`, or the path.
  func url(_ place: Configuration.AdminPlace) -> String {
    guard case .address = place, let address = try? SocketAddress(boundTo: descriptor) else {
      return place.text
    }
    return "http://\(address.urlHost):\(address.port)"
  }

  private func answer(_ connection: Int32) {
    guard connection >= 0 else {
      // No descriptor is free, perhaps: this does not spin.
      if errno != EAGAIN { usleep(100_000) }
      return
    }
    // Whoever says nothing does not keep others out: the oldest gives way, and its thread ends, which takes a moment.
    while threads.load(ordering: .relaxed) >= 2 * limits.adminConnections { usleep(1_000) }
    threads.wrappingAdd(1, ordering: .relaxed)
    waiting.withLock { waiting in
      if waiting.count >= limits.adminConnections { shutdown(waiting.removeFirst(), Int32(SHUT_RDWR)) }
      waiting.append(connection)
    }
    let thread: ()? = try? Thread.detach(stackBytes: 512 << 10) { self.converse(connection) }
    if thread == nil { end(connection) }
  }

  private func end(_ connection: Int32) {
    waiting.withLock { waiting in waiting.removeAll { $0 == connection } }
    close(connection)
    threads.wrappingSubtract(1, ordering: .relaxed)
  }

  /// It has asked: those that have not are older now.
  private func hasAsked(_ connection: Int32) {
    waiting.withLock { waiting in
      guard let place = waiting.firstIndex(of: connection) else { return }
      waiting.append(waiting.remove(at: place))
    }
  }

  private func converse(_ connection: Int32) {
    defer { end(connection) }
    let limit = timeval(tv_sec: limits.adminSeconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      var limit = limit
      unsafe setsockopt(connection, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    let deadline = Clock.monotonicMilliseconds() + UInt64(limits.adminSeconds) * 1_000
    var received: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 4096)
    while Clock.monotonicMilliseconds() < deadline {
      let count = unsafe recv(connection, &part, part.count, 0)
      guard count > 0 else { return }
      received += part[..<count]
      var head = RequestHead()
      switch RequestParser.parse(received.span, limits: limits.head, into: &head) {
      case .incomplete: continue
      case .rejected(let status): return send(response(status, "\(status.line)\n"), to: connection)
      case .complete:
        hasAsked(connection)
        let path = String(decoding: head.path.range.map { received[$0] }, as: UTF8.self)
        return send(response(to: head.method, path), to: connection)
      }
    }
  }

  // MARK: Answers

  private func response(to method: Method, _ path: String) -> [UInt8] {
    guard method == .get || method == .head else { return response(.methodNotAllowed, "GET and HEAD only\n") }
    let full =
      switch path {
      case "/metrics":
        response(
          .ok, PrometheusText(status.snapshot()).text, type: "text/plain; version=0.0.4; charset=utf-8")
      case "/healthz": response(.ok, "ok\n")
      case "/readyz":
        status.state == .serving
          ? response(.ok, "ready\n") : response(.serviceUnavailable, "\(status.state)\n")
      case "/status.json":
        response(.ok, StatusJSON(status.snapshot()).text, type: "application/json")
      case "/": response(.ok, StatusPage.html, type: "text/html; charset=utf-8")
      default: response(.notFound, "there is /, /metrics, /healthz, /readyz and /status.json\n")
      }
    guard method == .head, let end = full.firstRange(of: Array("\r\n\r\n".utf8)) else { return full }
    return Array(full[..<end.upperBound])
  }

  private func response(
    _ status: Status, _ text: String, type: String = "text/plain; charset=utf-8"
  ) -> [UInt8] {
    // A page of its own styles and scripts, which loads nothing from anywhere.
    let head = """
      HTTP/1.1 \(status.line)\r
      Content-Type: \(type)\r
      Content-Length: \(text.utf8.count)\r
      Cache-Control: no-store\r
      Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'\r
      X-Content-Type-Options: nosniff\r
      Connection: close\r
      \r

      """
    return Array(head.utf8) + Array(text.utf8)
  }

  private func send(_ bytes: [UInt8], to connection: Int32) {
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { bytes in
        unsafe Glibc.send(connection, bytes.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      done += count
    }
  }
}
