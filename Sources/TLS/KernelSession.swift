internal import CLinux
internal import COpenSSL
internal import Glibc

/// A TLS connection both of whose directions are the kernel's: application data is what the socket gives and takes. What is left
/// are the protocol's own records, and new keys.
@safe
public struct KernelSession: ~Copyable {
  private let descriptor: Int32
  private let state: UnsafeMutablePointer<State>

  struct State {
    let version: KernelTLS.Version
    let cipher: KernelTLS.Cipher
    /// The kernel takes a second key for a direction, and there is such a thing. Then the traffic secrets, the client's first,
    /// lie behind this.
    let canRenewKey: Bool
    /// The client has sent close_notify.
    var hasEnded = false
    /// It has asked for a new key of ours.
    var owesKeyUpdate = false
    var keyUpdatesSent: UInt32 = 0
  }

  /// For a session whose keys the kernel has, or gets. Nil if there is no memory for it.
  init?(_ descriptor: Int32, _ state: State, _ secrets: borrowing TrafficSecrets) {
    // Not allocate(capacity:), which ends the process if there is no memory. As small as it can be: there are many.
    guard let memory = unsafe malloc(Self.size(state)) else { return nil }
    self.descriptor = descriptor
    unsafe self.state = memory.bindMemory(to: State.self, capacity: 1)
    unsafe self.state.initialize(to: state)
    if state.canRenewKey {
      unsafe secrets.client.copy(to: secretBytes(TLS_RX))
      unsafe secrets.server.copy(to: secretBytes(TLS_TX))
    }
  }

  private static func size(_ state: State) -> Int {
    MemoryLayout<State>.size + (state.canRenewKey ? 2 * state.cipher.hashCount : 0)
  }

  deinit {
    unsafe OPENSSL_cleanse(state, Self.size(state.pointee))
    unsafe free(state)
  }

