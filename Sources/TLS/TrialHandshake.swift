internal import COpenSSL

extension ServerContext {
  /// The contexts that sessions end up with: one for each set of names.
  public var all: [ServerContext] { choice?.contexts ?? [self] }

  /// Why nobody can shake hands with it in a version, in OpenSSL's words; nil if somebody can. Tried in memory, with a client that takes
  /// all that the server does, whatever group its certificate's key is of. `groups`: those of the policy.
  public func obstacle(to version: KernelTLS.Version, groups: String?) -> String? {
    // Without memory for it, nothing is known.
    guard let trial = TrialHandshake(server: self, version, groups: groups) else { return nil }
    return trial.failure()
  }
}

/// A server and a client that have each other's records in memory.
@safe
private struct TrialHandshake: ~Copyable {
  private let server: OpaquePointer
  private let client: OpaquePointer

  init?(server context: ServerContext, _ version: KernelTLS.Version, groups: String?) {
    guard let clientContext = unsafe SSL_CTX_new(TLS_client_method()) else { return nil }
    defer { unsafe SSL_CTX_free(clientContext) }
    unsafe Self.accept(allOf: context, version, groups, in: clientContext)
    let (server, client) = unsafe (SSL_new(context.context), SSL_new(clientContext))
    let (toServer, toClient) = unsafe (BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()))
    guard let server = unsafe server, let client = unsafe client, let toServer = unsafe toServer,
      let toClient = unsafe toClient
    else {
      unsafe SSL_free(server)
      unsafe SSL_free(client)
      unsafe BIO_free(toServer)
      unsafe BIO_free(toClient)
      return nil
    }
    // Each belongs to both.
    unsafe BIO_up_ref(toServer)
    unsafe BIO_up_ref(toClient)
    unsafe SSL_set_bio(server, toServer, toClient)
    unsafe SSL_set_bio(client, toClient, toServer)
    unsafe SSL_set_accept_state(server)
    unsafe SSL_set_connect_state(client)
    // That the client has no certificate is not what is asked.
    unsafe SSL_set_verify(server, SSL_VERIFY_NONE, nil)
    unsafe SSL_set_num_tickets(server, 0)
    unsafe SSL_set_options(client, COpenSSL_SSL_OP_NO_TICKET)
    unsafe self.server = unsafe server
    unsafe self.client = unsafe client
  }

  deinit {
    unsafe SSL_free(server)
    unsafe SSL_free(client)
    ERR_clear_error()
  }

  /// Has a client take what the server does, however weak it is: whether that is good is another question.
  private static func accept(
    allOf server: ServerContext, _ version: KernelTLS.Version, _ groups: String?, in client: OpaquePointer
  ) {
    unsafe SSL_CTX_set_security_level(client, 0)
    let number = version == .tls13 ? TLS1_3_VERSION : TLS1_2_VERSION
    _ = unsafe COpenSSL_SSL_CTX_set_min_proto_version(client, number)
    _ = unsafe COpenSSL_SSL_CTX_set_max_proto_version(client, number)
    let ciphers = unsafe Cipher.all(of: server.context)
    unsafe SSL_CTX_set_cipher_list(client, ciphers.filter { !$0.isTLS13 }.map(\.name).joined(separator: ":"))
    unsafe SSL_CTX_set_ciphersuites(
      client, ciphers.filter(\.isTLS13).map(\.name).joined(separator: ":"))
    // What OpenSSL does not take is left out: groups that it does not know, and those that are there by another name.
    var list = ""
    let own = (groups ?? "").split(whereSeparator: ":/".contains).map { $0.drop { "*? ".contains($0) } }
    let others = ["X25519", "P-256", "P-384", "P-521", "X448"] + server.certificates.compactMap(\.keyGroup)
    for group in own.map(String.init) + others where !group.hasPrefix("-") {
      let longer = list.isEmpty ? group : "\(list):\(group)"
      if unsafe COpenSSL_SSL_CTX_set1_groups_list(client, longer) == 1 { list = longer }
    }
    if !list.isEmpty { _ = unsafe COpenSSL_SSL_CTX_set1_groups_list(client, list) }
  }

  /// Has both go on in turn until they are done: what the first that can't says.
  func failure() -> String? {
    // TLS 1.3 takes two turns, three with a HelloRetryRequest; TLS 1.2 takes three.
    for _ in 0..<6 {
      var areDone = true
      for isServer in [false, true] {
        let side = unsafe isServer ? server : client
        ERR_clear_error()
        let status = unsafe SSL_do_handshake(side)
        if status == 1 { continue }
        areDone = false
        guard unsafe SSL_get_error(side, status) == SSL_ERROR_WANT_READ else { return lastOpenSSLError() }
      }
      if areDone { return nil }
    }
    return "the handshake does not end"
  }
}
