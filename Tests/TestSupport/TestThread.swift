import Glibc

/// A thread of its own, for what tasks would have to wait for: theirs may all be busy with other tests.
package struct TestThread {
  private let handle: pthread_t

  package init(_ body: @escaping @Sendable () -> Void) throws {
    let box = unsafe Unmanaged.passRetained(Box(body))
    var handle = pthread_t()
    let status = unsafe pthread_create(
      &handle, nil,
      { box in
        unsafe Unmanaged<Box>.fromOpaque(box!).takeRetainedValue().body()
        return nil
      }, box.toOpaque())
    guard status == 0 else { throw SetUpError("pthread_create") }
    self.handle = handle
  }

  /// Waits for its end.
  package func join() {
    pthread_join(handle, nil)
  }

  private final class Box: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) {
      self.body = body
    }
  }
}
