import CLinux
import Glibc
import Testing

/// Stands between s_client and the server, passes everything on, and keeps the TLS records that the server sends.
///
/// A record's header is not encrypted (RFC 8446 §5.1): type, version, and the length of what follows.
struct RecordingProxy {
  /// A record's header.
  struct Record: Equatable {
    let type: UInt8
    let length: Int
  }

  /// What the server has sent, from its ServerHello on.
  let records: [Record]
  /// The response as s_client has decrypted it.
  let plaintext: [UInt8]
  /// By how many bytes encryption makes a record longer: nonce, tag, type.
  let overhead: Int

  /// Has s_client ask for a file and records what comes until the server closes.
  static func record(_ port: UInt16, path: String, _ version: String, _ flags: [String] = []) throws
    -> RecordingProxy
  {
    let listener = try Listener()
    let pair = try TestCertificates.ecdsa
    let client = try Subprocess(
      [
        "openssl", "s_client", "-quiet", "-connect", "127.0.0.1:\(listener.port)", "-CAfile",
        pair.certificate, version,
      ]
        + flags, stdin: .socket)
    client.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    let sent = try listener.pass(to: port)
    try client.wait()
    // AEAD in TLS 1.2: 8 bytes of nonce (not with ChaCha20) and 16 of tag; in 1.3: 16 of tag and one of type.
    let isChaCha = flags.contains { $0.contains("CHACHA20") }
    return RecordingProxy(
      records: try parse(sent), plaintext: client.outputBytes,
      overhead: version == "-tls1_3" ? 17 : isChaCha ? 16 : 24)
  }

  /// Has s_client send `requests`, more than two records of them, so that the server receives the first two together with
  /// the end of the handshake, and the rest as soon as it has begun to answer. What s_client has decrypted.
  static func inTwoFlights(_ port: UInt16, _ requests: String) throws -> [UInt8] {
    let listener = try Listener()
    let client = try SecureClient.quiet(listener.port, ["-tls1_3"])
    client.send(requests)
    try listener.pass(to: port, recordsFirst: 3)
    try client.wait()
    return client.outputBytes
  }

  /// Has s_client connect, and calls `action` when the server has done its part of the handshake and the client has not.
  /// The client's exit status is 0 if it was told that nothing follows.
  static func inTheHandshake(_ port: UInt16, _ action: () throws -> Void) throws -> Int32 {
    let listener = try Listener()
    let client = try SecureClient.quiet(listener.port, ["-tls1_3"])
    try listener.pass(to: port, atFirstAnswer: action)
    return try client.wait()
  }

  private static func parse(_ bytes: [UInt8]) throws -> [Record] {
    var records: [Record] = []
    var index = 0
    while index < bytes.count {
      guard index + 5 <= bytes.count else { throw TestFailure("half a record header") }
      let length = Int(bytes[index + 3]) << 8 | Int(bytes[index + 4])
      records.append(Record(type: bytes[index], length: length))
      index += 5 + length
    }
    guard index == bytes.count else { throw TestFailure("half a record") }
    return records
  }

  /// The plaintext lengths of the records that carry the response: those at the end, but for close_notify.
  func responseRecords() throws -> [Int] {
    var lengths: [Int] = []
    var rest = plaintext.count
    for record in records.dropLast().reversed() where rest > 0 {
      lengths.insert(record.length - overhead, at: 0)
      rest -= record.length - overhead
    }
    guard rest == 0 else { throw TestFailure("\(plaintext.count) bytes do not fill the records \(records)") }
    return lengths
  }

  /// Head and body share one record, and close_notify is the last.
  func expectOneRecord(location: SourceLocation = #_sourceLocation) throws {
    #expect(try responseRecords() == [plaintext.count], "\(records)", sourceLocation: location)
    // An alert is two bytes (RFC 8446 §6); its type is hidden in TLS 1.3.
    #expect(records.last?.length == 2 + overhead, "\(records)", sourceLocation: location)
  }
}

/// A listening socket of the proxy, for one connection.
private final class Listener {
  private let descriptor: Int32
  let port: UInt16

  init() throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    self.descriptor = descriptor
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = unsafe withUnsafeMutablePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(descriptor, address, length) == 0 && listen(descriptor, 1) == 0
          && getsockname(descriptor, address, &length) == 0
      }
    }
    port = UInt16(bigEndian: address.sin_port)
    guard isListening else { throw TestFailure("the proxy can't listen") }
  }

  deinit {
    close(descriptor)
  }

  /// Accepts one connection, passes everything on both ways until the server closes; what the server has sent.
  ///
  /// With `recordsFirst`, so many of the client's records of type application_data leave at once and the others when the
  /// server has answered; in TLS 1.3, Finished is the first.
  /// `atFirstAnswer` is called before anything that the server sends is passed on.
  @discardableResult
  func pass(
    to server: UInt16, recordsFirst: Int? = nil, atFirstAnswer: () throws -> Void = {}
  ) throws -> [UInt8] {
    try waitForInput(descriptor, patience: Patience.seconds)
    let client = CLinux_accept4(descriptor, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
    defer { close(client) }
    let upstream = try RawConnection(port: server)
    var sent: [UInt8] = []
    // What the client has sent too early, and for how many records there is a wait; nil once the rest may go, too.
    var (held, awaited, isHeld): ([UInt8], Int?, Bool) = ([], recordsFirst, false)
    while true {
      var polled = [
        pollfd(fd: client, events: Int16(POLLIN), revents: 0),
        pollfd(fd: upstream.descriptor, events: Int16(POLLIN), revents: 0),
      ]
      guard unsafe poll(&polled, 2, Int32(Patience.seconds * 1000)) > 0 else {
        throw TestFailure("nothing passes")
      }
      if polled[1].revents != 0 {
        let bytes = receive(upstream.descriptor)
        if bytes.isEmpty { return sent }
        if sent.isEmpty { try atFirstAnswer() }
        sent += bytes
        if isHeld {
          _ = unsafe send(upstream.descriptor, held, held.count, Int32(MSG_NOSIGNAL))
          (held, awaited, isHeld) = ([], nil, false)
        }
        _ = unsafe send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
      } else {
        var bytes = receive(client)
        if bytes.isEmpty { upstream.endSending() }
        // Not the ClientHello, to which the server has to answer first.
        if let awaited, !sent.isEmpty {
          held += bytes
          guard !isHeld, let count = Self.length(of: awaited, in: held) else { continue }
          bytes = Array(held[..<count])
          held.removeFirst(count)
          isHeld = true
        }
        _ = unsafe send(upstream.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
      }
    }
  }

  /// How many bytes `bytes` takes up to the end of `count` records of type application_data, if they and one more are there.
  private static func length(of count: Int, in bytes: [UInt8]) -> Int? {
    var (index, found, end) = (0, 0, 0)
    while index + 5 <= bytes.count {
      if found == count { return end }
      if bytes[index] == 23 { found += 1 }
      index += 5 + Int(bytes[index + 3]) << 8 + Int(bytes[index + 4])
      end = index
    }
    return nil
  }

  private func receive(_ descriptor: Int32) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
      unsafe count = max(0, recv(descriptor, buffer.baseAddress, buffer.count, 0))
    }
  }
}
