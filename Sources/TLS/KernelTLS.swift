internal import CLinux
internal import COpenSSL
internal import Glibc

/// Whether this kernel and this libssl can do kernel TLS, found out by trying on a live loopback connection:
/// Documentation/networking/tls.rst.
public enum KernelTLS {
  /// Outcome of a probe.
  public enum Availability: Equatable, Sendable {
    /// The kernel takes transmit keys.
    case available
    /// It does not. `reason` is one line that says what to do.
    case unavailable(Reason, reason: String)
  }

  /// A protocol version that the kernel can transmit.
  public enum Version: UInt16, CaseIterable, Sendable {
    /// RFC 5246
    case tls12 = 0x0303
    /// RFC 8446
    case tls13 = 0x0304

    /// As written in RFCs.
    public var name: String { self == .tls12 ? "TLS 1.2" : "TLS 1.3" }
  }

  /// A cipher that the kernel can transmit, of those that Sluice offers.
  public enum Cipher: CaseIterable, Sendable {
    /// RFC 5116
    case aes128GCM
    /// RFC 5116
    case aes256GCM
    /// RFC 8439; needs kernel 5.11
    case chaCha20Poly1305

    /// As written in RFCs.
    public var name: String {
      switch self {
      case .aes128GCM: "AES-128-GCM"
      case .aes256GCM: "AES-256-GCM"
      case .chaCha20Poly1305: "ChaCha20-Poly1305"
      }
    }
  }

  /// What of a connection's TLS is left to the kernel.
  public struct Use: Sendable {
    /// It encrypts what is sent, where it can.
    public var transmits = false
    /// It decrypts what is received, too.
    public var receives = false
    /// It takes a second key for a direction: `probeSecondKey`. Of interest where it receives.
    public var takesSecondKey = false
    /// It may be told that records have no padding: `probeNoPadding`. Of interest where it receives.
    public var expectsNoPadding = false
    /// libssl gives it one: `probeNewKeys`.
    public var getsNewKeys = false
    /// It makes records as small as it is told to: `probeRecordLimit`.
    public var limitsRecords = false
    /// Why it does not transmit for anybody, if it does not.
    public var absence: Reason?
    /// What it was tried with.
    public var abilities = Abilities()

    /// Nothing.
    public init() {}

    /// Sending alone.
    public static var sending: Use {
      var use = Use()
      use.transmits = true
      return use
    }
  }

  /// Whether connections with the preferred cipher can be offloaded here. As root this also makes the kernel
  /// load its tls module, which it does for CAP_NET_ADMIN only: ask before privileges are dropped.
  public static func probe() -> Availability {
    probe(.tls13, .aes128GCM)
  }

  /// Whether a version and a cipher can be offloaded here.
  public static func probe(_ version: Version, _ cipher: Cipher) -> Availability {
    guard COpenSSL_hasKTLS() == 1 else {
      return .unavailable(
        .library, reason: "this libssl was built without kTLS: use one built with enable-ktls")
    }
    guard let pair = LoopbackPair() else {
      return .unavailable(.setUpFailed(errno), reason: "no loopback connection to try it on: \(errorText())")
    }
    guard pair.attachTLS() else { return ulpUnavailable(errno, pair) }
    guard KernelKey.zeros(version, cipher).install(pair.client, TLS_TX) else {
      return .unavailable(
        .setUpFailed(errno),
        reason: "the kernel does not take \(version.name) \(cipher.name) keys: \(errorText())")
    }
    return .available
  }

  /// Whether the kernel makes records as small as it is told to: TLS_TX_MAX_PAYLOAD_LEN, Linux 6.19. To be asked where it takes
  /// transmit keys.
  public static func probeRecordLimit() -> Availability {
    guard let pair = LoopbackPair(), pair.attachTLS(),
      KernelKey.zeros(.tls13, .aes128GCM).install(pair.client, TLS_TX),
      limitRecords(of: pair.client, to: 4_096)
    else {
      return .unavailable(
        .setUpFailed(errno), reason: "the kernel makes records of 16 KiB only: \(errorText())")
    }
    return .available
  }

  /// Lets the kernel put no more than so much plaintext, 64 to 16,384 bytes, into a record of what is sent on a socket from now
  /// on. False and `errno` on failure: EBUSY while a record is begun and not ended.
  public static func limitRecords(of descriptor: Int32, to bytes: UInt16) -> Bool {
    var bytes = bytes
    return unsafe setsockopt(
      descriptor, CLinux_SOL_TLS, CLinux_TLS_TX_MAX_PAYLOAD_LEN, &bytes,
      socklen_t(MemoryLayout<UInt16>.size)) == 0
  }

  private static func ulpUnavailable(_ error: Int32, _ pair: borrowing LoopbackPair) -> Availability {
    if pair.isMultipath {
      return .unavailable(
        .setUpFailed(error),
        reason:
          "sockets are made for MPTCP here (by mptcpize?), which leaves no room for the kernel's 'tls' ULP")
    }
    errno = error
    switch error {
    case ENOENT:
      return .unavailable(
        .noULP,
        reason: geteuid() == 0
          ? "kernel has no 'tls' ULP: modprobe tls, or boot a kernel built with CONFIG_TLS"
          : "kernel has no 'tls' ULP: run 'modprobe tls' as root, or boot a kernel built with CONFIG_TLS")
    case EPERM, EACCES:
      return .unavailable(.notPermitted, reason: "not allowed to use the kernel's 'tls' ULP: \(errorText())")
    default:
      return .unavailable(.setUpFailed(error), reason: "the kernel refuses its 'tls' ULP: \(errorText())")
    }
  }
}

func errorText() -> String {
  unsafe String(cString: strerror(errno))
}
