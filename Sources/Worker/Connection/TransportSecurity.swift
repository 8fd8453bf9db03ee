import Reactor
import TLS

/// What TLS wants besides sending: the handshake, what is received, keys, and the end.
extension Transport {
  // MARK: The handshake

  /// Goes on with the handshake; when it is done, `encryption` is final.
  mutating func handshake(_ limits: Limits) -> Session.HandshakeProgress {
    let (progress, isInKernel, kernelLimitsRecords, policy) =
      switch security {
      case .session(let session):
        (session.handshake(), session.transmitsInKernel, session.kernelLimitsRecords, session.clientPolicy)
      default: (.failed, false, false, 0)
      }
    switch progress {
    case .done:
      encryption = isInKernel ? .kernel : .user
      bufferShare = nil
      clientPolicy = Int32(policy)
      beginKey(limits)
      if kernelLimitsRecords { beginSmallRecords(limits) }
    case .plaintextHTTP: encryption = .none
    case .wouldBlock, .full, .failed: break
    }
    return progress
  }

  /// Why the handshake has failed.
  var handshakeFailure: HandshakeFailure {
    switch security {
    case .session(let session): session.failure
    default: .protocol
    }
  }

  /// What the handshake has settled.
  var securityFacts: Connection.SecurityFacts {
    switch security {
    case .session(let session):
      Connection.SecurityFacts(
        version: session.version, cipher: session.cipherNumber,
        reason: session.reasonAgainstKernel.map { UInt8($0.number + 1) } ?? 0, isResumed: session.isResumed)
    default: Connection.SecurityFacts()
    }
  }

  /// The name that the client has asked for, and the subject of its certificate.
  var securityNames: (server: [UInt8], subject: [UInt8]) {
    switch security {
    case .session(let session): (session.serverName, session.clientSubject)
    default: ([], [])
    }
  }

  /// Leaves the receiving side to the kernel, too, if it shall be. Then nothing of OpenSSL's is left, and receiving is what it
  /// is without TLS. Throws why that can't be.
  mutating func moveIntoKernel() throws(Errno) {
    var moved: KernelSession?
    switch security {
    case .session(let session):
      guard session.mayMoveIntoKernel else { return }
      mayHideRecords = session.takesSecondKey
      switch session.moveIntoKernel() {
      case .moved(let kernel): moved = consume kernel
      case .refused(let error): throw Errno(rawValue: error)
      }
    default: return
    }
    guard let kernel = moved.take() else { return }
    security = .kernel(kernel)
    receivesThroughSession = false
    sessionShare = nil
  }

  /// Makes the session ticket, if it has not gone with a response.
  func issueTicket() {
    switch security {
    case .session(let session): session.issueTicket()
    default: break
    }
  }

  /// The session has received something that was not read yet.
  var sessionHoldsMore: Bool {
    switch security {
    case .session(let session): session.holdsMore
    default: false
    }
  }

  /// What the session did last has received all that the socket had.
  var hasDrainedSocket: Bool {
    switch security {
    case .session(let session): session.hasDrainedSocket
    default: false
    }
  }

  var keepsBuffers: Bool { bufferShare != nil }

  /// Lets OpenSSL keep its buffers from one record to the next, for a connection that is busy. False if there is no memory
  /// for that; then it goes on without.
  mutating func keepBuffers(_ context: borrowing WorkerContext) -> Bool {
    guard let share = unsafe MemoryShare(of: context.memory, context.limits.sessionBufferMemory) else {
      return false
    }
    bufferShare = consume share
    switch security {
    case .session(let session): session.keepBuffers()
    default: break
    }
    return true
  }

  /// Frees OpenSSL's buffers.
  mutating func releaseBuffers() {
    bufferShare = nil
    switch security {
    case .session(let session): session.releaseBuffers()
    default: break
    }
  }

  /// Sends close_notify, or puts it into the outbox, unless that was done.
  mutating func sendCloseNotify() -> Session.SendProgress {
    guard isSecure, !hasSentCloseNotify else { return .done }
    let progress: Session.SendProgress =
      switch security {
      case .session(let session): session.sendCloseNotify()
      case .kernel(let session): session.sendCloseNotify()
      case .none: .failed
      }
    hasSentCloseNotify = progress == .done
    return progress
  }

  // MARK: Keys

  /// The sending side has a key that nothing was encrypted with.
  private mutating func beginKey(_ limits: Limits) {
    let hasLimit =
      switch security {
      case .session(let session): session.hasKeyLimit
      case .kernel(let session): session.hasKeyLimit
      case .none: false
      }
    keyBytesLeft = hasLimit ? limits.bytesPerKey : .max
  }

