internal import CLinux
internal import COpenSSL
internal import Glibc

extension KernelTLS {
  /// Whether the kernel may be told that records have no padding, as nearly none has (TLS_RX_EXPECT_NO_PAD, Linux 6.0): then it
  /// opens them in place, and once more where that was wrong. In Linux 6.1 the bytes of others come out of place then, so it is
  /// tried. To be asked where the kernel takes receive keys.
  public static func probeNoPadding() -> Availability {
    // Alone, in front of another, and without content: each a place where it could go wrong.
    let records = [(1, 1), (20, 1), (30, 0), (0, 1), (5, 255), (7, 0), (16_000, 384), (3, 0)]
    guard let pair = LoopbackPair(), pair.attachTLS(),
      KernelKey.zeros(.tls13, .aes128GCM).install(pair.client, TLS_RX), expectNoPadding(pair.client)
    else {
      return .unavailable(
        .setUpFailed(errno), reason: "the kernel does not open records in place: \(errorText())")
    }
    let sender = pair.accept()
    defer { close(sender) }
    var sent: [UInt8] = []
    var plaintext: [UInt8] = []
    for (sequence, record) in records.enumerated() {
      let content = (0..<record.0).map { UInt8(truncatingIfNeeded: sequence &* 31 &+ $0) }
      guard let sealed = seal(content, padding: record.1, sequence: UInt8(sequence)) else {
        return .unavailable(.setUpFailed(errno), reason: "no record to try it with: \(lastOpenSSLError())")
      }
      sent += sealed
      plaintext += content
    }
    guard unsafe CLinux_send(sender, sent, sent.count, Int32(MSG_NOSIGNAL)) == sent.count,
      receive(plaintext.count, pair.client) == plaintext
    else { return .unavailable(.setUpFailed(errno), reason: "records with padding come out wrong") }
    return .available
  }

  /// Tells the kernel so. False and `errno` on failure.
  static func expectNoPadding(_ descriptor: Int32) -> Bool {
    var yes: Int32 = 1
    return unsafe setsockopt(
      descriptor, CLinux_SOL_TLS, TLS_RX_EXPECT_NO_PAD, &yes, socklen_t(MemoryLayout<Int32>.size)) == 0
  }

  /// As many bytes as a socket gives within a second; what comes out of place gives less, or an error.
  private static func receive(_ count: Int, _ descriptor: Int32) -> [UInt8] {
    var received: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 16_384)
    while received.count < count {
      var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard unsafe poll(&entry, 1, 1_000) == 1 else { break }
      let got = unsafe CLinux_recv(descriptor, &room, room.count, Int32(MSG_DONTWAIT))
      guard got > 0 else { break }
      received += room[..<got]
    }
    return received
  }

  /// A record of application data under a key of zeros: RFC 8446 §5.2.
  private static func seal(_ content: [UInt8], padding: Int, sequence: UInt8) -> [UInt8]? {
    let inner = content + [UInt8(SSL3_RT_APPLICATION_DATA)] + [UInt8](repeating: 0, count: padding)
    let length = inner.count + 16
    let header = [UInt8(SSL3_RT_APPLICATION_DATA), 3, 3, UInt8(length >> 8), UInt8(length & 0xFF)]
    let key = [UInt8](repeating: 0, count: 16)
    let nonce = [UInt8](repeating: 0, count: 11) + [sequence]
    guard let context = unsafe EVP_CIPHER_CTX_new() else { return nil }
    defer { unsafe EVP_CIPHER_CTX_free(context) }
    var (count, sealed, tag) = (
      Int32(), [UInt8](repeating: 0, count: inner.count), [UInt8](repeating: 0, count: 16)
    )
    guard unsafe EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), nil, key, nonce) == 1,
      unsafe EVP_EncryptUpdate(context, nil, &count, header, Int32(header.count)) == 1,
      unsafe EVP_EncryptUpdate(context, &sealed, &count, inner, Int32(inner.count)) == 1,
      unsafe EVP_EncryptFinal_ex(context, nil, &count) == 1,
      unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, &tag) == 1
    else { return nil }
    return header + sealed + tag
  }
}
