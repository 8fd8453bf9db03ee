import Glibc
import Testing

@testable import Reactor

@Suite struct SocketTests {
  // MARK: Receiving

  @Test func nothingToReceiveIsAValue() throws {
    let loopback = try Loopback()
    #expect(loopback.server.receive(upTo: 10).0 == .wouldBlock)
    loopback.client.send("hello")
    #expect(wait(for: POLLIN, on: loopback.server.descriptor))
    #expect(loopback.server.receive(upTo: 3) == (.bytes(3), "hel"))
    #expect(loopback.server.receive(upTo: 3) == (.bytes(2), "lo"))
    #expect(loopback.server.receive(upTo: 3).0 == .wouldBlock)
  }

  @Test func thePeersEndComesAfterItsBytes() throws {
    let loopback = try Loopback()
    loopback.client.send("bye")
    loopback.client.endSending()
    #expect(wait(for: Int32(Readiness.peerEnded.rawValue), on: loopback.server.descriptor))
    #expect(loopback.server.receive(upTo: 10) == (.bytes(3), "bye"))
    #expect(loopback.server.receive(upTo: 10).0 == .ended)
    // Our direction is still open.
    #expect(loopback.server.send("late") == .bytes(4))
    #expect(loopback.client.receive(4) == Array("late".utf8))
  }

  @Test func aResetIsAFailure() throws {
    let server = try Self.resetByPeer()
    #expect(server.receive(upTo: 10).0 == .failed(Errno(rawValue: ECONNRESET)))
  }

  /// A server's socket whose client has gone with a reset.
  static func resetByPeer() throws -> Socket {
    let listener = try makeListener()
    let server: Socket
    do {
      let client = try Client(listener.address)
      server = try accept(listener)
      client.resetOnClose()
    }
    #expect(wait(for: POLLIN, on: server.descriptor))
    return server
  }

  // MARK: Sending

  @Test func aFullSocketIsAValue() throws {
    let loopback = try Loopback()
    let bytes = (0..<(1 << 16)).map { UInt8(truncatingIfNeeded: $0 / 7) }
    var sent = 0
    sending: while true {
      // Where the last one ended, within the pattern.
      switch loopback.server.send(Array(bytes[(sent % bytes.count)...])) {
      case .bytes(let count): sent += count
      case .wouldBlock: break sending
      case .ended, .failed:
        Issue.record("after \(sent)")
        return
      }
    }
    #expect(sent > 0)
    #expect(loopback.server.send("x") == .wouldBlock)
    let received = loopback.client.receive(sent)
    #expect(received.count == sent)
    for (index, byte) in received.enumerated() where byte != bytes[index % bytes.count] {
      Issue.record("byte \(index) differs")
      return
    }
    #expect(wait(for: POLLOUT, on: loopback.server.descriptor))
    #expect(loopback.server.send("x") == .bytes(1))
    #expect(loopback.client.receive(1) == Array("x".utf8))
  }

  @Test(arguments: [("", "b"), ("a", ""), ("head", "content"), ("a", String(repeating: "b", count: 16_384))])
  func twoPartsLeaveTogether(first: String, second: String) throws {
    let loopback = try Loopback()
    let whole = Array((first + second).utf8)
    #expect(loopback.server.send(Array(first.utf8), Array(second.utf8)) == .bytes(whole.count))
    #expect(loopback.client.receive(whole.count) == whole)
  }

  @Test func twoPartsIntoAFullSocket() throws {
    let loopback = try Loopback()
    let part = [UInt8](repeating: 1, count: 1 << 20)
    var sent = 0
    while case .bytes(let count) = loopback.server.send(part, part) { sent += count }
    #expect(sent > 0)
    #expect(loopback.server.send(part, part) == .wouldBlock)
    #expect(loopback.client.receive(sent).count == sent)
  }

  @Test func whatIsHeldBackLeavesWithWhatFollows() throws {
    let loopback = try Loopback()
    #expect(loopback.server.send("head ", more: true) == .bytes(5))
    #expect(loopback.server.send("content") == .bytes(7))
    #expect(loopback.client.receive(12) == Array("head content".utf8))
  }

  /// SIGPIPE would end the process.
  @Test func sendingToNobodyIsAFailureAndNoSignal() throws {
    let server = try Self.resetByPeer()
    _ = server.receive(upTo: 1)
    let broken = Transfer.failed(Errno(rawValue: EPIPE))
    #expect(server.send("x") == broken)
    #expect(server.send([1], [2]) == broken)
  }

