internal import Glibc

/// Addresses that begin with the same bits: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.1`, or `all`.
public struct Network: Hashable, Sendable {
  private let address: UInt128
  private let mask: UInt128

  /// Nil for what is none, and for an address with bits behind the network's.
  public init?(_ text: String) {
    let parts = text == "all" ? ["::", "0"] : text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let (address, width) = Self.parse(String(parts[0])),
      let length = parts.count == 2 ? Int(parts[1]) : width, (0...width).contains(length)
    else { return nil }
    mask = length == width ? .max : ~(UInt128.max >> UInt128(128 - width + length))
    self.address = address
    guard address & ~mask == 0 else { return nil }
  }

  /// Whether an address is in it: 128 bits, one of IPv4 as `::ffff:192.0.2.1` (RFC 4291 §2.5.5.2).
  public func contains(_ address: UInt128) -> Bool { address & mask == self.address }

  /// An address as 128 bits, and how many of them may vary; nil for what is none.
  private static func parse(_ text: String) -> (UInt128, width: Int)? {
    var four = in_addr()
    if unsafe inet_pton(AF_INET, text, &four) == 1 {
      return (0xFFFF << 32 | UInt128(UInt32(bigEndian: four.s_addr)), 32)
    }
    var six = in6_addr()
    guard unsafe inet_pton(AF_INET6, text, &six) == 1 else { return nil }
    return (UInt128(bigEndian: unsafe unsafeBitCast(six, to: UInt128.self)), 128)
  }
}

/// Who may ask for what a rule is for.
public struct AccessRule: Hashable, Sendable {
  /// If there are any, nobody else may.
  public var allowed: [Network] = []
  /// These may not, whoever else may.
  public var denied: [Network] = []

  /// Everybody may.
  public init() {}

  /// Whether a client with this address may: see `Network.contains`.
  public func admits(_ address: UInt128) -> Bool {
    !denied.contains { $0.contains(address) }
      && (allowed.isEmpty || allowed.contains { $0.contains(address) })
  }
}
