internal import CLinux
internal import Glibc
internal import Synchronization

/// Jobs for helper threads, first come, first served but for urgent ones, as many as it has room for.
final class JobQueue: Sendable {
  typealias Order = FileLoader.Order

  private let capacity: Int
  private let orders = Mutex<[Order]>([])
  /// A semaphore: as many as there are orders (`eventfd(2)`, EFD_SEMAPHORE).
  private let semaphore: Int32
  private let isOver = Atomic(false)

  /// Nil if the process has no descriptor left.
  init?(capacity: Int) {
    semaphore = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK) | Int32(EFD_SEMAPHORE))
    guard semaphore >= 0 else { return nil }
    self.capacity = capacity
    orders.withLock { $0.reserveCapacity(capacity) }
  }

  deinit {
    close(semaphore)
  }

  /// False if it is full.
  func append(_ order: Order) -> Bool {
    let isIn = orders.withLock { orders in
      guard orders.count < capacity else { return false }
      if order.isUrgent { orders.insert(order, at: 0) } else { orders.append(order) }
      return true
    }
    if isIn { eventfd_write(semaphore, 1) }
    return isIn
  }

  /// Nobody waits any more.
  func end() {
    isOver.store(true, ordering: .releasing)
    // More than there are threads.
    eventfd_write(semaphore, 1 << 20)
  }

  /// Takes the first job, waiting for one; nil when the queue is at its end.
  func wait() -> Order? {
    while !isOver.load(ordering: .acquiring) {
      if let order = take() { return order }
      var polled = pollfd(fd: semaphore, events: Int16(POLLIN), revents: 0)
      unsafe poll(&polled, 1, -1)
    }
    return nil
  }

  /// Takes the first job of this queue or else of another one, waiting for one. True if it was of this one. Nil when this queue is
  /// at its end.
  func wait(or other: JobQueue) -> (Order, Bool)? {
    while !isOver.load(ordering: .acquiring) {
      if let order = take() { return (order, true) }
      if let order = other.take() { return (order, false) }
      var polled = (
        pollfd(fd: semaphore, events: Int16(POLLIN), revents: 0),
        pollfd(fd: other.semaphore, events: Int16(POLLIN), revents: 0)
      )
      unsafe withUnsafeMutablePointer(to: &polled) { polled in
        unsafe polled.withMemoryRebound(to: pollfd.self, capacity: 2) { _ = unsafe poll($0, 2, -1) }
      }
    }
    return nil
  }

  private func take() -> Order? {
    var one: eventfd_t = 0
    guard unsafe eventfd_read(semaphore, &one) == 0 else { return nil }
    return orders.withLock { $0.count == 0 ? nil : $0.remove(at: 0) }
  }
}
