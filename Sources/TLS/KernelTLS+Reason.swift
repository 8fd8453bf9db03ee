internal import CLinux
internal import COpenSSL
internal import Glibc

extension KernelTLS {
  /// Why OpenSSL encrypts what is sent, and not the kernel.
  public enum Reason: Hashable, Sendable {
    /// Nobody has asked the kernel: `--ktls off`.
    case off
    /// The kernel has no upper layer protocol (ULP) `tls`.
    case noULP
    /// This process may not use it.
    case notPermitted
    /// It does not know this version of TLS.
    case version
    /// It does not know the cipher, or OpenSSL does not give it this one.
    case cipher
    /// The client wants records smaller than the kernel makes them: max_fragment_length, RFC 6066 §4.
    case fragmentLength
    /// libssl was built without kTLS.
    case library
    /// Something else was in the way; errno.
    case setUpFailed(Int32)

    /// How many there are, whatever the errno.
    public static var count: Int { 8 }

    /// 0 to `count - 1`.
    public var number: Int {
      switch self {
      case .off: 0
      case .noULP: 1
      case .notPermitted: 2
      case .version: 3
      case .cipher: 4
      case .fragmentLength: 5
      case .library: 6
      case .setUpFailed: 7
      }
    }

    /// What they are called in logs and metrics, by their numbers.
    public static let names = [
      "off", "no_ulp", "not_permitted", "version", "cipher", "fragment_length", "libssl", "set_up_failed",
    ]

    /// See `names`.
    public var name: String { Self.names[number] }
  }

  /// What libssl calls itself: `OpenSSL 3.0.19 27 Jan 2026`.
  public static var libraryVersion: String { unsafe String(cString: OpenSSL_version(OPENSSL_VERSION)) }

  /// The name of a cipher suite by its number (RFC 8446 §B.4), as IANA has it, of those that the server offers by default; else its
  /// number.
  public static func cipherName(_ number: UInt16) -> String {
    switch number {
    case 0x1301: "TLS_AES_128_GCM_SHA256"
    case 0x1302: "TLS_AES_256_GCM_SHA384"
    case 0x1303: "TLS_CHACHA20_POLY1305_SHA256"
    case 0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    case 0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    case 0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    case 0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
    case 0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
    case 0xCCA9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
    default: "0x" + String(number, radix: 16)
    }
  }

  /// What the kernel can encrypt, and why not, tried once for each version and cipher.
  public struct Abilities: Sendable {
    private var outcomes: [Combination: Availability] = [:]

    private struct Combination: Hashable {
      let version: Version
      let cipher: Cipher
    }

    /// Tries all of them.
    public static func probe() -> Abilities {
      var abilities = Abilities()
      for version in Version.allCases {
        for cipher in Cipher.allCases {
          abilities.outcomes[Combination(version: version, cipher: cipher)] = KernelTLS.probe(version, cipher)
        }
      }
      return abilities
    }

    /// Nothing was tried.
    public init() {}

    /// What came of a version and a cipher.
    public subscript(_ version: Version, _ cipher: Cipher) -> Availability {
      outcomes[Combination(version: version, cipher: cipher)] ?? .unavailable(.off, reason: "not tried")
    }

    /// Why a connection with these was not taken; nil if it should have been. Nil for a cipher stands for all others.
    func reason(_ version: Version?, _ cipher: Cipher?) -> Reason? {
      guard let version else { return .version }
      guard let cipher else { return .cipher }
      guard case .unavailable(let reason, _) = self[version, cipher] else { return nil }
      if case .setUpFailed = reason {
        return Cipher.allCases.contains { self[version, $0] == .available } ? .cipher : .version
      }
      return reason
    }
  }
}

extension Session {
  /// Why OpenSSL encrypts what is sent; nil if the kernel does. Final once the handshake is done.
  public var reasonAgainstKernel: KernelTLS.Reason? {
    if transmitsInKernel { return nil }
    let use = context.kernel
    if let absence = use.absence { return absence }
    let version = unsafe KernelTLS.Version(rawValue: UInt16(clamping: SSL_version(ssl)))
    if let reason = use.abilities.reason(version, unsafe KernelTLS.Cipher(ssl)) { return reason }
    if unsafe SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl)) != 0 { return .fragmentLength }
    // OpenSSL says nothing of what it has tried: what does the socket say?
    errno = 0
    let isTaken = unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), CLinux_TCP_ULP, "tls", 3) == 0
    return switch errno {
    case ENOENT: .noULP
    case EPERM, EACCES: .notPermitted
    default: .setUpFailed(isTaken ? 0 : errno)
    }
  }
}
