internal import CCrypt

/// A hashed password as files have it: bcrypt, SHA-512, SHA-256 or yescrypt, in the forms of crypt(5).
struct PasswordHash: Sendable {
  /// NUL-terminated.
  let text: [CChar]

  /// Why a text is none that is taken; to be read behind "the password of USER".
  struct Fault: Error, Equatable, CustomStringConvertible {
    let description: String
    /// What to do is to set it anew.
    var isForm = true
  }

  /// The highest cost of bcrypt, a power of two: 15 takes some three seconds.
  static let highestCost = 15
  /// The most rounds of SHA-512 and SHA-256: as long, about.
  static let mostRounds = 5_000_000
  /// The most memory that yescrypt may take, in bytes. crypt(5) takes 16 MiB unless told otherwise.
  static let mostMemory = 256 << 20

  init(_ bytes: some Collection<UInt8>) throws(Fault) {
    let bytes = Array(bytes)
    if let fault = Self.fault(of: String(decoding: bytes, as: UTF8.self)) { throw fault }
    let text = bytes.map { CChar(bitPattern: $0) } + [0]
    let kind = unsafe text.withUnsafeBufferPointer { unsafe crypt_checksalt($0.baseAddress!) }
    guard kind == CRYPT_SALT_OK || kind == CRYPT_SALT_METHOD_LEGACY else {
      throw Fault(description: "is in a form that the system's libcrypt does not check")
    }
    self.text = text
  }

  private static func fault(of text: String) -> Fault? {
    if text.isEmpty { return Fault(description: "is missing") }
    if text.hasPrefix("{SHA}") { return Fault(description: "is kept unsafely ({SHA}: no salt)") }
    if text.hasPrefix("{") { return Fault(description: "is in a form that is not known") }
    guard text.hasPrefix("$") else { return Fault(description: "is kept unsafely (as it is, or by DES)") }
    let parts = text.dropFirst().split(separator: "$", omittingEmptySubsequences: false).map(Array.init)
    switch String(parts[0]) {
    case "2y", "2a", "2b": return faultOfBcrypt(parts)
    case "5": return faultOfSHA(parts, length: 43)
    case "6": return faultOfSHA(parts, length: 86)
    case "y": return faultOfYescrypt(parts)
    case "apr1", "1": return Fault(description: "is kept unsafely (MD5)")
    default: return Fault(description: "is in a form that is not known")
    }
  }

  private static let damaged = Fault(description: "is damaged: its hash is not whole")

  /// `$2y$COST$SALT-AND-HASH`.
  private static func faultOfBcrypt(_ parts: [[Character]]) -> Fault? {
    guard parts.count == 3, parts[1].count == 2, let cost = Int(String(parts[1])), cost >= 4,
      isEncoded(parts[2], 53...53)
    else { return damaged }
    return cost <= highestCost
      ? nil
      : Fault(
        description: "takes too long to check: use a cost of \(highestCost) or less", isForm: false)
  }

  /// `$6$SALT$HASH`, or with `rounds=N$` before the salt.
  private static func faultOfSHA(_ parts: [[Character]], length: Int) -> Fault? {
    var parts = parts.dropFirst()
    if let first = parts.first, parts.count == 3, String(first).hasPrefix("rounds=") {
      guard let rounds = Int(String(first.dropFirst(7))), rounds >= 1000 else { return damaged }
      if rounds > mostRounds {
        return Fault(
          description: "takes too long to check: use \(mostRounds) rounds or less", isForm: false)
      }
      parts.removeFirst()
    }
    guard parts.count == 2, let salt = parts.first, let hash = parts.last, (1...16).contains(salt.count),
      isEncoded(hash, length...length)
    else { return damaged }
    return nil
  }

  /// `$y$PARAMETERS$SALT$HASH`: the parameters are the flavour (`j`), the logarithm of the number of blocks less 1, and the size of a
  /// block in 128 bytes less 1.
  private static func faultOfYescrypt(_ parts: [[Character]]) -> Fault? {
    guard parts.count == 4, parts[1].count == 3, parts[1][0] == "j", isEncoded(parts[2], 1...86),
      isEncoded(parts[3], 43...43), let logarithm = alphabet.firstIndex(of: parts[1][1]),
      let size = alphabet.firstIndex(of: parts[1][2])
    else { return damaged }
    guard logarithm < 32, (128 * (size + 1)) << (logarithm + 1) <= mostMemory else {
      return Fault(
        description: "takes more than \(mostMemory >> 20) MiB to check: use a lower cost", isForm: false)
    }
    return nil
  }

  private static let alphabet = Array("./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

  private static func isEncoded(_ text: [Character], _ counts: ClosedRange<Int>) -> Bool {
    counts.contains(text.count) && text.allSatisfy(alphabet.contains)
  }
}

/// Checks passwords against hashes: one for each thread that does it.
@safe
struct PasswordHasher: ~Copyable {
  /// 32 KiB, which a stack should not hold.
  private let data: UnsafeMutablePointer<crypt_data>

  init() {
    unsafe data = .allocate(capacity: 1)
    unsafe UnsafeMutableRawPointer(data).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<crypt_data>.size)
  }

  deinit {
    unsafe data.deallocate()
  }

  /// Whether the password, NUL-terminated, is the one that was hashed: takes as long as the hash says. False, too, where there is
  /// no memory for it, and for a password that is longer than libcrypt takes (511 bytes).
  func matches(_ password: UnsafePointer<CChar>, _ hash: PasswordHash) -> Bool {
    let (data, size) = unsafe (self.data, Int32(MemoryLayout<crypt_data>.size))
    return unsafe hash.text.withUnsafeBufferPointer { hash in
      guard let made = unsafe crypt_rn(password, hash.baseAddress!, data, size) else { return false }
      // All of it is compared, whatever is found: how long it takes says nothing.
      var difference: CChar = 0
      for index in 0..<hash.count - 1 {
        let byte = unsafe made[index]
        unsafe difference |= byte ^ hash[index]
        if byte == 0 { return false }
      }
      return unsafe difference | made[hash.count - 1] == 0
    }
  }
}
