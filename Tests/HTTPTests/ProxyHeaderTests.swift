import HTTP
import TestSupport
import Testing

/// The PROXY protocol, by its specification.
@Suite struct ProxyHeaderTests {
  static func parse(_ bytes: [UInt8], most: Int = 4096) -> ProxyHeader.Outcome {
    ProxyHeader.parse(bytes.span, most: most)
  }

  static func header(_ address: UInt128?, _ port: UInt16, _ count: Int) -> ProxyHeader.Outcome {
    var header = ProxyHeader(count: count)
    header.address = address
    header.port = port
    return .complete(header)
  }

  private static let four: UInt128 = 0xFFFF_C000_0201

  @Test func lines() {
    for (text, address, port) in [
      ("PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n", Self.four, 56324),
      ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", 0xFFFF_FFFF_FFFF, 65535),
      ("PROXY TCP6 ::ffff:127.0.0.1 ::ffff:192.0.2.255 1 443\r\n", 0xffff_7f00_0001, 1),
      ("PROXY TCP6 ::FFFF:0:1.2.3.4 1:2:3:4:5:6:7.8.9.10 1 443\r\n", 0xffff_0000_0102_0304, 1),
      ("PROXY TCP6 2001:db8::1 ::1 1 443\r\n", 0x2001_0db8_0000_0000_0000_0000_0000_0001, 1),
      ("PROXY TCP6 ffff:f:f:f:f:f:f:ffff ::1 0 0\r\n", 0xffff_000f_000f_000f_000f_000f_000f_ffff, 0),
    ] as [(String, UInt128, UInt16)] {
      let bytes = Array(text.utf8)
      #expect(Self.parse(bytes + Array("GET /".utf8)) == Self.header(address, port, bytes.count))
      for count in 0..<bytes.count { #expect(Self.parse(Array(bytes[..<count])) == .incomplete) }
    }
    let unknown = Array("PROXY UNKNOWN\r\n".utf8)
    #expect(Self.parse(unknown) == Self.header(nil, 0, unknown.count))
    let longest = Array("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n".utf8)
    #expect(Self.parse(longest) == Self.header(nil, 0, longest.count))
  }

  @Test(arguments: [
    "GET / HTTP/1.1\r\n", "PROXY\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
    "PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
    "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
    "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
    "PROXY TCP6 ::ffff:1.2.3 ::1 1 2\r\n", "PROXY TCP6 ::ffff:1.2.3.256 ::1 1 2\r\n",
    "PROXY TCP6 ::1.2.3.4:1 ::1 1 2\r\n", "PROXY TCP6 1:2:3:4:5:6:7:1.2.3.4 ::1 1 2\r\n",
    "PROXY TCP6 :1.2.3.4 ::1 1 2\r\n", "PROXY TCP6 .:1.2.3.4 ::1 1 2\r\n", "PROXY TCP6 ::1::2 ::1 1 2\r\n",
    "PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n", "PROXY TCP6 12345::1 ::1 1 2\r\n", "PROXY TCP6 g::1 ::1 1 2\r\n",
    "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "PROXY TCP4 1.2.3.4\u{0} 1.2.3.4 1 2\r\n", "\u{16}\u{3}\u{1}\u{2}",
  ])
  func wrongLines(text: String) {
    #expect(Self.parse(Array(text.utf8)) == .malformed)
  }

  @Test func linesWithoutAnEnd() {
    let start = Array("PROXY UNKNOWN ".utf8)
    #expect(Self.parse(start + Array(repeating: 0x61, count: 106 - start.count)) == .incomplete)
    #expect(Self.parse(start + Array(repeating: 0x61, count: 107 - start.count)) == .malformed)
  }

  private static let signature: [UInt8] = [
    0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
  ]

  private static func binary(_ command: UInt8, _ family: UInt8, _ rest: [UInt8]) -> [UInt8] {
    signature + [command, family, UInt8(rest.count >> 8), UInt8(rest.count & 0xFF)] + rest
  }

  @Test func binary() {
    let addresses: [UInt8] = [192, 0, 2, 1, 10, 0, 0, 1, 0xDC, 0x04, 1, 0xBB]
    let tlvs: [UInt8] = [0x04, 0, 3, 1, 2, 3]
    let six = [UInt8](repeating: 0x20, count: 16) + [UInt8](repeating: 1, count: 16) + [0, 80, 1, 0xBB]
    for (bytes, address, port) in [
      (Self.binary(0x21, 0x11, addresses), Self.four, 56324),
      (Self.binary(0x21, 0x11, addresses + tlvs), Self.four, 56324),
      (Self.binary(0x21, 0x21, six), 0x2020_2020_2020_2020_2020_2020_2020_2020, 80),
      (Self.binary(0x20, 0x00, []), nil, 0), (Self.binary(0x20, 0x11, addresses + tlvs), nil, 0),
      (Self.binary(0x21, 0x00, tlvs), nil, 0),
      (Self.binary(0x21, 0x31, [UInt8](repeating: 0, count: 216)), nil, 0),
    ] as [([UInt8], UInt128?, UInt16)] {
      #expect(Self.parse(bytes + [0x16, 3, 1]) == Self.header(address, port, bytes.count))
      for count in 0..<bytes.count { #expect(Self.parse(Array(bytes[..<count])) == .incomplete) }
    }
    for bytes in [
      Self.binary(0x11, 0x11, addresses), Self.binary(0x22, 0x11, addresses),
      Self.binary(0x21, 0x12, addresses),
      Self.binary(0x21, 0x11, Array(addresses.dropLast())), Self.binary(0x21, 0x21, addresses),
      Self.binary(0x21, 0x41, addresses), Self.binary(0x21, 0x11, [UInt8](repeating: 0, count: 4081)),
      Array(Self.signature.dropLast()) + [0x0B],
    ] {
      #expect(Self.parse(bytes) == .malformed)
    }
  }

  /// Whatever comes, it is told apart, and never more is taken than there is.
  @Test func anyBytes() {
    var random = RepeatableNumbers(state: 11)
    for _ in 0..<20_000 {
      var bytes =
        Bool.random(using: &random)
        ? Self.binary(0x21, 0x11, [UInt8](repeating: 7, count: 20))
        : Array("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n".utf8)
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      if case .complete(let header) = Self.parse(bytes) { #expect(header.count <= bytes.count) }
    }
  }
}
