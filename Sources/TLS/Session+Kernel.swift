internal import CLinux
internal import COpenSSL
internal import Glibc

/// How a connection's receiving side gets into the kernel, too.
extension Session {
  /// What came of it.
  public enum Move: ~Copyable {
    /// The kernel has both directions: the session is not needed any more.
    case moved(KernelSession)
    /// It has not, for this reason (errno); the session goes on.
    case refused(Int32)
  }

  /// The receiving side shall get into the kernel.
  public var mayMoveIntoKernel: Bool { unsafe transmitsInKernel && state.pointee.secrets != nil }

  /// Gives the keys of the receiving side to the kernel. Right after the handshake, with nothing received behind it: records are
  /// counted from there.
  public func moveIntoKernel() -> Move {
    guard transmitsInKernel, let cipher = unsafe KernelTLS.Cipher(ssl), !holdsMore else {
      return .refused(EOPNOTSUPP)
    }
    let isTLS13 = unsafe SSL_version(ssl) == TLS1_3_VERSION
    var secrets = unsafe state.pointee.secrets?.pointee ?? TrafficSecrets()
    defer { KeySchedule.wipe(&secrets) }
    // Before the kernel has the key: what it has, it keeps.
    let kernelState = KernelSession.State(
      version: isTLS13 ? .tls13 : .tls12, cipher: cipher, canRenewKey: isTLS13 && takesSecondKey)
    errno = ENOMEM
    guard let session = KernelSession(descriptor, kernelState, secrets),
      isTLS13 ? secrets.client.install(cipher, descriptor, TLS_RX) : installTLS12Key(cipher)
    else {
      let error = errno
      // It will receive a lot of records, then.
      unsafe SSL_set_read_ahead(ssl, 1)
      return .refused(error)
    }
    // It opens them straight into our buffer then: 13 % fewer instructions for a request of 1 KiB.
    if isTLS13, expectsNoPadding { _ = KernelTLS.expectNoPadding(descriptor) }
    return .moved(session)
  }

  private func installTLS12Key(_ cipher: KernelTLS.Cipher) -> Bool {
    unsafe withUnsafeTemporaryAllocation(byteCount: 48 + 2 * 32, alignment: 8) { room in
      defer { unsafe OPENSSL_cleanse(room.baseAddress, room.count) }
      let master = unsafe UnsafeMutableRawBufferPointer(rebasing: room[..<48])
      let server = unsafe UnsafeMutableRawBufferPointer(rebasing: room[48..<80])
      let client = unsafe UnsafeMutableRawBufferPointer(rebasing: room[80...])
      func bytes(_ part: UnsafeMutableRawBufferPointer) -> UnsafeMutablePointer<UInt8>? {
        unsafe part.baseAddress?.assumingMemoryBound(to: UInt8.self)
      }
      guard unsafe SSL_SESSION_get_master_key(SSL_get_session(ssl), bytes(master), 48) == 48,
        unsafe SSL_get_server_random(ssl, bytes(server), 32) == 32,
        unsafe SSL_get_client_random(ssl, bytes(client), 32) == 32,
        var key = unsafe KeySchedule.clientKey(
          cipher, master: master, serverRandom: server, clientRandom: client)
      else { return false }
      defer { key.wipe() }
      return key.install(descriptor, TLS_RX)
    }
  }
}

extension KernelTLS.Cipher {
  /// That of a session; nil if it is none of these.
  init?(_ ssl: OpaquePointer) {
    switch unsafe SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(ssl)) {
    case NID_aes_128_gcm: self = .aes128GCM
    case NID_aes_256_gcm: self = .aes256GCM
    case NID_chacha20_poly1305: self = .chaCha20Poly1305
    default: return nil
    }
  }
}

/// Takes what OpenSSL writes for a key log (the format of NSS: label, client's random, secret, in hexadecimal), and keeps the
/// secrets of application data. Nothing is written anywhere.
func keepSecret(_ ssl: OpaquePointer?, _ line: UnsafePointer<CChar>?) {
  guard let line = unsafe line, let secrets = unsafe SessionState.of(ssl)?.pointee.secrets,
    let secret = unsafe strrchr(line, Int32(UInt8(ascii: " ")))
  else { return }
  if unsafe strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0 {
    unsafe secrets.pointee.client.read(hexadecimal: secret + 1)
  } else if unsafe strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0 {
    unsafe secrets.pointee.server.read(hexadecimal: secret + 1)
  }
}

extension TrafficSecret {
  fileprivate mutating func read(hexadecimal text: UnsafePointer<CChar>) {
    func digit(_ character: CChar) -> UInt8? {
      switch UInt8(bitPattern: character) {
      case let byte where byte >= 0x30 && byte <= 0x39: byte - 0x30
      case let byte where byte | 0x20 >= 0x61 && byte | 0x20 <= 0x66: (byte | 0x20) - 0x61 + 10
      default: nil
      }
    }
    for index in bytes.indices {
      guard let high = unsafe digit(text[2 * index]), let low = unsafe digit(text[2 * index + 1]) else {
        return
      }
      bytes[index] = high << 4 | low
    }
  }
}
