internal import CLinux
internal import COpenSSL
internal import Glibc

/// Where a session's own BIO finds what it needs: at a fixed address, because OpenSSL keeps the pointer.
@safe
struct SessionState {
  let descriptor: Int32
  /// What the session began with, which outlives it.
  unowned(unsafe) let context: ServerContext
  /// What it went over to for the host that the client wants.
  unowned(unsafe) var chosen: ServerContext
  /// Where records go that are encrypted in user space; the worker's, lent for every call.
  let outbox: UnsafeMutablePointer<Outbox>
  /// What the peer has sent first: as much as a record's header has (RFC 8446 §5.1), and no more.
  var beginning = SIMD8<UInt8>()
  /// Bytes of that, 0 to 5.
  var beginningCount = 0
  /// Why the handshake has failed.
  var failure = HandshakeFailure.protocol
  /// The kernel encrypts what is sent on the socket.
  var transmitsInKernel = false
  /// Kept while the receiving side may get into the kernel, too.
  var secrets: UnsafeMutablePointer<TrafficSecrets>?
  /// A receive of the call that is being made, or was last, emptied the socket.
  var hasDrainedSocket = false
  /// How often the session may still receive in this read.
  var receivesLeft = Int.max
  /// It wanted to more often.
  var isInterrupted = false
  /// The peer has sent its FIN.
  var peerEnded = false
  /// That it has sent its FIN is nobody's concern now: a response is on its way, and may still arrive.
  var ignoresEnd = false
  /// The client has sent a KeyUpdate that asks for one of ours, which has not left yet.
  var keyUpdateRequested = false
  /// KeyUpdates of ours, whoever has asked for them: OpenSSL sends some by itself.
  var keyUpdatesSent: UInt32 = 0

  /// That of a session, where OpenSSL calls back.
  static func of(_ ssl: OpaquePointer?) -> UnsafeMutablePointer<SessionState>? {
    unsafe SSL_get_ex_data(ssl, 0)?.assumingMemoryBound(to: SessionState.self)
  }
}

/// Ciphertext on its way to a socket. One for each worker: it is emptied before the worker turns to another
/// connection.
@safe
public struct Outbox: ~Copyable {
  /// The memory; `count` bytes of it are in use.
  public let memory: UnsafeMutableRawBufferPointer
  /// How many bytes wait to be sent.
  public private(set) var count = 0

  /// Room for `capacity` bytes.
  public init(capacity: Int) {
    unsafe memory = .allocate(byteCount: capacity, alignment: 64)
  }

  deinit {
    unsafe memory.deallocate()
  }

  /// The bytes that wait to be sent.
  public var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(rebasing: memory[..<count]) }

  /// Room that is left.
  public var room: Int { unsafe memory.count - count }

  /// Forgets all bytes: they were sent or kept elsewhere.
  public mutating func clear() {
    count = 0
  }

  /// Adds bytes; false if they don't fit, then none is added.
  mutating func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count <= room else { return false }
    unsafe UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: bytes)
    count += bytes.count
    return true
  }
}

/// The BIO through which OpenSSL receives, and sends what it has encrypted itself.
///
/// Receiving: like OpenSSL's socket BIO, but it notes when the socket is drained, which saves a second receive
/// on each request. It knows nothing of kernel TLS, so only transmit keys go to the kernel: receiving there is
/// worth little to a server that reads requests, and costs a system call a record.
///
/// Sending (user TLS, after the handshake): several records leave in one system call.
enum SessionBIO {
  static func make(_ state: UnsafeMutablePointer<SessionState>) -> OpaquePointer? {
    guard let method = unsafe method, let bio = unsafe BIO_new(method) else { return nil }
    unsafe BIO_set_data(bio, state)
    unsafe BIO_set_init(bio, 1)
    return unsafe bio
  }

  nonisolated(unsafe) private static let method: OpaquePointer? = {
    let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
    guard let method = unsafe BIO_meth_new(type, "sluice session") else { return nil }
    unsafe BIO_meth_set_read(method) { unsafe SessionBIO.read($0, $1, $2) }
    unsafe BIO_meth_set_write(method) { unsafe SessionBIO.write($0, $1, $2) }
    unsafe BIO_meth_set_ctrl(method) { bio, command, _, _ in unsafe SessionBIO.control(bio, command) }
    return unsafe method
  }()

  private static func state(of bio: OpaquePointer?) -> UnsafeMutablePointer<SessionState> {
    unsafe BIO_get_data(bio).assumingMemoryBound(to: SessionState.self)
  }

  private static func read(_ bio: OpaquePointer?, _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int32)
    -> Int32
  {
    unsafe COpenSSL_BIO_clear_retry_flags(bio)
    let state = unsafe state(of: bio)
    if unsafe state.pointee.receivesLeft == 0 {
      unsafe state.pointee.isInterrupted = true
      unsafe COpenSSL_BIO_set_retry_read(bio)
      return -1
    }
    // Never below 0, which was looked for; a handshake begins with Int.max.
    unsafe state.pointee.receivesLeft -= 1
    let received = unsafe CLinux_recv(state.pointee.descriptor, bytes, Int(count), 0)
    unsafe state.pointee.hasDrainedSocket = received < Int(count)
    if received == 0 {
      unsafe state.pointee.peerEnded = true
      if unsafe state.pointee.ignoresEnd {
        unsafe COpenSSL_BIO_set_retry_read(bio)
        return -1
      }
    }
    if received < 0, errno == EAGAIN { unsafe COpenSSL_BIO_set_retry_read(bio) }
    if unsafe received > 0 && state.pointee.beginningCount < 5, let bytes = unsafe bytes {
      for index in 0..<min(received, unsafe 5 - state.pointee.beginningCount) {
        unsafe state.pointee.beginning[state.pointee.beginningCount] = UInt8(bitPattern: bytes[index])
        unsafe state.pointee.beginningCount += 1
      }
    }
    // Fits, as no more than `count` was asked for.
    return Int32(received)
  }

  /// Lets the BIO that the kernel encrypts for send nothing once the client has asked for a new key, which it can't have: at a
  /// second KeyUpdate OpenSSL would answer the first by itself, while it reads, and all that follows would be under a wrong key.
  static func refuseKeyUpdates(_ bio: OpaquePointer?, _ state: UnsafeMutablePointer<SessionState>) {
    unsafe BIO_set_callback_arg(bio, UnsafeMutableRawPointer(state).assumingMemoryBound(to: CChar.self))
    unsafe BIO_set_callback_ex(bio) { bio, operation, _, _, _, _, status, _ in
      guard operation == BIO_CB_WRITE, let argument = unsafe BIO_get_callback_arg(bio),
        unsafe UnsafeMutableRawPointer(argument).assumingMemoryBound(to: SessionState.self).pointee
          .keyUpdateRequested
      else { return Int(status) }
      unsafe COpenSSL_BIO_set_retry_write(bio)
      return -1
    }
  }

  private static func write(_ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int32) -> Int32 {
    unsafe COpenSSL_BIO_clear_retry_flags(bio)
    let added = unsafe UnsafeRawBufferPointer(start: bytes, count: Int(count))
    return unsafe state(of: bio).pointee.outbox.pointee.append(added) ? count : -1
  }

  private static func control(_ bio: OpaquePointer?, _ command: Int32) -> Int {
    switch command {
    case BIO_CTRL_FLUSH: 1
    case BIO_CTRL_EOF: unsafe state(of: bio).pointee.peerEnded ? 1 : 0
    default: 0
    }
  }
}
