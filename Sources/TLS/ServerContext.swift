internal import COpenSSL
internal import Glibc

/// What is wrong with a certificate, a key or the TLS library: one line that says what to do.
public struct ContextError: Error, CustomStringConvertible {
  /// One line for the user, naming the file.
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// The TLS configuration that all connections of a listener share: an OpenSSL `SSL_CTX`.
///
/// Built once on the control plane, immutable from then on; OpenSSL counts references to it atomically, so any
/// worker may make sessions of it.
@safe
public final class ServerContext: Sendable {
  nonisolated(unsafe) let context: OpaquePointer
  /// What sessions try to leave to the kernel.
  public let kernel: KernelTLS.Use

  /// Reads a PEM certificate chain (leaf first) and its private key, and checks both.
  public init(certificateFile: String, keyFile: String, kernel: KernelTLS.Use) throws(ContextError) {
    self.kernel = kernel
    unsafe context = try unsafe Self.makeContext(kernel)
    try unsafe Credentials.load(into: context, certificateFile: certificateFile, keyFile: keyFile)
  }

  /// For a probe: its only client has the same secret, hence needs no certificate (RFC 8446 §4.2.11).
  init(preSharedKey: @escaping PreSharedKeyCallback) throws(ContextError) {
    var kernel = KernelTLS.Use.sending
    kernel.getsNewKeys = true
    self.kernel = kernel
    unsafe context = try unsafe Self.makeContext(kernel)
    unsafe SSL_CTX_set_psk_server_callback(context, preSharedKey)
  }

  typealias PreSharedKeyCallback =
    @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, UnsafeMutablePointer<UInt8>?, UInt32) -> UInt32

  private static func makeContext(_ kernel: KernelTLS.Use) throws(ContextError) -> OpaquePointer {
    guard let context = unsafe SSL_CTX_new(TLS_server_method()) else {
      throw ContextError("OpenSSL cannot make a server context: \(lastOpenSSLError())")
    }
    unsafe setProtocol(of: context, kernel)
    do {
      try unsafe setGroups(of: context)
    } catch {
      unsafe SSL_CTX_free(context)
      throw error
    }
    return unsafe context
  }

  deinit {
    unsafe SSL_CTX_free(context)
  }

  /// TLS 1.2 and 1.3 with forward secrecy and AEAD only: what Mozilla's "intermediate" profile allows, and all
  /// of it can be done by kernel TLS.
  private static func setProtocol(of context: OpaquePointer, _ kernel: KernelTLS.Use) {
    _ = unsafe COpenSSL_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)
    // AES-128-GCM first, because it is the cheapest where the CPU has AES instructions; a client that puts
    // ChaCha20 first has none, and gets it (PRIORITIZE_CHACHA).
    unsafe SSL_CTX_set_ciphersuites(
      context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256")
    unsafe SSL_CTX_set_cipher_list(
      context,
      "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305")
    // Renegotiation is fatal once the keys are in the kernel, and nobody needs it.
    var options =
      COpenSSL_SSL_OP_NO_COMPRESSION | COpenSSL_SSL_OP_NO_RENEGOTIATION
      | COpenSSL_SSL_OP_CIPHER_SERVER_PREFERENCE | COpenSSL_SSL_OP_PRIORITIZE_CHACHA
    if kernel.transmits { options |= COpenSSL_SSL_OP_ENABLE_KTLS }
    unsafe SSL_CTX_set_options(context, options)
    // Never SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER: with kernel TLS it corrupts data on a retry (openssl#21202).
    // NO_AUTO_CHAIN: the chain is what the file holds. OpenSSL would verify the certificate in every handshake to look
    // for issuers in a store that has none.
    _ = unsafe COpenSSL_SSL_CTX_set_mode(context, Int(SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN))
    // One record costs one receive, not two (header, then body). But where the kernel is to open what comes behind the
    // handshake, OpenSSL must not receive it.
    _ = unsafe COpenSSL_SSL_CTX_set_read_ahead(context, kernel.receives ? 0 : 1)
    if kernel.receives { unsafe SSL_CTX_set_keylog_callback(context, keepSecret) }
    // Stateless tickets, one for each handshake; no session is remembered here. Without kernel TLS the session asks for
    // it after the handshake, so that it can leave with the response to a request that came with the client's last flight.
    _ = unsafe COpenSSL_SSL_CTX_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
    unsafe SSL_CTX_set_num_tickets(context, kernel.transmits ? 1 : 0)
    unsafe SSL_CTX_set_alpn_select_cb(context, selectHTTP1, nil)
    unsafe SSL_CTX_set_msg_callback(context, noteKeyUpdate)
  }
  /// Groups for the key exchange that cost little: by default OpenSSL takes FFDHE of 8192 bits, too, and what a client
  /// makes the server compute with one short ClientHello blocks a worker for a tenth of a second ("D(HE)at").
  private static func setGroups(of context: OpaquePointer) throws(ContextError) {
    defer { ERR_clear_error() }
    for groups in [
      // OpenSSL 3.5: who knows the post-quantum hybrid gets it, even if that takes a HelloRetryRequest (the slash).
      "X25519MLKEM768/X25519:P-256:P-384",
      "X25519:P-256:P-384",
      // A FIPS provider may be without X25519.
      "P-256:P-384",
    ] where unsafe COpenSSL_SSL_CTX_set1_groups_list(context, groups) == 1 { return }
    throw ContextError("OpenSSL has no group for the key exchange: \(lastOpenSSLError())")
  }
}

