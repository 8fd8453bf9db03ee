import Files
import Glibc
import Reactor
import TLS

/// A connection's way in and out: the socket, the TLS session where there is one, and who encrypts what is sent.
///
/// - Nobody, or the kernel: `send` and `sendfile` on the socket. Where the kernel has the keys, it encrypts what they
///   carry, and a file's bytes never enter this process.
/// - OpenSSL: bytes are read and encrypted here, into the worker's outbox, and the records leave by `send`.
struct Transport: ~Copyable {
  /// Who encrypts what is sent; decided once, by the handshake.
  enum Encryption {
    /// Nobody.
    case none
    /// The kernel.
    case kernel
    /// OpenSSL, in this process.
    case user
  }

  /// How sending went.
  enum Outcome {
    /// All has left, or is kept: nothing stands in the way of what comes next.
    case onward
    /// The socket takes no more now.
    case full
    /// The next part of the file has to be waited for.
    case wouldBlock
    /// The file is shorter than it was, or can't be read.
    case truncated
    /// Nothing can be sent any more.
    case broken
    /// The socket was full, and there is no memory for what it has left.
    case outOfMemory
  }

  /// What is left of TLS to see to.
  enum Security: ~Copyable {
    /// Nothing: a plaintext listener.
    case none
    /// OpenSSL has the receiving side, and the sending side if the kernel has not.
    case session(Session)
    /// The kernel has both.
    case kernel(KernelSession)
  }

  let socket: Socket
  var security: Security
  /// Receiving goes through a session of OpenSSL's.
  var receivesThroughSession: Bool
  var encryption: Encryption
  /// The certificates that the client had to show: see `Service.clientPolicies`.
  var clientPolicy: Int32 = 0
  /// A KeyUpdate or an alert may lie behind what a short receive has taken, and the poller would never tell: a kernel that takes
  /// a second key (Linux 7.3) calls a socket not readable then, though it has not given out the record yet.
  var mayHideRecords = false
  /// close_notify has left, or waits in the outbox.
  var hasSentCloseNotify = false
  /// The socket takes in no more than `Limits.unsentBytes` beyond what is on its way.
  private var hasUnsentLimit = false
  /// Bytes that may still be encrypted before a new key is due: RFC 8446 §5.5. Plaintext has no end. While records are small:
  /// before they need not be any more.
  var keyBytesLeft = Int64.max
  /// The kernel makes small records, so that the first bytes come early.
  var hasSmallRecords = false
  /// How much OpenSSL encrypts for one send, in units of `Limits.encryptedAtLeast`.
  private var step = 1
  /// What the session may take up.
  var sessionShare: MemoryShare?
  /// What the session's buffers take up while OpenSSL keeps them: in the handshake, and for connections that are busy, not
  /// for those that wait.
  var bufferShare: MemoryShare?

  init(socket: consuming Socket, session: consuming Session?, context: borrowing WorkerContext) {
    // Until the handshake says otherwise, nothing can be left to the kernel.
    encryption = session == nil ? .none : .user
    unsafe sessionShare = session == nil ? nil : MemoryShare(of: context.memory, context.limits.sessionMemory)
    unsafe bufferShare =
      session == nil ? nil : MemoryShare(of: context.memory, context.limits.sessionBufferMemory)
    self.socket = socket
    receivesThroughSession = session != nil
    security = if let session = consume session { .session(session) } else { .none }
  }

  var isSecure: Bool { encryption != .none }

  /// From now on the socket takes in little that is not on its way.
  mutating func limitUnsent(_ limits: Limits) {
    guard !hasUnsentLimit else { return }
    hasUnsentLimit = true
    socket.limitUnsent(bytes: limits.unsentBytes)
  }

  // MARK: Sending

  /// Begins to send: bytes, the content behind them, and the file that `outgoing` holds already. When this returns, nothing
  /// refers to the bytes any more. `isLast`: nothing follows on this connection.
  mutating func send(
    _ bytes: UnsafeRawBufferPointer, _ content: UnsafeRawBufferPointer, isLast: Bool,
    _ outgoing: inout Outgoing, _ context: inout WorkerContext
  ) -> Outcome {
    if encryption == .user {
      return unsafe sendEncrypted(bytes, content, isLast: isLast, &outgoing, &context)
    }
    return unsafe sendAsItIs(bytes, content, &outgoing, &context)
  }

