import CLinux
import Glibc

/// Where a Unix socket is: `unix(7)`.
@safe
public struct UnixAddress: Sendable {
  private var storage = sockaddr_un()
  private var length: socklen_t

  /// The bytes of a path, or of a name of the kernel's abstract ones behind a NUL. Nil if they are too many, or none.
  public init?(_ name: some Collection<UInt8>) {
    let room = MemoryLayout.size(ofValue: storage.sun_path)
    // A path ends with a NUL; an abstract name ends where the length says.
    let count = name.first == 0 ? name.count : name.count + 1
    guard !name.isEmpty, count <= room else { return nil }
    storage.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &storage.sun_path) { unsafe $0.copyBytes(from: name) }
    length = socklen_t(MemoryLayout<sockaddr_un>.size - room + count)
  }

  /// What a socket is bound to; nil if that is nothing, or no Unix socket.
  public init?(boundTo descriptor: Int32) {
    length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let isKnown = unsafe withUnsafeMutablePointer(to: &storage) { storage in
      unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isKnown, storage.sun_family == sa_family_t(AF_UNIX), !name.isEmpty else { return nil }
  }

  /// The path without its end, or a NUL and the abstract name.
  public var name: [UInt8] {
    let start = MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: storage.sun_path)
    let bytes = unsafe withUnsafeBytes(of: storage.sun_path) { unsafe Array($0.prefix(Int(length) - start)) }
    return bytes.first == 0 ? bytes : Array(bytes.prefix { $0 != 0 })
  }

  /// Binds a socket to it: `bind(2)`. False, and `errno`, if that can't be.
  public func bind(_ descriptor: Int32) -> Bool {
    unsafe withSocketAddress { unsafe Glibc.bind(descriptor, $0, $1) == 0 }
  }

  /// Binds a socket to a name that the kernel chooses, five hexadecimal digits among the abstract ones (autobind).
  public static func bindAutomatically(_ descriptor: Int32) -> Bool {
    var address = sockaddr(
      sa_family: sa_family_t(AF_UNIX), sa_data: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    return unsafe Glibc.bind(descriptor, &address, socklen_t(MemoryLayout<sa_family_t>.size)) == 0
  }

  /// Sends a datagram to it, which waits for nobody: whoever does not listen gets nothing.
  public func send(_ bytes: some Collection<UInt8>, by descriptor: Int32) {
    let bytes = Array(bytes)
    unsafe withSocketAddress {
      _ = unsafe sendto(
        descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT), $0, $1)
    }
  }

  func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    unsafe withUnsafePointer(to: storage) { storage in
      unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
    }
  }
}
