internal import COpenSSL
internal import Glibc

/// What is wrong with a certificate, a key or the TLS library: one line that says what to do.
public struct ContextError: Error, CustomStringConvertible {
  /// One line for the user, naming the file.
  public let description: String
  /// The word in it that OpenSSL does not know, if that is what is wrong.
  public let unknown: UnknownName?

  /// Names the line.
  public init(_ description: String, unknown: UnknownName? = nil) {
    self.description = description
    self.unknown = unknown
  }
}

/// What holds for all certificates of a server.
public struct ServerPolicy: Sendable {
  /// What sessions try to leave to the kernel.
  public var kernel = KernelTLS.Use()
  /// What session tickets are encrypted with.
  public let tickets: TicketKeys
  /// The oldest version that is spoken.
  public var oldestVersion = KernelTLS.Version.tls12
  /// Of TLS 1.2, as OpenSSL names them, with colons between them; nil for ours.
  public var ciphers: String?
  /// Of TLS 1.3.
  public var ciphersuites: String?
  /// For the key exchange, in the order in which they are liked.
  public var groups: String?

  /// Names the parts.
  public init(tickets: TicketKeys) {
    self.tickets = tickets
  }
}

/// The TLS configuration that connections share: an OpenSSL `SSL_CTX`.
///
/// Built once on the control plane, immutable from then on but for the keys of tickets; OpenSSL counts references to it atomically,
/// so any worker may make sessions of it.
@safe
public final class ServerContext: Sendable {
  nonisolated(unsafe) let context: OpaquePointer
  /// What sessions try to leave to the kernel.
  public let kernel: KernelTLS.Use
  let tickets: TicketKeys?
  /// What it has to show, of its own.
  public let certificates: [ServerCertificate]
  /// The contexts that a session goes over to when the client has said which host it wants.
  let choice: Choice?

  /// Whose certificate a client gets.
  struct Choice {
    let contexts: [ServerContext]
    let number: Chooser
  }

  /// Gives the number of the context for the name that a client asks for (SNI, RFC 6066 §3), or, where it names none, for the socket
  /// that it has connected to.
  public typealias Chooser = @Sendable (_ name: [UInt8]?, _ descriptor: Int32) -> Int

  /// What the server knows those connections by whose clients have shown certificates that they have to; 0 for all others.
  public let clientPolicy: Int
  let clients: ClientAuthority?

  /// For certificates with keys of different kinds, of which OpenSSL takes the one that the client likes. `identity` is another one
  /// where tickets of this context are not good. `clients`: whose certificates clients may show.
  public init(
    certificates: [ServerCertificate], policy: ServerPolicy, identity: [UInt8] = [],
    clients: ClientAuthority? = nil, clientPolicy: Int = 0
  ) throws(ContextError) {
    (kernel, tickets, choice) = (policy.kernel, policy.tickets, nil)
    self.certificates = certificates
    (self.clients, self.clientPolicy) = (clients, clientPolicy)
    let context = try unsafe Self.makeContext(policy)
    unsafe self.context = unsafe context
    for certificate in certificates { try unsafe certificate.install(in: context) }
    if let clients { unsafe clients.install(in: context) }
    let digest = Digest(identity + (clients.map { [$0.isRequired ? 1 : 0] + $0.identity } ?? [])).bytes
    unsafe SSL_CTX_set_session_id_context(context, digest, UInt32(digest.count))
  }

  /// For several hosts: sessions begin here and go over to one of `contexts`.
  public init(
    contexts: [ServerContext], policy: ServerPolicy, chooser: @escaping Chooser
  ) throws(ContextError) {
    (kernel, tickets, choice) = (policy.kernel, policy.tickets, Choice(contexts: contexts, number: chooser))
    (certificates, clients, clientPolicy) = ([], nil, 0)
    unsafe context = try unsafe Self.makeContext(policy)
    unsafe SSL_CTX_set_client_hello_cb(context, chooseContext, nil)
  }

  /// Reads a PEM certificate chain (leaf first) and its private key, and checks both.
  public convenience init(
    certificateFile: String, keyFile: String, kernel: KernelTLS.Use
  ) throws(ContextError) {
    var policy = ServerPolicy(tickets: try TicketKeys(rotationSeconds: 3600))
    policy.kernel = kernel
    try self.init(
      certificates: [try ServerCertificate(certificateFile: certificateFile, keyFile: keyFile)],
      policy: policy)
  }

  /// For a probe: its only client has the same secret, hence needs no certificate (RFC 8446 §4.2.11).
  init(preSharedKey: @escaping PreSharedKeyCallback) throws(ContextError) {
    var policy = ServerPolicy(tickets: try TicketKeys(rotationSeconds: 3600))
    policy.kernel = .sending
    policy.kernel.getsNewKeys = true
    (kernel, tickets, choice) = (policy.kernel, nil, nil)
    (certificates, clients, clientPolicy) = ([], nil, 0)
    unsafe context = try unsafe Self.makeContext(policy)
    unsafe SSL_CTX_set_psk_server_callback(context, preSharedKey)
  }