  @Test func theKernelTellsWhatThePeerHasAcknowledged() throws {
    let loopback = try Loopback()
    func delivery() -> Socket.Delivery {
      loopback.server.delivery() ?? Socket.Delivery(acknowledged: 0, isComplete: false)
    }
    let before = delivery()
    #expect(before.isComplete)
    #expect(loopback.server.send("hello") == .bytes(5))
    #expect(loopback.client.receive(5) == Array("hello".utf8))
    let after = delivery()
    #expect(after.acknowledged == before.acknowledged + 5 && after.isComplete)
    // Nobody reads it.
    let bytes = [UInt8](repeating: 1, count: 1 << 20)
    while case .bytes = loopback.server.send(bytes) {}
    let full = delivery()
    #expect(full.acknowledged > after.acknowledged && !full.isComplete)
  }

  @Test func endSendingLetsWhatIsQueuedArrive() throws {
    let loopback = try Loopback()
    #expect(loopback.server.send("last words") == .bytes(10))
    loopback.server.endSending()
    #expect(loopback.client.receiveAll() == "last words")
    // The other direction is still open.
    loopback.client.send("thanks")
    #expect(wait(for: POLLIN, on: loopback.server.descriptor))
    #expect(loopback.server.receive(upTo: 10).text == "thanks")
  }

  @Test func closingIsAnEndForThePeer() throws {
    let listener = try makeListener()
    let client = try Client(listener.address)
    do {
      let server = try accept(listener)
      #expect(server.send("bye") == .bytes(3))
    }
    #expect(client.receive(3) == Array("bye".utf8))
    var byte: UInt8 = 0
    #expect(unsafe recv(client.descriptor, &byte, 1, 0) == 0)
  }

  @Test func resetOnCloseIsNoEndForThePeer() throws {
    let listener = try makeListener()
    let client = try Client(listener.address)
    do {
      let server = try accept(listener)
      server.resetOnClose()
    }
    var byte: UInt8 = 0
    #expect(unsafe recv(client.descriptor, &byte, 1, 0) == -1)
    #expect(errno == ECONNRESET)
  }

  // MARK: Files

  /// A file without a name that holds `content`.
  struct File: ~Copyable {
    let descriptor: Int32

    init(_ content: String) throws {
      var name = "/tmp/sluice-tests.XXXXXX".utf8CString
      descriptor = unsafe name.withUnsafeMutableBufferPointer { unsafe mkstemp($0.baseAddress!) }
      guard descriptor >= 0, unsafe name.withUnsafeBufferPointer({ unsafe unlink($0.baseAddress!) }) == 0,
        unsafe write(descriptor, content, content.utf8.count) == content.utf8.count
      else {
        throw Errno.current
      }
    }

    deinit {
      close(descriptor)
    }
  }

