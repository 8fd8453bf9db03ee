public import HTTP

/// Every bound that the server keeps, with its default.
public struct Limits: Equatable, Sendable {
  /// What a request's head may take up. The whole head must fit into the worker's input buffer.
  public var head = RequestParser.Limits(requestLine: 8 << 10, head: 32 << 10, fields: 100)
  /// Bytes of fields that an operator may ask for, all together.
  public static let ownFieldBytes = 16 << 10
  /// Bytes of a file that the configuration is read from, or the media types.
  public static let configurationFile = 1 << 20
  /// Files that are told of in the log because a coding beside them is older.
  package static let staleCodingsTold = 16
  /// Ranges in one request; where there are more, the whole file is sent. Programs that fetch what has changed of a file ask for
  /// many at once, and Apache httpd, too, allows 200.
  public var ranges = 200
  /// Bytes between two ranges from which on they are sent as parts of their own: less would cost about as much as what is said
  /// of a part (RFC 9110 §15.3.7.2).
  public var rangeGap: Int64 = 80
  /// The bytes of a request's content, with its framing, that are passed over; more is 413.
  public var requestContent: Int64 = 64 << 10
  /// Connections of one worker; more are refused.
  public var connectionsPerWorker = 8192
  /// Files that one worker keeps open.
  public var openFilesPerWorker = 8192
  /// Time after which a file that nobody asks for any more is closed: it may have been deleted, and takes up its disk until
  /// then.
  public var idleFileMilliseconds: UInt64 = 60_000
  /// Bytes of files that all workers together keep in memory, each its part.
  public var cacheMemory = 64 << 20
  /// Bytes that one worker keeps for its connections: requests that have not come whole or have to wait, what sockets have
  /// left of responses, and TLS sessions by the estimates below. Beyond it, new connections are closed, and so is who would
  /// need more.
  public var connectionMemory = 1 << 30
  /// What a TLS session takes up in OpenSSL, about.
  public var sessionMemory = 14 << 10
  /// What it takes up besides while OpenSSL keeps its buffers: in the handshake, and while it is busy.
  public var sessionBufferMemory = 34 << 10
  /// Bytes that are received at once, and kept if they can't be answered yet.
  public var receivedAtOnce = 16 << 10
  /// Files up to this many bytes are kept in memory and leave with their head in one send.
  public var fileInMemory = 16 << 10
  /// Helper threads that wait for disks, for all workers.
  public var ioThreads = 4
  /// Jobs that wait for a helper thread; more are refused with 503.
  public var ioQueue = 1024
  /// Threads that check passwords, for all workers, where there are any.
  public var passwordThreads = 2
  /// Passwords that wait for such a thread; more are refused with 429.
  public var passwordQueue = 32
  /// Bytes of a user-id and a password together; what is longer is wrong. libcrypt takes passwords of 511 bytes.
  public var credentials = 768
  /// Credentials that a worker knows to be right without a check, in sets of 4: a power of two.
  public var credentialsRemembered = 1024
  /// Threads that list folders of the root's own file system, and of all others, where folders are listed.
  public var listingThreads = 1
  /// Entries of a folder that are listed: the first ones in the order that is asked for. A listing says what it leaves out.
  public var listingEntries = 10_000
  /// Entries that are looked at for that: two seconds' work, about.
  public var listingLooks = 1_000_000
  /// Bytes of a listing, by what they are cut at an entry.
  public var listingBytes = 4 << 20
  /// Bytes of large listings (more than `fileInMemory`) that a worker keeps at most, besides `cacheMemory`.
  public var listingMemory = 16 << 20
  /// Bytes that one connection sends before others have their turn.
  public var bytesPerTurn = 2 << 20
  /// Bytes of a file that OpenSSL encrypts before they are sent, all at once (user TLS): 8 records. Half as many cost 10 %
  /// more CPU at 1 MiB. What a full socket leaves of them is kept for the connection.
  public var encryptedPerSend = 128 << 10
  /// The same where the socket was full: 2 records.
  public var encryptedAtLeast = 32 << 10
  /// Bytes that a socket takes in beyond those that are on their way: what a client that does not read holds of the kernel's
  /// memory. It must be several TLS records (16 KiB each), or kernel TLS stalls, and what a fast link takes until the
  /// connection's next turn: 2 ms at 1 Gbit/s.
  public var unsentBytes = 256 << 10
  /// So many connections of a worker may be sent files without that bound, which costs a quick client's server CPU: together
  /// they hold 128 MB of the kernel's memory at most.
  public var unboundedSenders = 32
  /// Requests that one connection has answered, and times that it receives, before others have their turn.
  public var requestsPerTurn = 64
  /// Bytes that are encrypted under one key of AES-GCM before the sending side gets a new one, or, where there can't be one
  /// (TLS 1.2; kernel TLS on most systems), the connection ends after its response: 2^24 full records. RFC 8446 §5.5 gives
  /// 2^24.5 for TLS 1.3.
  public var bytesPerKey: Int64 = 1 << 38
  /// The same in the middle of a response, which is then cut off: a quarter more.
  public var bytesPerKeyAtMost: Int64 = 5 << 36
  /// Bytes that leave in small records at the start of a connection of kernel TLS, where the kernel can make them: a client can
  /// use none of a record before it has all of it, and a full one does not fit into what TCP sends at first (10 segments). With
  /// 64 KiB of them no byte comes sooner, and a connection for 1 MiB costs 2.4 % more instructions, not 0.6 % (on loopback).
  public var bytesInSmallRecords: Int64 = 16 << 10
  /// The plaintext of such a record.
  public var smallRecord: UInt16 = 4 << 10
  /// The plaintext of all others: the most that there may be, RFC 8446 §5.1.
  public var fullRecord: UInt16 = 16 << 10
  /// Bytes of a part of a file from which on it leaves in TLS records of its own, not with its head before it in the first (kernel
  /// TLS): pages that lie as records do are encrypted with 3 % fewer instructions at 1 MiB (Linux 6.12 and 7.3; the same on 6.1).
  public var partApart: Int64 = 256 << 10
  /// Connections that a worker accepts from a listener, and gives their first turn, before it turns to others.
  public var acceptsPerTurn = 64
  /// Steps of TLS handshakes, whoever's, that a worker takes before connections that are through have their turn. With one,
  /// they wait for one at most; more would not make handshakes cheaper.
  public var handshakeStepsPerTurn = 1
  /// Connections that may wait for a step; beyond it, the kernel keeps new ones in the listener's backlog.
  public var handshakesWaiting = 4
  /// The longest time that a listener is left alone when accepting fails, in milliseconds. The first pause is much shorter.
  public var acceptPauseMilliseconds: UInt64 = 1_000

