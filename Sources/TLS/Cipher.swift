internal import COpenSSL

/// What OpenSSL says of a cipher.
struct Cipher {
  let name: String
  /// Of the key against guessing; 0 without encryption.
  let bits: Int
  let isTLS13: Bool
  let authenticates: Bool
  /// Who gets the certificate's key later can't read what was recorded.
  let hasForwardSecrecy: Bool
  /// A kernel may do it: kernel TLS has these.
  let isKernels: Bool

  /// Nothing is kept from anybody, or anybody may pose as the server.
  var isOpen: Bool { bits == 0 || !authenticates }

  init(_ cipher: OpaquePointer) {
    unsafe name = String(cString: SSL_CIPHER_get_name(cipher))
    unsafe bits = Int(SSL_CIPHER_get_bits(cipher, nil))
    unsafe isTLS13 = String(cString: SSL_CIPHER_get_version(cipher)) == "TLSv1.3"
    unsafe authenticates = SSL_CIPHER_get_auth_nid(cipher) != NID_auth_null
    unsafe hasForwardSecrecy = [NID_kx_any, NID_kx_ecdhe, NID_kx_dhe].contains(SSL_CIPHER_get_kx_nid(cipher))
    unsafe isKernels = [NID_aes_128_gcm, NID_aes_256_gcm, NID_chacha20_poly1305].contains(
      SSL_CIPHER_get_cipher_nid(cipher))
  }

  /// Those of a context.
  static func all(of context: OpaquePointer) -> [Cipher] {
    unsafe all(in: SSL_CTX_get_ciphers(context))
  }

  static func all(in stack: OpaquePointer?) -> [Cipher] {
    (0..<max(0, unsafe COpenSSL_sk_SSL_CIPHER_num(stack))).compactMap { index in
      unsafe COpenSSL_sk_SSL_CIPHER_value(stack, index).map { unsafe Cipher($0) }
    }
  }

  /// What is wrong with something that means these and no others.
  static func fault(ofAll ciphers: [Cipher]) -> String? {
    guard !ciphers.isEmpty, ciphers.allSatisfy(\.isOpen) else { return nil }
    return ciphers.allSatisfy { $0.bits == 0 }
      ? "encrypts nothing, so that everybody on the way can read and change all"
      : "authenticates nobody, so that everybody on the way can pose as this server"
  }
}

/// What comes of a policy.
struct CipherEffect {
  /// Those that may come to use: of the versions that are spoken, and not below the security level.
  let ciphers: [Cipher]
  /// See SSL_CTX_set_security_level(3).
  let securityLevel: Int
  /// What it is where nobody says anything of it.
  let usualSecurityLevel: Int

  init(of policy: ServerPolicy) throws(ContextError) {
    let context = try unsafe ServerContext.makeContext(policy)
    defer { unsafe SSL_CTX_free(context) }
    guard let plain = unsafe SSL_CTX_new(TLS_server_method()), let ssl = unsafe SSL_new(context) else {
      throw ContextError("OpenSSL cannot make a server context: \(lastOpenSSLError())")
    }
    let supported = unsafe SSL_get1_supported_ciphers(ssl)
    ciphers = unsafe Cipher.all(in: supported)
    unsafe COpenSSL_sk_SSL_CIPHER_free(supported)
    securityLevel = unsafe Int(SSL_CTX_get_security_level(context))
    usualSecurityLevel = unsafe Int(SSL_CTX_get_security_level(plain))
    unsafe SSL_free(ssl)
    unsafe SSL_CTX_free(plain)
  }
}