  typealias PreSharedKeyCallback =
    @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, UnsafeMutablePointer<UInt8>?, UInt32) -> UInt32

  /// One without certificates, for the caller to free.
  static func makeContext(_ policy: ServerPolicy) throws(ContextError) -> OpaquePointer {
    guard let context = unsafe SSL_CTX_new(TLS_server_method()) else {
      throw ContextError("OpenSSL cannot make a server context: \(lastOpenSSLError())")
    }
    do {
      unsafe setProtocol(of: context, policy.kernel)
      try unsafe setAlgorithms(of: context, policy)
    } catch {
      unsafe SSL_CTX_free(context)
      throw error
    }
    return unsafe context
  }

  deinit {
    unsafe SSL_CTX_free(context)
  }

  /// The ciphers that lists of OpenSSL's mean, by their names, and whether a kernel may do them.
  public static func names(of ciphers: String?, _ suites: String?) -> [(name: String, isKernels: Bool)] {
    guard let context = unsafe SSL_CTX_new(TLS_server_method()) else { return [] }
    defer {
      unsafe SSL_CTX_free(context)
      ERR_clear_error()
    }
    unsafe SSL_CTX_set_cipher_list(context, ciphers ?? "")
    unsafe SSL_CTX_set_ciphersuites(context, suites ?? "")
    return unsafe Cipher.all(of: context).map { ($0.name, $0.isKernels) }
  }

  private static func setProtocol(of context: OpaquePointer, _ kernel: KernelTLS.Use) {
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
    unsafe SSL_CTX_set_tlsext_ticket_key_evp_cb(context, protectTicket)
  }

  /// TLS 1.2 and 1.3 with forward secrecy and AEAD only: what Mozilla's "intermediate" profile allows, and all
  /// of it can be done by kernel TLS. Or what the operator says.
  private static func setAlgorithms(of context: OpaquePointer, _ policy: ServerPolicy) throws(ContextError) {
    defer { ERR_clear_error() }
    let oldest = policy.oldestVersion == .tls13 ? TLS1_3_VERSION : TLS1_2_VERSION
    _ = unsafe COpenSSL_SSL_CTX_set_min_proto_version(context, oldest)
    // AES-128-GCM first, because it is the cheapest where the CPU has AES instructions; a client that puts
    // ChaCha20 first has none, and gets it (PRIORITIZE_CHACHA).
    let suites =
      policy.ciphersuites ?? "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    guard unsafe SSL_CTX_set_ciphersuites(context, suites) == 1 else {
      throw ContextError(
        "OpenSSL knows no such cipher suites of TLS 1.3: '\(suites)': see openssl ciphers -s -tls1_3")
    }
    let ciphers =
      policy.ciphers
      ?? "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
      + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    guard unsafe SSL_CTX_set_cipher_list(context, ciphers) == 1 else {
      throw ContextError(
        "OpenSSL knows no such ciphers of TLS 1.2: '\(ciphers)': see openssl ciphers -s -tls1_2")
    }
    guard let groups = policy.groups else { return try unsafe setGroups(of: context) }
    guard unsafe COpenSSL_SSL_CTX_set1_groups_list(context, groups) == 1 else {
      throw ContextError("OpenSSL does not know all of these groups for the key exchange: '\(groups)'")
    }
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

/// Goes over to the context of the host that the client wants, before anything of its own context is used (RFC 6066 §3). It is early
/// enough for tickets: one of another host has another `identity`, and is passed over.
private func chooseContext(
  _ ssl: OpaquePointer?, _ alert: UnsafeMutablePointer<Int32>?, _ argument: UnsafeMutableRawPointer?
) -> Int32 {
  guard let state = unsafe SessionState.of(ssl), let choice = unsafe state.pointee.context.choice else {
    return SSL_CLIENT_HELLO_SUCCESS
  }
  let chosen = unsafe choice.contexts[choice.number(serverName(ssl), state.pointee.descriptor)]
  unsafe state.pointee.chosen = chosen
  guard unsafe SSL_set_SSL_CTX(ssl, chosen.context) != nil else { return SSL_CLIENT_HELLO_ERROR }
  // Which it does not take over.
  unsafe SSL_set_verify(ssl, SSL_CTX_get_verify_mode(chosen.context), nil)
  return SSL_CLIENT_HELLO_SUCCESS
}

/// The name of a host in a ClientHello; nil if there is none, or none that is well formed, which OpenSSL will say.
private func serverName(_ ssl: OpaquePointer?) -> [UInt8]? {
  var (bytes, count): (UnsafePointer<UInt8>?, Int) = (nil, 0)
  // A list of one name: its length, a type (host_name, 0), and the name's length.
  guard unsafe SSL_client_hello_get0_ext(ssl, UInt32(TLSEXT_TYPE_server_name), &bytes, &count) == 1,
    let bytes = unsafe bytes, count > 5, unsafe bytes[2] == 0,
    unsafe Int(bytes[3]) << 8 | Int(bytes[4]) == count - 5
  else { return nil }
  return unsafe Array(UnsafeBufferPointer(start: bytes + 5, count: count - 5))
}

private func protectTicket(
  _ ssl: OpaquePointer?, _ name: UnsafeMutablePointer<UInt8>?, _ iv: UnsafeMutablePointer<UInt8>?,
  _ cipher: OpaquePointer?, _ mac: OpaquePointer?, _ encrypts: Int32
) -> Int32 {
  guard let state = unsafe SessionState.of(ssl), let tickets = unsafe state.pointee.context.tickets,
    let name = unsafe name, let iv = unsafe iv
  else { return 0 }
  return unsafe tickets.protect(name: name, iv: iv, cipher: cipher, mac: mac, encrypts: encrypts != 0)
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
