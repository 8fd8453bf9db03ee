public import Glibc

/// A Linux error number, `errno(3)`: why a system call failed.
@frozen
public struct Errno: Error, Equatable, Sendable, CustomStringConvertible {
  /// The number, as in `<errno.h>`.
  public let rawValue: Int32

  /// Wraps an `errno(3)` value.
  @inlinable
  public init(rawValue: Int32) {
    self.rawValue = rawValue
  }

  /// The error of the calling thread's last failed system call.
  @inlinable
  public static var current: Errno {
    Errno(rawValue: errno)
  }

  /// What `strerror(3)` says, with the number: `Address already in use (98)`. For the control plane.
  public var description: String {
    let message = unsafe String(cString: strerror(rawValue))
    return "\(message) (\(rawValue))"
  }
}
