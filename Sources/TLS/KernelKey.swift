internal import CLinux
internal import Glibc

/// What the kernel has to know to seal or open the records of one direction: Documentation/networking/tls.rst.
@safe
struct KernelKey {
  let version: KernelTLS.Version
  let cipher: KernelTLS.Cipher
  /// As long as the cipher's.
  var key: Span48
  /// 12 bytes; with AES-GCM in TLS 1.2 the first 4 of them, and the others are in each record.
  var iv: Span48
  /// The number of the next record.
  let sequence: UInt64

  /// Bytes of a secret, in place.
  typealias Span48 = InlineArray<48, UInt8>

  /// A key of zeros, which is never used.
  static func zeros(_ version: KernelTLS.Version, _ cipher: KernelTLS.Cipher) -> KernelKey {
    KernelKey(
      version: version, cipher: cipher, key: Span48(repeating: 0), iv: Span48(repeating: 0), sequence: 0)
  }

  /// Wipes it from memory, once the kernel has it.
  mutating func wipe() {
    KeySchedule.wipe(&key)
    KeySchedule.wipe(&iv)
  }

  /// Gives it to a socket that has the kernel's TLS; `direction` is TLS_TX or TLS_RX. False and `errno` on failure.
  func install(_ descriptor: Int32, _ direction: Int32) -> Bool {
    let sequence = sequence.bigEndian
    switch cipher {
    case .aes128GCM:
      var info = tls12_crypto_info_aes_gcm_128()
      info.info = tls_crypto_info(version: version.rawValue, cipher_type: UInt16(TLS_CIPHER_AES_GCM_128))
      copy(key, to: &info.key)
      copy(iv, to: &info.salt)
      copy(iv, from: 4, to: &info.iv)
      unsafe withUnsafeMutableBytes(of: &info.rec_seq) { unsafe $0.storeBytes(of: sequence, as: UInt64.self) }
      return set(&info, descriptor, direction)
    case .aes256GCM:
      var info = tls12_crypto_info_aes_gcm_256()
      info.info = tls_crypto_info(version: version.rawValue, cipher_type: UInt16(TLS_CIPHER_AES_GCM_256))
      copy(key, to: &info.key)
      copy(iv, to: &info.salt)
      copy(iv, from: 4, to: &info.iv)
      unsafe withUnsafeMutableBytes(of: &info.rec_seq) { unsafe $0.storeBytes(of: sequence, as: UInt64.self) }
      return set(&info, descriptor, direction)
    case .chaCha20Poly1305:
      var info = tls12_crypto_info_chacha20_poly1305()
      info.info = tls_crypto_info(
        version: version.rawValue, cipher_type: UInt16(TLS_CIPHER_CHACHA20_POLY1305))
      copy(key, to: &info.key)
      copy(iv, to: &info.iv)
      unsafe withUnsafeMutableBytes(of: &info.rec_seq) { unsafe $0.storeBytes(of: sequence, as: UInt64.self) }
      return set(&info, descriptor, direction)
    }
  }

  /// As many bytes as the field has.
  private func copy<Field>(_ bytes: Span48, from start: Int = 0, to field: inout Field) {
    unsafe withUnsafeMutableBytes(of: &field) { field in
      for index in 0..<field.count { unsafe field[index] = bytes[start + index] }
    }
  }

  private func set<Info: BitwiseCopyable>(
    _ info: inout Info, _ descriptor: Int32, _ direction: Int32
  ) -> Bool {
    // It is on our stack in clear: not for longer than it takes.
    defer { KeySchedule.wipe(&info) }
    return unsafe setsockopt(
      descriptor, CLinux_SOL_TLS, direction, &info, socklen_t(MemoryLayout<Info>.size)) == 0
  }
}
