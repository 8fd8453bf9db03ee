import Access
import Files
import Glibc
import HTTP
import Reactor
import Site
import TLS

/// What a worker lends to the connection whose turn it is: buffers, the responder with its files, the time, the counts.
/// Connections that wait hold none of it.
@safe
struct WorkerContext: ~Copyable {
  private(set) var limits: Limits
  let requiresKernelTLS: Bool
  /// See `Service`.
  let proxies: [Network]
  var responder: Responder
  var metrics = Metrics()
  /// Responses by site and status: see `Metrics.statuses`.
  let statuses: StatusTable
  /// Records for the access log.
  var log: AccessWriter
  /// What the operator is to be told of.
  let troubles: Troubles
  /// Connections that are being sent a file.
  var fileSenders = 0
  /// Read once for a batch of events.
  var clock = WorkerClock()

  // What the connection has received and not yet used: `inputStart ..< inputEnd` of `input`.
  private let input: UnsafeMutableRawPointer
  private let inputCapacity: Int
  /// Room where nothing is kept, and the most that there is at once.
  private let emptyRoom: Int
  private var inputStart = 0
  private var inputEnd = 0
  /// Bytes of the input that are known to be an incomplete head: parsing them again is of no use.
  var parsedCount = 0

  /// Plaintext on its way to OpenSSL.
  let staging: UnsafeMutableRawBufferPointer
  /// Ciphertext on its way from OpenSSL to the socket.
  let outbox: UnsafeMutablePointer<Outbox>

  /// What is kept for connections, and may be.
  let memory: UnsafeMutablePointer<MemoryBudget>

  /// What the connection may still do in this turn.
  var requestsLeft = 0
  private(set) var bytesLeft = 0

  init(
    limits: Limits, files: consuming FileCache, policies: FilePolicies,
    authenticator: consuming Authenticator, service: Service, log: AccessRing?,
    troubles: Troubles
  ) {
    self.limits = limits
    self.log = AccessWriter(log)
    self.troubles = troubles
    statuses = StatusTable(sites: service.sites.count)
    requiresKernelTLS = service.requiresKernelTLS
    proxies = service.proxies
    responder = Responder(
      limits: limits, files: files, policies: policies, authenticator: authenticator, service: service)
    // Twice the head: a pipelined request fits behind one that is nearly as long as may be.
    inputCapacity = 2 * limits.head.head
    emptyRoom = min(inputCapacity, limits.receivedAtOnce)
    unsafe input = .allocate(byteCount: inputCapacity, alignment: 64)
    // A response's head, and what is read of its file.
    let stagingCapacity = Responder.headCapacity(limits) + limits.encryptedPerSend
    unsafe staging = .allocate(byteCount: stagingCapacity, alignment: 64)
    // Each record grows by its header, nonce, tag and type (RFC 8446 §5.2: up to 256 bytes); a ticket, alerts and a
    // KeyUpdate may come on top.
    let records = stagingCapacity / 16_384 + 2
    unsafe outbox = .allocate(capacity: 1)
    unsafe outbox.initialize(to: Outbox(capacity: records * (16_384 + 256) + 4096))
    unsafe memory = .allocate(capacity: 1)
    unsafe memory.initialize(to: MemoryBudget(limit: limits.connectionMemory))
    clock.read()
  }

  deinit {
    unsafe memory.deallocate()
    unsafe outbox.deinitialize(count: 1)
    unsafe outbox.deallocate()
    unsafe staging.deallocate()
    unsafe input.deallocate()
  }

  /// How the worker ends, if it does.
  var ending = WorkerControl.Ending.none {
    didSet {
      responder.keepsConnections = ending == .none
      limits.idleMilliseconds = min(limits.idleMilliseconds, limits.lastRequestMilliseconds)
    }
  }

  /// The worker ends: no connection is kept alive.
  var isDraining: Bool { !responder.keepsConnections }

  // MARK: Time

  @inline(__always)
  var tick: UInt32 { clock.tick }

  /// The tick by which `milliseconds` from now have passed. Inlined, because a call that borrows a struct of this
  /// size copies all of it.
  @inline(__always)
  func deadline(in milliseconds: UInt64) -> UInt32 {
    clock.tick &+ TimerWheel.tick(milliseconds: milliseconds) &+ 1
  }

  // MARK: Memory

  /// Whether a new connection may be taken.
  func hasMemoryForConnection(secure isSecure: Bool) -> Bool {
    unsafe memory.pointee.hasRoom(
      for: isSecure ? limits.sessionMemory + limits.sessionBufferMemory : 1)
  }

  /// Once in a tick: files that nobody asks for any more are closed. False if none is open.
  mutating func closeIdleFiles() -> Bool {
    if clock.milliseconds > limits.idleFileMilliseconds {
      responder.files.closeIdle(since: clock.milliseconds - limits.idleFileMilliseconds)
    }
    return responder.files.hasOpenFiles
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

  /// Room behind what was received; never empty before a head is too long to be taken. Not all there is: what is received
  /// and can't be answered yet is kept for the connection.
  mutating func room() -> UnsafeMutableRawBufferPointer {
    if inputStart == inputEnd {
      inputStart = 0
      inputEnd = 0
      return unsafe UnsafeMutableRawBufferPointer(start: input, count: emptyRoom)
    } else if inputStart > 0 {
      unsafe memmove(input, input + inputStart, receivedCount)
      inputEnd -= inputStart
      inputStart = 0
    }
    let count = min(inputCapacity &- inputEnd, emptyRoom)
    return unsafe UnsafeMutableRawBufferPointer(start: input + inputEnd, count: count)
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
  mutating func restore(_ bytes: borrowing OwnedBytes, parsed: Int) {
    let bytes = unsafe bytes.bytes
    precondition(bytes.count <= inputCapacity)
    unsafe input.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
    inputStart = 0
    inputEnd = bytes.count
    parsedCount = parsed
  }

  // MARK: Output

  var outboxIsEmpty: Bool { unsafe outbox.pointee.count == 0 }

  /// Forgets what OpenSSL has encrypted: it was sent, or kept by its connection.
  func clearOutbox() {
    // Through a local: the compiler (6.3) can't instrument a change through a stored pointer for the thread sanitizer.
    let outbox = unsafe self.outbox
    unsafe outbox.pointee.clear()
  }
}
