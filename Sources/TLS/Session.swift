internal import COpenSSL
internal import Glibc

/// One TLS connection on a non-blocking socket: the handshake, reading, encryption in user space where the
/// kernel doesn't do it, and close_notify. Wraps an OpenSSL `SSL`.
@safe
public struct Session: ~Copyable {
  let ssl: OpaquePointer
  let state: UnsafeMutablePointer<SessionState>
  /// What it began with.
  let context: ServerContext
  private var ticketFollows: Bool { !context.kernel.transmits }
  private var kernelGetsNewKeys: Bool { context.kernel.getsNewKeys }
  /// The kernel takes a second key for a direction.
  public var takesSecondKey: Bool { context.kernel.takesSecondKey }
  /// It may be told that records have no padding.
  var expectsNoPadding: Bool { context.kernel.expectsNoPadding }
  /// The kernel encrypts what is sent, and makes records as small as it is told to: `KernelTLS.limitRecords`.
  public var kernelLimitsRecords: Bool { transmitsInKernel && context.kernel.limitsRecords }
  var descriptor: Int32 { unsafe state.pointee.descriptor }
  /// Whether the kernel encrypts what is sent on the socket. Final once the handshake is done.
  public var transmitsInKernel: Bool { unsafe state.pointee.transmitsInKernel }

  /// A session for a connected socket; nil if there is no memory for it. What user TLS sends is put into
  /// `outbox`, which must live longer than the session.
  public init?(context: ServerContext, descriptor: Int32, outbox: UnsafeMutablePointer<Outbox>) {
    guard let ssl = unsafe SSL_new(context.context) else { return nil }
    // Not allocate(capacity:), which ends the process if there is no memory.
    guard let memory = unsafe malloc(MemoryLayout<SessionState>.size) else {
      unsafe SSL_free(ssl)
      return nil
    }
    let state = unsafe memory.bindMemory(to: SessionState.self, capacity: 1)
    unsafe state.initialize(
      to: SessionState(descriptor: descriptor, context: context, chosen: context, outbox: outbox))
    // Either may be missing, which SSL_free does not mind. Only a socket BIO can hand the keys to the kernel, so the
    // handshake is sent through one.
    let (input, output) = unsafe (SessionBIO.make(state), BIO_new_socket(descriptor, BIO_NOCLOSE))
    unsafe SSL_set0_rbio(ssl, input)
    unsafe SSL_set0_wbio(ssl, output)
    guard unsafe input != nil, unsafe output != nil else {
      unsafe SSL_free(ssl)
      unsafe free(state)
      return nil
    }
    unsafe COpenSSL_SSL_set_msg_callback_arg(ssl, state)
    // For all other callbacks.
    unsafe SSL_set_ex_data(ssl, 0, state)
    unsafe SSL_set_accept_state(ssl)
    unsafe self.ssl = unsafe ssl
    unsafe self.state = unsafe state
    self.context = context
    if context.kernel.receives { unsafe Self.keepSecrets(state) }
  }

  /// Without memory for them, only the receiving side stays with OpenSSL.
  private static func keepSecrets(_ state: UnsafeMutablePointer<SessionState>) {
    guard let memory = unsafe malloc(MemoryLayout<TrafficSecrets>.size) else { return }
    let secrets = unsafe memory.bindMemory(to: TrafficSecrets.self, capacity: 1)
    unsafe secrets.initialize(to: TrafficSecrets())
    unsafe state.pointee.secrets = unsafe secrets
  }

  deinit {
    unsafe SSL_free(ssl)
    if let secrets = unsafe state.pointee.secrets {
      unsafe OPENSSL_cleanse(secrets, MemoryLayout<TrafficSecrets>.size)
      unsafe free(secrets)
    }
    unsafe free(state)
  }

  /// How far the handshake has come.
  public enum HandshakeProgress: Equatable, Sendable {
    /// Done: `transmitsInKernel` is final, and records may have been received already.
    case done
    /// The peer must send something first.
    case wouldBlock
    /// The socket takes nothing now.
    case full
    /// The peer spoke HTTP without TLS, or something like it: it deserves an answer that it can read. `isHead`: with the method HEAD,
    /// whose answer has no content (RFC 9110 §9.3.2).
    case plaintextHTTP(isHead: Bool)
    /// Ended; an alert was sent where the protocol asks for one.
    case failed
  }

