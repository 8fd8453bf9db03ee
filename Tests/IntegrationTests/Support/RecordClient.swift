import COpenSSL
import Glibc

/// A TLS client that makes its own records, right ones and wrong ones: OpenSSL shakes hands for it, and has no part in what
/// follows.
final class RecordClient {
  let connection: RawConnection
  private var sending: RecordProtection
  private var receiving: RecordProtection
  private var buffer: [UInt8] = []
  /// Sealed records that leave together.
  private var held: [UInt8]?
  /// KeyUpdates that the server has sent.
  private(set) var keyUpdates = 0

  typealias Cipher = RecordProtection.Cipher

  /// Content types: RFC 8446 §B.1.
  enum Kind {
    static let changeCipherSpec: UInt8 = 20
    static let alert: UInt8 = 21
    static let handshake: UInt8 = 22
    static let data: UInt8 = 23
  }

  /// Connects and shakes hands.
  init(
    _ port: UInt16, version: UInt16 = RecordProtection.tls13, _ cipher: Cipher = .aes128,
    receiveBuffer: Int32? = nil
  ) throws {
    connection = try RawConnection(port: port, receiveBuffer: receiveBuffer)
    let secrets = Secrets()
    let context = unsafe SSL_CTX_new(TLS_client_method())
    defer { unsafe SSL_CTX_free(context) }
    unsafe SSL_CTX_set_keylog_callback(context) { ssl, line in
      guard let line = unsafe line, let secrets = unsafe SSL_get_ex_data(ssl, 0) else { return }
      unsafe Unmanaged<Secrets>.fromOpaque(secrets).takeUnretainedValue().lines.append(String(cString: line))
    }
    let ssl = unsafe SSL_new(context)
    defer { unsafe SSL_free(ssl) }
    unsafe SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(secrets).toOpaque())
    unsafe SSL_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(version), nil)
    unsafe SSL_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
    unsafe SSL_set_ciphersuites(ssl, "TLS_\(cipher.suite)")
    unsafe SSL_set_cipher_list(ssl, "ECDHE-ECDSA-\(cipher.rawValue)")
    unsafe SSL_set_fd(ssl, connection.descriptor)
    guard unsafe SSL_connect(ssl) == 1 else { throw TestFailure("the handshake failed") }
    if version == RecordProtection.tls13 {
      sending = RecordProtection(secret: try secrets["CLIENT_TRAFFIC_SECRET_0"], cipher)
      receiving = RecordProtection(secret: try secrets["SERVER_TRAFFIC_SECRET_0"], cipher)
    } else {
      (sending, receiving) = unsafe Self.tls12Keys(ssl, try secrets["CLIENT_RANDOM"], cipher)
    }
  }

  private final class Secrets {
    var lines: [String] = []

    subscript(_ label: String) -> [UInt8] {
      get throws {
        guard let line = lines.first(where: { $0.hasPrefix(label + " ") }),
          let hex = line.split(separator: " ").last
        else { throw TestFailure("no \(label)") }
        let digits = hex.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
      }
    }
  }

  private static func tls12Keys(_ ssl: OpaquePointer?, _ master: [UInt8], _ cipher: Cipher) -> (
    RecordProtection, RecordProtection
  ) {
    var (client, server) = ([UInt8](repeating: 0, count: 32), [UInt8](repeating: 0, count: 32))
    unsafe SSL_get_client_random(ssl, &client, 32)
    unsafe SSL_get_server_random(ssl, &server, 32)
    let (key, iv) = (cipher.keyCount, cipher == .chaCha20 ? 12 : 4)
    let block = RecordProtection.prf(master, "key expansion", server + client, 2 * (key + iv), cipher)
    return (
      RecordProtection(key: Array(block[..<key]), iv: Array(block[2 * key..<2 * key + iv]), cipher),
      RecordProtection(key: Array(block[key..<2 * key]), iv: Array(block[(2 * key + iv)...]), cipher)
    )
  }

  // MARK: Sending

  /// A sealed record.
  func send(_ type: UInt8, _ content: [UInt8], padding: Int = 0) throws {
    let record = try sending.seal(type, content, padding: padding)
    if held == nil { try connection.send(record) } else { held?.append(contentsOf: record) }
  }

  /// What `body` sends, in one segment.
  func together(_ body: () throws -> Void) throws {
    held = []
    try body()
    let bytes = held ?? []
    held = nil
    try connection.send(bytes)
  }

  func send(_ text: String) throws { try send(Kind.data, Array(text.utf8)) }

  func get(_ path: String, _ fields: String = "") throws {
    try send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n")
  }

  func sendAlert(_ description: UInt8, level: UInt8 = 2) throws {
    try send(Kind.alert, [level, description])
  }

  /// RFC 8446 §4.6.3; what follows is under the next key.
  func sendKeyUpdate(requested: Bool) throws {
    try send(Kind.handshake, [24, 0, 0, 1, requested ? 1 : 0])
    sending.update()
  }

  /// Closes in good order: the server need not wait for us when it stops.
  func close() {
    try? sendAlert(0, level: 1)
    connection.endSending()
  }

  /// A record that was changed on its way.
  func sendDamaged(_ content: [UInt8]) throws {
    var record = try sending.seal(Kind.data, content)
    record[record.count - 1] ^= 1
    try connection.send(record)
  }

  /// The first half of a record.
  func sendCut(_ content: [UInt8]) throws {
    let record = try sending.seal(Kind.data, content)
    try connection.send(Array(record[..<(record.count / 2)]))
  }

  // MARK: Receiving

  /// What comes next.
  enum Next: Equatable {
    case data([UInt8])
    case alert(UInt8)
    case keyUpdate
    /// A session ticket.
    case ticket
    /// The TCP connection has ended, after whole records.
    case end(RawConnection.End)
  }

  /// The next record, opened. Throws if it was made under another key than the server has announced.
  func next(seconds: Double = Patience.seconds) throws -> Next {
    while true {
      if buffer.count >= 5 {
        let count = Int(buffer[3]) << 8 | Int(buffer[4])
        if buffer.count >= 5 + count {
          let (type, content) = try receiving.open(Array(buffer[..<5]), Array(buffer[5..<5 + count]))
          buffer.removeFirst(5 + count)
          return try meaning(type, content)
        }
      }
      if let end = try receiveMore(seconds) {
        guard buffer.isEmpty || end == .reset else { throw TestFailure("the end, in the middle of a record") }
        return .end(end)
      }
    }
  }

  private func meaning(_ type: UInt8, _ content: [UInt8]) throws -> Next {
    switch (type, content.first) {
    case (Kind.data, _): return .data(content)
    case (Kind.alert, _) where content.count == 2: return .alert(content[1])
    case (Kind.handshake, 4): return .ticket
    case (Kind.handshake, 24) where content == [24, 0, 0, 1, 0]:
      receiving.update()
      keyUpdates += 1
      return .keyUpdate
    default: throw TestFailure("a record of type \(type) with \(content.prefix(8))")
    }
  }

  private func receiveMore(_ seconds: Double) throws -> RawConnection.End? {
    try waitForInput(connection.descriptor, patience: seconds)
    var part = [UInt8](repeating: 0, count: 1 << 16)
    let count = unsafe recv(connection.descriptor, &part, part.count, 0)
    guard count > 0 else { return count < 0 && errno == ECONNRESET ? .reset : .closed }
    buffer += part.prefix(count)
    return nil
  }

  /// The next response, whatever records are in between.
  func response() throws -> HTTPResponse {
    var bytes: [UInt8] = []
    while true {
      switch try next() {
      case .data(let more): bytes += more
      case .ticket, .keyUpdate: continue
      case let other: throw TestFailure("\(other) instead of a response")
      }
      if let responses = try? HTTPResponse.all(in: bytes), responses.count == 1 { return responses[0] }
    }
  }

  /// How the connection ends: all data until then, the alert if there was one, and the end.
  func rest(seconds: Double = Patience.seconds) throws -> (
    data: [UInt8], alert: UInt8?, end: RawConnection.End
  ) {
    var (data, alert): ([UInt8], UInt8?) = ([], nil)
    while true {
      switch try next(seconds: seconds) {
      case .data(let more): data += more
      case .alert(let description): alert = alert ?? description
      case .end(let end): return (data, alert, end)
      case .ticket, .keyUpdate: continue
      }
    }
  }
}

extension RecordProtection.Cipher {
  /// The name of TLS 1.3's.
  fileprivate var suite: String {
    switch self {
    case .aes128: "AES_128_GCM_SHA256"
    case .aes256: "AES_256_GCM_SHA384"
    case .chaCha20: "CHACHA20_POLY1305_SHA256"
    }
  }
}
