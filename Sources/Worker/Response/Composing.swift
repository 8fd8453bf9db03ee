import HTTP

/// Lets `body` append bytes to `memory`; returns what it appended.
func write(
  into memory: UnsafeMutableRawBufferPointer, _ body: (inout OutputSpan<UInt8>) -> Void
) -> UnsafeRawBufferPointer {
  let bytes = unsafe memory.assumingMemoryBound(to: UInt8.self)
  var out = unsafe OutputSpan(buffer: bytes, initializedCount: 0)
  body(&out)
  let count = unsafe out.finalize(for: bytes)
  return unsafe UnsafeRawBufferPointer(rebasing: memory[..<count])
}

extension UnsafeRawBufferPointer {
  /// No bytes.
  static var empty: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: nil, count: 0) }

  /// The same bytes, with bounds that are checked.
  var span: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let span = unsafe assumingMemoryBound(to: UInt8.self).span
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }
}
