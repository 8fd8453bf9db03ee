import CLinux
import Glibc

/// An IPv4 or IPv6 address with a port: `ip(7)`, `ipv6(7)`.
@safe
public struct SocketAddress: Sendable {
  var storage = sockaddr_storage()
  var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

  /// The first address that `getaddrinfo(3)` finds for a name, an IPv4 or an IPv6 address, and a port
  /// (0: any free one). Throws what `gai_strerror(3)` says.
  public init(host: String, port: UInt16) throws(AddressError) {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var found: UnsafeMutablePointer<addrinfo>?
    let status = unsafe getaddrinfo(host, String(port), &hints, &found)
    guard status == 0, let first = unsafe found else {
      throw AddressError(host: host, reason: unsafe String(cString: gai_strerror(status)))
    }
    defer { unsafe freeaddrinfo(found) }
    length = unsafe first.pointee.ai_addrlen
    unsafe withUnsafeMutableBytes(of: &storage) {
      unsafe $0.copyMemory(
        from: UnsafeRawBufferPointer(start: first.pointee.ai_addr, count: Int(first.pointee.ai_addrlen)))
    }
  }

  /// The address that a socket is bound to: `getsockname(2)`.
  public init(boundTo descriptor: Int32) throws(Errno) {
    let status = unsafe withUnsafeMutablePointer(to: &storage) { storage in
      unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe getsockname(descriptor, address, &length)
      }
    }
    guard status == 0 else { throw Errno.current }
  }

  /// The address that a socket is connected to: `getpeername(2)`.
  init?(peerOf descriptor: Int32) {
    let status = unsafe withUnsafeMutablePointer(to: &storage) { storage in
      unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe getpeername(descriptor, address, &length)
      }
    }
    if status != 0 { return nil }
  }

  /// The address without its port, as IPv6 has it; nil for other families.
  var bits: UInt128? {
    unsafe withUnsafeBytes(of: storage) { bytes in
      switch family {
      // sin_addr and sin6_addr: ip(7), ipv6(7).
      case AF_INET:
        unsafe 0xFFFF << 32 | UInt128(UInt32(bigEndian: bytes.load(fromByteOffset: 4, as: UInt32.self)))
      case AF_INET6: unsafe UInt128(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt128.self))
      default: nil
      }
    }
  }

  /// AF_INET or AF_INET6.
  public var family: Int32 { Int32(storage.ss_family) }

  /// The port, 0 to 65535.
  public var port: UInt16 {
    get {
      // sin_port and sin6_port lie at the same place.
      unsafe withUnsafeBytes(of: storage) {
        unsafe UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self))
      }
    }
    set {
      unsafe withUnsafeMutableBytes(of: &storage) {
        unsafe $0.storeBytes(of: newValue.bigEndian, toByteOffset: 2, as: UInt16.self)
      }
    }
  }

  /// The address as it stands in a URL, without the port: `127.0.0.1`, `[::1]`.
  public var urlHost: String {
    var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let status = unsafe withSocketAddress { address, length in
      unsafe getnameinfo(address, length, &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST)
    }
    guard status == 0 else { return "?" }
    let text = unsafe host.withUnsafeBufferPointer { unsafe String(cString: $0.baseAddress!) }
    return family == AF_INET6 ? "[\(text)]" : text
  }

  func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    unsafe withUnsafePointer(to: storage) { storage in
      unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
    }
  }
}

/// A host that has no address.
public struct AddressError: Error, CustomStringConvertible {
  let host: String
  let reason: String

  /// One line for the user.
  public var description: String { "cannot find an address for \(host): \(reason)" }
}
