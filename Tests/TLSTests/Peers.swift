import COpenSSL
import Glibc
import TLS
import TestSupport
import Testing

/// What a client of a test asks for.
struct ClientOffer: Sendable {
  /// The highest and the lowest version.
  var version: Int32?
  /// Of TLS 1.3, in order of preference.
  var cipherSuites: String?
  /// Of TLS 1.2 and before, in order of preference.
  var ciphers: String?
  /// Groups for the key exchange, in order of preference.
  var groups: String?
  /// ALPN: protocols in order of preference.
  var protocols: [String] = []
}

/// A client that is OpenSSL's own, non-blocking.
@safe
final class Client {
  private let context: OpaquePointer
  let ssl: OpaquePointer

  init(_ descriptor: Int32, trusting certificate: String, _ offer: ClientOffer) throws {
    guard let context = unsafe SSL_CTX_new(TLS_client_method()), let ssl = unsafe SSL_new(context) else {
      throw SetUpError("SSL_new")
    }
    unsafe self.context = unsafe context
    unsafe self.ssl = unsafe ssl
    // For versions that OpenSSL would not even offer any more.
    if offer.version == TLS1_1_VERSION { unsafe SSL_set_security_level(ssl, 0) }
    if let version = offer.version {
      // The macros SSL_set_min_proto_version and SSL_set_max_proto_version.
      unsafe SSL_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(version), nil)
      unsafe SSL_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
    }
    if let suites = offer.cipherSuites { #expect(unsafe SSL_set_ciphersuites(ssl, suites) == 1) }
    if let ciphers = offer.ciphers { #expect(unsafe SSL_set_cipher_list(ssl, ciphers) == 1) }
    if let groups = offer.groups { try unsafe Self.setGroups(ssl, groups) }
    let protocols = offer.protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    if !protocols.isEmpty {
      #expect(unsafe SSL_set_alpn_protos(ssl, protocols, UInt32(protocols.count)) == 0)
    }
    // Trusts this certificate and no other, for this name.
    unsafe SSL_CTX_load_verify_file(context, certificate)
    unsafe SSL_set1_host(ssl, "localhost")
    unsafe SSL_set_verify(ssl, SSL_VERIFY_PEER, nil)
    unsafe SSL_set_fd(ssl, descriptor)
    unsafe SSL_set_connect_state(ssl)
  }

  deinit {
    unsafe SSL_free(ssl)
    unsafe SSL_CTX_free(context)
  }

  private static func setGroups(_ ssl: OpaquePointer, _ groups: String) throws {
    // The macro SSL_set1_groups_list.
    let status = unsafe groups.withCString {
      unsafe SSL_ctrl(ssl, SSL_CTRL_SET_GROUPS_LIST, 0, UnsafeMutableRawPointer(mutating: $0))
    }
    guard status == 1 else { throw SetUpError("SSL_set1_groups_list") }
  }

  /// Whether this libssl has a group.
  static func knows(group: String) -> Bool {
    guard let context = unsafe SSL_CTX_new(TLS_client_method()) else { return false }
    defer { unsafe SSL_CTX_free(context) }
    guard let ssl = unsafe SSL_new(context) else { return false }
    defer { unsafe SSL_free(ssl) }
    return unsafe (try? setGroups(ssl, group)) != nil
  }

  /// What OpenSSL says of an operation.
  enum Progress: Equatable {
    case done
    case wouldBlock
    case ended
    case failed
  }

  private func progress(_ result: Int32) -> Progress {
    if result > 0 { return .done }
    switch unsafe SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .wouldBlock
    case SSL_ERROR_ZERO_RETURN: return .ended
    default: return .failed
    }
  }

  func handshake() -> Progress {
    ERR_clear_error()
    return unsafe progress(SSL_do_handshake(ssl))
  }

  @discardableResult
  func write(_ text: String) -> Progress {
    ERR_clear_error()
    return unsafe progress(SSL_write(ssl, text, Int32(text.utf8.count)))
  }

