public import Access
package import TLS
public import Files

/// What a worker has counted. Nothing that is dropped or refused goes uncounted.
public struct Metrics: Sendable, CustomStringConvertible {
  /// Connections accepted.
  public var connections = 0
  /// Connections closed at once because the worker holds as many as it may.
  public var refusedAtLimit = 0
  /// Connections closed at once because no file descriptor was free (EMFILE, ENFILE).
  public var refusedWithoutDescriptor = 0
  /// Connections closed at once, or given up, because there was no memory for them, or the worker keeps as much for
  /// connections as it may.
  public var refusedWithoutMemory = 0
  /// Times that a listener was left alone for a while because accepting failed.
  public var acceptPauses = 0
  /// Handshakes done whose sending side the kernel encrypts.
  public var kernelTLS = 0
  /// Those of them whose receiving side the kernel decrypts, too.
  public var kernelReceive = 0
  /// Those of them whose receiving side stayed with OpenSSL although the kernel should have it.
  public var kernelReceiveRefused = 0
  /// Handshakes done whose sending side OpenSSL encrypts.
  public var userTLS = 0
  /// Handshakes that failed or took too long.
  public var handshakesFailed = 0
  /// Connections closed because kernel TLS is required and theirs could not have it.
  public var kernelTLSRefused = 0
  /// New keys of the sending side: a client has asked for one, or the old one was used up.
  public var keyUpdates = 0
  /// Connections ended because the client asked for a new key and the kernel can't be given any.
  public var keyUpdatesRefused = 0
  /// Connections ended because their key was used up (RFC 8446 §5.5) and there could be no other.
  public var keyLimits = 0
  /// Requests answered, whatever the answer.
  public var requests = 0
  /// Requests that were no HTTP, or more than we take.
  public var malformed = 0
  /// Requests or responses given up because the client was too slow.
  public var timeouts = 0
  /// Responses given up because the client took less than it must (`--min-send-rate`).
  public var tooSlow = 0
  /// Responses cut off because the file became shorter or could not be read to the end.
  public var truncated = 0
  /// Connections that the client, or the network, broke off.
  public var broken = 0
  /// What the file caches have counted.
  public var files = FileCounts()
  /// What was counted of passwords.
  public var access = AccessCounts()
  /// Requests and responses given up because a disk did not answer in time.
  public var diskTimeouts = 0
  /// Connections of balancers that did not say who has connected to them, or not so that it is understood.
  public package(set) var introductionsRefused = 0
  /// Handshakes that have gone on with an earlier session.
  public var resumed = 0
  /// Those that failed, by the number of the `HandshakeFailure`.
  package var handshakeFailures = InlineArray<13, Int>(repeating: 0)
  /// Those after which OpenSSL encrypts, by the number of the `KernelTLS.Reason`.
  package var againstKernel = InlineArray<8, Int>(repeating: 0)
  /// Bytes given to sockets: as they are, for the kernel to encrypt, and encrypted by OpenSSL (records).
  package var bytesPlain: UInt64 = 0
  package var bytesKernel: UInt64 = 0
  package var bytesUser: UInt64 = 0
  /// Responses to what was no request, or not taken.
  package var rejections = 0
  /// Responses by site and status, but for those with files of the first site that are sent from memory at once.
  package var statuses = StatusCounts(sites: 0)
  /// Time from taking up a request to its response's first byte, and to the last, in milliseconds, of requests that were not
  /// answered at once.
  package var firstByte = Histogram()
  /// Responses that were begun at once, and not sent whole at once.
  package var slowSends: UInt64 = 0
  package var lastByte = Histogram()
  /// What connections are about, now.
  package var states = ConnectionStates()
  /// Lines of the access log that were dropped.
  public package(set) var logLinesDropped = 0

  /// Nothing has happened yet.
  package init() {}

  /// Adds what another worker has counted.
  package mutating func add(_ other: Metrics) {
    connections += other.connections
    refusedAtLimit += other.refusedAtLimit
    refusedWithoutDescriptor += other.refusedWithoutDescriptor
    refusedWithoutMemory += other.refusedWithoutMemory
    acceptPauses += other.acceptPauses
    kernelTLS += other.kernelTLS
    kernelReceive += other.kernelReceive
    kernelReceiveRefused += other.kernelReceiveRefused
    userTLS += other.userTLS
    handshakesFailed += other.handshakesFailed
    kernelTLSRefused += other.kernelTLSRefused
    keyUpdates += other.keyUpdates
    keyUpdatesRefused += other.keyUpdatesRefused
    keyLimits += other.keyLimits
    requests += other.requests
    malformed += other.malformed
    timeouts += other.timeouts
    tooSlow += other.tooSlow
    truncated += other.truncated
    broken += other.broken
    files.add(other.files)
    access.add(other.access)
    diskTimeouts += other.diskTimeouts
    introductionsRefused += other.introductionsRefused
    resumed += other.resumed
    rejections += other.rejections
    for index in handshakeFailures.indices { handshakeFailures[index] += other.handshakeFailures[index] }
    for index in againstKernel.indices { againstKernel[index] += other.againstKernel[index] }
    bytesPlain += other.bytesPlain
    bytesKernel += other.bytesKernel
    bytesUser += other.bytesUser
    statuses.add(other.statuses)
    firstByte.add(other.firstByte)
    slowSends += other.slowSends
    lastByte.add(other.lastByte)
    states.add(other.states)
  }

  /// Nothing has happened.
  package static var none: Metrics { Metrics() }

  /// What workers do not count by status: files of the first site that are sent from memory at once.
  package mutating func completeFirstSite() {
    let counted = statuses.counts.reduce(0, +)
    let all = UInt64(requests + rejections)
    if all > counted { statuses.counts[StatusCounts.slot(200)] += all - counted }
  }

  /// Has the sites have other numbers, by those that they have.
  package mutating func numberSites(_ numbers: [Int]) { statuses.number(numbers) }

  package mutating func note(_ failure: HandshakeFailure) {
    handshakesFailed += 1
    handshakeFailures[failure.rawValue] += 1
  }

  /// All counts in one line, `name=value`.
  public var description: String {
    """
    connections=\(connections) refused_at_limit=\(refusedAtLimit) \
    refused_without_descriptor=\(refusedWithoutDescriptor) accept_pauses=\(acceptPauses) \
    refused_without_memory=\(refusedWithoutMemory) kernel_tls=\(kernelTLS) kernel_receive=\(kernelReceive) \
    kernel_receive_refused=\(kernelReceiveRefused) user_tls=\(userTLS) \
    handshakes_failed=\(handshakesFailed) kernel_tls_refused=\(kernelTLSRefused) key_updates=\(keyUpdates) \
    key_updates_refused=\(keyUpdatesRefused) key_limits=\(keyLimits) \
    requests=\(requests) malformed=\(malformed) timeouts=\(timeouts) too_slow=\(tooSlow) \
    truncated=\(truncated) broken=\(broken) \
    cache_looks=\(files.looks) cache_misses=\(files.loads) cache_evictions=\(files.evictions) \
    disk_waits=\(files.diskWaits) disk_refused=\(files.diskRefused) disk_timeouts=\(diskTimeouts) \
    password_checks=\(access.checks) passwords_wrong=\(access.wrong) password_overloads=\(access.overloads) \
    password_timeouts=\(access.timeouts) \
    stale_codings=\(files.staleCodings) log_lines_dropped=\(logLinesDropped) proxy_headers_refused=\(introductionsRefused)
    """
  }
}