  // MARK: Small records

  /// From now on the kernel makes small records, if it does not refuse.
  private mutating func beginSmallRecords(_ limits: Limits) {
    guard limits.bytesInSmallRecords > 0,
      KernelTLS.limitRecords(of: socket.descriptor, to: limits.smallRecord)
    else { return }
    hasSmallRecords = true
    keyBytesLeft = min(keyBytesLeft, limits.bytesInSmallRecords)
  }

  /// There were enough of them: full ones follow, and the key's own count. If a record is begun, as many again, and then full ones.
  mutating func endSmallRecords(_ limits: Limits) {
    let encrypted = limits.bytesInSmallRecords &- keyBytesLeft
    hasSmallRecords = !KernelTLS.limitRecords(of: socket.descriptor, to: limits.fullRecord)
    beginKey(limits)
    keyBytesLeft = hasSmallRecords ? min(keyBytesLeft, limits.bytesInSmallRecords) : keyBytesLeft &- encrypted
    if owesKeyUpdate { keyBytesLeft = min(keyBytesLeft, 0) }
  }

  private var owesKeyUpdate: Bool {
    switch security {
    case .session(let session): session.owesKeyUpdate
    case .kernel(let session): session.owesKeyUpdate
    case .none: false
    }
  }

  // MARK: The count of bytes

  /// So many bytes were given to the socket.
  @inline(__always)
  mutating func noteSent(_ count: Int, _ context: inout WorkerContext) {
    context.noteSent(count)
    switch encryption {
    case .none: context.metrics.bytesPlain &+= UInt64(truncatingIfNeeded: count)
    case .kernel: context.metrics.bytesKernel &+= UInt64(truncatingIfNeeded: count)
    case .user: context.metrics.bytesUser &+= UInt64(truncatingIfNeeded: count)
    }
    noteEncrypted(count)
  }

  @inline(__always)
  private mutating func noteEncrypted(_ count: Int) {
    keyBytesLeft &-= Int64(count)
  }

  /// The sending side has to get a new key, or the connection to end: the client has asked for one, or so much was encrypted
  /// under this one as should be.
  var newKeyIsDue: Bool { keyBytesLeft <= 0 }

  /// Nothing more may be encrypted under this key.
  func keyIsUsedUp(_ limits: Limits) -> Bool { keyBytesLeft <= limits.bytesPerKey - limits.bytesPerKeyAtMost }

  var canRenewKey: Bool {
    switch security {
    case .session(let session): session.canRenewKey
    case .kernel(let session): session.canRenewKey
    case .none: false
    }
  }

  /// Gives the sending side a new key.
  mutating func renewKey(_ limits: Limits) -> Session.SendProgress {
    let progress: Session.SendProgress =
      switch security {
      case .session(let session): session.renewKey()
      case .kernel(let session): session.renewKey()
      case .none: .failed
      }
    if case .done = progress { beginKey(limits) }
    return progress
  }

  // MARK: Receiving

  /// How many KeyUpdates were sent.
  var keyUpdatesSent: Int {
    switch security {
    case .session(let session): session.keyUpdatesSent
    case .kernel(let session): session.keyUpdatesSent
    case .none: 0
    }
  }

  /// Receives plaintext through the session. `ignoringEnd`: a response is on its way.
  mutating func receiveSecure(into room: UnsafeMutableRawBufferPointer, ignoringEnd: Bool)
    -> Session.ReadProgress
  {
    let (progress, owesKeyUpdate): (Session.ReadProgress, Bool) =
      switch security {
      case .session(let session):
        unsafe (session.read(into: room, ignoringEnd: ignoringEnd), session.owesKeyUpdate)
      default: (.failed, false)
      }
    if owesKeyUpdate { keyBytesLeft = min(keyBytesLeft, 0) }
    return progress
  }

  /// A plain receive has failed with `error`, or found an end (nil): where the kernel has the receiving side, that may be a
  /// record of TLS's own.
  mutating func receiveRecord(
    into room: UnsafeMutableRawBufferPointer, after error: Errno?, ignoringEnd: Bool
  ) -> Session.ReadProgress {
    let (progress, owesKeyUpdate): (Session.ReadProgress, Bool) =
      switch security {
      case .kernel(let session):
        unsafe (
          session.receiveRecord(into: room, after: error?.rawValue ?? 0, ignoringEnd: ignoringEnd),
          session.owesKeyUpdate
        )
      default: (error == nil ? .ended : .failed, false)
      }
    if owesKeyUpdate { keyBytesLeft = min(keyBytesLeft, 0) }
    return progress
  }
}
