internal import COpenSSL
internal import Glibc

/// The keys that follow from a connection's secrets, by OpenSSL's key derivation functions.
enum KeySchedule {
  typealias Secret = InlineArray<48, UInt8>

  /// TLS 1.3, RFC 8446 §7.3: key and nonce of a traffic secret, for its first record.
  static func key(_ cipher: KernelTLS.Cipher, of secret: Secret) -> KernelKey? {
    guard let key = expand(secret, "key", cipher.keyCount, cipher), let iv = expand(secret, "iv", 12, cipher)
    else { return nil }
    return KernelKey(version: .tls13, cipher: cipher, key: key, iv: iv, sequence: 0)
  }

  /// TLS 1.3, RFC 8446 §7.2: the traffic secret after a KeyUpdate.
  static func next(after secret: Secret, _ cipher: KernelTLS.Cipher) -> Secret? {
    expand(secret, "traffic upd", cipher.hashCount, cipher)
  }

  /// HKDF-Expand-Label without a context: RFC 8446 §7.1.
  private static func expand(
    _ secret: Secret, _ label: StaticString, _ count: Int, _ cipher: KernelTLS.Cipher
  ) -> Secret? {
    var out = Secret(repeating: 0)
    var secret = secret
    defer { wipe(&secret) }
    let isDone = unsafe withUnsafeMutableBytes(of: &secret) { secret in
      unsafe derive(
        tls13, cipher, into: &out, count,
        [
          Parameter.octets("key", secret.baseAddress, cipher.hashCount),
          Parameter.text("mode", "EXPAND_ONLY"),
          Parameter.octets("prefix", "tls13 "), Parameter.octets("label", label),
        ])
    }
    return isDone ? out : nil
  }

  /// TLS 1.2, RFC 5246 §6.3: the client's key and fixed nonce, for the record behind its Finished.
  static func clientKey(
    _ cipher: KernelTLS.Cipher, master: UnsafeMutableRawBufferPointer,
    serverRandom: UnsafeMutableRawBufferPointer, clientRandom: UnsafeMutableRawBufferPointer
  ) -> KernelKey? {
    // Client's key, server's key, client's nonce, server's nonce.
    let nonceCount = cipher == .chaCha20Poly1305 ? 12 : 4
    let count = 2 * (cipher.keyCount + nonceCount)
    var block = InlineArray<96, UInt8>(repeating: 0)
    defer { wipe(&block) }
    let isDone = unsafe derive(
      tls12, cipher, into: &block, count,
      [
        Parameter.octets("secret", master.baseAddress, master.count),
        Parameter.octets("seed", "key expansion"),
        Parameter.octets("seed", serverRandom.baseAddress, serverRandom.count),
        Parameter.octets("seed", clientRandom.baseAddress, clientRandom.count),
      ])
    guard isDone else { return nil }
    var (key, iv) = (KernelKey.Span48(repeating: 0), KernelKey.Span48(repeating: 0))
    for index in 0..<cipher.keyCount { key[index] = block[index] }
    for index in 0..<nonceCount { iv[index] = block[2 * cipher.keyCount + index] }
    return KernelKey(version: .tls12, cipher: cipher, key: key, iv: iv, sequence: 1)
  }

  // MARK: OpenSSL

  nonisolated(unsafe) private static let tls13 = unsafe EVP_KDF_fetch(nil, "TLS13-KDF", nil)
  nonisolated(unsafe) private static let tls12 = unsafe EVP_KDF_fetch(nil, "TLS1-PRF", nil)

  private static func derive<Output: BitwiseCopyable>(
    _ function: OpaquePointer?, _ cipher: KernelTLS.Cipher, into output: inout Output, _ count: Int,
    _ parameters: [OSSL_PARAM]
  ) -> Bool {
    guard let context = unsafe EVP_KDF_CTX_new(function) else { return false }
    defer { unsafe EVP_KDF_CTX_free(context) }
    let digest: StaticString = cipher == .aes256GCM ? "SHA384" : "SHA256"
    let all = unsafe [Parameter.text("digest", digest)] + parameters + [OSSL_PARAM_construct_end()]
    return unsafe withUnsafeMutableBytes(of: &output) { output in
      precondition(count <= output.count)
      return unsafe EVP_KDF_derive(
        context, output.baseAddress?.assumingMemoryBound(to: UInt8.self), count, all) == 1
    }
  }

  /// So that no copy of a secret stays behind.
  static func wipe<Value: BitwiseCopyable>(_ value: inout Value) {
    unsafe withUnsafeMutableBytes(of: &value) { unsafe OPENSSL_cleanse($0.baseAddress, $0.count) }
  }
}

extension KernelTLS.Cipher {
  /// Bytes of a key.
  var keyCount: Int { self == .aes128GCM ? 16 : 32 }
  /// Bytes of the hash that keys are derived with.
  var hashCount: Int { self == .aes256GCM ? 48 : 32 }
}
