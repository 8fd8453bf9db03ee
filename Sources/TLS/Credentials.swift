internal import COpenSSL
internal import Glibc

/// A certificate chain and its private key, read from PEM files and checked before any client can see them.
enum Credentials {
  static func load(into context: OpaquePointer, certificateFile: String, keyFile: String) throws(ContextError)
  {
    try requireReadable(certificateFile, "certificate")
    try requireReadable(keyFile, "private key")
    ERR_clear_error()
    guard unsafe SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1 else {
      throw ContextError(
        "\(certificateFile): no usable certificate in it (PEM, leaf first): \(lastOpenSSLError())")
    }
    guard let certificate = unsafe SSL_CTX_get0_certificate(context) else {
      throw ContextError("\(certificateFile): no certificate in it")
    }
    try unsafe requireValidNow(certificate, file: certificateFile)

    let key = try unsafe readPrivateKey(keyFile)
    defer { unsafe EVP_PKEY_free(key) }
    guard unsafe X509_check_private_key(certificate, key) == 1 else {
      throw ContextError("\(keyFile): this private key does not fit the certificate in \(certificateFile)")
    }
    guard unsafe SSL_CTX_use_PrivateKey(context, key) == 1 else {
      throw ContextError("\(keyFile): OpenSSL refuses the private key: \(lastOpenSSLError())")
    }
  }

  private static func requireReadable(_ file: String, _ what: String) throws(ContextError) {
    let descriptor = unsafe open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw ContextError("\(file): cannot read the \(what): \(unsafe String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
      throw ContextError("\(file): cannot read the \(what): it is a directory")
    }
  }

  private static func requireValidNow(_ certificate: OpaquePointer, file: String) throws(ContextError) {
    let notAfter = unsafe X509_get0_notAfter(certificate)
    if unsafe X509_cmp_current_time(notAfter) < 0 {
      throw ContextError(
        "\(file): the certificate expired on \(unsafe text(of: notAfter)); renew it")
    }
    let notBefore = unsafe X509_get0_notBefore(certificate)
    if unsafe X509_cmp_current_time(notBefore) > 0 {
      throw ContextError(
        "\(file): the certificate is not valid before \(unsafe text(of: notBefore)); check the clock")
    }
  }

  /// The private key in a PEM file; the caller frees it.
  private static func readPrivateKey(_ file: String) throws(ContextError) -> OpaquePointer {
    guard let input = unsafe BIO_new_file(file, "r") else {
      throw ContextError("\(file): cannot read the private key: \(lastOpenSSLError())")
    }
    defer { unsafe BIO_free(input) }
    // OpenSSL asks for a pass phrase only where the key is encrypted: note that, and give none. Without a
    // callback it would ask on the terminal.
    var isEncrypted = false
    let key = unsafe withUnsafeMutablePointer(to: &isEncrypted) { isEncrypted in
      unsafe PEM_read_bio_PrivateKey(
        input, nil,
        { _, _, _, isEncrypted in
          unsafe isEncrypted?.assumingMemoryBound(to: Bool.self).pointee = true
          return -1
        }, isEncrypted)
    }
    if let key = unsafe key { return unsafe key }
    if isEncrypted {
      throw ContextError(
        "\(file): the private key is encrypted; decrypt it first: openssl pkey -in \(file) -out FILE")
    }
    throw ContextError("\(file): no usable private key in it (PEM): \(lastOpenSSLError())")
  }

  private static func text(of time: UnsafePointer<ASN1_TIME>?) -> String {
    guard let output = unsafe BIO_new(BIO_s_mem()) else { return "an unknown date" }
    defer { unsafe BIO_free(output) }
    unsafe ASN1_TIME_print(output, time)
    var line = [CChar](repeating: 0, count: 64)
    guard unsafe BIO_gets(output, &line, Int32(line.count)) > 0 else { return "an unknown date" }
    return unsafe line.withUnsafeBufferPointer { unsafe String(cString: $0.baseAddress!) }
  }
}
