internal import COpenSSL
internal import Glibc

/// Whose certificates clients may show: authorities, and what these have revoked.
@safe
public final class ClientAuthority: Sendable {
  /// Clients without a certificate are refused; else they are asked for one, and need none.
  public let isRequired: Bool
  /// Another one for other files: a session that was resumed is only good where it is the same.
  let identity: [UInt8]
  nonisolated(unsafe) private let store: OpaquePointer
  nonisolated(unsafe) private let names: OpaquePointer

  /// Reads PEM files: the certificates of authorities, and lists of revoked certificates (CRL), of which there must be one for each
  /// authority then.
  public init(file: String, revocationFile: String?, isRequired: Bool) throws(ContextError) {
    self.isRequired = isRequired
    identity = ([file] + (revocationFile.map { [$0] } ?? [])).flatMap { Digest(ofFile: $0)?.bytes ?? [] }
    for path in [file] + (revocationFile.map { [$0] } ?? []) {
      guard unsafe access(path, R_OK) == 0 else {
        throw ContextError("\(path): cannot read it: \(unsafe String(cString: strerror(errno)))")
      }
    }
    ERR_clear_error()
    guard let names = unsafe SSL_load_client_CA_file(file) else {
      throw ContextError("\(file): no certificate of an authority in it (PEM): \(lastOpenSSLError())")
    }
    guard let store = unsafe X509_STORE_new() else {
      unsafe COpenSSL_sk_X509_NAME_free(names)
      throw ContextError("OpenSSL cannot make a store of certificates: \(lastOpenSSLError())")
    }
    (unsafe self.names, unsafe self.store) = unsafe (names, store)
    guard unsafe X509_STORE_load_file(store, file) == 1 else {
      throw ContextError("\(file): no usable certificate of an authority in it (PEM): \(lastOpenSSLError())")
    }
    guard let revocationFile else { return }
    guard let lookup = unsafe X509_STORE_add_lookup(store, X509_LOOKUP_file()),
      unsafe X509_load_crl_file(lookup, revocationFile, X509_FILETYPE_PEM) > 0
    else {
      throw ContextError(
        "\(revocationFile): no usable list of revoked certificates in it (PEM): \(lastOpenSSLError())")
    }
    unsafe X509_STORE_set_flags(store, UInt(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL))
  }

  deinit {
    unsafe X509_STORE_free(store)
    unsafe COpenSSL_sk_X509_NAME_free(names)
  }

  /// Has a context ask clients for certificates.
  func install(in context: OpaquePointer) {
    unsafe X509_STORE_up_ref(store)
    unsafe SSL_CTX_set_cert_store(context, store)
    unsafe SSL_CTX_set_client_CA_list(context, SSL_dup_CA_list(names))
    unsafe SSL_CTX_set_verify(
      context, SSL_VERIFY_PEER | (isRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nil)
  }
}
