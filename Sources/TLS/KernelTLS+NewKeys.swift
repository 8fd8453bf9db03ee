internal import CLinux
internal import COpenSSL
internal import Glibc

extension KernelTLS {
  /// Whether a connection can get a new transmit key (RFC 8446 §4.6.3): the kernel has to take a second one, and this libssl to
  /// give it one. Both are tried, the second with a handshake and a KeyUpdate between a session and a client of OpenSSL's. To be
  /// asked where the kernel takes a first key.
  public static func probeNewKeys() -> Availability {
    if case .unavailable(let cause, let reason) = probeSecondKey() {
      return .unavailable(cause, reason: reason)
    }
    guard let exchange = KeyUpdateExchange(), exchange.succeeds() else {
      return .unavailable(
        .setUpFailed(errno),
        reason: "this libssl gives the kernel no new key: use a newer one (OpenSSL 3.6 does)")
    }
    return .available
  }

  /// Whether the kernel takes a second transmit key.
  public static func probeSecondKey() -> Availability {
    let key = KernelKey.zeros(.tls13, .aes128GCM)
    guard let pair = LoopbackPair(), pair.attachTLS(), key.install(pair.client, TLS_TX) else {
      return .unavailable(.setUpFailed(errno), reason: "no loopback connection to try it on: \(errorText())")
    }
    guard key.install(pair.client, TLS_TX) else {
      return .unavailable(
        .setUpFailed(errno), reason: "this kernel takes no second key: use a newer one (Linux 7.3 does)")
    }
    return .available
  }

  /// Whether the kernel takes receive keys.
  public static func probeReceive() -> Availability {
    guard let pair = LoopbackPair(), pair.attachTLS(),
      KernelKey.zeros(.tls13, .aes128GCM).install(pair.client, TLS_RX)
    else {
      return .unavailable(.setUpFailed(errno), reason: "the kernel takes no receive keys: \(errorText())")
    }
    return .available
  }
}

/// A session of kernel TLS and a client that asks it for a new key, on a loopback connection. They know one another by a
/// secret, as there may be no certificate.
@safe
private struct KeyUpdateExchange: ~Copyable {
  private let pair: LoopbackPair
  private let server: Int32
  private let outbox: UnsafeMutablePointer<Outbox>
  private let session: Session
  private let client: OpaquePointer

  init?() {
    guard let pair = LoopbackPair(), let context = unsafe try? ServerContext(preSharedKey: serverSecret)
    else { return nil }
    let server = pair.accept()
    guard server >= 0, let clientContext = unsafe SSL_CTX_new(TLS_client_method()) else { return nil }
    defer { unsafe SSL_CTX_free(clientContext) }
    for descriptor in [server, pair.client] { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
    // Else what is sent last waits until the client's kernel acknowledges what was sent before: 40 ms.
    var yes: Int32 = 1
    unsafe setsockopt(server, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    let outbox = UnsafeMutablePointer<Outbox>.allocate(capacity: 1)
    unsafe outbox.initialize(to: Outbox(capacity: 0))
    guard let session = unsafe Session(context: context, descriptor: server, outbox: outbox),
      let client = unsafe SSL_new(clientContext)
    else {
      unsafe outbox.deinitialize(count: 1)
      unsafe outbox.deallocate()
      close(server)
      return nil
    }
    unsafe SSL_set_psk_client_callback(client, clientSecret)
    unsafe SSL_set_ciphersuites(client, "TLS_AES_128_GCM_SHA256")
    unsafe SSL_set_fd(client, pair.client)
    unsafe SSL_set_connect_state(client)
    self.pair = pair
    self.server = server
    unsafe self.outbox = unsafe outbox
    self.session = session
    unsafe self.client = unsafe client
  }

  deinit {
    unsafe SSL_free(client)
    close(server)
    // The session is still there, but sends nothing more.
    unsafe outbox.deinitialize(count: 1)
    unsafe outbox.deallocate()
  }

  /// Whether what is sent past libssl after the KeyUpdate arrives.
  func succeeds() -> Bool {
    guard shakeHands(), session.transmitsInKernel,
      unsafe SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED) == 1, unsafe SSL_do_handshake(client) == 1,
      isReadable(server), hearsOfKeyUpdate(), case .done = session.renewKey()
    else { return false }
    return unsafe CLinux_send(server, [UInt8(ascii: "x")], 1, Int32(MSG_NOSIGNAL)) == 1 && arrives()
  }

  private func arrives() -> Bool {
    var byte: UInt8 = 0
    var status: Int32 = -1
    // Behind the ticket and the KeyUpdate, each of which is readable.
    repeat {
      guard isReadable(pair.client) else { return false }
      unsafe status = SSL_read(client, &byte, 1)
    } while unsafe status < 0 && SSL_get_error(client, status) == SSL_ERROR_WANT_READ
    return status == 1 && byte == UInt8(ascii: "x")
  }

  private func shakeHands() -> Bool {
    // Three flights take two rounds.
    for _ in 0..<4 {
      let clientIsDone = unsafe SSL_do_handshake(client) == 1
      guard isReadable(server) else { return false }
      switch session.handshake() {
      case .done: return clientIsDone
      case .wouldBlock: guard isReadable(pair.client) else { return false }
      default: return false
      }
    }
    return false
  }

  private func hearsOfKeyUpdate() -> Bool {
    var room: [UInt8] = [0]
    let progress = unsafe room.withUnsafeMutableBytes { unsafe session.read(into: $0) }
    guard case .wouldBlock = progress else { return false }
    return session.owesKeyUpdate
  }

  /// On loopback, what was sent is there at once; a second is for machines that are very busy.
  private func isReadable(_ descriptor: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&entry, 1, 1_000) == 1
  }
}

/// Any secret will do: the connection is made and ended within a millisecond, and carries one byte.
private func fill(_ secret: UnsafeMutablePointer<UInt8>?, _ capacity: UInt32) -> UInt32 {
  let count = 32
  guard let secret = unsafe secret, capacity >= count else { return 0 }
  unsafe secret.initialize(repeating: 7, count: count)
  return UInt32(count)
}

private func serverSecret(
  _ ssl: OpaquePointer?, _ identity: UnsafePointer<CChar>?, _ secret: UnsafeMutablePointer<UInt8>?,
  _ capacity: UInt32
) -> UInt32 {
  unsafe fill(secret, capacity)
}

private func clientSecret(
  _ ssl: OpaquePointer?, _ hint: UnsafePointer<CChar>?, _ identity: UnsafeMutablePointer<CChar>?,
  _ identityCapacity: UInt32, _ secret: UnsafeMutablePointer<UInt8>?, _ capacity: UInt32
) -> UInt32 {
  guard let identity = unsafe identity, identityCapacity >= 2 else { return 0 }
  unsafe identity[0] = CChar(UInt8(ascii: "p"))
  unsafe identity[1] = 0
  return unsafe fill(secret, capacity)
}
