import Synchronization

/// Messages from other threads to a reactor's: whoever posts one wakes the poller that waits for `waker`.
public final class Mailbox<Message: Sendable>: Sendable {
  /// To be registered with the poller that shall wake up.
  public let waker: Waker
  private let messages = Mutex<[Message]>([])

  /// Throws what `eventfd(2)` says.
  public init() throws(Errno) {
    waker = try Waker()
  }

  /// Any thread may call it, at any time.
  public func post(_ message: Message) {
    messages.withLock { $0.append(message) }
    waker.wake()
  }

  /// All messages, oldest first: called by the thread that was woken.
  public func takeAll() -> [Message] {
    waker.acknowledge()
    return messages.withLock { messages in
      defer { messages.removeAll() }
      return messages
    }
  }
}
