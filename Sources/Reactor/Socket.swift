public import CLinux
public import Glibc

/// How a non-blocking transfer went. EAGAIN is a value, not an error.
@frozen
public enum Transfer: Sendable {
  /// This many bytes went over, at least one.
  case bytes(Int)
  /// Nothing can go over now; the poller tells when it can.
  case wouldBlock
  /// The other side has ended: the peer's FIN for a receive, the end of the file for `sendFile`.
  case ended
  /// The transfer failed, and so will the next.
  case failed(Errno)

  @inlinable
  init(_ result: Int) {
    if result > 0 {
      self = .bytes(result)
    } else if result == 0 {
      self = .ended
    } else {
      let error = Errno.current
      self = error.rawValue == EAGAIN ? .wouldBlock : .failed(error)
    }
  }
}

/// A connected, non-blocking TCP socket, closed when its owner goes.
///
/// Workers block all signals, so no call here is ever interrupted (EINTR).
public struct Socket: ~Copyable {
  /// The descriptor, for the poller and for OpenSSL.
  public let descriptor: Int32

  @usableFromInline
  init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
  }

  /// The address of the peer as 128 bits, one of IPv4 as IPv6 writes it (RFC 4291 §2.5.5.2): `getpeername(2)`. Nil where there is
  /// none any more.
  public static func peerAddress(of descriptor: Int32) -> UInt128? {
    SocketAddress(peerOf: descriptor)?.bits
  }

  /// Who is at the other end.
  public struct Peer: Sendable {
    /// As 128 bits: see `peerAddress`.
    public let address: UInt128
    /// 0 to 65535.
    public let port: UInt16

    /// Names the parts.
    public init(address: UInt128, port: UInt16) {
      self.address = address
      self.port = port
    }

    /// `192.0.2.1`, `2001:db8::1`.
    public var addressText: String {
      if address >> 32 == 0xFFFF {
        return [24, 16, 8, 0].map { String(address >> UInt128($0) & 0xFF) }.joined(separator: ".")
      }
      var (bits, text) = (address.bigEndian, [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN)))
      guard unsafe inet_ntop(AF_INET6, &bits, &text, socklen_t(text.count)) != nil else { return "" }
      return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }

  /// The peer's address and port: `getpeername(2)`. Nil where there is none any more.
  public static func peer(of descriptor: Int32) -> Peer? {
    guard let address = SocketAddress(peerOf: descriptor), let bits = address.bits else { return nil }
    return Peer(address: bits, port: address.port)
  }

  /// Receives what has arrived, up to the buffer's size: `recv(2)`.
  @inlinable @inline(__always)
  public func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
    unsafe Transfer(CLinux_recv(descriptor, buffer.baseAddress, buffer.count, 0))
  }

  /// Looks at what has arrived, and leaves it there: MSG_PEEK.
  public func peek(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
    unsafe Transfer(CLinux_recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_PEEK)))
  }

  /// Sends the front of `bytes`: `send(2)`. With `more`, the kernel holds back the last partial segment or TLS
  /// record, because what follows belongs to it (MSG_MORE).
  @inlinable @inline(__always)
  public func send(_ bytes: UnsafeRawBufferPointer, more: Bool) -> Transfer {
    let flags = Int32(MSG_NOSIGNAL) | (more ? Int32(MSG_MORE) : 0)
    return unsafe Transfer(CLinux_send(descriptor, bytes.baseAddress, bytes.count, flags))
  }

  /// Sends the front of `first` and `second` together: `sendmsg(2)`.
  @inlinable
  public func send(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Transfer {
    let vectors = (
      unsafe iovec(iov_base: UnsafeMutableRawPointer(mutating: first.baseAddress), iov_len: first.count),
      unsafe iovec(iov_base: UnsafeMutableRawPointer(mutating: second.baseAddress), iov_len: second.count)
    )
    return unsafe withUnsafePointer(to: vectors) { vectors in
      unsafe vectors.withMemoryRebound(to: iovec.self, capacity: 2) { vectors in
        var message = unsafe msghdr()
        unsafe message.msg_iov = UnsafeMutablePointer(mutating: vectors)
        unsafe message.msg_iovlen = 2
        return unsafe Transfer(CLinux_sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL)))
      }
    }
  }

  /// Sends up to `count` bytes of a file from `offset` on, without copying them to user space: `sendfile(2)`.
  /// `.ended` means that the file has no byte there (any more).
  @inlinable @inline(__always)
  public func sendFile(_ file: Int32, offset: Int64, count: Int) -> Transfer {
    var offset = off_t(offset)
    return unsafe Transfer(CLinux_sendfile(descriptor, file, &offset, count))
  }

  /// How far what was sent has come: `tcp(7)`, TCP_INFO. nil where the kernel does not tell (before 4.6).
  public func delivery() -> Delivery? {
    var (acknowledged, waiting) = (UInt64(), UInt32())
    guard unsafe CLinux_tcpDelivery(descriptor, &acknowledged, &waiting) == 0 else { return nil }
    return Delivery(acknowledged: acknowledged, isComplete: waiting == 0)
  }

  /// Bounds what the socket takes in beyond the bytes on their way: `tcp(7)`, TCP_NOTSENT_LOWAT. Without it the kernel keeps
  /// 4 MB for a client that does not read.
  public func limitUnsent(bytes: Int) {
    // Where a sandbox does not know it, all works without.
    try? descriptor.setOption(Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, Int32(clamping: bytes))
  }

  /// The bytes that were given to the socket and are not on their way yet: SIOCOUTQNSD. nil where the kernel does not tell.
  public func unsentBytes() -> Int? {
    var count: Int32 = 0
    return unsafe ioctl(descriptor, CLinux_SIOCOUTQNSD, &count) == 0 ? Int(count) : nil
  }

  /// How far what was sent has come.
  public struct Delivery: Sendable {
    /// The bytes that the peer has acknowledged since the connection began.
    public let acknowledged: UInt64
    /// Nothing is on its way: all is acknowledged.
    public let isComplete: Bool
  }

  /// Ends our direction after what is queued: `shutdown(2)`, SHUT_WR.
  public func endSending() {
    shutdown(descriptor, Int32(SHUT_WR))
  }

  /// Makes the close that follows a reset: for a response that can't be completed, so that no client can take
  /// it for whole (SO_LINGER of 0, `socket(7)`).
  public func resetOnClose() {
    var option = linger(l_onoff: 1, l_linger: 0)
    unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }
}