  /// Sends bytes to the socket as they are, and keeps what it does not take.
  private mutating func sendAsItIs(
    _ bytes: UnsafeRawBufferPointer, _ content: UnsafeRawBufferPointer,
    _ outgoing: inout Outgoing, _ context: inout WorkerContext
  ) -> Outcome {
    guard outgoing.bytes.isEmpty else {
      // Something is before it in the queue.
      return unsafe keep(bytes, content, from: 0, &outgoing, &context)
    }
    let fileFollows =
      outgoing.hasFile && (encryption == .none || outgoing.fileRest < context.limits.partApart)
    let sent = unsafe content.isEmpty ? socket.send(bytes, more: fileFollows) : socket.send(bytes, content)
    return unsafe keepRest(after: sent, bytes, content, &outgoing, &context)
  }

  /// Keeps what a send has left of the bytes, if anything.
  @inline(never)
  mutating func keepRest(
    after sent: Transfer, _ bytes: UnsafeRawBufferPointer, _ content: UnsafeRawBufferPointer,
    _ outgoing: inout Outgoing, _ context: inout WorkerContext
  ) -> Outcome {
    switch sent {
    case .bytes(let count):
      noteSent(count, &context)
      guard count < bytes.count + content.count else { return .onward }
      return unsafe keep(bytes, content, from: count, &outgoing, &context)
    case .wouldBlock, .ended: return unsafe keep(bytes, content, from: 0, &outgoing, &context)
    case .failed: return .broken
    }
  }

  private func keep(
    _ bytes: UnsafeRawBufferPointer, _ content: UnsafeRawBufferPointer, from count: Int,
    _ outgoing: inout Outgoing, _ context: inout WorkerContext
  ) -> Outcome {
    unsafe outgoing.keep(bytes, content, from: count, within: context.memory) ? .onward : .outOfMemory
  }

  /// Sends the front of what waits in memory.
  mutating func sendBytes(of outgoing: inout Outgoing, _ context: inout WorkerContext) -> Outcome {
    switch unsafe socket.send(outgoing.bytes.bytes, more: outgoing.hasFile) {
    case .bytes(let count):
      noteSent(count, &context)
      outgoing.removeBytes(count)
      return .onward
    case .wouldBlock, .ended: return .full
    case .failed: return .broken
    }
  }

  /// Sends the front of the file that is left, nothing being before it.
  mutating func sendFile(
    of outgoing: inout Outgoing, isLast: Bool, _ context: inout WorkerContext
  ) -> Outcome {
    guard let file = outgoing.file else { return .onward }
    if encryption == .user {
      return sendEncryptedFile(file, behind: 0, isLast: isLast, &outgoing, &context)
    }
    // Never more than is left of the file: kernels before 6.5 keep a TLS record open otherwise.
    let most = hasSmallRecords ? max(Int(keyBytesLeft), Int(context.limits.smallRecord)) : .max
    let count = readyCount(file, atMost: min(context.bytesLeft, most), outgoing, context)
    guard count > 0 else { return .wouldBlock }
    switch socket.sendFile(file.file.descriptor, offset: outgoing.fileOffset, count: count) {
    case .bytes(let count):
      noteSent(count, &context)
      outgoing.advanceFile(count)
      return .onward
    case .wouldBlock: return .full
    case .ended: return .truncated
    case .failed(let error):
      // The socket's errors; all others are the file's.
      let isBroken =
        switch error.rawValue {
        case EPIPE, ECONNRESET, ETIMEDOUT: true
        // What the client has sent is no record that the kernel can open, which it keeps as the socket's error.
        case EBADMSG, EMSGSIZE, EINVAL: isSecure && !receivesThroughSession
        default: false
        }
      return isBroken ? .broken : .truncated
    }
  }

  /// How much of the rest of the file can be sent without waiting for a disk.
  @inline(__always)
  private func readyCount(
    _ file: FileReference, atMost count: Int, _ outgoing: borrowing Outgoing,
    _ context: borrowing WorkerContext
  ) -> Int {
    Int(
      context.responder.files.readyCount(
        file, offset: outgoing.fileOffset, count: min(outgoing.fileRest, Int64(count)),
        now: context.clock.milliseconds))
  }

  // MARK: User TLS

