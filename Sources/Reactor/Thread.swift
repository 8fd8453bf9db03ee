internal import Glibc

/// A POSIX thread that runs one closure: `pthread_create(3)`.
public struct Thread {
  private let handle: pthread_t

  /// Starts the thread, with a stack of `stackBytes`, or of the default size (8 MiB of address space). Throws what
  /// `pthread_create` says.
  public init(stackBytes: Int? = nil, _ body: sending @escaping () -> Void) throws(Errno) {
    let box = unsafe Unmanaged.passRetained(Box(body))
    var handle = pthread_t()
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    if let stackBytes { unsafe pthread_attr_setstacksize(&attributes, stackBytes) }
    let status = unsafe pthread_create(
      &handle, &attributes,
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

  /// Starts one that nobody waits for: what it had is given back when it ends.
  public static func detach(stackBytes: Int? = nil, _ body: sending @escaping () -> Void) throws(Errno) {
    pthread_detach(try Thread(stackBytes: stackBytes, body).handle)
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
