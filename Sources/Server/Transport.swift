import Files
import Glibc
import HTTP
import Reactor
import TLS

/// Who encrypts what is sent on a connection; decided once, by the handshake.
enum Transport {
  /// Nobody.
  case plain
  /// The kernel.
  case kernelTLS
  /// OpenSSL, in this process.
  case userTLS
}

/// How responses leave. There are two ways:
///
/// - plain and kernel TLS: `send` and `sendfile` on the socket. Where the kernel has the keys, it encrypts what
///   they carry, and a file's bytes never enter this process.
/// - user TLS: the bytes are read and encrypted here, and the records leave by `send`.
///
/// On both, what the socket would not take is copied to `unsent`, and the rest of a file is remembered as an
/// offset and a count.
extension Connection {
  /// Begins to send a response that is in one piece. Nearly always it leaves whole, in one system call.
  @inline(__always)
  mutating func transmit(_ response: UnsafeRawBufferPointer, _ desk: inout Desk) -> Step {
    phase = .sending
    guard transport != .userTLS, unsent.isEmpty else { return unsafe sendBytes(response, &desk) }
    let sent = unsafe socket.send(response, more: false)
    if case .bytes(let count) = sent, count == response.count {
      desk.noteSent(count)
      return responseIsSent(&desk)
    }
    return unsafe keepRest(after: sent, response, UnsafeRawBufferPointer(start: nil, count: 0), &desk)
  }

  /// Begins to send any other. When this returns, nothing refers to the reply's bytes any more.
  @inline(never)
  mutating func transmit(_ reply: Reply, _ desk: inout Desk) -> Step {
    phase = .sending
    if reply.fileCount > 0, let rest = reply.file {
      desk.files.retain(rest)
      file = rest
      fileOffset = reply.fileOffset
      fileRest = reply.fileCount
    }
    return transport == .userTLS
      ? transmitEncrypted(reply, &desk)
      : unsafe send(reply.bytes, reply.content, more: file != nil, &desk)
  }

  /// Goes on where the socket was full, or where others had their turn.
  mutating func sendRest(_ desk: inout Desk) -> Step {
    if !unsent.isEmpty { return sendUnsent(&desk) }
    guard let file else { return responseIsSent(&desk) }
    if fileRest == 0 {
      desk.files.release(file)
      self.file = nil
      return responseIsSent(&desk)
    }
    if desk.turnIsUsedUp {
      pushBackDeadline(&desk)
      return .stop(.again)
    }
    return transport == .userTLS ? sendEncryptedFile(file, &desk) : sendFile(file, &desk)
  }

  /// Sends what the socket would not take before.
  mutating func sendUnsent(_ desk: inout Desk) -> Step {
    switch unsafe socket.send(unsent.bytes, more: file != nil) {
    case .bytes(let count):
      desk.noteSent(count)
      unsent.removeFirst(count)
      if unsent.isEmpty { unsent = OwnedBytes() }
      return .onward
    case .wouldBlock, .ended: return waitForRoom(&desk)
    case .failed: return broken(&desk)
    }
  }

  /// The socket is full. The client's time begins anew if it has taken anything.
  private mutating func waitForRoom(_ desk: inout Desk) -> Step {
    if desk.hasSent || !isWaitingForRoom { pushBackDeadline(&desk) }
    isWaitingForRoom = true
    return .stop(.wait)
  }

  private mutating func truncated(_ desk: inout Desk) -> Step {
    desk.metrics.truncated += 1
    return .stop(abort(&desk))
  }

  // MARK: Plain and kernel TLS

  /// Sends bytes to the socket as they are, and keeps what it does not take.
  mutating func send(
    _ bytes: UnsafeRawBufferPointer,
    _ content: UnsafeRawBufferPointer = unsafe UnsafeRawBufferPointer(start: nil, count: 0),
    more: Bool, _ desk: inout Desk
  ) -> Step {
    if !unsent.isEmpty {
      // Something is before it in the queue.
      unsafe keep(bytes, content, from: 0)
      return .onward
    }
    let sent =
      unsafe content.isEmpty ? socket.send(bytes, more: more) : socket.send(bytes, content)
    return unsafe keepRest(after: sent, bytes, content, &desk)
  }

  /// Keeps what a send has left of the bytes, if anything.
  @inline(never)
  private mutating func keepRest(
    after sent: Transfer, _ bytes: UnsafeRawBufferPointer, _ content: UnsafeRawBufferPointer,
    _ desk: inout Desk
  ) -> Step {
    switch sent {
    case .bytes(let count):
      desk.noteSent(count)
      if count < bytes.count + content.count { unsafe keep(bytes, content, from: count) }
      return .onward
    case .wouldBlock, .ended:
      unsafe keep(bytes, content, from: 0)
      return .onward
    case .failed: return broken(&desk)
    }
  }

  private mutating func keep(
    _ bytes: UnsafeRawBufferPointer,
    _ content: UnsafeRawBufferPointer = unsafe UnsafeRawBufferPointer(start: nil, count: 0), from count: Int
  ) {
    let earlier = unsent.take()
    unsent = unsafe OwnedBytes(
      copying: earlier.bytes,
      UnsafeRawBufferPointer(rebasing: bytes.dropFirst(count)),
      UnsafeRawBufferPointer(rebasing: content.dropFirst(max(0, count - bytes.count))))
  }