extension ListeningSocket {
  /// A socket for a thread that waits in accept(2): at an address, or at a path, where a socket that nobody listens at gives way.
  /// The caller closes it.
  public static func bindBlocking(_ address: SocketAddress) throws(Errno) -> Int32 {
    let descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw Errno.current }
    try? descriptor.setOption(SOL_SOCKET, SO_REUSEADDR, 1)
    let isBound = unsafe address.withSocketAddress { unsafe bind(descriptor, $0, $1) == 0 }
    return try listening(descriptor, isBound)
  }

  /// The same at a path, for whom its file's mode lets in: 0660.
  public static func bindBlocking(unixPath path: String) throws(Errno) -> Int32 {
    guard let address = UnixAddress(Array(path.utf8)) else { throw Errno(rawValue: ENAMETOOLONG) }
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    // Left over from a process that was killed. A file that is no socket refuses connections, too, and stays.
    var status = stat()
    if unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK {
      let probe = socket(AF_UNIX, type, 0)
      let isRefused =
        unsafe address.withSocketAddress { unsafe connect(probe, $0, $1) } != 0 && errno == ECONNREFUSED
      if isRefused { unsafe unlink(path) }
      close(probe)
    }
    let descriptor = socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else { throw Errno.current }
    let isBound = address.bind(descriptor)
    if isBound { unsafe chmod(path, 0o660) }
    return try listening(descriptor, isBound)
  }

  /// Takes the next connection, for a thread that waits for it; it is closed on exec. -1, and `errno`, if there is none.
  public static func acceptBlocking(_ descriptor: Int32) -> Int32 {
    CLinux_accept4(descriptor, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
  }

  /// Whether a socket is bound to a path: unix(7).
  public static func isBound(_ descriptor: Int32, toUnixPath path: String) -> Bool {
    UnixAddress(boundTo: descriptor)?.name == Array(path.utf8)
  }

  private static func listening(_ descriptor: Int32, _ isBound: Bool) throws(Errno) -> Int32 {
    guard isBound, listen(descriptor, 64) == 0 else {
      let error = Errno.current
      close(descriptor)
      throw error
    }
    return descriptor
  }
}

/// A listening socket, closed when its owner goes.
public struct ListeningSocket: ~Copyable, Sendable {
  /// The descriptor, for the poller.
  public let descriptor: Int32
  /// What it is bound to: with the real port where port 0 was asked for.
  public let address: SocketAddress