  /// What has arrived, and what then happened.
  func read() -> (bytes: [UInt8], Progress) {
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 15)
    while true {
      ERR_clear_error()
      let count = unsafe SSL_read(ssl, &part, Int32(part.count))
      guard count > 0 else { return (bytes, progress(count)) }
      bytes += part[..<Int(count)]
    }
  }

  var version: String { unsafe String(cString: SSL_get_version(ssl)) }
  var cipher: String { unsafe String(cString: SSL_CIPHER_get_name(SSL_get_current_cipher(ssl))) }
  /// The group of the key exchange, as OpenSSL numbers them.
  var group: Int32 { unsafe Int32(SSL_ctrl(ssl, SSL_CTRL_GET_NEGOTIATED_GROUP, 0, nil)) }
  var wasResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }

  /// ALPN: the protocol that was chosen, or nothing.
  var chosenProtocol: String {
    var name: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    unsafe SSL_get0_alpn_selected(ssl, &name, &count)
    return unsafe String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
  }
}

/// A session and a client, connected, both driven by the test.
final class Pair {
  let server: Int32
  private(set) var clientDescriptor: Int32
  let client: Client
  // In this order: the session goes before its outbox.
  private let session: Session
  private let outbox: OutboxMemory

  /// With `overTCP`, the kernel may be given the keys.
  init(
    _ offer: ClientOffer = ClientOffer(), certificate: String = "ecdsa", context: ServerContext? = nil,
    overTCP: Bool = false, outboxCapacity: Int = 256 << 10
  ) throws {
    // As in the server's threads.
    signal(SIGPIPE, SIG_IGN)
    (server, clientDescriptor) = try overTCP ? Self.connectTCP() : Self.connectLocally()
    for descriptor in [server, clientDescriptor] {
      guard fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else { throw SetUpError("fcntl") }
    }
    let certificateFile = try Certificates.path("\(certificate).pem")
    let ownContext = try context ?? Self.makeContext(certificate, kernel: overTCP ? .sending : .init())
    client = try Client(clientDescriptor, trusting: certificateFile, offer)
    outbox = OutboxMemory(capacity: outboxCapacity)
    guard let session = unsafe Session(context: ownContext, descriptor: server, outbox: outbox.pointer) else {
      throw SetUpError("SSL_new")
    }
    self.session = session
  }

  deinit {
    close(server)
    if clientDescriptor >= 0 { close(clientDescriptor) }
  }

  @safe
  private final class OutboxMemory {
    let pointer: UnsafeMutablePointer<Outbox>

    init(capacity: Int) {
      unsafe pointer = .allocate(capacity: 1)
      unsafe pointer.initialize(to: Outbox(capacity: capacity))
    }

    deinit {
      unsafe pointer.deinitialize(count: 1)
      unsafe pointer.deallocate()
    }
  }

  static func makeContext(_ certificate: String, kernel: KernelTLS.Use) throws -> ServerContext {
    try ServerContext(
      certificateFile: Certificates.path("\(certificate).pem"),
      keyFile: Certificates.path("\(certificate).key"), kernel: kernel)
  }

