import Access
import Files
import Glibc
import Reactor
import Site
import Synchronization
import TLS
import TestSupport

@testable import Worker

/// A worker on a thread of its own, with bounds of a test's choice, for a folder of its own.
final class RunningWorker {
  let folder: TemporaryFolder
  let port: UInt16
  private let control: WorkerControl
  private let thread: Thread

  /// Serves `file` with `size` bytes; `limits` but for the time to stop, which is short. Over plaintext without `tls`.
  init(_ limits: Limits, file: String, size: Int, tls: ServerContext? = nil) throws {
    folder = try TemporaryFolder()
    try folder.write(file, [UInt8](repeating: 7, count: size))
    var limits = limits
    limits.drainMilliseconds = 256
    var listeners = Listeners()
    let socket = try ListeningSocket(
      address: SocketAddress(host: "127.0.0.1", port: 0), shared: false, backlog: 1024)
    port = socket.address.port
    if tls == nil {
      listeners.plain = Listener(socket: socket, context: nil)
    } else {
      listeners.secure = Listener(socket: socket, context: tls)
    }
    let handover = Handover(listeners)
    let (control, root) = (try WorkerControl(supervisor: SharedWaker()), try DocumentRoot(path: folder.path))
    // Nothing in it waits for a disk, so that nobody has to run it.
    guard let loader = FileLoader(inMemory: limits.fileInMemory, capacity: 8) else {
      throw SetUpError("eventfd")
    }
    let bounds = limits
    guard let passwords = Passwords(files: [], capacity: 0) else { throw SetUpError("eventfd") }
    let service = Service([ServedSite(Site(root: folder.path), root: root)], passwords: passwords)
    self.control = control
    thread = try Thread {
      do throws(Errno) {
        var worker = try Worker(
          listeners: handover.take(), control: control, service: service, loader: loader, limits: bounds)
        control.finish(.success(worker.run()))
      } catch {
        control.finish(.failure(error))
      }
    }
  }

  /// Stops it; what it has counted.
  func stop() throws -> Metrics {
    control.end(.stop)
    thread.join()
    return try control.metrics() ?? Metrics()
  }

  private final class Handover: Sendable {
    private let listeners: Mutex<Listeners?>

    init(_ listeners: consuming Listeners) { self.listeners = Mutex(listeners) }

    func take() -> Listeners { listeners.withLock { $0.take() } ?? Listeners() }
  }
}

/// A client with a small receive buffer, that never waits for ever.
final class SlowClient {
  let descriptor: Int32

  init(_ worker: RunningWorker, receiveBuffer: Int32 = 4096) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var (size, patience) = (receiveBuffer, timeval(tv_sec: 20, tv_usec: 0))
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = worker.port.bigEndian
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    let status = unsafe withUnsafePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw SetUpError("connect") }
  }

  deinit { close(descriptor) }

  /// Sends text as far as it goes over.
  @discardableResult
  func send(_ text: String) -> Int {
    unsafe Glibc.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
  }

  /// Receives up to `count` bytes: how many came, 0 at the end, -1 for an error.
  func receive(_ count: Int) -> Int {
    var bytes = [UInt8](repeating: 0, count: count)
    return unsafe recv(descriptor, &bytes, count, 0)
  }

  /// Whether the connection is reset within some seconds, without anything being read.
  func isReset() -> Bool {
    var polled = pollfd(fd: descriptor, events: 0, revents: 0)
    return unsafe poll(&polled, 1, 20_000) == 1 && polled.revents & Int16(POLLERR) != 0
  }
}
