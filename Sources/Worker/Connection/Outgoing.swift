import Files
import HTTP

/// What a connection has to send and has not sent yet: bytes in memory, then a part of an open file, then perhaps other parts of
/// it, each with bytes before it. An idle connection has none.
struct Outgoing: ~Copyable {
  /// What the socket would not take.
  private(set) var bytes = OwnedBytes()
  /// The file that follows, retained, and what is left of its part.
  private(set) var file: FileReference?
  private(set) var fileOffset: Int64 = 0
  private(set) var fileRest: Int64 = 0
  /// The parts that follow that one, and the end behind them.
  private var parts: OwnedParts?

  /// Nothing is left.
  var isEmpty: Bool { bytes.isEmpty && file == nil }
  /// More follows what is sent from memory.
  var hasFile: Bool { file != nil }

  // MARK: Bytes in memory

  /// Keeps what a send has left of bytes and the content behind them, behind what waits already. False if there is no
  /// memory for it.
  mutating func keep(
    _ bytes: UnsafeRawBufferPointer, _ content: UnsafeRawBufferPointer, from count: Int,
    within budget: UnsafeMutablePointer<MemoryBudget>
  ) -> Bool {
    let kept = unsafe OwnedBytes(
      copying: self.bytes.bytes,
      UnsafeRawBufferPointer(rebasing: bytes.dropFirst(count)),
      UnsafeRawBufferPointer(rebasing: content.dropFirst(max(0, count - bytes.count))), within: budget)
    guard let kept else { return false }
    self.bytes = kept
    return true
  }

  /// So many of the bytes have left.
  mutating func removeBytes(_ count: Int) {
    bytes.removeFirst(count)
    if bytes.isEmpty { bytes = OwnedBytes() }
  }

  // MARK: The part of a file

  /// `count` bytes of a file that the caller has retained, from `offset` on.
  mutating func setFile(_ file: FileReference, offset: Int64, count: Int64) {
    self.file = file
    fileOffset = offset
    fileRest = count
  }

  /// More parts of that file, to follow. False if there is no memory for them.
  mutating func keep(_ parts: PartsToFollow, within budget: UnsafeMutablePointer<MemoryBudget>) -> Bool {
    self.parts = unsafe OwnedParts(copying: parts, within: budget)
    return hasParts
  }

  /// The part that is being sent is one of several, whose end was not sent yet.
  var hasParts: Bool {
    switch parts {
    case .some: true
    case .none: false
    }
  }

  /// What stands between the parts.
  var boundary: MultipartBoundary? {
    switch parts {
    case .some(let parts): parts.boundary
    case .none: nil
    }
  }

  /// The parts that were not begun; until this changes.
  var partsToFollow: UnsafeBufferPointer<ByteRange> {
    switch parts {
    case .some(let parts): unsafe parts.rest
    case .none: unsafe UnsafeBufferPointer(start: nil, count: 0)
    }
  }

  /// Goes on to the next of several parts, and returns it; nil behind the last.
  mutating func beginPart() -> ByteRange? {
    guard let part = parts?.next() else { return nil }
    fileOffset = part.lowerBound
    fileRest = part.count
    return part
  }

  /// So much of the file has left, or is on its way through OpenSSL.
  mutating func advanceFile(_ count: Int) {
    fileOffset += Int64(count)
    fileRest -= Int64(count)
  }

  /// The file, for the caller to release; none is left here.
  mutating func takeFile() -> FileReference? {
    fileRest = 0
    parts = nil
    return file.take()
  }
}