/// ALPN (RFC 7301): `http/1.1`, else `http/1.0` (which `curl -0` asks for), or a fatal alert for a client that offers
/// other protocols only.
private func selectHTTP1(
  _ ssl: OpaquePointer?, _ selected: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
  _ selectedLength: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ offeredLength: UInt32,
  _ argument: UnsafeMutableRawPointer?
) -> Int32 {
  let protocols: StaticString = "\u{8}http/1.1\u{8}http/1.0"
  var chosen: UnsafeMutablePointer<UInt8>?
  let status = unsafe SSL_select_next_proto(
    &chosen, selectedLength, protocols.utf8Start, UInt32(protocols.utf8CodeUnitCount), offered, offeredLength)
  guard status == OPENSSL_NPN_NEGOTIATED else { return SSL_TLSEXT_ERR_ALERT_FATAL }
  unsafe selected?.pointee = unsafe UnsafePointer(chosen)
  return SSL_TLSEXT_ERR_OK
}

/// Sees a client's KeyUpdate that asks for one of ours (RFC 8446 §4.6.3), which OpenSSL would send with the next SSL_write
/// only; see `Session.owesKeyUpdate`.
private func noteKeyUpdate(
  _ isWrite: Int32, _ version: Int32, _ contentType: Int32, _ bytes: UnsafeRawPointer?, _ count: Int,
  _ ssl: OpaquePointer?, _ argument: UnsafeMutableRawPointer?
) {
  let headerLength = 4
  guard contentType == SSL3_RT_HANDSHAKE, count > headerLength,
    let bytes = unsafe bytes, let argument = unsafe argument,
    unsafe bytes.load(as: UInt8.self) == UInt8(SSL3_MT_KEY_UPDATE)
  else { return }
  let state = unsafe argument.assumingMemoryBound(to: SessionState.self)
  if isWrite != 0 {
    unsafe state.pointee.keyUpdatesSent &+= 1
  } else if unsafe bytes.load(fromByteOffset: headerLength, as: UInt8.self) == UInt8(SSL_KEY_UPDATE_REQUESTED)
  {
    unsafe state.pointee.keyUpdateRequested = true
  }
}

/// The text of the error that OpenSSL met last in this thread; takes it off the queue.
func lastOpenSSLError() -> String {
  let code = ERR_get_error()
  guard code != 0, let reason = unsafe ERR_reason_error_string(code) else { return "unknown error" }
  return unsafe String(cString: reason)
}
