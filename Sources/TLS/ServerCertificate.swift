internal import COpenSSL
internal import Glibc

/// A certificate chain and its private key, read from PEM files and checked before any client can see them.
@safe
public final class ServerCertificate: Sendable {
  /// Where it was read from, as the operator wrote it.
  public let file: String
  /// The names that it is for, of subjectAltName: `example.com`, `*.example.com`, `192.0.2.1`, `[2001:db8::1]` (RFC 5280 §4.2.1.6).
  public let names: [String]
  /// From when it is valid, in seconds since 1970.
  public let start: Int64
  /// When it expires, in seconds since 1970. That it has is no error: RFC 5280 §6.1.3 has clients decide, and what else is served
  /// goes on.
  public let expiry: Int64
  /// The kind of its key, as OpenSSL names it: `EC`, `RSA`, `ED25519`.
  public let keyType: String
  /// The curve of its key, as OpenSSL names it; nil for keys of one kind only.
  public let keyGroup: String?
  /// What clients may stumble over: a line that says what to do.
  public let warning: String?
  /// Holds certificate, chain and key, and makes no sessions.
  nonisolated(unsafe) private let holder: OpaquePointer

  /// Reads a PEM certificate chain, leaf first, and its private key. `passphrase`: of a key that is encrypted.
  public init(certificateFile: String, keyFile: String, passphrase: Passphrase? = nil) throws(ContextError) {
    file = certificateFile
    try Self.requireCertificate(file: certificateFile)
    try Self.requireKey(file: keyFile)
    guard let holder = unsafe SSL_CTX_new(TLS_server_method()) else {
      throw ContextError("OpenSSL cannot make a server context: \(lastOpenSSLError())")
    }
    unsafe self.holder = unsafe holder
    do throws(ContextError) {
      let leaf = try unsafe Self.readCertificate(certificateFile, into: holder)
      try unsafe Self.readKey(keyFile, passphrase, of: certificateFile, into: holder)
      names = leaf.names
      start = leaf.start
      expiry = leaf.expiry
      keyType = unsafe String(cString: EVP_PKEY_get0_type_name(X509_get0_pubkey(leaf.pointer)))
      keyGroup = unsafe Self.group(of: X509_get0_pubkey(leaf.pointer))
      warning = unsafe Self.chainFault(holder, leaf.pointer).map { "\(certificateFile): \($0)" }
    } catch {
      unsafe SSL_CTX_free(holder)
      throw error
    }
  }

  deinit {
    unsafe SSL_CTX_free(holder)
  }

  /// Gives it to a context, beside those with keys of other kinds.
  func install(in context: OpaquePointer) throws(ContextError) {
    var chain: OpaquePointer?
    _ = unsafe COpenSSL_SSL_CTX_get0_chain_certs(holder, &chain)
    guard
      unsafe SSL_CTX_use_cert_and_key(
        context, SSL_CTX_get0_certificate(holder), SSL_CTX_get0_privatekey(holder), chain, 1) == 1
    else { throw ContextError("\(file): OpenSSL refuses the certificate: \(lastOpenSSLError())") }
  }

  // MARK: Reading