  private func secretBytes(_ direction: Int32) -> UnsafeMutableRawBufferPointer {
    let count = unsafe state.pointee.cipher.hashCount
    return unsafe UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(state) + MemoryLayout<State>.size + (direction == TLS_RX ? 0 : count),
      count: count)
  }

  /// Gives the kernel the key that follows for a direction: TLS_TX or TLS_RX.
  private func advanceKey(_ direction: Int32) -> Bool {
    let bytes = unsafe secretBytes(direction)
    var secret = unsafe TrafficSecret(copying: bytes)
    defer { KeySchedule.wipe(&secret) }
    guard unsafe secret.advance(state.pointee.cipher, descriptor, direction) else { return false }
    unsafe secret.copy(to: bytes)
    return true
  }

  // MARK: Receiving

  /// The client has said that it sends nothing more.
  private var hasEnded: Bool { unsafe state.pointee.hasEnded }

  /// A plain receive has failed with `error`, or found an end (0): there may be a record that holds no application data, which
  /// it leaves where it is, or one that can't be opened. `interrupted` after what asks for nothing.
  ///
  /// Zero bytes are no sure end: an empty record with another than application data behind it gives them, too.
  public func receiveRecord(
    into room: UnsafeMutableRawBufferPointer, after error: Int32, ignoringEnd: Bool
  ) -> Session.ReadProgress {
    guard error == EIO || error == 0 else { return fail(Alert(openingFailedWith: error)) }
    var type: UInt8 = 0
    let count = unsafe CLinux_receiveRecord(descriptor, &type, room.baseAddress, room.count)
    guard count >= 0 else {
      return errno == EAGAIN ? .interrupted : fail(Alert(openingFailedWith: errno))
    }
    let content = unsafe UnsafeRawBufferPointer(rebasing: room[..<count])
    switch Int32(type) {
    case 0: return hasEnded ? .ended : ignoringEnd ? .wouldBlock : .failed
    case SSL3_RT_APPLICATION_DATA: return count == 0 ? .interrupted : .bytes(count)
    // RFC 8446 §5.4
    case _ where count == 0: return fail(.unexpectedMessage)
    case SSL3_RT_ALERT: return unsafe receiveAlert(content)
    case SSL3_RT_HANDSHAKE: return unsafe receiveHandshakeMessage(content)
    default: return fail(.unexpectedMessage)
    }
  }

  /// RFC 8446 §6, RFC 5246 §7.2.
  private func receiveAlert(_ content: UnsafeRawBufferPointer) -> Session.ReadProgress {
    guard content.count == 2 else { return fail(.decodeError) }
    let (level, description) = unsafe (content[0], content[1])
    switch Int32(description) {
    case SSL_AD_CLOSE_NOTIFY:
      unsafe state.pointee.hasEnded = true
      return .ended
    case SSL_AD_USER_CANCELLED: return .interrupted
    // In TLS 1.3 the level means nothing: all others are fatal.
    case _ where unsafe state.pointee.version == .tls12 && level == UInt8(SSL3_AL_WARNING):
      // Any number of them: each is a receive, of which only so many are made in a turn, and none makes an idle connection last.
      return .interrupted
    default: return .failed
    }
  }

  /// Nothing but KeyUpdate is taken. One that comes in pieces is not: the kernel opens nothing behind its first byte before it
  /// has another key.
  private func receiveHandshakeMessage(_ content: UnsafeRawBufferPointer) -> Session.ReadProgress {
    let type = unsafe Int32(content[0])
    guard unsafe state.pointee.version == .tls13 else {
      guard type == SSL3_MT_CLIENT_HELLO else { return fail(.unexpectedMessage) }
      if case .failed = sendAlert(.noRenegotiation, level: SSL3_AL_WARNING) {
        return fail(.unexpectedMessage)
      }
      return .interrupted
    }
    guard type == SSL3_MT_KEY_UPDATE else { return fail(.unexpectedMessage) }
    // Type, three bytes of length, and the request: RFC 8446 §4 and §4.6.3.
    guard content.count == 5, unsafe content[1] == 0, unsafe content[2] == 0, unsafe content[3] == 1
    else {
      return fail(.decodeError)
    }
    let request = unsafe Int32(content[4])
    guard request == SSL_KEY_UPDATE_REQUESTED || request == SSL_KEY_UPDATE_NOT_REQUESTED else {
      return fail(.illegalParameter)
    }
    // Under the next key nothing could be opened.
    guard canRenewKey else { return .keyUpdate }
    guard advanceKey(TLS_RX) else { return fail(.internalError) }
    if request == SSL_KEY_UPDATE_REQUESTED { unsafe state.pointee.owesKeyUpdate = true }
    return .interrupted
  }

  // MARK: Sending

  /// The client has asked for a new key of ours (RFC 8446 §4.6.3), and has to get it before anything else.
  public var owesKeyUpdate: Bool { unsafe state.pointee.owesKeyUpdate }

  /// Whether the kernel takes a second key for a direction, and the protocol knows of such a thing.
  public var canRenewKey: Bool { unsafe state.pointee.canRenewKey }

  /// Whether only so much may be encrypted under one key: AES-GCM, RFC 8446 §5.5.
  public var hasKeyLimit: Bool { unsafe state.pointee.cipher != .chaCha20Poly1305 }

  /// How many KeyUpdates were sent.
  public var keyUpdatesSent: Int { unsafe Int(state.pointee.keyUpdatesSent) }

  /// Sends a KeyUpdate and gives the kernel the key that follows. Between records only.
  public func renewKey() -> Session.SendProgress {
    let message: InlineArray<5, UInt8> = [
      UInt8(SSL3_MT_KEY_UPDATE), 0, 0, 1, UInt8(SSL_KEY_UPDATE_NOT_REQUESTED),
    ]
    let progress = unsafe message.span.withUnsafeBytes {
      unsafe KernelRecord.send(descriptor, UInt8(SSL3_RT_HANDSHAKE), $0)
    }
    guard case .done = progress else { return progress }
    unsafe state.pointee.owesKeyUpdate = false
    unsafe state.pointee.keyUpdatesSent &+= 1
    return advanceKey(TLS_TX) ? .done : .failed
  }

  /// Sends close_notify (RFC 8446 §6.1).
  public func sendCloseNotify() -> Session.SendProgress {
    KernelRecord.sendCloseNotify(descriptor)
  }

  /// Tells the client why the connection ends.
  private func fail(_ alert: Alert?) -> Session.ReadProgress {
    if let alert { _ = sendAlert(alert, level: SSL3_AL_FATAL) }
    return .failed
  }

  /// If it can't be sent now, it is not sent.
  private func sendAlert(_ alert: Alert, level: Int32) -> Session.SendProgress {
    // Where opening has failed, the kernel keeps that as the socket's error, and the next call would get it.
    var error: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size)
    return KernelRecord.sendAlert(descriptor, alert, level: level)
  }

}

