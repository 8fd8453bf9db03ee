public import CLinux
import Glibc

/// Names what an epoll event is for: a slot, and the generation that the slot had when it was registered.
///
/// An event that was queued for a connection that has gone since carries an old generation and is dropped.
@frozen
public struct Token: Equatable, Sendable {
  /// What travels in `epoll_data`: the slot in the low half, the generation in the high half.
  public let rawValue: UInt64

  /// The token that `rawValue` stands for.
  @inlinable
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// The token of a slot in one of its lives.
  @inlinable
  public init(slot: Int, generation: UInt32) {
    rawValue = UInt64(generation) << 32 | UInt64(UInt32(truncatingIfNeeded: slot))
  }

  /// The slot's index.
  @inlinable
  public var slot: Int { Int(UInt32(truncatingIfNeeded: rawValue)) }

  /// The slot's generation at registration.
  @inlinable
  public var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }
}

/// What a descriptor has become ready for: the bits of `epoll_ctl(2)`.
@frozen
public struct Readiness: OptionSet, Sendable {
  /// EPOLLIN and friends.
  public let rawValue: UInt32

  /// Wraps the bits of an `epoll_event`.
  @inlinable
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// There may be something to read or to accept.
  @inlinable
  public static var readable: Readiness { Readiness(rawValue: EPOLLIN.rawValue) }
  /// There may be room to send.
  @inlinable
  public static var writable: Readiness { Readiness(rawValue: EPOLLOUT.rawValue) }
  /// The peer has sent its FIN: a short receive no longer means that nothing is left to read.
  @inlinable
  public static var peerEnded: Readiness { Readiness(rawValue: EPOLLRDHUP.rawValue) }
  /// The socket has failed or both directions are shut; reported whether asked for or not.
  @inlinable
  public static var failed: Readiness { Readiness(rawValue: EPOLLERR.rawValue | EPOLLHUP.rawValue) }
  /// Nothing has changed.
  @inlinable
  public static var none: Readiness { Readiness(rawValue: 0) }
  /// All that a connection wants to know, each change once. Not written as a set of the others: builds that are not optimised
  /// allocate memory for that.
  public static var connection: Readiness {
    Readiness(rawValue: EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue)
  }
  /// Whether a receive may give something: bytes, the end, or an error.
  @inlinable
  public var mayReceive: Bool {
    rawValue & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
  }
  /// Whether the peer sends nothing more.
  @inlinable
  public var hasEnded: Bool {
    rawValue & (EPOLLRDHUP.rawValue | EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
  }
  /// Whether both directions are over.
  @inlinable
  public var hasFailed: Bool { rawValue & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 }
  /// Report a change once, not for as long as it lasts: `epoll(7)`, edge-triggered.
  @inlinable
  public static var edgeTriggered: Readiness { Readiness(rawValue: EPOLLET.rawValue) }
}

/// One event of one wait.
@frozen
public struct Event: Sendable {
  /// What the event is for.
  public let token: Token
  /// What has become possible.
  public let readiness: Readiness

  @inlinable
  init(token: Token, readiness: Readiness) {
    self.token = token
    self.readiness = readiness
  }
}

/// An epoll instance with one event buffer for life: `epoll(7)`.
@safe
public struct Poller: ~Copyable {
  @usableFromInline let descriptor: Int32
  @usableFromInline let events: UnsafeMutablePointer<epoll_event>
  @usableFromInline let eventsPerWait: Int

  /// Makes an epoll instance that reports at most `eventsPerWait` events in one wait.
  ///
  /// Throws what `epoll_create1(2)` says.
  public init(eventsPerWait: Int) throws(Errno) {
    descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
    unsafe events = .allocate(capacity: eventsPerWait)
    self.eventsPerWait = eventsPerWait
    guard descriptor >= 0 else { throw Errno.current }
  }

  deinit {
    close(descriptor)
    unsafe events.deallocate()
  }

  /// Registers a descriptor; its events carry `token`. Throws what `epoll_ctl(2)` says.
  public func add(_ fileDescriptor: Int32, token: Token, for readiness: Readiness) throws(Errno) {
    var event = unsafe epoll_event(events: readiness.rawValue, data: epoll_data_t(u64: token.rawValue))
    guard unsafe epoll_ctl(descriptor, EPOLL_CTL_ADD, fileDescriptor, &event) == 0 else {
      throw Errno.current
    }
  }

  /// Changes what a registered descriptor is waited for; nothing is possible, too. Throws what `epoll_ctl(2)` says.
  public func change(_ fileDescriptor: Int32, token: Token, for readiness: Readiness) throws(Errno) {
    var event = unsafe epoll_event(events: readiness.rawValue, data: epoll_data_t(u64: token.rawValue))
    guard unsafe epoll_ctl(descriptor, EPOLL_CTL_MOD, fileDescriptor, &event) == 0 else {
      throw Errno.current
    }
  }

  /// Takes a registered descriptor out. Closing it does so, too, if nobody has a copy of it (epoll(7)).
  public func remove(_ fileDescriptor: Int32) {
    var event = unsafe epoll_event()
    unsafe epoll_ctl(descriptor, EPOLL_CTL_DEL, fileDescriptor, &event)
  }

  /// Waits for events, at most `milliseconds` (-1: without end). Returns how many there are; read them with
  /// the subscript before the next wait.
  @inlinable
  public func wait(milliseconds: Int32) -> Int {
    let count = unsafe CLinux_epoll_wait(
      descriptor, events, Int32(truncatingIfNeeded: eventsPerWait), milliseconds)
    // EINTR is the only error that is not a bug of ours; a wait that was interrupted has no events.
    return max(0, Int(count))
  }

  /// The event at `index` of the last wait.
  @inlinable
  public subscript(index: Int) -> Event {
    precondition(index >= 0 && index < eventsPerWait)
    let event = unsafe events[index]
    return unsafe Event(token: Token(rawValue: event.data.u64), readiness: Readiness(rawValue: event.events))
  }
}