  /// No program that another test starts meanwhile shall hold a copy.
  private static let streamType = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)

  private static func connectLocally() throws -> (Int32, Int32) {
    var pair: (Int32, Int32) = (-1, -1)
    let status = unsafe withUnsafeMutableBytes(of: &pair) { pair in
      unsafe socketpair(
        AF_UNIX, streamType, 0, pair.assumingMemoryBound(to: Int32.self).baseAddress!)
    }
    guard status == 0 else { throw SetUpError("socketpair") }
    return pair
  }

  private static func connectTCP() throws -> (Int32, Int32) {
    let listener = socket(AF_INET, streamType, 0)
    let client = socket(AF_INET, streamType, 0)
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isConnected = unsafe withUnsafeMutablePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(listener, address, length) == 0 && listen(listener, 1) == 0
          && getsockname(listener, address, &length) == 0 && connect(client, address, length) == 0
      }
    }
    let server = accept(listener, nil, nil)
    guard isConnected, server >= 0 else { throw SetUpError("connect") }
    return (server, client)
  }

  // MARK: Driving both

  /// Lets both sides go on until neither can. Returns where they are then.
  @discardableResult
  func shakeHands() -> (client: Client.Progress, server: Session.HandshakeProgress) {
    var client = Client.Progress.wouldBlock
    var server = Session.HandshakeProgress.wouldBlock
    for _ in 0..<10 {
      if client == .wouldBlock { client = self.client.handshake() }
      waitForServer()
      if server == .wouldBlock { server = session.handshake() }
      if client != .wouldBlock && server != .wouldBlock { break }
    }
    return (client, server)
  }

  func handshake() -> Session.HandshakeProgress { session.handshake() }

  /// TCP delivers soon, not at once. Bytes that never come cost a moment and no more.
  private func waitForServer() { _ = Self.isReadable(server, milliseconds: 50) }

  private static func isReadable(_ descriptor: Int32, milliseconds: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&entry, 1, milliseconds) == 1
  }

  /// One read of the session, of at most `count` bytes.
  func read(upTo count: Int = 1 << 16) -> (text: String, Session.ReadProgress) {
    var bytes = [UInt8](repeating: 0, count: count)
    let progress = unsafe bytes.withUnsafeMutableBytes { unsafe session.read(into: $0) }
    guard case .bytes(let done) = progress else { return ("", progress) }
    return (String(decoding: bytes[..<done], as: UTF8.self), progress)
  }

  var hasDrainedSocket: Bool { session.hasDrainedSocket }
  var holdsMore: Bool { session.holdsMore }
  var transmitsInKernel: Bool { session.transmitsInKernel }
  var outboxCount: Int { unsafe outbox.pointer.pointee.count }

  /// Sends by whoever encrypts; what OpenSSL encrypts leaves with `flush`.
  func send(_ bytes: [UInt8]) -> Bool {
    if session.transmitsInKernel {
      return unsafe Glibc.send(server, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }
    return encrypt(bytes)
  }

  /// Encrypts in user space, whoever should.
  func encrypt(_ bytes: [UInt8]) -> Bool {
    unsafe bytes.withUnsafeBytes { unsafe session.encrypt($0) }
  }

  func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  /// Sends what is in the outbox; for the kernel's part, nothing is.
  func flush() {
    let bytes = unsafe outbox.pointer.pointee.bytes
    if unsafe !bytes.isEmpty {
      #expect(unsafe Glibc.send(server, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
    }
    unsafe outbox.pointer.pointee.clear()
  }

  func keepBuffers() { session.keepBuffers() }
  func releaseBuffers() { session.releaseBuffers() }

  func sendCloseNotify() -> Session.SendProgress { session.sendCloseNotify() }

  /// What the client has read when `count` bytes have come, or the end.
  func clientReads(_ count: Int) -> (bytes: [UInt8], Client.Progress) {
    var all: [UInt8] = []
    while true {
      let (bytes, progress) = client.read()
      all += bytes
      if progress != .wouldBlock || all.count >= count { return (all, progress) }
      guard Self.isReadable(clientDescriptor, milliseconds: 10_000) else { return (all, progress) }
    }
  }

  // MARK: Faults

  /// Bytes from the client that its OpenSSL knows nothing of.
  func clientSendsRaw(_ bytes: [UInt8]) {
    #expect(unsafe Glibc.send(clientDescriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
    waitForServer()
  }

  func clientCloses() {
    // A process that another test has just forked may hold a copy until it becomes another program.
    shutdown(clientDescriptor, Int32(SHUT_RDWR))
    close(clientDescriptor)
    clientDescriptor = -1
    waitForServer()
  }

  /// Bytes on their way to the client, as they are on the wire.
  func rawBytesForClient() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = unsafe recv(clientDescriptor, &bytes, bytes.count, 0)
    return Array(bytes[..<max(0, count)])
  }

  /// Waits until what the client has sent is there.
  func settle() { waitForServer() }
}
