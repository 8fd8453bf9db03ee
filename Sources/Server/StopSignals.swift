import CLinux
import Glibc
import Reactor

/// SIGTERM and SIGINT as something to read: `signalfd(2)`. They interrupt nobody: threads that are started
/// later inherit the block.
struct StopSignals: ~Copyable {
  private let descriptor: Int32

  init() throws(Errno) {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, SIGTERM)
    unsafe sigaddset(&set, SIGINT)
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    descriptor = unsafe signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
    guard descriptor >= 0 else { throw Errno.current }
  }

  deinit {
    close(descriptor)
  }

  /// Waits until a signal comes or `waker` wakes; returns the signal, or nil for the waker.
  func wait(or waker: borrowing Waker) -> Int32? {
    var polled = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: waker.descriptor, events: Int16(POLLIN), revents: 0),
    ]
    while unsafe poll(&polled, nfds_t(polled.count), -1) < 0 {}
    var info = signalfd_siginfo()
    if unsafe read(descriptor, &info, MemoryLayout<signalfd_siginfo>.size) > 0 {
      return Int32(info.ssi_signo)
    }
    waker.acknowledge()
    return nil
  }
}