  /// One record where it all fits: head and content are encrypted together.
  private mutating func sendEncrypted(
    _ bytes: UnsafeRawBufferPointer, _ content: UnsafeRawBufferPointer, isLast: Bool,
    _ outgoing: inout Outgoing, _ context: inout WorkerContext
  ) -> Outcome {
    if unsafe content.isEmpty && !outgoing.hasFile {
      return unsafe encrypt(bytes, isLast: isLast, &outgoing, &context)
    }
    let staged = unsafe UnsafeMutableRawBufferPointer(
      rebasing: context.staging[..<(bytes.count + content.count)])
    unsafe staged.copyMemory(from: bytes)
    unsafe UnsafeMutableRawBufferPointer(rebasing: staged[bytes.count...]).copyMemory(from: content)
    if let file = outgoing.file {
      return sendEncryptedFile(file, behind: staged.count, isLast: isLast, &outgoing, &context)
    }
    return unsafe encrypt(UnsafeRawBufferPointer(staged), isLast: isLast, &outgoing, &context)
  }

  /// Reads the next part of the file behind what is staged, encrypts it, sends it.
  private mutating func sendEncryptedFile(
    _ file: FileReference, behind staged: Int, isLast: Bool,
    _ outgoing: inout Outgoing, _ context: inout WorkerContext
  ) -> Outcome {
    let wanted = readyCount(file, atMost: stepSize(context.limits), outgoing, context)
    guard wanted > 0 else {
      guard staged > 0 else { return .wouldBlock }
      let plaintext = unsafe UnsafeRawBufferPointer(rebasing: context.staging[..<staged])
      return unsafe encrypt(plaintext, isLast: false, &outgoing, &context)
    }
    let room = unsafe UnsafeMutableRawBufferPointer(rebasing: context.staging[staged..<staged + wanted])
    let read = unsafe pread(file.file.descriptor, room.baseAddress, room.count, off_t(outgoing.fileOffset))
    guard read > 0 else { return .truncated }
    outgoing.advanceFile(read)
    let plaintext = unsafe UnsafeRawBufferPointer(rebasing: context.staging[..<(staged + read)])
    return unsafe encrypt(plaintext, isLast: isLast && outgoing.fileRest == 0, &outgoing, &context)
  }

  private mutating func encrypt(
    _ plaintext: UnsafeRawBufferPointer, isLast: Bool,
    _ outgoing: inout Outgoing, _ context: inout WorkerContext
  ) -> Outcome {
    let isEncrypted =
      switch security {
      case .session(let session): unsafe session.encrypt(plaintext)
      default: false
      }
    guard isEncrypted else { return .broken }
    // close_notify leaves with the end of the last response, which saves a system call and a segment.
    if isLast { _ = sendCloseNotify() }
    let outcome = flushOutbox(&outgoing, &context)
    adaptStep(isFull: !outgoing.bytes.isEmpty, context.limits)
    return outcome
  }

  /// How much of a file is encrypted next. Where that is much, the socket is asked first how much it takes: the rest would be
  /// kept in memory for as long as the client does not read.
  private func stepSize(_ limits: Limits) -> Int {
    let least = min(limits.encryptedAtLeast, limits.encryptedPerSend)
    guard step > 1 else { return least }
    let wanted = min(least * step, limits.encryptedPerSend)
    guard hasUnsentLimit, let unsent = socket.unsentBytes() else { return wanted }
    return max(least, min(wanted, limits.unsentBytes - unsent))
  }

  /// Little after the socket was full; more and more while it takes all.
  private mutating func adaptStep(isFull: Bool, _ limits: Limits) {
    if isFull {
      step = 1
    } else if limits.encryptedAtLeast * step < limits.encryptedPerSend {
      step *= 2
    }
  }

  /// Sends what OpenSSL has written, and keeps what the socket does not take.
  mutating func flushOutbox(_ outgoing: inout Outgoing, _ context: inout WorkerContext) -> Outcome {
    if context.outboxIsEmpty { return .onward }
    defer { context.clearOutbox() }
    // As it is: nothing of a file belongs into the last segment.
    guard outgoing.bytes.isEmpty else {
      return unsafe keep(context.outbox.pointee.bytes, .empty, from: 0, &outgoing, &context)
    }
    let records = unsafe context.outbox.pointee.bytes
    return unsafe keepRest(after: socket.send(records, more: false), records, .empty, &outgoing, &context)
  }
}
