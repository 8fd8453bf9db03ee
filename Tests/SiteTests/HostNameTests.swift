import Testing

@testable import Site

@Suite struct HostNameTests {
  @Test(
    arguments: [
      ("Example.COM", "example.com", false), ("example.com.", "example.com", false),
      ("*.example.com", "example.com", true), ("192.0.2.1", "192.0.2.1", false), ("[::1]", "[::1]", false),
      ("xn--bcher-kva.example", "xn--bcher-kva.example", false), ("localhost", "localhost", false),
    ])
  func names(text: String, name: String, isWildcard: Bool) throws {
    let host = try #require(HostName(text))
    #expect(host.text == name && host.isWildcard == isWildcard)
  }

  @Test(
    arguments: [
      "", ".", "*", "*.", "a..b", "example.com:80", "bücher.example", "a b", "a/b", "http://a", "*.[::1]",
    ])
  func notNames(text: String) {
    #expect(HostName(text) == nil)
  }

  private static let table = {
    var sites = [Site(root: "0"), Site(root: "1"), Site(root: "2"), Site(root: "3")]
    sites[1].names = ["a.example", "*.a.example"].compactMap { HostName($0) }
    sites[2].names = ["b.a.example"].compactMap { HostName($0) }
    sites[3].names = ["*.deep.a.example", "[::1]"].compactMap { HostName($0) }
    return HostTable(sites)
  }()

  @Test(
    arguments: [
      ("a.example", 1), ("A.Example:8080", 1), ("a.example.", 1), ("a.example.:80", 1), ("x.a.example", 1),
      ("x.y.a.example", 1), ("b.a.example", 2), ("c.b.a.example", 1), ("x.deep.a.example", 3),
      ("deep.a.example", 1),
      ("[::1]:443", 3), ("[::1]", 3), ("example", nil), ("xa.example", nil), (".a.example", nil), ("", nil),
      (":80", nil),
      ("[", nil), ("]", nil),
    ] as [(String, Int?)])
  func numbers(authority: String, number: Int?) {
    #expect(Self.table.number(of: Array(authority.utf8)) == number)
  }
}

@Suite struct NetworkTests {
  private static func address(_ text: String) throws -> Network { try #require(Network(text)) }

  @Test func whatIsIn() throws {
    let four: (UInt128) -> UInt128 = { 0xFFFF << 32 | $0 }
    #expect(try Self.address("10.0.0.0/8").contains(four(0x0AFF_FFFF)))
    #expect(try !Self.address("10.0.0.0/8").contains(four(0x0B00_0000)))
    // No address of IPv6 is one of IPv4, but those that stand for them.
    #expect(try !Self.address("10.0.0.0/8").contains(0x0A00_0001))
    #expect(try Self.address("192.0.2.1").contains(four(0xC000_0201)))
    #expect(try !Self.address("192.0.2.1").contains(four(0xC000_0202)))
    #expect(try Self.address("0.0.0.0/0").contains(four(0)) && !Self.address("0.0.0.0/0").contains(1))
    #expect(try Self.address("::1").contains(1) && !Self.address("::1").contains(2))
    #expect(try Self.address("2001:db8::/32").contains(0x2001_0db8 << 96 | 7))
    #expect(try !Self.address("2001:db8::/32").contains(0x2001_0db9 << 96))
    for address: UInt128 in [0, 1, four(1), .max] {
      #expect(try Self.address("all").contains(address) && Self.address("::/0").contains(address))
    }
  }

  @Test(
    arguments: [
      "", "10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "/8", "10.0.0/8", "10.0.0.0/8/8", "example.com",
      "10.0.0.0/-1", "2001:db8::1/32", "all/8",
    ])
  func noNetworks(text: String) {
    #expect(Network(text) == nil)
  }

  @Test func whoIsAdmitted() throws {
    var rule = AccessRule()
    #expect(rule.admits(1))
    rule.denied = [try Self.address("::1")]
    #expect(!rule.admits(1) && rule.admits(2))
    rule.allowed = [try Self.address("::/126")]
    #expect(!rule.admits(1) && rule.admits(2) && !rule.admits(4))
  }
}
