import Files
import Glibc
import HTTP
import Reactor
import TLS

/// What a worker lends to the connection whose turn it is: buffers, files, the time, the counts. Connections
/// that wait hold none of it.
@safe
struct Desk: ~Copyable {
  let limits: Limits
  let requiresKernelTLS: Bool
  var files: FileCache
  var metrics = Metrics()
  /// The server stops: no connection is kept alive.
  var isDraining = false

  // The time, read once for a batch of events.
  /// Of the monotonic clock.
  private(set) var milliseconds: UInt64 = 0
  /// Of the timer wheel.
  private(set) var tick: UInt32 = 0
  /// What `Date` says.
  private(set) var wallSeconds: Int64 = 0

  // What the connection has received and not yet used: `inputStart ..< inputEnd` of `input`.
  private let input: UnsafeMutableRawPointer
  private let inputCapacity: Int
  private var inputStart = 0
  private var inputEnd = 0
  /// Bytes of the input that are known to be an incomplete head: parsing them again is of no use.
  var parsedCount = 0

  /// Heads that are made for one response, with the content of a short one.
  let head: UnsafeMutableRawBufferPointer
  /// A path, percent-decoded.
  let path: UnsafeMutableRawBufferPointer
  /// The part of `path` that is in use.
  var decodedPath: UnsafeRawBufferPointer
  /// Plaintext on its way to OpenSSL.
  let staging: UnsafeMutableRawBufferPointer
  /// Ciphertext on its way from OpenSSL to the socket.
  let outbox: UnsafeMutablePointer<Outbox>

  /// What the connection may still do in this turn.
  var requestsLeft = 0
  private(set) var bytesLeft = 0

  init(limits: Limits, root: DocumentRoot, requiresKernelTLS: Bool) {
    self.limits = limits
    self.requiresKernelTLS = requiresKernelTLS
    files = FileCache(root: root, capacity: limits.filesPerWorker, inMemory: limits.fileInMemory)
    // Twice the head: a pipelined request fits behind one that is nearly as long as may be.
    inputCapacity = 2 * limits.head.head
    unsafe input = .allocate(byteCount: inputCapacity, alignment: 64)
    // A Location can be three times as long as the path that it is made of.
    unsafe head = .allocate(byteCount: 1024 + 4 * limits.head.requestLine, alignment: 64)
    unsafe path = .allocate(byteCount: FileCache.longestPath, alignment: 64)
    unsafe decodedPath = UnsafeRawBufferPointer(start: path.baseAddress, count: 0)
    unsafe staging = .allocate(byteCount: head.count + limits.encryptedPerSend, alignment: 64)
    // Each record grows by its header, nonce, tag and type (RFC 8446 §5.2: up to 256 bytes); a ticket, alerts and a
    // KeyUpdate may come on top.
    let records = unsafe (head.count + limits.encryptedPerSend) / 16_384 + 2
    unsafe outbox = .allocate(capacity: 1)
    unsafe outbox.initialize(to: Outbox(capacity: records * (16_384 + 256) + 4096))
    readClock()
  }

  deinit {
    unsafe outbox.deinitialize(count: 1)
    unsafe outbox.deallocate()
    unsafe staging.deallocate()
    unsafe path.deallocate()
    unsafe head.deallocate()
    unsafe input.deallocate()
  }

  // MARK: Time

  @inline(__always)
  mutating func readClock() {
    milliseconds = Clock.monotonicMilliseconds()
    let tick = TimerWheel.tick(milliseconds: milliseconds)
    if tick != self.tick {
      self.tick = tick
      readWallClock()
    }
  }

  mutating func readWallClock() {
    wallSeconds = Clock.wallSeconds()
  }

  /// The tick by which `milliseconds` from now have passed. Inlined, because a call that borrows a struct of this
  /// size copies all of it.
  @inline(__always)
  func deadline(in milliseconds: UInt64) -> UInt32 {
    tick &+ TimerWheel.tick(milliseconds: milliseconds) &+ 1
  }

  // MARK: A turn

  mutating func beginTurn() {
    // Whatever befell the connection before: nothing of it can reach this one.
    clearOutbox()
    inputStart = 0
    inputEnd = 0
    parsedCount = 0
    requestsLeft = limits.requestsPerTurn
    bytesLeft = limits.bytesPerTurn
  }

  var turnIsUsedUp: Bool { requestsLeft <= 0 || bytesLeft <= 0 }

  /// Whether anything was sent in this turn.
  var hasSent: Bool { bytesLeft < limits.bytesPerTurn }

  mutating func noteSent(_ count: Int) {
    bytesLeft -= count
  }

  // MARK: Input

  var received: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: input + inputStart, count: receivedCount)
  }

  var receivedCount: Int { inputEnd &- inputStart }

  /// Room behind what was received; never empty before a head is too long to be taken.
  mutating func room() -> UnsafeMutableRawBufferPointer {
    if inputStart == inputEnd {
      inputStart = 0
      inputEnd = 0
    } else if inputStart > 0 {
      unsafe memmove(input, input + inputStart, receivedCount)
      inputEnd -= inputStart
      inputStart = 0
    }
    return unsafe UnsafeMutableRawBufferPointer(start: input + inputEnd, count: inputCapacity &- inputEnd)
  }

  mutating func noteReceived(_ count: Int) {
    inputEnd &+= count
    precondition(inputEnd <= inputCapacity)
  }

  mutating func useInput(_ count: Int) {
    inputStart &+= count
    precondition(inputStart <= inputEnd)
    parsedCount = 0
  }

  mutating func dropInput() {
    inputStart = inputEnd
    parsedCount = 0
  }

  /// Takes back what a connection kept from an earlier turn.
  mutating func restore(_ bytes: borrowing OwnedBytes, isIncompleteHead: Bool) {
    let bytes = unsafe bytes.bytes
    precondition(bytes.count <= inputCapacity)
    unsafe input.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
    inputStart = 0
    inputEnd = bytes.count
    parsedCount = isIncompleteHead ? inputEnd : 0
  }

  // MARK: Output

  var outboxIsEmpty: Bool { unsafe outbox.pointee.count == 0 }

  /// Forgets what OpenSSL has encrypted: it was sent, or kept by its connection.
  func clearOutbox() {
    // Through a local: the compiler (6.3) can't instrument a change through a stored pointer for the thread sanitizer.
    let outbox = unsafe self.outbox
    unsafe outbox.pointee.clear()
  }

  /// Writes into the memory for heads; returns what was written.
  mutating func compose(_ body: (inout OutputSpan<UInt8>) -> Void) -> UnsafeRawBufferPointer {
    unsafe write(into: head, body)
  }
}

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
  /// The same bytes, with bounds that are checked.
  var span: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let span = unsafe assumingMemoryBound(to: UInt8.self).span
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }
}
