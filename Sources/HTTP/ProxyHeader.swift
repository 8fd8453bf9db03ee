/// What a balancer says of a connection before anything else: the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt).
public struct ProxyHeader: Equatable, Sendable {
  /// Who has connected to the balancer: 128 bits, an address of IPv4 as IPv6 writes it (RFC 4291 §2.5.5.2). Nil where it does not
  /// say, or asks for itself (LOCAL, for health checks).
  public var address: UInt128?
  /// The port there.
  public var port: UInt16 = 0
  /// How many bytes it takes up.
  public var count: Int

  /// One that says nothing, of so many bytes.
  public init(count: Int) {
    self.count = count
  }

  private init(address: UInt128, port: UInt16, count: Int) {
    (self.address, self.port, self.count) = (address, port, count)
  }

  /// What the bytes are.
  public enum Outcome: Equatable, Sendable {
    /// Not a whole header, so far without fault: receive more.
    case incomplete
    /// A header, and what it says.
    case complete(ProxyHeader)
    /// None, or more than is taken.
    case malformed
  }

  /// The longest of version 1, with its line's end (§2.1).
  private static var longestLine: Int { 107 }
  /// §2.2.
  private static var signature: StaticString { "\r\n\r\n\0\r\nQUIT\n" }

  /// Parses the header at the start of `bytes`; version 2 may have `most` bytes, with all that it says besides (TLVs).
  public static func parse(_ bytes: Span<UInt8>, most: Int) -> Outcome {
    if bytes.isEmpty { return .incomplete }
    return bytes[0] == UInt8(ascii: "P") ? parseLine(bytes) : parseBinary(bytes, most)
  }

  // MARK: Version 1

  private static func parseLine(_ bytes: Span<UInt8>) -> Outcome {
    let prefix: StaticString = "PROXY "
    guard begins(bytes, with: prefix) else { return .malformed }
    let end = bytes.firstIndex(of: .lineFeed, from: 0)
    guard end < min(bytes.count, longestLine) else {
      return bytes.count < longestLine ? .incomplete : .malformed
    }
    guard end > 0, bytes[end - 1] == .carriageReturn else { return .malformed }
    var words: [String] = [""]
    for index in prefix.utf8CodeUnitCount..<(end - 1) {
      switch bytes[index] {
      case .space: words.append("")
      case 0x21...0x7E: words[words.count - 1].unicodeScalars.append(Unicode.Scalar(bytes[index]))
      default: return .malformed
      }
    }
    if words[0] == "UNKNOWN" { return .complete(ProxyHeader(count: end + 1)) }
    guard words.count == 5, let port = number(words[3]), number(words[4]) != nil else { return .malformed }
    let read: (String) -> UInt128?
    switch words[0] {
    case "TCP4": read = Self.address4
    case "TCP6": read = Self.address6
    default: return .malformed
    }
    guard let address = read(words[1]), read(words[2]) != nil else { return .malformed }
    return .complete(ProxyHeader(address: address, port: port, count: end + 1))
  }

  /// A port, in decimal and without leading zeros.
  private static func number(_ text: String) -> UInt16? {
    guard text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), text == "0" || !text.hasPrefix("0") else {
      return nil
    }
    return UInt16(text)
  }

  private static func address4(_ text: String) -> UInt128? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let bytes = parts.compactMap { number(String($0)).flatMap { UInt8(exactly: $0) } }
    guard parts.count == 4, bytes.count == 4 else { return nil }
    return bytes.reduce(0xFFFF) { $0 << 8 | UInt128($1) }
  }

  /// RFC 4291 §2.2. Its third form ends with an address of IPv4: HAProxy has that of clients that come by IPv4 to a socket of IPv6.
  private static func address6(_ text: String) -> UInt128? {
    if text.contains("."), let colon = text.lastIndex(of: ":") {
      guard let tail = address4(String(text[text.index(after: colon)...])) else { return nil }
      let groups = [tail >> 16 & 0xFFFF, tail & 0xFFFF].map { String($0, radix: 16) }
      return address6(text[...colon] + groups.joined(separator: ":"))
    }
    let halves = text.split(separator: "::", omittingEmptySubsequences: false)
    guard halves.count <= 2 else { return nil }
    var groups: [[UInt16]] = []
    for half in halves {
      let parts = half.isEmpty ? [] : half.split(separator: ":", omittingEmptySubsequences: false)
      let values = parts.compactMap { part in
        part.count <= 4 && part.allSatisfy(\.isHexDigit) ? UInt16(part, radix: 16) : nil
      }
      guard values.count == parts.count else { return nil }
      groups.append(values)
    }
    let count = groups.reduce(0) { $0 + $1.count }
    guard halves.count == 2 ? count < 8 : count == 8 else { return nil }
    let all = halves.count == 2 ? groups[0] + Array(repeating: 0, count: 8 - count) + groups[1] : groups[0]
    return all.reduce(0) { $0 << 16 | UInt128($1) }
  }

  // MARK: Version 2

  private static func parseBinary(_ bytes: Span<UInt8>, _ most: Int) -> Outcome {
    guard begins(bytes, with: signature) else { return .malformed }
    guard bytes.count >= 16 else { return .incomplete }
    let length = Int(bytes[14]) << 8 | Int(bytes[15])
    let count = 16 + length
    guard bytes[12] >> 4 == 2, count <= most else { return .malformed }
    let (command, family) = (bytes[12] & 0xF, bytes[13])
    guard command <= 1 else { return .malformed }
    guard bytes.count >= count else { return .incomplete }
    var header = ProxyHeader(count: count)
    if command == 0 { return .complete(header) }
    switch family {
    case 0x00: break
    case 0x11:
      guard length >= 12 else { return .malformed }
      header.address = (16..<20).reduce(0xFFFF) { $0 << 8 | UInt128(bytes[$1]) }
      header.port = UInt16(bytes[24]) << 8 | UInt16(bytes[25])
    case 0x21:
      guard length >= 36 else { return .malformed }
      header.address = (16..<32).reduce(0) { $0 << 8 | UInt128(bytes[$1]) }
      header.port = UInt16(bytes[48]) << 8 | UInt16(bytes[49])
    // A socket of the balancer's own machine: it has no address.
    case 0x31: guard length >= 216 else { return .malformed }
    default: return .malformed
    }
    return .complete(header)
  }

  /// As far as there are bytes.
  private static func begins(_ bytes: Span<UInt8>, with text: StaticString) -> Bool {
    (0..<min(bytes.count, text.utf8CodeUnitCount)).allSatisfy { unsafe bytes[$0] == text.utf8Start[$0] }
  }
}
