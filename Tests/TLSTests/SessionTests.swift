import COpenSSL
import Glibc
import TestSupport
import Testing

@testable import TLS

extension Session.ReadProgress: Equatable {
  static func == (left: Session.ReadProgress, right: Session.ReadProgress) -> Bool {
    switch (left, right) {
    case (.bytes(let count), .bytes(let other)): count == other
    case (.wouldBlock, .wouldBlock), (.interrupted, .interrupted), (.ended, .ended), (.keyUpdate, .keyUpdate),
      (.failed, .failed):
      true
    default: false
    }
  }
}

@Suite struct SessionTests {
  static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]

  /// A pair that has shaken hands.
  static func connect(_ offer: ClientOffer = ClientOffer(), overTCP: Bool = false) throws -> Pair {
    let pair = try Pair(offer, overTCP: overTCP)
    let (client, server) = pair.shakeHands()
    guard client == .done, server == .done else { throw Failure(client: client, server: server) }
    return pair
  }

  struct Failure: Error {
    let client: Client.Progress
    let server: Session.HandshakeProgress
  }

  // MARK: The handshake

  @Test(
    arguments: [
      ("ecdsa", TLS1_3_VERSION, nil, "TLS_AES_128_GCM_SHA256"),
      ("rsa", TLS1_3_VERSION, nil, "TLS_AES_128_GCM_SHA256"),
      ("ed25519", TLS1_3_VERSION, nil, "TLS_AES_128_GCM_SHA256"),
      ("ecdsa", TLS1_2_VERSION, nil, "ECDHE-ECDSA-AES128-GCM-SHA256"),
      ("rsa", TLS1_2_VERSION, nil, "ECDHE-RSA-AES128-GCM-SHA256"),
      // What the client has to have, it gets.
      ("ecdsa", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
      ("ecdsa", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
      ("rsa", TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
      // A client that wants ChaCha20 most has no AES instructions; one that has, gets AES.
      (
        "ecdsa", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256"
      ),
      (
        "ecdsa", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
        "TLS_AES_128_GCM_SHA256"
      ),
      (
        "ecdsa", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305"
      ),
    ] as [(String, Int32, String?, String)])
  func versionsAndCiphers(certificate: String, version: Int32, wanted: String?, cipher: String) throws {
    var offer = ClientOffer(version: version)
    if version == TLS1_3_VERSION { offer.cipherSuites = wanted } else { offer.ciphers = wanted }
    let pair = try Pair(offer, certificate: certificate)
    #expect(pair.shakeHands() == (.done, .done))
    #expect(pair.client.version == (version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2"))
    #expect(pair.client.cipher == cipher)
    #expect(!pair.transmitsInKernel)
    #expect(pair.send("hello"))
    pair.flush()
    #expect(pair.clientReads(5).bytes == Array("hello".utf8))
  }

  @Test(arguments: [
    ClientOffer(version: TLS1_1_VERSION),
    // Without forward secrecy, or without authentication of what is encrypted.
    ClientOffer(version: TLS1_2_VERSION, ciphers: "AES128-GCM-SHA256:AES256-SHA"),
    ClientOffer(version: TLS1_2_VERSION, ciphers: "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA"),
    ClientOffer(version: TLS1_3_VERSION, cipherSuites: "TLS_AES_128_CCM_SHA256"),
  ])
  func whatIsTooWeakFails(offer: ClientOffer) throws {
    let pair = try Pair(offer)
    #expect(pair.shakeHands() == (.failed, .failed))
  }

  @Test(
    arguments: [
      ("X25519", NID_X25519), ("P-256", NID_X9_62_prime256v1), ("P-384", NID_secp384r1),
      // The client has sent a share of what it likes best, and is asked for another one.
      ("ffdhe8192:P-384", NID_secp384r1), ("P-521:X448:X25519", NID_X25519),
    ] as [(String, Int32)])
  func groupsThatCostLittle(offered: String, group: Int32) throws {
    // RSA, because a TLS 1.2 client has to offer the group of the certificate's key, too.
    for version in Self.versions {
      let pair = try Pair(ClientOffer(version: version, groups: offered), certificate: "rsa")
      #expect(pair.shakeHands() == (.done, .done))
      #expect(pair.client.group == group)
    }
  }

  /// One ClientHello for ffdhe8192 costs hundreds of times what one for X25519 does.
  @Test(arguments: [
    (TLS1_3_VERSION, "ffdhe2048"), (TLS1_3_VERSION, "ffdhe8192"),
    (TLS1_3_VERSION, "ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192"),
    (TLS1_3_VERSION, "X448"), (TLS1_3_VERSION, "P-521"), (TLS1_2_VERSION, "X448"), (TLS1_2_VERSION, "P-521"),
  ])
  func otherGroupsAreRefused(version: Int32, offered: String) throws {
    let pair = try Pair(ClientOffer(version: version, groups: offered), certificate: "rsa")
    #expect(pair.shakeHands() == (.failed, .failed))
    #expect(COpenSSL_ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE)
  }

  /// RFC 8446 §4.2.7: 0x11EC is the hybrid's number, which OpenSSL marks as one without a name of its own.
  @Test(
    .enabled(if: Client.knows(group: "X25519MLKEM768"), "this libssl is older than 3.5"),
    arguments: ["X25519MLKEM768", "X25519MLKEM768:X25519", "X25519:X25519MLKEM768"])
  func whoKnowsThePostQuantumHybridGetsIt(offered: String) throws {
    let pair = try Self.connect(ClientOffer(version: TLS1_3_VERSION, groups: offered))
    #expect(pair.client.group & 0xFFFF == 0x11EC)
  }

  /// The groups of the key exchange say nothing of the certificate's key.
  @Test func certificateMayHaveAnotherCurve() throws {
    for version in Self.versions {
      let pair = try Pair(ClientOffer(version: version), certificate: "p521")
      #expect(pair.shakeHands() == (.done, .done))
    }
  }

  @Test(arguments: [
    ([], ""), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), (["http/1.1", "h2"], "http/1.1"),
    (["acme", "http/1.1", "x"], "http/1.1"), (["http/1.0"], "http/1.0"),
    (["http/1.0", "http/1.1"], "http/1.1"),
    (["h2", "http/1.0"], "http/1.0"),
  ])
  func protocolIsHTTP1(offered: [String], chosen: String) throws {
    for version in Self.versions {
      let pair = try Self.connect(ClientOffer(version: version, protocols: offered))
      #expect(pair.client.chosenProtocol == chosen)
    }
  }

  @Test(arguments: [["h2"], ["http/0.9"], ["http/1"], ["http/1.1x"], ["HTTP/1.1"], ["h2", "h3", "spdy/3"]])
  func otherProtocolsAreRefused(offered: [String]) throws {
    for version in Self.versions {
      let pair = try Pair(ClientOffer(version: version, protocols: offered))
      #expect(pair.shakeHands() == (.failed, .failed))
      // RFC 7301 §3.2: the client is told why.
      #expect(COpenSSL_ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL)
    }
  }

  @Test func aClientThatSaysNothingIsWaitedFor() throws {
    let pair = try Pair()
    #expect(pair.handshake() == .wouldBlock)
    #expect(pair.handshake() == .wouldBlock)
    #expect(pair.shakeHands() == (.done, .done))
  }

  /// Byte by byte, as from a very slow client: never an error, and done in the end.
  @Test func aHandshakeInPieces() throws {
    let pair = try Pair(ClientOffer(version: TLS1_3_VERSION))
    let hello = try Self.clientHello()
    for byte in hello.dropLast() {
      pair.clientSendsRaw([byte])
      #expect(pair.handshake() == .wouldBlock)
    }
    #expect(pair.rawBytesForClient().isEmpty)
    pair.clientSendsRaw([hello[hello.count - 1]])
    #expect(pair.handshake() == .wouldBlock)
    // The ServerHello is on its way: a handshake record of TLS.
    #expect(pair.rawBytesForClient().starts(with: [0x16, 0x03, 0x03]))
  }

  /// The first flight of a client.
  static func clientHello() throws -> [UInt8] {
    let pair = try Pair(ClientOffer(version: TLS1_3_VERSION))
    #expect(pair.client.handshake() == .wouldBlock)
    var bytes = [UInt8](repeating: 0, count: 1 << 14)
    let count = unsafe recv(pair.server, &bytes, bytes.count, 0)
    return Array(bytes[..<max(0, count)])
  }

  @Test func aHelloThatWasChangedNeverTrapsAndNeverSucceeds() throws {
    let hello = try Self.clientHello()
    var numbers = RepeatableNumbers(state: 1)
    for _ in 0..<50 {
      var changed = hello
      for _ in 0..<4 {
        changed[Int.random(in: hello.indices, using: &numbers)] = UInt8(truncatingIfNeeded: numbers.next())
      }
      let pair = try Pair()
      pair.clientSendsRaw(changed)
      // Waiting is all right: a length may promise more than came.
      #expect(pair.handshake() != .done)
    }
  }

  @Test(arguments: [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\n\r\n",
    "PUT / HTTP/1.1\r\n\r\n", "OPTIONS * HTTP/1.1\r\n\r\n", "CONNECT a:443 HTTP/1.1\r\n\r\n",
    "PROPFIND / HTTP/1.1\r\n\r\n", "get / HTTP/1.1\r\n\r\n",
    // They take it for no answer of theirs, but people can read it.
    "SSH-2.0-OpenSSH_9.2\r\n", "EHLO example.org\r\n",
  ])
  func plaintextHTTPIsRecognised(request: String) throws {
    let pair = try Pair()
    pair.clientSendsRaw(Array(request.utf8))
    #expect(pair.handshake() == .plaintextHTTP(isHead: request.hasPrefix("HEAD ")))
    // No alert, which would be garbage before an answer that the client can read.
    #expect(pair.rawBytesForClient().isEmpty)
  }

  @Test(
    arguments: [
      [UInt8](repeating: 0, count: 100),
      [UInt8](repeating: 0xFF, count: 100),
      // An alert, and application data, before any handshake.
      [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28], [0x17, 0x03, 0x03, 0x00, 0x05, 1, 2, 3, 4, 5],
      // A record that is longer than any may be.
      [0x16, 0x03, 0x01, 0xFF, 0xFF] + [UInt8](repeating: 1, count: 1_000),
      // SSL 2's hello.
      [0x80, 0x2E, 0x01, 0x00, 0x02] + [UInt8](repeating: 0, count: 43),
    ] as [[UInt8]])
  func garbageFails(bytes: [UInt8]) throws {
    let pair = try Pair()
    pair.clientSendsRaw(bytes)
    #expect(pair.handshake() == .failed)
  }

  @Test func aClientThatGoesFails() throws {
    let pair = try Pair()
    pair.clientCloses()
    #expect(pair.handshake() == .failed)
    let half = try Pair()
    half.clientSendsRaw(try Array(Self.clientHello().prefix(50)))
    #expect(half.handshake() == .wouldBlock)
    half.clientCloses()
    #expect(half.handshake() == .failed)
  }

  @Test func aClientThatDistrustsTheCertificateFails() throws {
    let pair = try Pair()
    // Another name than the certificate's.
    unsafe SSL_set1_host(pair.client.ssl, "example.org")
    #expect(pair.shakeHands() == (.failed, .failed))
  }

  /// Stateless: the context has the key of the tickets, and remembers no session.
  @Test(arguments: versions)
  func ticketsAreGivenAndTaken(version: Int32) throws {
    let offer = ClientOffer(version: version)
    let context = try Pair.makeContext("ecdsa", kernel: .init())
    let first = try Pair(offer, context: context)
    #expect(first.shakeHands() == (.done, .done))
    #expect(!first.client.wasResumed)
    #expect(first.send("x"))
    first.flush()
    // With TLS 1.3, the ticket comes after the handshake.
    #expect(first.clientReads(1).bytes.count == 1)
    let ticket = unsafe SSL_get1_session(first.client.ssl)
    defer { unsafe SSL_SESSION_free(ticket) }
    #expect(unsafe SSL_SESSION_has_ticket(ticket) == 1)

    // Another context has another key: a full handshake, and no failure.
    for (context, isResumed) in [
      (context, true), (try Pair.makeContext("ecdsa", kernel: .init()), false),
    ] {
      let second = try Pair(offer, context: context)
      #expect(unsafe SSL_set_session(second.client.ssl, ticket) == 1)
      #expect(second.shakeHands() == (.done, .done))
      #expect(second.client.wasResumed == isResumed)
      second.client.write("hello")
      #expect(second.read().text == "hello")
    }
  }

  /// One send less for each connection: without a response to take it along, no ticket is made.
  @Test func theTicketLeavesWithTheFirstResponse() throws {
    let pair = try Pair(ClientOffer(version: TLS1_3_VERSION))
    #expect(pair.shakeHands() == (.done, .done))
    #expect(pair.outboxCount == 0)
    #expect(pair.send("x"))
    let withTicket = pair.outboxCount
    pair.flush()
    #expect(pair.send("x"))
    // A record of one byte: header, byte, type, tag (RFC 8446 §5.2). The first one had a ticket before it.
    #expect(pair.outboxCount == 5 + 1 + 1 + 16)
    #expect(withTicket > 100)
    pair.flush()
    #expect(pair.clientReads(2).bytes == Array("xx".utf8))
  }

  @Test(arguments: versions)
  func aSessionCanEndBeforeAnyResponse(version: Int32) throws {
    let pair = try Pair(ClientOffer(version: version))
    #expect(pair.shakeHands() == (.done, .done))
    #expect(pair.sendCloseNotify() == .done)
    pair.flush()
    #expect(pair.clientReads(1) == ([], .ended))
  }

  // MARK: Reading

  @Test(arguments: versions)
  func whatTheClientWritesIsRead(version: Int32) throws {
    let pair = try Self.connect(ClientOffer(version: version))
    #expect(pair.read().1 == .wouldBlock)
    #expect(pair.hasDrainedSocket && !pair.holdsMore)
    for text in ["x", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", String(repeating: "long", count: 4_096)] {
      pair.client.write(text)
      #expect(pair.read().text == text)
      #expect(pair.hasDrainedSocket && !pair.holdsMore)
      #expect(pair.read().1 == .wouldBlock)
    }
  }

  @Test(arguments: versions)
  func whatDoesNotFitIsReadLater(version: Int32) throws {
    let pair = try Self.connect(ClientOffer(version: version))
    pair.client.write("hello world")
    #expect(pair.read(upTo: 5) == ("hello", .bytes(5)))
    // The socket is drained, but the session is not.
    #expect(pair.hasDrainedSocket && pair.holdsMore)
    pair.client.write("more")
    #expect(pair.read(upTo: 100) == (" world", .bytes(6)))
    // Nothing was received for that, so nothing is known of the socket, which has more.
    #expect(!pair.hasDrainedSocket && !pair.holdsMore)
    #expect(pair.read(upTo: 100) == ("more", .bytes(4)))
    #expect(pair.hasDrainedSocket && !pair.holdsMore)
    #expect(pair.read().1 == .wouldBlock)
  }

  /// Nothing is lost, whatever is in the buffers when they are to be freed.
  @Test(arguments: versions)
  func buffersAreKeptAndReleased(version: Int32) throws {
    let pair = try Self.connect(ClientOffer(version: version))
    for _ in 0..<3 {
      pair.keepBuffers()
      pair.client.write("hello world")
      #expect(pair.read(upTo: 5).text == "hello")
      // Half of a record is still in them.
      pair.releaseBuffers()
      #expect(pair.read().text == " world")
      #expect(pair.send("answer"))
      pair.flush()
      #expect(pair.clientReads(6).bytes == Array("answer".utf8))
      // Nothing is in them now.
      pair.releaseBuffers()
      pair.client.write("more")
      #expect(pair.read().text == "more")
    }
  }

  @Test(arguments: versions)
  func recordsThatCameTogetherAreReadOneByOne(version: Int32) throws {
    let pair = try Self.connect(ClientOffer(version: version))
    for text in ["one", "two", "three"] { pair.client.write(text) }
    var texts: [String] = []
    repeat {
      let (text, progress) = pair.read()
      guard progress != .wouldBlock else { break }
      texts.append(text)
    } while pair.holdsMore || !pair.hasDrainedSocket
    #expect(texts.joined() == "onetwothree")
    #expect(pair.read().1 == .wouldBlock)
  }

  @Test func halfARecordIsWaitedFor() throws {
    let pair = try Self.connect()
    pair.client.write("hello")
    // Takes the record off the wire and sends it again in two halves.
    var bytes = [UInt8](repeating: 0, count: 1_024)
    let count = unsafe recv(pair.server, &bytes, bytes.count, 0)
    try #require(count > 10)
    pair.clientSendsRaw(Array(bytes[..<7]))
    #expect(pair.read().1 == .wouldBlock)
    #expect(pair.read().1 == .wouldBlock)
    pair.clientSendsRaw(Array(bytes[7..<count]))
    #expect(pair.read().text == "hello")
  }

  @Test(arguments: versions)
  func aChangedRecordFails(version: Int32) throws {
    let pair = try Self.connect(ClientOffer(version: version))
    pair.client.write("hello")
    var bytes = [UInt8](repeating: 0, count: 1_024)
    let count = unsafe recv(pair.server, &bytes, bytes.count, 0)
    try #require(count > 10)
    bytes[count - 1] ^= 1
    pair.clientSendsRaw(Array(bytes[..<count]))
    #expect(pair.read().1 == .failed)
    // It stays failed, whatever comes; the alert that says so is in the outbox.
    #expect(pair.read().1 == .failed)
    #expect(pair.outboxCount > 0)
    pair.flush()
    #expect(pair.clientReads(1).1 == .failed)
  }

  @Test(arguments: versions)
  func plaintextAfterTheHandshakeFails(version: Int32) throws {
    let pair = try Self.connect(ClientOffer(version: version))
    pair.clientSendsRaw(Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
    #expect(pair.read().1 == .failed)
  }

  // MARK: Encrypting

  static let sizes = [1, 100, 16_383, 16_384, 16_385, 65_536, 100_000]

  @Test(arguments: versions, sizes)
  func whatIsEncryptedIsReadByTheClient(version: Int32, size: Int) throws {
    let pair = try Self.connect(ClientOffer(version: version))
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    #expect(pair.send(bytes))
    // Nothing leaves by itself, and each record of up to 16 KiB grows by at most 256 bytes. The first of TLS 1.3
    // has the ticket before it.
    let records = (size + 16_383) / 16_384
    #expect(pair.outboxCount > size && pair.outboxCount <= size + records * 256 + 1_024)
    #expect(pair.client.read().1 == .wouldBlock)
    pair.flush()
    let (received, progress) = pair.clientReads(size)
    #expect(received == bytes)
    #expect(progress == .wouldBlock)
  }

  @Test func manySmallOnesLeaveInOrder() throws {
    let pair = try Self.connect()
    for number in 0..<100 { #expect(pair.send("\(number),")) }
    pair.flush()
    let expected = (0..<100).map { "\($0)," }.joined()
    #expect(pair.clientReads(expected.utf8.count).bytes == Array(expected.utf8))
  }

  @Test func aFullOutboxBreaksTheSession() throws {
    let pair = try Pair(outboxCapacity: 20_000)
    #expect(pair.shakeHands() == (.done, .done))
    #expect(pair.send([UInt8](repeating: 0, count: 16_384)))
    let before = pair.outboxCount
    #expect(!pair.send([UInt8](repeating: 0, count: 16_384)))
    // What does not fit is not begun.
    #expect(pair.outboxCount == before)
    pair.flush()
    #expect(pair.clientReads(16_384).bytes.count == 16_384)
  }

  /// RFC 8446 §4.6.3: user TLS can do it.
  @Test func newKeysAtTheClientsWish() throws {
    let pair = try Self.connect(ClientOffer(version: TLS1_3_VERSION))
    for round in 0..<3 {
      #expect(unsafe SSL_key_update(pair.client.ssl, SSL_KEY_UPDATE_REQUESTED) == 1)
      pair.client.write("request \(round)")
      #expect(pair.read().text == "request \(round)")
      #expect(pair.send("response \(round)"))
      pair.flush()
      #expect(pair.clientReads(10).bytes == Array("response \(round)".utf8))
    }
  }

  // MARK: The end

  @Test(arguments: versions)
  func closeNotifyReachesTheClient(version: Int32) throws {
    let pair = try Self.connect(ClientOffer(version: version))
    #expect(pair.send("bye"))
    #expect(pair.sendCloseNotify() == .done)
    pair.flush()
    let (bytes, progress) = pair.clientReads(4)
    #expect(bytes == Array("bye".utf8))
    #expect(progress == .ended)
  }

  @Test(arguments: versions)
  func closeNotifyFromTheClientIsTheEnd(version: Int32) throws {
    let pair = try Self.connect(ClientOffer(version: version))
    pair.client.write("bye")
    #expect(unsafe SSL_shutdown(pair.client.ssl) == 0)
    #expect(pair.read().text == "bye")
    #expect(pair.read().1 == .ended)
    #expect(pair.read().1 == .ended)
    // Only the client's direction has ended: RFC 8446 §6.1.
    #expect(pair.send("late"))
    #expect(pair.sendCloseNotify() == .done)
    pair.flush()
    #expect(pair.clientReads(5).bytes == Array("late".utf8))
  }

  @Test(arguments: versions)
  func aConnectionThatIsCutIsNoEnd(version: Int32) throws {
    let pair = try Self.connect(ClientOffer(version: version))
    pair.client.write("half a requ")
    pair.clientCloses()
    #expect(pair.read().text == "half a requ")
    #expect(pair.read().1 == .failed)
  }

  @Test func nothingCanBeSaidBeforeTheHandshake() throws {
    let pair = try Pair()
    #expect(pair.handshake() == .wouldBlock)
    #expect(pair.sendCloseNotify() == .failed)
  }

  // MARK: Kernel TLS

  static var kernelHasTLS: Bool { KernelTLS.probe() == .available }

  /// On a connection where the kernel may have the keys: whoever encrypts, the client sees no difference.
  @Test(arguments: versions)
  func theClientSeesNoDifference(version: Int32) throws {
    let pair = try Self.connect(ClientOffer(version: version), overTCP: true)
    #expect(
      pair.transmitsInKernel
        == (KernelTLS.probe(version == TLS1_3_VERSION ? .tls13 : .tls12, .aes128GCM) == .available))
    pair.client.write("request")
    pair.settle()
    #expect(pair.read().text == "request")
    let bytes = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    #expect(pair.send(bytes))
    #expect(pair.outboxCount > 0 || pair.transmitsInKernel)
    pair.flush()
    #expect(pair.clientReads(bytes.count).bytes == bytes)
    #expect(pair.sendCloseNotify() == .done)
    pair.flush()
    #expect(pair.clientReads(1) == ([], .ended))
  }

  @Test(.enabled(if: kernelHasTLS, "this kernel has no kernel TLS: run through scripts/ktls-lab.sh"))
  func whatTheKernelEncryptsIsNotEncryptedTwice() throws {
    let pair = try Self.connect(overTCP: true)
    try #require(pair.transmitsInKernel)
    #expect(!pair.encrypt([1, 2, 3]))
    #expect(pair.outboxCount == 0)
    #expect(pair.send("hello"))
    #expect(pair.clientReads(5).bytes == Array("hello".utf8))
  }

  /// OpenSSL would take them all in one read, and no other connection would have its turn meanwhile.
  @Test func aFloodOfNewKeysIsReadInParts() throws {
    let pair = try Self.connect(ClientOffer(version: TLS1_3_VERSION), overTCP: true)
    for _ in 0..<3_000 {
      #expect(unsafe SSL_key_update(pair.client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1)
      #expect(pair.client.handshake() == .done)
    }
    pair.client.write("request")
    pair.settle()
    var interruptions = 0
    var last = pair.read()
    var patience = 200
    while last.1 == .interrupted || last.1 == .wouldBlock && patience > 0 {
      if last.1 == .interrupted {
        #expect(pair.holdsMore || !pair.hasDrainedSocket)
        interruptions += 1
      } else {
        // So many small segments do not all fit into the receive buffer: the rest follows when there is room.
        pair.settle()
        patience -= 1
      }
      last = pair.read()
    }
    #expect(last.text == "request", "\(last.1)")
    // 3,000 records of 27 bytes, and no more than 32 KiB for each read.
    #expect(interruptions >= 2)
  }

  @Test(.enabled(if: kernelHasTLS, "this kernel has no kernel TLS: run through scripts/ktls-lab.sh"))
  func newKeysAreRefusedWhereTheKernelHasThem() throws {
    let pair = try Self.connect(ClientOffer(version: TLS1_3_VERSION), overTCP: true)
    #expect(unsafe SSL_key_update(pair.client.ssl, SSL_KEY_UPDATE_REQUESTED) == 1)
    pair.client.write("request")
    pair.settle()
    #expect(pair.read().1 == .keyUpdate)
    #expect(pair.sendCloseNotify() == .done)
    #expect(pair.clientReads(1) == ([], .ended))
  }

  /// Keys of the client's direction are OpenSSL's, wherever ours are.
  @Test(.enabled(if: kernelHasTLS, "this kernel has no kernel TLS: run through scripts/ktls-lab.sh"))
  func newKeysOfTheClientAloneAreNoConcern() throws {
    let pair = try Self.connect(ClientOffer(version: TLS1_3_VERSION), overTCP: true)
    #expect(unsafe SSL_key_update(pair.client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1)
    pair.client.write("request")
    pair.settle()
    #expect(pair.read().text == "request")
    #expect(pair.send("response"))
    #expect(pair.clientReads(8).bytes == Array("response".utf8))
  }
}