  private static func group(of key: OpaquePointer?) -> String? {
    var (name, count) = ([CChar](repeating: 0, count: 64), 0)
    guard unsafe EVP_PKEY_get_group_name(key, &name, name.count, &count) == 1 else {
      ERR_clear_error()
      return nil
    }
    return String(decoding: name[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static func readCertificate(
    _ file: String, into holder: OpaquePointer
  ) throws(ContextError) -> X509Certificate {
    ERR_clear_error()
    guard unsafe SSL_CTX_use_certificate_chain_file(holder, file) == 1 else {
      let reason = lastOpenSSLError()
      if let key = try? unsafe readPrivateKey(file, nil) {
        unsafe EVP_PKEY_free(key)
        throw ContextError(
          "\(file): this is a private key, and no certificate: put the certificate here, and the key there")
      }
      throw ContextError(
        "\(file): no usable certificate in it (PEM, leaf first): \(reason)")
    }
    guard let leaf = unsafe SSL_CTX_get0_certificate(holder) else {
      throw ContextError("\(file): no certificate in it")
    }
    return unsafe X509Certificate(pointer: leaf)
  }

  private static func readKey(
    _ file: String, _ passphrase: Passphrase?, of certificateFile: String, into holder: OpaquePointer
  ) throws(ContextError) {
    let key = try unsafe readPrivateKey(file, passphrase)
    defer { unsafe EVP_PKEY_free(key) }
    guard unsafe X509_check_private_key(SSL_CTX_get0_certificate(holder), key) == 1 else {
      throw ContextError("\(file): this private key does not fit the certificate in \(certificateFile)")
    }
    guard unsafe SSL_CTX_use_PrivateKey(holder, key) == 1 else {
      throw ContextError("\(file): OpenSSL refuses the private key: \(lastOpenSSLError())")
    }
  }

  /// Throws if there is no file to read a certificate from.
  public static func requireCertificate(file: String) throws(ContextError) {
    try InputFile.require(file, "the certificate")
  }

  /// Throws if there is no file to read a private key from.
  public static func requireKey(file: String) throws(ContextError) {
    try InputFile.require(file, "the private key")
  }

  /// The private key in a PEM file; the caller frees it.
  private static func readPrivateKey(
    _ file: String, _ passphrase: Passphrase?
  ) throws(ContextError) -> OpaquePointer {
    guard let input = unsafe BIO_new_file(file, "r") else {
      throw ContextError("\(file): cannot read the private key: \(lastOpenSSLError())")
    }
    defer { unsafe BIO_free(input) }
    ERR_clear_error()
    // OpenSSL asks for a pass phrase only where the key is encrypted. Without a callback it would ask on the terminal.
    var question = PassphraseQuestion(passphrase: passphrase)
    let key = unsafe withUnsafeMutablePointer(to: &question) { question in
      unsafe PEM_read_bio_PrivateKey(
        input, nil,
        { buffer, size, _, question in
          guard let question = unsafe question?.assumingMemoryBound(to: PassphraseQuestion.self) else {
            return -1
          }
          unsafe question.pointee.isAsked = true
          return unsafe question.pointee.passphrase?.copy(into: buffer, Int(size)) ?? -1
        }, question)
    }
    if let key = unsafe key { return unsafe key }
    switch (question.isAsked, passphrase) {
    case (true, nil):
      throw ContextError(
        """
        \(file): the private key is encrypted: give --key-passphrase-file FILE, or decrypt it: \
        openssl pkey -in \(file) -out FILE
        """)
    case (true, let passphrase?):
      throw ContextError(
        "\(file): the private key is encrypted with another passphrase than \(passphrase.file) has")
    case (false, _):
      throw ContextError("\(file): no usable private key in it (PEM): \(lastOpenSSLError())")
    }
  }

  /// What is wrong with what follows the leaf, which is sent as it stands in the file: RFC 8446 §4.4.2 lets each certify the one before
  /// it, and clients of TLS 1.2 insist on that.
  private static func chainFault(_ holder: OpaquePointer, _ leaf: OpaquePointer) -> String? {
    var chain: OpaquePointer?
    _ = unsafe COpenSSL_SSL_CTX_get0_chain_certs(holder, &chain)
    var subject = unsafe leaf
    for index in 0..<max(0, unsafe COpenSSL_sk_X509_num(chain)) {
      guard let issuer = unsafe COpenSSL_sk_X509_value(chain, index) else { break }
      guard unsafe X509_check_issued(issuer, subject) == X509_V_OK else {
        return """
          certificate \(index + 2) of the file has not signed the one before it: put the leaf first, then each one's issuer
          """
      }
      unsafe subject = unsafe issuer
    }
    return nil
  }
}

/// The secret that a private key is encrypted with: the first line of a file.
public struct Passphrase: Sendable {
  let file: String
  private let bytes: [UInt8]

  /// Reads the file.
  public init(file: String) throws(ContextError) {
    self.file = file
    let descriptor = try InputFile.open(file, "the passphrase")
    defer { close(descriptor) }
    var line = [UInt8](repeating: 0, count: 1024)
    // All of them at once, of a regular file; nothing, and so no passphrase, where reading fails.
    let count = unsafe read(descriptor, &line, line.count)
    bytes = Array(line[..<max(0, count)].prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") })
    guard !bytes.isEmpty, bytes.count < 1024 else {
      throw ContextError("\(file): no passphrase in the first line, or one of more than 1023 bytes")
    }
  }

  /// For OpenSSL's `pem_password_cb`; how many bytes it is long, or -1.
  func copy(into buffer: UnsafeMutablePointer<CChar>?, _ size: Int) -> Int32 {
    guard let buffer = unsafe buffer, bytes.count <= size else { return -1 }
    for (index, byte) in bytes.enumerated() { unsafe buffer[index] = CChar(bitPattern: byte) }
    return Int32(bytes.count)
  }
}

private struct PassphraseQuestion {
  let passphrase: Passphrase?
  var isAsked = false
}
