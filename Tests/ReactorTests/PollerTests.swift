import Glibc
import Reactor
import Testing

@Suite struct PollerTests {
  /// Two connected stream sockets, non-blocking.
  struct Pair: ~Copyable {
    let left: Int32
    let right: Int32

    init() throws {
      var descriptors: (Int32, Int32) = (-1, -1)
      let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
      let status = unsafe withUnsafeMutableBytes(of: &descriptors) {
        unsafe socketpair(AF_UNIX, type, 0, $0.assumingMemoryBound(to: Int32.self).baseAddress!)
      }
      guard status == 0 else { throw Errno.current }
      (left, right) = descriptors
    }

    deinit {
      close(left)
      close(right)
    }

    func write(_ count: Int = 1) {
      let bytes = [UInt8](repeating: 0, count: count)
      #expect(unsafe send(right, bytes, count, Int32(MSG_NOSIGNAL)) == count)
    }

    /// Receives all that `left` has.
    func drain() {
      var bytes = [UInt8](repeating: 0, count: 1 << 16)
      while unsafe recv(left, &bytes, bytes.count, 0) > 0 {}
    }
  }

  static let token = Token(slot: 5, generation: 7)

  @Test func aWaitWithoutEventsIsEmpty() throws {
    let poller = try Poller(eventsPerWait: 4)
    #expect(poller.wait(milliseconds: 0) == 0)
    let pair = try Pair()
    try poller.add(pair.left, token: Self.token, for: .readable)
    #expect(poller.wait(milliseconds: 0) == 0)
  }

  @Test(arguments: [Token(rawValue: 0), token, Token(rawValue: .max), Token(rawValue: 0x8000_0000_7FFF_FFFF)])
  func theTokenComesBack(token: Token) throws {
    let poller = try Poller(eventsPerWait: 4)
    let pair = try Pair()
    try poller.add(pair.left, token: token, for: .readable)
    pair.write()
    #expect(poller.wait(milliseconds: 10_000) == 1)
    #expect(poller[0].token == token)
    #expect(poller[0].readiness == .readable)
  }

  @Test func whatIsWaitedForCanBeChanged() throws {
    let poller = try Poller(eventsPerWait: 4)
    let pair = try Pair()
    try poller.add(pair.left, token: Self.token, for: .readable)
    pair.write()
    try poller.change(pair.left, token: Self.token, for: [])
    #expect(poller.wait(milliseconds: 0) == 0)
    try poller.change(pair.left, token: Self.token, for: .readable)
    #expect(poller.wait(milliseconds: 10_000) == 1)
    #expect(poller[0].token == Self.token && poller[0].readiness == .readable)
  }

  @Test func whatIsNotRegisteredCanNotBeChanged() throws {
    let poller = try Poller(eventsPerWait: 4)
    let pair = try Pair()
    #expect(throws: Errno(rawValue: ENOENT)) {
      try poller.change(pair.left, token: Self.token, for: .readable)
    }
  }

  @Test func levelTriggeredLastsAsLongAsTheCause() throws {
    let poller = try Poller(eventsPerWait: 4)
    let pair = try Pair()
    try poller.add(pair.left, token: Self.token, for: .readable)
    pair.write()
    for _ in 0..<3 { #expect(poller.wait(milliseconds: 0) == 1) }
    pair.drain()
    #expect(poller.wait(milliseconds: 0) == 0)
  }

  @Test func edgeTriggeredComesOnceForEachChange() throws {
    let poller = try Poller(eventsPerWait: 4)
    let pair = try Pair()
    try poller.add(
      pair.left, token: Self.token, for: [.readable, .writable, .peerEnded, .edgeTriggered])
    // A new connection has room.
    #expect(poller.wait(milliseconds: 0) == 1)
    #expect(poller[0].readiness == .writable)
    #expect(poller.wait(milliseconds: 0) == 0)
    pair.write()
    #expect(poller.wait(milliseconds: 0) == 1)
    #expect(poller[0].readiness.contains(.readable))
    // What is left unread does not come again, but new bytes do.
    #expect(poller.wait(milliseconds: 0) == 0)
    pair.write()
    #expect(poller.wait(milliseconds: 0) == 1)
    pair.drain()
    #expect(poller.wait(milliseconds: 0) == 0)
    shutdown(pair.right, Int32(SHUT_WR))
    #expect(poller.wait(milliseconds: 0) == 1)
    #expect(poller[0].readiness.isSuperset(of: [.readable, .peerEnded]))
    #expect(poller[0].readiness.isDisjoint(with: .failed))
  }

  @Test func roomComesBackWhenThePeerReads() throws {
    let poller = try Poller(eventsPerWait: 4)
    let pair = try Pair()
    let bytes = [UInt8](repeating: 0, count: 1 << 16)
    while unsafe send(pair.right, bytes, bytes.count, Int32(MSG_NOSIGNAL)) > 0 {}
    try poller.add(pair.right, token: Self.token, for: [.writable, .edgeTriggered])
    #expect(poller.wait(milliseconds: 0) == 0)
    pair.drain()
    #expect(poller.wait(milliseconds: 10_000) == 1)
    #expect(poller[0].readiness.contains(.writable))
  }

  @Test func failureComesUnasked() throws {
    let poller = try Poller(eventsPerWait: 4)
    let pair = try Pair()
    try poller.add(pair.left, token: Self.token, for: [])
    #expect(poller.wait(milliseconds: 0) == 0)
    shutdown(pair.right, Int32(SHUT_RDWR))
    #expect(poller.wait(milliseconds: 10_000) == 1)
    #expect(!poller[0].readiness.isDisjoint(with: .failed))
  }

  @Test func noMoreEventsThanTheBufferHolds() throws {
    let poller = try Poller(eventsPerWait: 2)
    let first = try Pair()
    let second = try Pair()
    let third = try Pair()
    for (slot, descriptor) in [first.left, second.left, third.left].enumerated() {
      try poller.add(descriptor, token: Token(slot: slot, generation: 1), for: [.readable, .edgeTriggered])
    }
    first.write()
    second.write()
    third.write()
    #expect(poller.wait(milliseconds: 0) == 2)
    var slots = [poller[0].token.slot, poller[1].token.slot]
    // The one that found no room comes with the next wait.
    #expect(poller.wait(milliseconds: 0) == 1)
    slots.append(poller[0].token.slot)
    #expect(slots.sorted() == [0, 1, 2])
  }

  @Test func aClosedDescriptorIsForgotten() throws {
    let poller = try Poller(eventsPerWait: 4)
    do {
      let pair = try Pair()
      try poller.add(pair.left, token: Self.token, for: .readable)
      pair.write()
    }
    #expect(poller.wait(milliseconds: 0) == 0)
  }

  @Test func whatCannotBeRegisteredThrows() throws {
    let poller = try Poller(eventsPerWait: 4)
    let pair = try Pair()
    try poller.add(pair.left, token: Self.token, for: .readable)
    #expect(throws: Errno(rawValue: EEXIST)) {
      try poller.add(pair.left, token: Self.token, for: .readable)
    }
    #expect(throws: Errno(rawValue: EBADF)) { try poller.add(-1, token: Self.token, for: .readable) }
  }
}
