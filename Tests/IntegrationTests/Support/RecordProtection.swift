import COpenSSL
import Glibc

/// The keys of one direction, and what they do to records: RFC 8446 §5.2, RFC 5246 §6.2.3.3, RFC 7905. Written for the tests
/// with nothing but HMAC and AEAD of OpenSSL's, so that it shares no fault with the server.
struct RecordProtection {
  let version: UInt16
  let cipher: Cipher
  /// TLS 1.3: what the keys are made of.
  private var secret: [UInt8] = []
  private var key: [UInt8] = []
  private var iv: [UInt8] = []
  /// The number of the next record.
  private(set) var sequence: UInt64 = 0

  enum Cipher: String, CaseIterable, Sendable {
    case aes128 = "AES128-GCM-SHA256"
    case aes256 = "AES256-GCM-SHA384"
    case chaCha20 = "CHACHA20-POLY1305"

    var keyCount: Int { self == .aes128 ? 16 : 32 }
    var hash: OpaquePointer? { unsafe self == .aes256 ? EVP_sha384() : EVP_sha256() }
    var hashCount: Int { self == .aes256 ? 48 : 32 }
    fileprivate var evp: OpaquePointer? {
      switch self {
      case .aes128: unsafe EVP_aes_128_gcm()
      case .aes256: unsafe EVP_aes_256_gcm()
      case .chaCha20: unsafe EVP_chacha20_poly1305()
      }
    }
    /// TLS 1.2 sends a part of the nonce, but not with ChaCha20.
    fileprivate var explicitCount: Int { self == .chaCha20 ? 0 : 8 }
  }

  static var tls12: UInt16 { 0x0303 }
  static var tls13: UInt16 { 0x0304 }

  /// TLS 1.3, from a traffic secret.
  init(secret: [UInt8], _ cipher: Cipher) {
    version = Self.tls13
    self.cipher = cipher
    self.secret = secret
    deriveKeys()
  }

  /// TLS 1.2, from the key block; one record, Finished, has left already.
  init(key: [UInt8], iv: [UInt8], _ cipher: Cipher) {
    version = Self.tls12
    self.cipher = cipher
    self.key = key
    self.iv = iv
    sequence = 1
  }

  // MARK: Keys

  private mutating func deriveKeys() {
    key = Self.expand(secret, "key", cipher.keyCount, cipher)
    iv = Self.expand(secret, "iv", 12, cipher)
    sequence = 0
  }

  /// After a KeyUpdate: RFC 8446 §7.2.
  mutating func update() {
    secret = Self.expand(secret, "traffic upd", cipher.hashCount, cipher)
    deriveKeys()
  }

  /// HKDF-Expand-Label without context, for no more than one hash: RFC 8446 §7.1.
  private static func expand(_ secret: [UInt8], _ label: String, _ count: Int, _ cipher: Cipher) -> [UInt8] {
    let label = Array("tls13 \(label)".utf8)
    return Array(
      hmac(secret, [0, UInt8(count), UInt8(label.count)] + label + [0, 1], cipher).prefix(count))
  }

  /// P_hash: RFC 5246 §5.
  static func prf(_ secret: [UInt8], _ label: String, _ seed: [UInt8], _ count: Int, _ cipher: Cipher)
    -> [UInt8]
  {
    let seed = Array(label.utf8) + seed
    var (a, out) = (seed, [UInt8]())
    while out.count < count {
      a = hmac(secret, a, cipher)
      out += hmac(secret, a + seed, cipher)
    }
    return Array(out.prefix(count))
  }

  private static func hmac(_ key: [UInt8], _ text: [UInt8], _ cipher: Cipher) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: cipher.hashCount)
    unsafe HMAC(cipher.hash, key, Int32(key.count), text, text.count, &out, nil)
    return out
  }

  // MARK: Records

  /// A record that holds `content`; with `padding` zeros behind it in TLS 1.3.
  mutating func seal(_ type: UInt8, _ content: [UInt8], padding: Int = 0) throws -> [UInt8] {
    let is13 = version == Self.tls13
    let plaintext = is13 ? content + [type] + [UInt8](repeating: 0, count: padding) : content
    let explicit = is13 ? [] : Array(sequenceBytes.prefix(cipher.explicitCount))
    let header = Self.header(is13 ? 23 : type, explicit.count + plaintext.count + 16)
    let (text, tag) = try crypt(plaintext, aad(header, type, plaintext.count), tag: nil)
    sequence += 1
    return header + explicit + text + tag
  }

  /// What a record holds.
  mutating func open(_ header: [UInt8], _ body: [UInt8]) throws -> (type: UInt8, content: [UInt8]) {
    let is13 = version == Self.tls13
    let explicit = is13 ? 0 : cipher.explicitCount
    guard body.count >= explicit + 16 else { throw TestFailure("a record of \(body.count) bytes") }
    let sealed = Array(body.dropFirst(explicit).dropLast(16))
    let (text, _) = try crypt(
      sealed, aad(header, header[0], sealed.count), tag: Array(body.suffix(16)),
      explicit: Array(body.prefix(explicit)))
    sequence += 1
    guard is13 else { return (header[0], text) }
    guard let last = text.lastIndex(where: { $0 != 0 }) else { throw TestFailure("a record of zeros") }
    return (text[last], Array(text[..<last]))
  }

  private static func header(_ type: UInt8, _ count: Int) -> [UInt8] {
    [type, 3, 3, UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)]
  }

  private var sequenceBytes: [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: sequence >> (56 - 8 * $0)) } }

  private func aad(_ header: [UInt8], _ type: UInt8, _ count: Int) -> [UInt8] {
    version == Self.tls13 ? header : sequenceBytes + Self.header(type, count)
  }

  /// Encrypts, or decrypts and checks the tag.
  private func crypt(_ text: [UInt8], _ aad: [UInt8], tag: [UInt8]?, explicit: [UInt8]? = nil) throws -> (
    [UInt8], [UInt8]
  ) {
    var nonce = iv
    if version == Self.tls12, cipher.explicitCount > 0 {
      nonce += explicit ?? sequenceBytes
    } else {
      for index in 0..<8 { nonce[4 + index] ^= sequenceBytes[index] }
    }
    let context = unsafe EVP_CIPHER_CTX_new()
    defer { unsafe EVP_CIPHER_CTX_free(context) }
    var out = [UInt8](repeating: 0, count: text.count + 16)
    var count: Int32 = 0
    var rest: Int32 = 0
    var ownTag = tag ?? [UInt8](repeating: 0, count: 16)
    unsafe EVP_CipherInit_ex(context, cipher.evp, nil, key, nonce, tag == nil ? 1 : 0)
    unsafe EVP_CipherUpdate(context, nil, &count, aad, Int32(aad.count))
    unsafe EVP_CipherUpdate(context, &out, &count, text, Int32(text.count))
    if tag != nil { unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, &ownTag) }
    // AEAD ciphers leave nothing for the end.
    var last = [UInt8](repeating: 0, count: 16)
    guard unsafe EVP_CipherFinal_ex(context, &last, &rest) == 1 else {
      throw TestFailure("bad record MAC, in record \(sequence) under this key")
    }
    if tag == nil { unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, &ownTag) }
    return (Array(out.prefix(Int(count + rest))), ownTag)
  }
}
