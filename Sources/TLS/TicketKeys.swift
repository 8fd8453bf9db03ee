internal import COpenSSL
internal import Glibc
internal import Synchronization

/// The keys that session tickets are encrypted with (RFC 5077 §4), for all contexts of a server: the first one encrypts, all of them
/// decrypt. Either made here and changed from time to time, or the operator's, whose machines share them.
public final class TicketKeys: Sendable {
  private let state: Mutex<State>
  /// For how long an own key encrypts, in seconds: it then decrypts for as long again. Longer than a ticket is good for.
  private let rotation: Int64

  private struct State {
    var keys: [TicketKey]
    /// When the first one is over, in seconds of the monotonic clock.
    var end: Int64
  }

  /// Keys of this process alone. Throws if there are no random numbers.
  public init(rotationSeconds: Int) throws(ContextError) {
    rotation = Int64(rotationSeconds)
    guard let first = TicketKey.random() else {
      throw ContextError("no random numbers for the keys of session tickets: \(lastOpenSSLError())")
    }
    state = Mutex(State(keys: [first], end: Self.now() + rotation))
  }

  /// The operator's keys, a file each, the one that encrypts first: 80 bytes, or 48, as nginx has them (`ssl_session_ticket_key`).
  public init(files: [String]) throws(ContextError) {
    rotation = 0
    state = Mutex(State(keys: try Self.read(files), end: .max))
  }

  /// Goes over to what the files say now; throws and stays as it is if something is wrong with one.
  public func renew(from files: [String]) throws(ContextError) {
    let keys = try Self.read(files)
    state.withLock { $0.keys = keys }
  }

  private static func read(_ files: [String]) throws(ContextError) -> [TicketKey] {
    var keys: [TicketKey] = []
    for file in files { keys.append(try TicketKey(file: file)) }
    return keys
  }

  /// What encrypts now.
  fileprivate var current: TicketKey {
    state.withLock { state in
      let now = Self.now()
      if now >= state.end, let next = TicketKey.random() {
        state.keys = [next, state.keys[0]]
        state.end = now + rotation
      }
      return state.keys[0]
    }
  }

  /// What a ticket's name says that it was encrypted with, and whether that still encrypts.
  fileprivate func key(named name: UnsafePointer<UInt8>) -> (key: TicketKey, isCurrent: Bool)? {
    state.withLock { state in
      guard
        let index = state.keys.firstIndex(where: { unsafe memcmp($0.name, name, TicketKey.nameCount) == 0 })
      else { return nil }
      return (state.keys[index], index == 0 && Self.now() < state.end)
    }
  }

  private static func now() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec)
  }
}

/// A name, a key for HMAC-SHA256, and one for AES-CBC of as many bits; wiped when nobody needs it any more.
@safe
private final class TicketKey: Sendable {
  static var nameCount: Int { 16 }
  /// `name`, then the two keys.
  nonisolated(unsafe) private let memory: UnsafeMutablePointer<UInt8>
  private let count: Int
  private var keyCount: Int { (count - Self.nameCount) / 2 }

  private init(count: Int) {
    self.count = count
    unsafe memory = .allocate(capacity: count)
  }

  deinit {
    unsafe OPENSSL_cleanse(memory, count)
    unsafe memory.deallocate()
  }

  static func random() -> TicketKey? {
    let key = TicketKey(count: 80)
    return unsafe RAND_bytes(key.memory, Int32(key.count)) == 1 ? key : nil
  }

  convenience init(file: String) throws(ContextError) {
    let descriptor = try InputFile.open(file, "the ticket key")
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 81)
    defer { unsafe OPENSSL_cleanse(&bytes, bytes.count) }
    let count = unsafe read(descriptor, &bytes, bytes.count)
    guard count == 80 || count == 48 else {
      throw ContextError("\(file): a ticket key has 80 bytes, or 48: make one with openssl rand -out FILE 80")
    }
    self.init(count: count)
    for index in 0..<count { unsafe memory[index] = bytes[index] }
  }

  var name: UnsafePointer<UInt8> { unsafe UnsafePointer(memory) }

  // nginx has the one of HMAC first where there are 80 bytes, and last where there are 48.
  private var encryptionKey: UnsafeMutablePointer<UInt8> {
    unsafe memory + Self.nameCount + (count == 80 ? keyCount : 0)
  }
  private var authenticationKey: UnsafeMutablePointer<UInt8> {
    unsafe memory + Self.nameCount + (count == 80 ? 0 : keyCount)
  }

  private var cipher: OpaquePointer? { unsafe count == 80 ? EVP_aes_256_cbc() : EVP_aes_128_cbc() }

  func prepare(mac: OpaquePointer?) -> Bool {
    let parameters = unsafe [
      Parameter.octets("key", authenticationKey, keyCount), Parameter.text("digest", "SHA256"),
      OSSL_PARAM_construct_end(),
    ]
    return unsafe EVP_MAC_CTX_set_params(mac, parameters) == 1
  }

  func beginEncryption(_ context: OpaquePointer?, _ iv: UnsafeMutablePointer<UInt8>) -> Bool {
    unsafe RAND_bytes(iv, 16) == 1 && EVP_EncryptInit_ex(context, cipher, nil, encryptionKey, iv) == 1
  }

  func beginDecryption(_ context: OpaquePointer?, _ iv: UnsafeMutablePointer<UInt8>) -> Bool {
    unsafe EVP_DecryptInit_ex(context, cipher, nil, encryptionKey, iv) == 1
  }
}

extension TicketKeys {
  /// Encrypts a ticket, or decrypts one: SSL_CTX_set_tlsext_ticket_key_evp_cb(3). 0: a full handshake instead; 2: a new ticket, too.
  func protect(
    name: UnsafeMutablePointer<UInt8>, iv: UnsafeMutablePointer<UInt8>, cipher: OpaquePointer?,
    mac: OpaquePointer?, encrypts: Bool
  ) -> Int32 {
    if encrypts {
      let key = current
      guard unsafe key.beginEncryption(cipher, iv), unsafe key.prepare(mac: mac) else { return -1 }
      unsafe memcpy(name, key.name, TicketKey.nameCount)
      return 1
    }
    guard let (key, isCurrent) = unsafe key(named: name) else { return 0 }
    guard unsafe key.beginDecryption(cipher, iv), unsafe key.prepare(mac: mac) else { return -1 }
    return isCurrent ? 1 : 2
  }
}