  /// Goes on with the handshake (RFC 8446 §4, RFC 5246 §7.3).
  public func handshake() -> HandshakeProgress {
    ERR_clear_error()
    unsafe state.pointee.hasDrainedSocket = false
    let status = unsafe SSL_do_handshake(ssl)
    if status == 1 {
      if let fault = faultOfResumedClient {
        unsafe state.pointee.failure = fault
        return .failed
      }
      decideTransmission()
      return .done
    }
    let error = unsafe SSL_get_error(ssl, status)
    switch error {
    case SSL_ERROR_WANT_READ: return .wouldBlock
    case SSL_ERROR_WANT_WRITE: return .full
    default:
      unsafe state.pointee.failure = HandshakeFailure(
        status: error, verifyResult: Int32(truncatingIfNeeded: SSL_get_verify_result(ssl)))
      let head = unsafe state.pointee.beginning
      let isHead = zip("HEAD ".utf8, head.indices).allSatisfy { $0 == head[$1] }
      return speaksPlaintext ? .plaintextHTTP(isHead: isHead) : .failed
    }
  }

  /// What the server knows the connection by if its client has shown a certificate that it has to; else 0.
  public var clientPolicy: Int { unsafe state.pointee.chosen.clientPolicy }

  /// It has gone on with an earlier session.
  public var isResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }

  /// 0x0303 or 0x0304.
  public var version: UInt16 { unsafe UInt16(clamping: SSL_version(ssl)) }

  /// As IANA has it: RFC 8446 §B.4.
  public var cipherNumber: UInt16 {
    guard let cipher = unsafe SSL_get_current_cipher(ssl) else { return 0 }
    return unsafe SSL_CIPHER_get_protocol_id(cipher)
  }

  /// The name that the client has asked for (SNI), at most 255 bytes; empty if there was none.
  public var serverName: [UInt8] {
    guard let name = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else { return [] }
    return unsafe Array(String(cString: name).utf8.prefix(255))
  }

  /// The subject of the certificate that the client has shown (RFC 4514, as OpenSSL writes it), at most 1023 bytes; empty if it has
  /// shown none.
  public var clientSubject: [UInt8] {
    guard let certificate = unsafe SSL_get0_peer_certificate(ssl) else { return [] }
    return unsafe X509Certificate(pointer: certificate).subject
  }

  /// A full handshake looks at the client's certificate, and a resumed one does not. Files that have changed since then make other
  /// identities, but time passes without that: for the certificate, its authority's, and the lists of what was revoked.
  private var faultOfResumedClient: HandshakeFailure? {
    guard isResumed, unsafe SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE,
      let certificate = unsafe SSL_get0_peer_certificate(ssl)
    else { return nil }
    let code = unsafe state.pointee.chosen.clients?.verify(certificate) ?? X509_V_OK
    return code == X509_V_OK ? nil : HandshakeFailure(verifyResult: code)
  }

  /// Why the handshake has failed, if it has.
  public var failure: HandshakeFailure { unsafe state.pointee.failure }

  /// It has begun with a letter, as methods do (RFC 9110 §9), and no record of TLS does (RFC 8446 §5.1). OpenSSL knows some of them.
  private var speaksPlaintext: Bool {
    switch unsafe state.pointee.beginning[0] {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
    default: false
    }
  }

  /// OpenSSL has given the transmit keys to the kernel or not: ask it, don't assume.
  private func decideTransmission() {
    unsafe state.pointee.transmitsInKernel = COpenSSL_BIO_get_ktls_send(SSL_get_wbio(ssl)) == 1
    if transmitsInKernel {
      // At every KeyUpdate of the client, newer versions of OpenSSL would try to hand over the receiving side, too, and lose what
      // it has received already (seen with 3.5 and 3.6).
      unsafe SSL_clear_options(ssl, COpenSSL_SSL_OP_ENABLE_KTLS)
      if !kernelGetsNewKeys { unsafe SessionBIO.refuseKeyUpdates(SSL_get_wbio(ssl), state) }
    } else {
      let own = unsafe SSL_get_rbio(ssl)
      unsafe BIO_up_ref(own)
      unsafe SSL_set0_wbio(ssl, own)
    }
    // Refused for TLS 1.2, whose ticket is part of the handshake.
    if ticketFollows { unsafe SSL_new_session_ticket(ssl) }
  }

  /// Makes the session ticket now (RFC 8446 §4.6.1), into the outbox, if it has not gone with a response yet: a client that
  /// does not set TCP_NODELAY waits for something of ours before it sends its request.
  public func issueTicket() {
    ERR_clear_error()
    if ticketFollows, unsafe SSL_in_init(ssl) == 1 { _ = sendPending() }
  }

  /// How reading went.
  public enum ReadProgress: Sendable {
    /// This many bytes of plaintext, at least one.
    case bytes(Int)
    /// Nothing until the socket has more.
    case wouldBlock
    /// Much has come and none of it is data (OpenSSL takes any number of KeyUpdates in one read): read on when others
    /// had their turn.
    case interrupted
    /// The peer has sent close_notify: it sends no more.
    case ended
    /// The client asked for new keys (RFC 8446 §4.6.3) and the kernel can't be given any: when what is being sent has left,
    /// nothing may follow but close_notify.
    case keyUpdate
    /// The TCP connection ended without close_notify, or the protocol was violated.
    case failed
  }

  /// Reads plaintext, up to the buffer's size. `ignoringEnd`: that the TCP connection has ended is no failure, since what is
  /// being sent may still arrive.
  public func read(into buffer: UnsafeMutableRawBufferPointer, ignoringEnd: Bool = false) -> ReadProgress {
    ERR_clear_error()
    unsafe state.pointee.ignoresEnd = ignoringEnd
    // Two of 16 KiB: a record that is as long as may be is not received in one.
    unsafe state.pointee.receivesLeft = 2
    unsafe state.pointee.isInterrupted = false
    unsafe state.pointee.hasDrainedSocket = false
    defer { unsafe state.pointee.receivesLeft = .max }
    let count = unsafe SSL_read(ssl, buffer.baseAddress, Int32(clamping: buffer.count))
    if transmitsInKernel, !kernelGetsNewKeys, unsafe state.pointee.keyUpdateRequested { return .keyUpdate }
    if count > 0 { return .bytes(Int(count)) }
    switch unsafe SSL_get_error(ssl, count) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
      return unsafe state.pointee.isInterrupted ? .interrupted : .wouldBlock
    case SSL_ERROR_ZERO_RETURN: return .ended
    // close_notify behind a user_canceled, which OpenSSL 3.5 takes for the end's reason.
    case SSL_ERROR_SYSCALL where unsafe SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0: return .ended
    default: return .failed
    }
  }

  // MARK: Keys

  /// The client has asked for a new key of ours (RFC 8446 §4.6.3), and has to get it before anything else. OpenSSL would give it
  /// with the next SSL_write, which comes late for a client that waits, and never where we send past OpenSSL.
  public var owesKeyUpdate: Bool {
    unsafe state.pointee.keyUpdateRequested && (!transmitsInKernel || kernelGetsNewKeys)
  }

  /// Whether the sending side can get a new key: TLS 1.3 can, but where the kernel encrypts, it has to take a second key, and
  /// libssl to give it one.
  public var canRenewKey: Bool {
    unsafe SSL_version(ssl) == TLS1_3_VERSION && (!transmitsInKernel || kernelGetsNewKeys)
  }

  /// Whether only so much may be encrypted under one key: AES-GCM, RFC 8446 §5.5.
  public var hasKeyLimit: Bool { unsafe KernelTLS.Cipher(ssl) != .chaCha20Poly1305 }

  /// How many KeyUpdates were sent.
  public var keyUpdatesSent: Int { unsafe Int(state.pointee.keyUpdatesSent) }

  /// Gives the sending side a new key: sends a KeyUpdate (into the outbox, if the kernel does not encrypt). Between records
  /// only; after `wouldBlock`, nothing may be sent before it has been called again.
  public func renewKey() -> SendProgress {
    ERR_clear_error()
    // What OpenSSL owes the client and what we want becomes one. It is written by SSL_do_handshake only if it was asked for
    // like this: what OpenSSL owes leaves with SSL_write, and we send past it.
    if unsafe SSL_in_init(ssl) == 0, unsafe SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 {
      return .failed
    }
    let progress = sendPending()
    if case .done = progress { unsafe state.pointee.keyUpdateRequested = false }
    return progress
  }

  /// Sends what OpenSSL has begun and takes for a handshake: a ticket, or a KeyUpdate, after which the kernel gets the key.
  private func sendPending() -> SendProgress {
    if transmitsInKernel { unsafe SSL_set_options(ssl, COpenSSL_SSL_OP_ENABLE_KTLS) }
    defer { if transmitsInKernel { unsafe SSL_clear_options(ssl, COpenSSL_SSL_OP_ENABLE_KTLS) } }
    let status = unsafe SSL_do_handshake(ssl)
    return status == 1 ? .done : sendProgress(status)
  }

  // MARK: Buffers

  /// Lets OpenSSL keep its buffers (16 KiB each way) from one record to the next, which saves a connection that is busy
  /// some 1,300 instructions a request.
  public func keepBuffers() {
    _ = unsafe COpenSSL_SSL_clear_mode(ssl, Int(SSL_MODE_RELEASE_BUFFERS))
  }

  /// Frees the buffers, and lets OpenSSL free them after each record from now on, as it does at first.
  public func releaseBuffers() {
    _ = unsafe COpenSSL_SSL_set_mode(ssl, Int(SSL_MODE_RELEASE_BUFFERS))
    unsafe SSL_free_buffers(ssl)
  }

  /// The last `handshake` or `read` has received all that the socket had: it has no more until the poller says so. False if
  /// it did not have to receive anything: then it knows nothing of what has come meanwhile.
  public var hasDrainedSocket: Bool { unsafe state.pointee.hasDrainedSocket }

  /// Something was received that was not read yet, perhaps not a whole record.
  public var holdsMore: Bool { unsafe SSL_has_pending(ssl) == 1 }

  /// Encrypts `plaintext` (user TLS only) as one record for every 16 KiB or part of it, into the outbox. False
  /// if the session is broken or the outbox is full: then the connection must be given up.
  public func encrypt(_ plaintext: UnsafeRawBufferPointer) -> Bool {
    // Neither happens, but if it did, one connection would have to go and not all of them.
    guard !transmitsInKernel, let count = Int32(exactly: plaintext.count) else { return false }
    // The queue of errors need not be clear, as nobody asks SSL_get_error: all is encrypted, or the session is broken.
    return unsafe SSL_write(ssl, plaintext.baseAddress, count) == count
  }

  /// How sending a record of the protocol's own went.
  public enum SendProgress: Sendable {
    /// It is in the outbox (user TLS) or in the socket.
    case done
    /// The socket takes nothing now.
    case wouldBlock
    /// It can't be sent.
    case failed
  }

  /// Sends close_notify (RFC 8446 §6.1): the peer can tell the end from a cut.
  public func sendCloseNotify() -> SendProgress {
    // OpenSSL would send what it owes first, and the kernel has no key for what follows.
    if transmitsInKernel, !kernelGetsNewKeys, unsafe state.pointee.keyUpdateRequested {
      return KernelRecord.sendCloseNotify(descriptor)
    }
    ERR_clear_error()
    // In what OpenSSL takes for a handshake, nothing is closed.
    if unsafe SSL_in_init(ssl) == 1 {
      let progress = sendPending()
      guard case .done = progress else { return progress }
    }
    let status = unsafe SSL_shutdown(ssl)
    return status >= 0 ? .done : sendProgress(status)
  }

  private func sendProgress(_ status: Int32) -> SendProgress {
    unsafe SSL_get_error(ssl, status) == SSL_ERROR_WANT_WRITE ? .wouldBlock : .failed
  }
}
