internal import Glibc

/// A file that is being served: open, or, if it is small, read into memory; with room before the content for a
/// response head, so that both can leave in one send.
@safe
public struct OpenFile: ~Copyable {
  /// The open file, or -1 where the content is in memory.
  public let descriptor: Int32
  /// In bytes.
  public let size: Int64
  /// Last modification in nanoseconds since 1970.
  public let modifiedNanoseconds: Int64
  /// Last modification in seconds since 1970, rounded down; no later than when the file was opened, so that what is once
  /// said of a file whose time lies in the future stays so (RFC 9110 §8.8.2.1).
  public let modifiedSeconds: Int64
  /// Of the content.
  public let mediaType: StaticString

  let status: FileStatus
  /// NUL-terminated, relative to the root; its first `keyCount` bytes are what the cache knows it by.
  let path: UnsafeMutablePointer<CChar>
  let keyCount: Int
  let hash: UInt64
  /// When the file was last known to be what its path names, in milliseconds.
  var checkedAt: UInt64 = 0
  /// When it was last asked for, in milliseconds.
  var usedAt: UInt64 = 0
  /// References from outside of the cache.
  var users = 0
  var isCached = true

  /// Head room, then the content if it is in memory.
  @usableFromInline let memory: UnsafeMutableRawPointer
  /// Bytes of content in memory.
  @usableFromInline let contentCount: Int
  @usableFromInline var headCount = 0
  /// What the date in the head says, in seconds since 1970; the owner of the head keeps it.
  public var headDate: Int64 = .min

  /// The longest head, in bytes.
  @inlinable
  public static var headRoom: Int { 512 }

  /// Takes over `descriptor` (-1 if the content is in `memory`), `memory` (head room, then content or nothing)
  /// and `path`. `openedSeconds` is the time, in seconds since 1970.
  init(
    descriptor: Int32, memory: UnsafeMutableRawBufferPointer, status: FileStatus, openedSeconds: Int64,
    path: UnsafeMutablePointer<CChar>, keyCount: Int, hash: UInt64
  ) {
    self.descriptor = descriptor
    unsafe self.memory = memory.baseAddress!
    contentCount = memory.count - Self.headRoom
    self.status = status
    size = status.size
    modifiedNanoseconds = status.modifiedNanoseconds
    let modified = status.modifiedNanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    modifiedSeconds = min(modified.quotient - (modified.remainder < 0 ? 1 : 0), openedSeconds)
    unsafe mediaType = MediaType.of(path: UnsafeRawBufferPointer(start: path, count: strlen(path)))
    unsafe self.path = unsafe path
    self.keyCount = keyCount
    self.hash = hash
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    unsafe memory.deallocate()
    unsafe path.deallocate()
  }

  /// Memory with head room and the first `count` bytes of a file; nil if the file doesn't give that many,
  /// because it was cut or the disk failed.
  static func read(_ descriptor: Int32, count: Int) -> UnsafeMutableRawBufferPointer? {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: headRoom + count, alignment: 64)
    var done = 0
    while done < count {
      let read = unsafe pread(
        descriptor, memory.baseAddress! + headRoom + done, count - done, off_t(done))
      guard read > 0 else {
        unsafe memory.deallocate()
        return nil
      }
      done += read
    }
    return unsafe memory
  }

  /// Whether the content is in memory.
  @inlinable
  public var isInMemory: Bool { descriptor < 0 }

  /// The ready head; empty until there is one.
  @inlinable
  public var head: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: memory + (Self.headRoom &- headCount), count: headCount)
  }

  /// The content, where it is in memory.
  @inlinable
  public var content: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: memory + Self.headRoom, count: contentCount)
  }

  /// The ready head and the content behind it, in one piece.
  @inlinable
  public var headAndContent: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(
      start: memory + (Self.headRoom &- headCount), count: headCount &+ contentCount)
  }

  /// Makes a copy of `head` the ready head; at most `headRoom` bytes.
  public mutating func setHead(_ head: UnsafeRawBufferPointer) {
    precondition(head.count <= Self.headRoom)
    headCount = head.count
    unsafe self.head.copyMemory(from: head)
  }
}

/// A file in a worker's hands. Valid until the worker lets the cache work again, unless it is retained.
@safe
public struct FileReference {
  @usableFromInline let pointer: UnsafeMutablePointer<OpenFile>

  init(_ pointer: UnsafeMutablePointer<OpenFile>) {
    unsafe self.pointer = unsafe pointer
  }

  /// The file, in place.
  public var file: OpenFile {
    @inlinable unsafeAddress { unsafe UnsafePointer(pointer) }
    @inlinable nonmutating unsafeMutableAddress { unsafe pointer }
  }
}
