internal import Glibc

/// A POSIX thread that runs one closure: `pthread_create(3)`.
public struct Thread {
  private let handle: pthread_t

  /// Starts the thread. Throws what `pthread_create` says.
  public init(_ body: sending @escaping () -> Void) throws(Errno) {
    let box = unsafe Unmanaged.passRetained(Box(body))
    var handle = pthread_t()
    let status = unsafe pthread_create(
      &handle, nil,
      { argument in
        unsafe Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
        return nil
      }, box.toOpaque())
    guard status == 0 else {
      unsafe box.release()
      throw Errno(rawValue: status)
    }
    self.handle = handle
  }

  /// Waits for the thread's end.
  public func join() {
    pthread_join(handle, nil)
  }

  private final class Box {
    let body: () -> Void

    init(_ body: @escaping () -> Void) {
      self.body = body
    }
  }
}