  @Test(
    arguments: [
      (0, 10, "0123456789"), (0, 4, "0123"), (4, 3, "456"), (9, 1, "9"), (9, 100, "9"),
      (0, 1 << 30, "0123456789"),
    ] as [(Int64, Int, String)])
  func partsOfAFile(offset: Int64, count: Int, expected: String) throws {
    let loopback = try Loopback()
    let file = try File("0123456789")
    #expect(
      loopback.server.sendFile(file.descriptor, offset: offset, count: count) == .bytes(expected.utf8.count))
    #expect(loopback.client.receive(expected.utf8.count) == Array(expected.utf8))
    // The file's own position is nobody's.
    #expect(lseek(file.descriptor, 0, SEEK_CUR) == 10)
  }

  @Test func aFileThatWasCutHasEnded() throws {
    let loopback = try Loopback()
    let file = try File("0123456789")
    #expect(loopback.server.sendFile(file.descriptor, offset: 10, count: 1) == .ended)
    #expect(loopback.server.sendFile(file.descriptor, offset: 0, count: 6) == .bytes(6))
    // First, because what waits in the socket is the file's pages, not a copy.
    #expect(loopback.client.receive(6) == Array("012345".utf8))
    #expect(ftruncate(file.descriptor, 4) == 0)
    #expect(loopback.server.sendFile(file.descriptor, offset: 6, count: 4) == .ended)
    #expect(loopback.server.sendFile(file.descriptor, offset: 2, count: 4) == .bytes(2))
    loopback.server.endSending()
    #expect(loopback.client.receiveAll() == "23")
  }

  @Test func aFileIntoAFullSocket() throws {
    let loopback = try Loopback()
    let file = try File("0")
    let size = 64 << 20
    #expect(ftruncate(file.descriptor, off_t(size)) == 0)
    var sent = 0
    while case .bytes(let count) = loopback.server.sendFile(
      file.descriptor, offset: Int64(sent), count: size - sent)
    {
      sent += count
      try #require(sent < size)
    }
    #expect(sent > 0)
    #expect(loopback.server.sendFile(file.descriptor, offset: Int64(sent), count: 1) == .wouldBlock)
    let received = loopback.client.receive(sent)
    #expect(received.count == sent && received.first == UInt8(ascii: "0"))
  }

  @Test func aFileThatCannotBeSentIsAFailure() throws {
    let loopback = try Loopback()
    #expect(loopback.server.sendFile(-1, offset: 0, count: 1) == .failed(Errno(rawValue: EBADF)))
  }

  // MARK: Listening

  @Test func portZeroBecomesARealOne() throws {
    let listener = try makeListener()
    #expect(listener.address.port > 0)
    #expect(listener.address.urlHost == "127.0.0.1")
    guard case .none = listener.accept() else {
      Issue.record("a connection from nobody")
      return
    }
  }

  @Test func acceptedSocketsInheritWhatTheyNeed() throws {
    let loopback = try Loopback()
    let descriptor = loopback.server.descriptor
    #expect(fcntl(descriptor, F_GETFL) & O_NONBLOCK != 0)
    #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
    var noDelay: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    #expect(unsafe getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, &size) == 0)
    #expect(noDelay == 1)
  }

  @Test func socketsTakeInNoMoreThanTheyAreTold() throws {
    let listener = try makeListener()
    let client = try Client(listener.address)
    client.send("x")
    let server = try accept(listener)
    server.limitUnsent(bytes: 100_000)
    let bytes = [UInt8](repeating: 1, count: 1 << 16)
    var sent = 0
    while sent < 100 << 20, case .bytes(let count) = server.send(bytes) { sent += count }
    // Without the bound it is some megabytes.
    let acknowledged = Int(server.delivery()?.acknowledged ?? 0)
    #expect(sent >= 100_000 && sent - acknowledged < 1 << 20)
  }

  /// TCP_DEFER_ACCEPT: who speaks is there at once, and who does not is there after a while.
  @Test func aClientThatSaysNothingIsAcceptedLater() throws {
    let listener = try makeListener()
    let silent = try Client(listener.address)
    #expect(wait(for: POLLOUT, on: silent.descriptor))
    guard case .none = listener.accept() else {
      Issue.record("nothing was sent")
      return
    }
    let server = try accept(listener)
    #expect(server.receive(upTo: 1).0 == .wouldBlock)
  }

  @Test func anAddressInUseThrows() throws {
    let listener = try makeListener()
    #expect(throws: Errno(rawValue: EADDRINUSE)) {
      _ = try ListeningSocket(address: listener.address, shared: false, backlog: 1)
    }
  }

  @Test func sharedListenersHaveOneAddress() throws {
    let first = try makeListener(shared: true)
    let second = try ListeningSocket(address: first.address, shared: true, backlog: 8)
    #expect(second.address.port == first.address.port)
    #expect(second.descriptor != first.descriptor)
    // Whichever the kernel chooses.
    let client = try Client(first.address)
    client.send("hello")
    var entries = [first.descriptor, second.descriptor].map {
      pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
    }
    #expect(unsafe poll(&entries, 2, 10_000) == 1)
    var accepted = 0
    if case .connection = first.accept() { accepted += 1 }
    if case .connection = second.accept() { accepted += 1 }
    #expect(accepted == 1)
  }

  static let hasIPv6 = unsafe access("/proc/net/if_inet6", F_OK) == 0

  @Test(.enabled(if: hasIPv6, "this machine has no IPv6"), arguments: ["127.0.0.1", "::1"])
  func theUnspecifiedIPv6AddressTakesBoth(host: String) throws {
    let listener = try ListeningSocket(
      address: SocketAddress(host: "::", port: 0), shared: false, backlog: 8)
    let client = try Client(SocketAddress(host: host, port: listener.address.port))
    client.send("hello")
    let server = try accept(listener)
    #expect(wait(for: POLLIN, on: server.descriptor))
    #expect(server.receive(upTo: 10).text == "hello")
  }

  /// Lowers the limit of the process, so it needs one of its own.
  @Test func withoutDescriptorsTheConnectionWaits() async {
    await #expect(processExitsWith: .success) {
      let listener = try makeListener()
      let client = try Client(listener.address)
      #expect(wait(for: POLLIN, on: listener.descriptor))
      var limit = rlimit()
      unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      let usual = limit.rlim_cur
      limit.rlim_cur = 0
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      for _ in 0..<2 {
        guard case .exhausted = listener.accept() else { fatalError("accepted without a descriptor") }
      }
      limit.rlim_cur = usual
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      client.send("hello")
      let server = try accept(listener)
      #expect(wait(for: POLLIN, on: server.descriptor))
      #expect(server.receive(upTo: 10).text == "hello")
    }
  }
}
