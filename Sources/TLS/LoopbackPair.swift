internal import CLinux
internal import Glibc

/// Two connected TCP sockets: the ULP can only be set on an established connection.
struct LoopbackPair: ~Copyable {
  let listener: Int32
  let client: Int32

  init?() {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    listener = socket(AF_INET, type, 0)
    client = socket(AF_INET, type, 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    // The kernel completes the connection by itself: nobody needs to accept it.
    let isConnected = unsafe withUnsafeMutablePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(listener, address, length) == 0 && listen(listener, 1) == 0
          && getsockname(listener, address, &length) == 0 && connect(client, address, length) == 0
      }
    }
    guard isConnected else { return nil }
  }

  /// Makes the client's socket one of the kernel's TLS; false and `errno` on failure.
  func attachTLS() -> Bool {
    unsafe setsockopt(client, Int32(IPPROTO_TCP), CLinux_TCP_ULP, "tls", 3) == 0
  }

  /// Something has made the socket one of MPTCP, though that was not asked for.
  var isMultipath: Bool {
    var kind: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    return unsafe getsockopt(client, SOL_SOCKET, SO_PROTOCOL, &kind, &size) == 0
      && kind == Int32(IPPROTO_MPTCP)
  }

  /// The other end, for the caller to close; -1 and `errno` on failure.
  func accept() -> Int32 {
    CLinux_accept4(listener, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
  }

  deinit {
    close(client)
    close(listener)
  }
}
