internal import COpenSSL
internal import Glibc

/// What holds for a time: an authority, or the list of what it has revoked.
public struct Dated: Sendable {
  /// The authority's (RFC 4514).
  public let name: String
  /// From when it is good, in seconds since 1970.
  public let start: Int64
  /// Until when, in seconds since 1970; nil if it does not say.
  public let expiry: Int64?
}

/// Whose certificates clients may show: authorities, and what these have revoked.
@safe
public final class ClientAuthority: Sendable {
  /// Clients without a certificate are refused; else they are asked for one, and need none.
  public let isRequired: Bool
  /// Where they were read from, as the operator wrote it.
  public let file: String
  /// Where the lists were read from.
  public let revocationFile: String?
  /// The authorities.
  public let authorities: [Dated]
  /// The lists of what they have revoked: the latest of each. Nil if nobody asks for them.
  public let revocations: [Dated]?
  /// Another one for other files: a session that was resumed is only good where it is the same.
  var identity: [UInt8] { digests.flatMap(\.self) }
  /// Of its files.
  private let digests: [[UInt8]]
  nonisolated(unsafe) private let store: OpaquePointer
  nonisolated(unsafe) private let names: OpaquePointer

  /// Reads PEM files: the certificates of authorities, and lists of revoked certificates (CRL), of which there must be one for each
  /// authority then.
  public init(file: String, revocationFile: String?, isRequired: Bool) throws(ContextError) {
    self.isRequired = isRequired
    (self.file, self.revocationFile) = (file, revocationFile)
    let files = [file] + (revocationFile.map { [$0] } ?? [])
    digests = files.map { Digest(ofFile: $0)?.bytes ?? [] }
    for path in files { try InputFile.require(path, "it") }
    ERR_clear_error()
    guard let names = unsafe SSL_load_client_CA_file(file) else {
      throw ContextError("\(file): no certificate of an authority in it (PEM): \(lastOpenSSLError())")
    }
    do throws(ContextError) {
      unsafe store = try unsafe Self.readStore(file, revocationFile)
    } catch {
      unsafe COpenSSL_sk_X509_NAME_free(names)
      throw error
    }
    unsafe self.names = unsafe names
    let contents = unsafe Self.contents(of: store)
    authorities = contents.authorities
    revocations = revocationFile == nil ? nil : contents.lists
  }

  deinit {
    unsafe X509_STORE_free(store)
    unsafe COpenSSL_sk_X509_NAME_free(names)
  }

  /// Its files that hold something else than they did for `other`.
  public func files(newSince other: ClientAuthority) -> [String] {
    var files: [String] = []
    if digests.first != other.digests.first { files.append(file) }
    if let revocationFile, digests.last != other.digests.last { files.append(revocationFile) }
    return files
  }

  private static func readStore(_ file: String, _ revocationFile: String?) throws(ContextError)
    -> OpaquePointer
  {
    guard let store = unsafe X509_STORE_new() else {
      throw ContextError("OpenSSL cannot make a store of certificates: \(lastOpenSSLError())")
    }
    var problem: String?
    if unsafe X509_STORE_load_file(store, file) != 1 {
      problem = "\(file): no usable certificate of an authority in it (PEM): \(lastOpenSSLError())"
    } else if let revocationFile {
      if let lookup = unsafe X509_STORE_add_lookup(store, X509_LOOKUP_file()),
        unsafe X509_load_crl_file(lookup, revocationFile, X509_FILETYPE_PEM) > 0
      {
        unsafe X509_STORE_set_flags(store, UInt(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL))
      } else {
        problem =
          "\(revocationFile): no usable list of revoked certificates in it (PEM): \(lastOpenSSLError())"
      }
    }
    if let problem {
      unsafe X509_STORE_free(store)
      throw ContextError(problem)
    }
    return unsafe store
  }

  /// What it holds, once the files are read. Of an authority's lists it is the latest that counts.
  private static func contents(of store: OpaquePointer) -> (authorities: [Dated], lists: [Dated]) {
    var (authorities, lists): ([Dated], [String: Dated]) = ([], [:])
    let objects = unsafe X509_STORE_get0_objects(store)
    for index in 0..<max(0, unsafe COpenSSL_sk_X509_OBJECT_num(objects)) {
      let object = unsafe COpenSSL_sk_X509_OBJECT_value(objects, index)
      if let pointer = unsafe X509_OBJECT_get0_X509(object) {
        let certificate = unsafe X509Certificate(pointer: pointer)
        authorities.append(
          Dated(
            name: String(decoding: certificate.subject, as: UTF8.self), start: certificate.start,
            expiry: certificate.expiry))
      } else if let pointer = unsafe X509_OBJECT_get0_X509_CRL(object) {
        let list = unsafe X509RevocationList(pointer: pointer)
        let name = String(decoding: list.issuer, as: UTF8.self)
        if let other = lists[name], other.start >= list.start { continue }
        lists[name] = Dated(name: name, start: list.start, expiry: list.expiry)
      }
    }
    return (authorities, lists.values.sorted { $0.name < $1.name })
  }

  /// Has a context ask clients for certificates.
  func install(in context: OpaquePointer) {
    unsafe X509_STORE_up_ref(store)
    unsafe SSL_CTX_set_cert_store(context, store)
    unsafe SSL_CTX_set_client_CA_list(context, SSL_dup_CA_list(names))
    unsafe SSL_CTX_set_verify(
      context, SSL_VERIFY_PEER | (isRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nil)
  }

  /// What is wrong now with a certificate that was good when its session began, as X509_verify_cert(3) numbers it.
  func verify(_ certificate: OpaquePointer) -> Int32 {
    guard let context = unsafe X509_STORE_CTX_new() else { return X509_V_ERR_OUT_OF_MEM }
    defer {
      unsafe X509_STORE_CTX_free(context)
      ERR_clear_error()
    }
    guard unsafe X509_STORE_CTX_init(context, store, certificate, nil) == 1,
      unsafe X509_STORE_CTX_set_default(context, "ssl_client") == 1
    else { return X509_V_ERR_OUT_OF_MEM }
    if unsafe X509_verify_cert(context) == 1 { return X509_V_OK }
    let fault = unsafe X509_STORE_CTX_get_error(context)
    // A session keeps the client's own certificate, and not those between it and the authority: what time can change is left.
    guard fault == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY else { return fault }
    let (known, now) = unsafe (X509Certificate(pointer: certificate), Int64(time(nil)))
    if known.expiry <= now { return X509_V_ERR_CERT_HAS_EXPIRED }
    let issuer = String(decoding: known.issuer, as: UTF8.self)
    let list = revocations?.first { $0.name == issuer }
    if let expiry = list?.expiry, expiry <= now { return X509_V_ERR_CRL_HAS_EXPIRED }
    return X509_V_OK
  }
}