/// Records of the protocol's own that the kernel encrypts.
enum KernelRecord {
  /// Sends close_notify (RFC 8446 §6.1).
  static func sendCloseNotify(_ descriptor: Int32) -> Session.SendProgress {
    sendAlert(descriptor, .closeNotify, level: SSL3_AL_WARNING)
  }

  fileprivate static func sendAlert(_ descriptor: Int32, _ alert: Alert, level: Int32) -> Session.SendProgress
  {
    let message: InlineArray<2, UInt8> = [UInt8(level), alert.rawValue]
    return unsafe message.span.withUnsafeBytes { unsafe send(descriptor, UInt8(SSL3_RT_ALERT), $0) }
  }

  fileprivate static func send(
    _ descriptor: Int32, _ type: UInt8, _ content: UnsafeRawBufferPointer
  ) -> Session.SendProgress {
    if unsafe CLinux_sendRecord(descriptor, type, content.baseAddress, content.count) == content.count {
      return .done
    }
    return errno == EAGAIN ? .wouldBlock : .failed
  }
}

/// Alerts that we send: RFC 8446 §6.
private enum Alert: UInt8 {
  case closeNotify = 0
  case unexpectedMessage = 10
  case badRecordMAC = 20
  case recordOverflow = 22
  case illegalParameter = 47
  case decodeError = 50
  case protocolVersion = 70
  case internalError = 80
  case noRenegotiation = 100

  /// What the kernel says of a record that it can't open: Documentation/networking/tls.rst. Nil for what is the connection's
  /// end and no record's fault.
  init?(openingFailedWith error: Int32) {
    switch error {
    case EBADMSG: self = .badRecordMAC
    case EMSGSIZE: self = .recordOverflow
    // The version in the record's header.
    case EINVAL: self = .protocolVersion
    default: return nil
    }
  }
}

/// What the keys of both directions are made of, in TLS 1.3.
struct TrafficSecrets {
  var client = TrafficSecret()
  var server = TrafficSecret()
}

/// The secret of one direction: RFC 8446 §7.1. As long as the cipher's hash.
struct TrafficSecret {
  var bytes = KeySchedule.Secret(repeating: 0)

  init() {}

  init(copying other: UnsafeMutableRawBufferPointer) {
    for index in other.indices { unsafe bytes[index] = other[index] }
  }

  func copy(to other: UnsafeMutableRawBufferPointer) {
    for index in other.indices { unsafe other[index] = bytes[index] }
  }

  /// Gives the kernel the key that follows.
  mutating func advance(_ cipher: KernelTLS.Cipher, _ descriptor: Int32, _ direction: Int32) -> Bool {
    guard let next = KeySchedule.next(after: bytes, cipher) else { return false }
    bytes = next
    return install(cipher, descriptor, direction)
  }

  func install(_ cipher: KernelTLS.Cipher, _ descriptor: Int32, _ direction: Int32) -> Bool {
    guard var key = KeySchedule.key(cipher, of: bytes) else { return false }
    defer { key.wipe() }
    return key.install(descriptor, direction)
  }
}