  /// Binds and listens: `tcp(7)`. `::` takes IPv4 as well (dual stack). With `shared`, several sockets of this
  /// process can listen on the address and the kernel spreads connections over them (SO_REUSEPORT).
  ///
  /// What accepted sockets inherit is set here, once: TCP_NODELAY, because partial segments are held back by
  /// MSG_MORE where that is wanted, and never by Nagle's algorithm. TCP_DEFER_ACCEPT: a connection is there to be taken when
  /// its client has sent something, or a second after, which saves a wake-up for each (the client speaks first in HTTP
  /// and in TLS).
  public init(
    address: SocketAddress, shared: Bool, backlog: Int32
  ) throws(Errno) {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = socket(address.family, type, 0)
    guard descriptor >= 0 else { throw Errno.current }
    do throws(Errno) {
      try descriptor.setOption(SOL_SOCKET, SO_REUSEADDR, 1)
      if shared { try descriptor.setOption(SOL_SOCKET, SO_REUSEPORT, 1) }
      if address.family == AF_INET6 { try descriptor.setOption(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
      try descriptor.setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
      // Where a sandbox does not know it, all works without.
      try? descriptor.setOption(Int32(IPPROTO_TCP), TCP_DEFER_ACCEPT, 1)
      guard unsafe address.withSocketAddress({ unsafe bind(descriptor, $0, $1) }) == 0,
        listen(descriptor, backlog) == 0
      else { throw Errno.current }
      self.address = try SocketAddress(boundTo: descriptor)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
  }

  /// Takes a descriptor of a socket that listens already. It is closed if that fails, too.
  public init(owning descriptor: Int32) throws(Errno) {
    do throws(Errno) {
      try descriptor.setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
      try? descriptor.setOption(Int32(IPPROTO_TCP), TCP_DEFER_ACCEPT, 1)
      guard fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0 else {
        throw Errno.current
      }
      address = try SocketAddress(boundTo: descriptor)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
  }

  /// Whether a descriptor is a socket that listens for TCP over IPv4 or IPv6.
  public static func isListening(_ descriptor: Int32) -> Bool {
    func option(_ name: Int32) -> Int32? {
      var (value, size) = (Int32(), socklen_t(MemoryLayout<Int32>.size))
      return unsafe getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
    }
    guard option(SO_ACCEPTCONN) == 1, option(SO_TYPE) == Int32(SOCK_STREAM.rawValue),
      let address = try? SocketAddress(boundTo: descriptor)
    else { return false }
    return address.family == AF_INET || address.family == AF_INET6
  }

  deinit {
    close(descriptor)
  }

  /// Gives the socket to the caller, who closes it.
  public consuming func take() -> Int32 {
    let descriptor = descriptor
    discard self
    return descriptor
  }

  /// How `accept` went.
  public enum Accepted: ~Copyable {
    /// A new connection, non-blocking.
    case connection(Socket)
    /// No connection is waiting.
    case none
    /// A connection was there and has gone again, or its network had a fault (`accept(2)`): try the next.
    case lost(Errno)
    /// No descriptor is free (EMFILE, ENFILE); the connection still waits.
    case exhausted(Errno)
    /// It can't be done, for want of memory (ENOMEM, ENOBUFS) or for another reason that lasts; the connection still waits.
    case failed(Errno)
  }

  /// Takes the next waiting connection: `accept4(2)`.
  public func accept() -> Accepted {
    let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let accepted = CLinux_accept4(descriptor, nil, nil, flags)
    if accepted >= 0 { return .connection(Socket(descriptor: accepted)) }
    let error = Errno.current
    switch error.rawValue {
    case EAGAIN: return .none
    case EMFILE, ENFILE: return .exhausted(error)
    // accept(2), "Error handling": what is pending on the new socket is to be taken for EAGAIN.
    case ECONNABORTED, EINTR, ENETDOWN, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
      ENETUNREACH:
      return .lost(error)
    default: return .failed(error)
    }
  }
}

extension Int32 {
  fileprivate func setOption(_ level: Int32, _ name: Int32, _ value: Int32) throws(Errno) {
    var value = value
    let size = socklen_t(MemoryLayout<Int32>.size)
    guard unsafe setsockopt(self, level, name, &value, size) == 0 else { throw Errno.current }
  }
}