  private mutating func sendFile(_ file: FileReference, _ desk: inout Desk) -> Step {
    // Never more than is left of the file: kernels before 6.5 keep a TLS record open otherwise.
    let count = Int(min(fileRest, Int64(desk.bytesLeft)))
    switch socket.sendFile(file.file.descriptor, offset: fileOffset, count: count) {
    case .bytes(let count):
      desk.noteSent(count)
      fileOffset += Int64(count)
      fileRest -= Int64(count)
      return .onward
    case .wouldBlock: return waitForRoom(&desk)
    case .ended: return truncated(&desk)
    case .failed(let error):
      // The socket's errors; all others are the file's.
      let isBroken = error.rawValue == EPIPE || error.rawValue == ECONNRESET || error.rawValue == ETIMEDOUT
      return isBroken ? broken(&desk) : truncated(&desk)
    }
  }

  // MARK: User TLS

  /// One record where it all fits: head and content are encrypted together.
  private mutating func transmitEncrypted(_ reply: Reply, _ desk: inout Desk) -> Step {
    if unsafe reply.content.isEmpty && reply.fileCount == 0 { return unsafe encrypt(reply.bytes, &desk) }
    let staged = unsafe UnsafeMutableRawBufferPointer(
      rebasing: desk.staging[..<(reply.bytes.count + reply.content.count)])
    unsafe staged.copyMemory(from: reply.bytes)
    unsafe UnsafeMutableRawBufferPointer(rebasing: staged[reply.bytes.count...])
      .copyMemory(from: reply.content)
    if let file = reply.file, reply.fileCount > 0 {
      return sendEncryptedFile(file, staged: staged.count, &desk)
    }
    return unsafe encrypt(UnsafeRawBufferPointer(staged), &desk)
  }

  /// Reads the next part of the file behind what is staged, encrypts it, sends it.
  private mutating func sendEncryptedFile(
    _ file: FileReference, staged: Int = 0, _ desk: inout Desk
  ) -> Step {
    let wanted = Int(min(fileRest, Int64(desk.limits.encryptedPerSend)))
    let room = unsafe UnsafeMutableRawBufferPointer(rebasing: desk.staging[staged..<staged + wanted])
    let read = unsafe pread(file.file.descriptor, room.baseAddress, room.count, off_t(fileOffset))
    guard read > 0 else { return truncated(&desk) }
    fileOffset += Int64(read)
    fileRest -= Int64(read)
    return unsafe encrypt(UnsafeRawBufferPointer(rebasing: desk.staging[..<(staged + read)]), &desk)
  }

  /// Sends bytes that are a whole by themselves, whatever the transport.
  mutating func sendBytes(_ bytes: UnsafeRawBufferPointer, _ desk: inout Desk) -> Step {
    unsafe transport == .userTLS ? encrypt(bytes, &desk) : send(bytes, more: false, &desk)
  }

  private mutating func encrypt(_ plaintext: UnsafeRawBufferPointer, _ desk: inout Desk) -> Step {
    guard unsafe session.encrypt(plaintext) else { return broken(&desk) }
    // The end of the last response: close_notify leaves with it, which saves a system call and a segment.
    if phase == .sending, fileRest == 0, !keepsAlive, session.sendCloseNotify() == .done {
      sentCloseNotify = true
    }
    return flushOutbox(&desk)
  }

  /// Sends what OpenSSL has written by itself and no response took along: a session ticket, or an alert that reading has
  /// made (RFC 8446 §4.6.1 and §6). False if that fails: the client would miss a record, and could decrypt none after it.
  mutating func sendRemains(_ desk: inout Desk) -> Bool {
    let remains = unsafe desk.outbox.pointee.bytes
    switch unsafe unsent.isEmpty ? socket.send(remains, more: false) : .wouldBlock {
    case .bytes(let count) where count == remains.count: break
    case .failed: return false
    case .bytes(let count):
      unsafe keep(remains, from: count)
      if phase == .receiving { phase = .sending }
    case .wouldBlock, .ended:
      unsafe keep(remains, from: 0)
      if phase == .receiving { phase = .sending }
    }
    desk.clearOutbox()
    return true
  }

  /// Sends what OpenSSL has encrypted, and keeps what the socket does not take.
  mutating func flushOutbox(_ desk: inout Desk) -> Step {
    if desk.outboxIsEmpty { return .onward }
    defer { desk.clearOutbox() }
    return unsafe send(desk.outbox.pointee.bytes, more: false, &desk)
  }
}

/// A connection's session, where it has one.
extension Session? {
  borrowing func handshake() -> Session.HandshakeProgress {
    switch self {
    case .some(let session): session.handshake()
    case .none: .failed
    }
  }

  borrowing func read(into room: UnsafeMutableRawBufferPointer) -> Session.ReadProgress {
    switch self {
    case .some(let session): unsafe session.read(into: room)
    case .none: .failed
    }
  }

  borrowing func encrypt(_ plaintext: UnsafeRawBufferPointer) -> Bool {
    switch self {
    case .some(let session): unsafe session.encrypt(plaintext)
    case .none: false
    }
  }

  borrowing func sendCloseNotify() -> Session.CloseProgress {
    switch self {
    case .some(let session): session.sendCloseNotify()
    case .none: .failed
    }
  }

  borrowing func issueTicket() {
    switch self {
    case .some(let session): session.issueTicket()
    case .none: break
    }
  }

  borrowing func keepBuffers() {
    switch self {
    case .some(let session): session.keepBuffers()
    case .none: break
    }
  }

  borrowing func releaseBuffers() {
    switch self {
    case .some(let session): session.releaseBuffers()
    case .none: break
    }
  }

  var transmitsInKernel: Bool {
    switch self {
    case .some(let session): session.transmitsInKernel
    case .none: false
    }
  }

  var mayHaveMore: Bool {
    switch self {
    case .some(let session): session.mayHaveMore
    case .none: false
    }
  }
}
