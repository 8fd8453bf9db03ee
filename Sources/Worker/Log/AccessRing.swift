import Glibc
package import Reactor
import Synchronization

/// Records on their way from a worker to the thread that writes them: one writes, one reads. Where that thread is too slow, records
/// are dropped and counted; nobody waits.
@safe
package final class AccessRing: Sendable {
  fileprivate nonisolated(unsafe) let memory: UnsafeMutableRawPointer
  fileprivate let capacity: Int
  /// Bytes that were ever written, and read.
  fileprivate let written = Atomic(0)
  private let read = Atomic(0)
  private let droppedCount = Atomic(0)
  private let reader: AccessReader
  /// The reader wants to know the hosts that requests are for.
  fileprivate let wantsHost: Bool

  /// Room for `capacity` bytes, a power of two.
  package init(capacity: Int, wantsHost: Bool, reader: AccessReader) {
    self.wantsHost = wantsHost
    precondition(capacity & (capacity - 1) == 0)
    self.capacity = capacity
    self.reader = reader
    unsafe memory = .allocate(byteCount: capacity, alignment: 64)
  }

  deinit {
    unsafe memory.deallocate()
  }

  /// Records that were dropped.
  package var dropped: Int { droppedCount.load(ordering: .relaxed) }

  // MARK: The worker

  fileprivate func noteDropped() {
    droppedCount.store(droppedCount.load(ordering: .relaxed) + 1, ordering: .relaxed)
  }

  fileprivate var readCount: Int { read.load(ordering: .acquiring) }

  fileprivate func publish(_ count: Int) {
    written.store(count, ordering: .releasing)
    reader.wakeIfAsleep()
  }

  // MARK: The reader

  /// Hands all that there is to `body`, one after the other, each good during the call; false if there was nothing.
  package func takeAll(_ body: (AccessRecord, Span<UInt8>) -> Void) -> Bool {
    var position = read.load(ordering: .relaxed)
    let end = written.load(ordering: .acquiring)
    if position == end { return false }
    while position < end {
      let offset = position & (capacity - 1)
      let size = unsafe Int(memory.load(fromByteOffset: offset, as: UInt32.self))
      if size == 0 {
        position += capacity - offset
      } else {
        let record = unsafe memory.loadUnaligned(fromByteOffset: offset, as: AccessRecord.self)
        let texts = unsafe UnsafeRawBufferPointer(
          start: memory + offset + AccessRecord.headerSize, count: size - AccessRecord.headerSize)
        unsafe body(record, texts.bindMemory(to: UInt8.self).span)
        position += size
      }
      // Now and then, so that there is room.
      read.store(position, ordering: .releasing)
    }
    return true
  }
}

/// Wakes the thread that reads rings, when it sleeps.
package final class AccessReader: Sendable {
  private let waker: Waker
  private let isAsleep = Atomic(false)

  /// Throws if the process has no descriptor left.
  package init() throws(Errno) {
    waker = try Waker()
  }

  @inline(__always)
  fileprivate func wakeIfAsleep() {
    // A record that is published while the reader goes to sleep may wait for the next one, or for the end of that sleep.
    if isAsleep.load(ordering: .relaxed), isAsleep.exchange(false, ordering: .relaxed) { waker.wake() }
  }

  /// From any thread.
  package func wake() {
    isAsleep.store(false, ordering: .relaxed)
    waker.wake()
  }

  /// Sleeps until there may be something, or for so long, in milliseconds.
  package func sleep(milliseconds: Int32) {
    isAsleep.store(true, ordering: .sequentiallyConsistent)
    var polled = pollfd(fd: waker.descriptor, events: Int16(POLLIN), revents: 0)
    if unsafe poll(&polled, 1, milliseconds) > 0 { waker.acknowledge() }
    isAsleep.store(false, ordering: .relaxed)
  }
}

/// The worker's end of a ring, with the record that is being made.
@safe
struct AccessWriter: ~Copyable {
  private let ring: AccessRing?
  /// The ring's own, here so that nothing is retained to get at them.
  private let memory: UnsafeMutableRawPointer?
  private let capacity: Int
  private var written = 0
  /// As it was when there was too little room last.
  private var read = 0
  /// Where the record that is being made begins, and how large it is; 0 for none.
  private var draft: UnsafeMutableRawPointer?
  private var draftSize = 0
  private var draftStart = 0

  init(_ ring: AccessRing?) {
    self.ring = ring
    unsafe memory = ring?.memory
    capacity = ring?.capacity ?? 0
    wantsHost = ring?.wantsHost ?? false
  }

  /// Records are wanted.
  var isOn: Bool { ring != nil }
  /// See `AccessRing`.
  let wantsHost: Bool
  /// A record is begun and neither published nor kept elsewhere.
  var hasDraft: Bool { draftSize != 0 }

  /// Begins a record with so many bytes of texts, and returns the place for these; nil if there is no room. One that was begun
  /// before is forgotten.
  mutating func begin(_ record: inout AccessRecord, textCount: Int) -> UnsafeMutableRawBufferPointer? {
    guard let memory = unsafe memory else { return nil }
    draftSize = 0
    let size = (AccessRecord.headerSize + textCount + 7) & ~7
    var start = written
    let offset = start & (capacity - 1)
    // In one piece.
    let isWrapped = offset + size > capacity
    if isWrapped { start += capacity - offset }
    if start + size - read > capacity {
      guard hasRoom(upTo: start + size) else { return nil }
    }
    if isWrapped { unsafe memory.storeBytes(of: 0, toByteOffset: offset, as: UInt32.self) }
    let place = unsafe memory + (start & (capacity - 1))
    (unsafe draft, draftSize, draftStart) = unsafe (place, size, start)
    record.size = UInt32(size)
    unsafe place.storeBytes(of: record, as: AccessRecord.self)
    return unsafe UnsafeMutableRawBufferPointer(start: place + AccessRecord.headerSize, count: textCount)
  }

  /// Looks how far the reader has come. If there is too little room even so, the record is dropped.
  @inline(never)
  private mutating func hasRoom(upTo end: Int) -> Bool {
    guard let ring else { return false }
    read = ring.readCount
    if end - read <= capacity { return true }
    ring.noteDropped()
    return false
  }

  /// Changes the record that is being made.
  @inline(__always)
  func change(_ body: (inout AccessRecord) -> Void) {
    guard let draft = unsafe draft else { return }
    unsafe body(&draft.assumingMemoryBound(to: AccessRecord.self).pointee)
  }

  /// It is done.
  mutating func publish() {
    written = draftStart + draftSize
    draftSize = 0
    ring?.publish(written)
  }

  /// All bytes of it, to be kept elsewhere; none is being made any more.
  mutating func takeDraft() -> UnsafeRawBufferPointer {
    defer { draftSize = 0 }
    return unsafe UnsafeRawBufferPointer(start: draft, count: draftSize)
  }

  /// Goes on with a record that was kept.
  mutating func restore(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= AccessRecord.headerSize else { return }
    var record = unsafe bytes.loadUnaligned(as: AccessRecord.self)
    let texts = unsafe UnsafeRawBufferPointer(rebasing: bytes[AccessRecord.headerSize...])
    if let place = unsafe begin(&record, textCount: texts.count) { unsafe place.copyMemory(from: texts) }
  }

  /// What was begun can't be kept.
  mutating func drop() {
    draftSize = 0
    ring?.noteDropped()
  }
}
