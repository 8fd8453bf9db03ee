import Glibc
import Testing

@testable import Reactor

@Suite struct SocketAddressTests {
  @Test(
    arguments: [
      ("127.0.0.1", AF_INET, "127.0.0.1"), ("0.0.0.0", AF_INET, "0.0.0.0"),
      ("192.0.2.255", AF_INET, "192.0.2.255"),
      ("::1", AF_INET6, "[::1]"), ("::", AF_INET6, "[::]"), ("2001:DB8:0:0::0:1", AF_INET6, "[2001:db8::1]"),
      ("::ffff:192.0.2.1", AF_INET6, "[::ffff:192.0.2.1]"),
    ])
  func numericAddresses(host: String, family: Int32, urlHost: String) throws {
    for port in [0, 1, 80, 443, 8_080, 0x1234, UInt16.max] {
      let address = try SocketAddress(host: host, port: port)
      #expect(address.family == family)
      #expect(address.port == port)
      #expect(address.urlHost == urlHost)
    }
  }

  @Test func namesAreLookedUp() throws {
    let address = try SocketAddress(host: "localhost", port: 80)
    #expect(["127.0.0.1", "[::1]"].contains(address.urlHost))
    #expect(address.port == 80)
  }

  @Test(arguments: ["127.0.0.1", "::1"])
  func portsCanBeChanged(host: String) throws {
    var address = try SocketAddress(host: host, port: 80)
    let urlHost = address.urlHost
    for port in [0, 0xFF, 0x100, UInt16.max] {
      address.port = port
      #expect(address.port == port)
      #expect(address.urlHost == urlHost)
    }
  }

  /// In the order of the network, not of the machine.
  @Test func portsAreBigEndian() throws {
    let address = try SocketAddress(host: "127.0.0.1", port: 0x1234)
    let bytes = unsafe withUnsafeBytes(of: address.storage) { unsafe Array($0[2..<8]) }
    #expect(bytes == [0x12, 0x34, 127, 0, 0, 1])
  }

  @Test(arguments: [
    "", "256.0.0.1", "1.2.3.4.5", "[::1]", "::1::", "a b", "127.0.0.1:80", "no-such-host.invalid",
  ])
  func whatHasNoAddressIsNamed(host: String) throws {
    let error = try #require(throws: AddressError.self) { _ = try SocketAddress(host: host, port: 80) }
    #expect(error.description.hasPrefix("cannot find an address for \(host): "))
    #expect(!error.description.contains("\n"))
    // The reason is not empty.
    #expect(!error.description.hasSuffix(": "))
  }

  @Test func theBoundAddressIsTheKernels() throws {
    let listener = try makeListener()
    let address = try SocketAddress(boundTo: listener.descriptor)
    #expect(address.port == listener.address.port)
    #expect(address.urlHost == "127.0.0.1")
    #expect(throws: Errno(rawValue: EBADF)) { _ = try SocketAddress(boundTo: -1) }
  }
}