  /// Bytes of what a balancer says of a connection (PROXY protocol), with all that it says besides.
  public var proxyHeader = 4096
  /// Bytes of what a worker has answered that wait for the access log's thread, a power of two: 4,000 lines, about. Beyond it, lines are
  /// dropped, and counted.
  public var accessLogRing = 1 << 20
  /// Questions to the admin listener that are answered at once; more are closed.
  public var adminConnections = 16
  /// Time for such a question, and for its answer, in seconds.
  public var adminSeconds = 5
  /// How long an own key for session tickets encrypts, in seconds; it decrypts for as long again. Tickets are good for two hours.
  public var ticketKeySeconds = 8 * 3600
  /// How long a certificate and a key may not fit each other while they are renewed before that is told, in milliseconds.
  public var certificatePatience: UInt64 = 60_000
  /// Time between two looks at certificates and keys: what has changed is in use after two of them.
  public var certificateLookMilliseconds: UInt64 = 500
  /// So long before a certificate expires it is told of, in seconds.
  public var expiryWarningSeconds: Int64 = 7 * 86_400

  /// Time for a TLS handshake, from accept on, in milliseconds.
  public var handshakeMilliseconds: UInt64 = 10_000
  /// The same once the server stops: to the client it may be over, and it has a right to be told that nothing follows.
  public var lastHandshakeMilliseconds: UInt64 = 1_000
  /// Time for a request's head and content, from its first byte on (the first request: from the start of the
  /// connection on).
  public var headMilliseconds: UInt64 = 10_000
  /// Time between two requests on a connection.
  public var idleMilliseconds: UInt64 = 75_000
  /// Time without a byte that the client takes.
  public var sendMilliseconds: UInt64 = 60_000
  /// Time for a disk to give a file, or the next part of one: then 503, or a reset in the middle of a response.
  public var diskMilliseconds: UInt64 = 10_000
  /// How long the socket is full before the kernel is asked for the first time how much the client takes: who is quick
  /// costs no system call.
  public var firstUptakeMilliseconds: UInt64 = 1_000
  /// Time between two such questions.
  public var uptakeMilliseconds: UInt64 = 10_000
  /// Bytes that a client must take in a second while the socket is full; 0: it may be as slow as it likes.
  public var minimumSendRate: UInt32 = 0
  /// The time over which that is measured. A client's kernel may take in a lot at once, and nothing until that is read.
  public var sendRateMilliseconds: UInt64 = 30_000
  /// Time for the client to close, once everything is sent.
  public var lingerMilliseconds: UInt64 = 5_000
  /// Time for a client that was answered to ask once more, when other workers take over.
  public var lastRequestMilliseconds: UInt64 = 1_000
  /// Time after which it is told that a reload still reads files.
  public var reloadWarningMilliseconds: UInt64 = 10_000
  /// Configurations from before a reload whose connections go on, at most: the oldest one stops then.
  public var earlierConfigurations = 8
  /// Time for another process to take over; then it is ended.
  public var successorMilliseconds: UInt64 = 60_000
  /// Time to finish what is being sent when the server stops.
  public var drainMilliseconds: UInt64 = 30_000
  /// Time beyond that for the workers to end; then the process ends without them.
  public var stopGraceMilliseconds: UInt64 = 2_000

  /// Workers that share what is for all of them, at least 1.
  public var workers = 1
  /// What the caches of all workers take by default where a process may have `memory` bytes: 32 MiB of 512 MiB, 4 GiB of
  /// 64 GiB.
  package static func cacheMemory(of memory: Int) -> Int { max(8 << 20, memory / 16) }
  /// A worker's part of `cacheMemory`, and room for some files at least: they have to be in it to be sent.
  var cacheMemoryPerWorker: Int { max(16 * fileInMemory, cacheMemory / max(1, workers)) }

  /// Large listings that a worker may keep, in units of 64 KiB, each of which may take a descriptor: a part of those for open
  /// files, and of a small memory.
  var listingUnitsPerWorker: Int {
    min(openFilesPerWorker / 4, max(1 << 20, min(listingMemory, cacheMemoryPerWorker / 4)) >> 16)
  }
  /// The bytes of a listing, so that two fit into what a worker may keep.
  package var listingBytesAtMost: Int { min(listingBytes, listingUnitsPerWorker << 15) }

  /// The defaults.
  public init() {}
}
