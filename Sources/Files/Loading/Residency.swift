internal import Glibc

/// What is known of the parts of an open file that are in the page cache: for each window when it was last seen or brought
/// there. A window that was is sent without asking again for a while, even if the kernel has let it go meanwhile, so that
/// nobody asks for ever.
@safe
struct Residency: ~Copyable {
  /// The size of a window in bytes.
  static var window: Int64 { 2 << 20 }
  /// For how long a window is believed to be there, in milliseconds.
  private static var trustMilliseconds: UInt32 { 1000 }

  /// The low bits of the time, in milliseconds; 0 for never.
  private let times: UnsafeMutablePointer<UInt32>?

  init(size: Int64) {
    let count = Int((size + Self.window - 1) / Self.window)
    // Where no memory is free for it, every part is asked for each time.
    unsafe times = calloc(max(1, count), MemoryLayout<UInt32>.stride)?.assumingMemoryBound(to: UInt32.self)
  }

  deinit {
    unsafe free(times)
  }

  /// The end of the window that an offset lies in.
  static func windowEnd(_ offset: Int64) -> Int64 { (offset / window + 1) * window }

  @inline(__always)
  func isTrusted(_ offset: Int64, now: UInt64) -> Bool {
    guard let times = unsafe times else { return false }
    let time = unsafe times[Int(offset / Self.window)]
    return time != 0 && UInt32(truncatingIfNeeded: now) &- time < Self.trustMilliseconds
  }

  /// The window was there just now.
  func note(_ offset: Int64, now: UInt64) {
    unsafe times?[Int(offset / Self.window)] = max(1, UInt32(truncatingIfNeeded: now))
  }
}
