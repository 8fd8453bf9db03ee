import CLinux
import Glibc

/// Wakes a poller from another thread: `eventfd(2)`.
public struct Waker: ~Copyable, Sendable {
  /// To be registered with the poller that shall wake up.
  public let descriptor: Int32

  /// Throws what `eventfd(2)` says.
  public init() throws(Errno) {
    descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard descriptor >= 0 else { throw Errno.current }
  }

  deinit {
    close(descriptor)
  }

  /// Makes the descriptor readable. Any thread may call it, at any time.
  public func wake() {
    eventfd_write(descriptor, 1)
  }

  /// Makes the descriptor unreadable again: called by the thread that was woken.
  public func acknowledge() {
    var wakes: eventfd_t = 0
    unsafe eventfd_read(descriptor, &wakes)
  }
}
