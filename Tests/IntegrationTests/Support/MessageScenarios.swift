import Glibc
import TestSupport
import Testing

/// What a TLS client may say at any time, and what must come of it, whoever encrypts.
extension Transfer.Transport {
  /// When a client says it.
  enum Moment: String, CaseIterable, Sendable {
    case idle, betweenRequests, download
  }

  /// Whether the sending side can get a new key here.
  var renewsKeys: Bool { self == .userTLS || TestKernel.can("rekey") }

  /// More than the buffers of two sockets take, if the client's is small: an emulated machine takes its time for each.
  private static let downloadSize = 8 << 20
  private static let smallBuffer: Int32 = 64 << 10

  private func start() throws -> SluiceProcess { try serve(TemporarySite.common().path) }

  /// Begins a download, and takes the head and a little of it.
  private func beginDownload(_ client: RecordClient, _ count: Int = 100_000) throws -> [UInt8] {
    try client.get("/big.bin", "Range: bytes=0-\(Self.downloadSize - 1)\r\n")
    var bytes: [UInt8] = []
    while bytes.count < count {
      switch try client.next() {
      case .data(let more): bytes += more
      case .ticket, .keyUpdate: continue
      case let other: throw TestFailure("\(other) in a download")
      }
    }
    return bytes
  }

  /// Takes the rest of a download: the whole body.
  private func takeRest(_ client: RecordClient, _ bytes: [UInt8]) throws -> [UInt8] {
    guard let head = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { throw TestFailure("no head") }
    var body = Array(bytes[head.upperBound...])
    body.reserveCapacity(Self.downloadSize)
    while body.count < Self.downloadSize {
      switch try client.next() {
      case .data(let more): body += more
      case .keyUpdate, .ticket: continue
      case let other: throw TestFailure("\(other) after \(body.count) bytes")
      }
    }
    return body
  }

  /// A KeyUpdate that asks for one: it is answered before anything else is sent under a new key, or the connection ends in good
  /// order; never a record under a wrong key.
  func expectKeyUpdateIsAnswered(_ moment: Moment, _ cipher: RecordProtection.Cipher = .aes128) throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort, cipher, receiveBuffer: Self.smallBuffer)
    switch moment {
    case .idle:
      try client.sendKeyUpdate(requested: true)
    case .betweenRequests:
      try client.get("/1.bin")
      #expect(try client.response().body == Pattern.bytes(1))
      try client.sendKeyUpdate(requested: true)
    case .download:
      let bytes = try beginDownload(client)
      try client.sendKeyUpdate(requested: true)
      #expect(try Pattern.matches(takeRest(client, bytes)))
      if renewsKeys { #expect(client.keyUpdates == 1) }
    }
    if renewsKeys {
      // Before there is anything else to send.
      if moment != .download {
        var next = try client.next()
        while next == .ticket { next = try client.next() }
        #expect(next == .keyUpdate)
      }
      try client.get("/16385.bin")
      #expect(try client.response().body == Pattern.bytes(16385))
    } else {
      let rest = try client.rest()
      #expect(rest.data.isEmpty && rest.alert == 0 && rest.end == .closed)
    }
    client.close()
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["key_updates"] == (renewsKeys ? 1 : 0), "\(metrics)")
    #expect(metrics["key_updates_refused"] == (renewsKeys ? 0 : 1), "\(metrics)")
  }

  /// KeyUpdates and requests in one segment: each response is under the key that it should be.
  func expectPipelinedKeyUpdates() throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort)
    for _ in 0..<4 {
      try client.get("/1.bin")
      try client.sendKeyUpdate(requested: true)
      try client.get("/16385.bin")
      try client.sendKeyUpdate(requested: false)
    }
    if renewsKeys {
      for _ in 0..<4 {
        #expect(try client.response().body == Pattern.bytes(1))
        #expect(try client.response().body == Pattern.bytes(16385))
      }
      #expect(client.keyUpdates >= 1)
    } else {
      let rest = try client.rest()
      #expect(rest.alert == 0 && rest.end == .closed)
      #expect(try HTTPResponse.all(in: rest.data).first?.body == Pattern.bytes(1))
    }
    #expect(try Curl.run(flags() + [url(sluice) + "/hello.txt"]).output == "hello\n")
  }

  /// A fatal alert ends the connection at once, in the middle of a download, too: RFC 8446 §6.2.
  func expectAlertEndsDownload(version: UInt16) throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort, version: version, receiveBuffer: 16 << 10)
    _ = try beginDownload(client)
    try client.sendAlert(20)
    // We take nothing meanwhile: it does not end because all was sent.
    #expect(client.connection.isReset())
    #expect(try sluice.stopForMetrics()["broken"] == 1)
  }

  /// A KeyUpdate while the socket takes nothing, so that ours has to wait, and requests behind it. Where there can be no new key,
  /// these can't be read, and yet the download and the goodbye arrive whole.
  func expectKeyUpdateWithFullSocket() throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort, receiveBuffer: Self.smallBuffer)
    let bytes = try beginDownload(client)
    usleep(300_000)
    for _ in 0..<3 {
      try client.sendKeyUpdate(requested: true)
      try client.get("/1.bin")
      usleep(200_000)
    }
    #expect(try Pattern.matches(takeRest(client, bytes)))
    if renewsKeys {
      for _ in 0..<3 { #expect(try client.response().body == Pattern.bytes(1)) }
      #expect(client.keyUpdates >= 1)
      client.close()
    }
    let rest = try client.rest()
    #expect(rest.data.isEmpty && rest.alert == 0 && rest.end == .closed, "\(rest)")
  }

  /// What a client says while the last response is still on its way through the socket is passed over: the response arrives whole.
  func expectRecordsBehindTheLastResponse(version: UInt16) throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort, version: version, receiveBuffer: Self.smallBuffer)
    try client.get("/1048577.bin", "Connection: close\r\n")
    usleep(300_000)
    if version == RecordProtection.tls13 { try client.sendKeyUpdate(requested: true) }
    for _ in 0..<3 {
      try client.get("/1.bin")
      try client.sendAlert(0, level: 1)
      usleep(100_000)
    }
    let response = try client.response()
    #expect(response.body.count == 1_048_577 && Pattern.matches(response.body))
    let rest = try client.rest()
    #expect(rest.data.isEmpty && rest.alert == 0 && rest.end == .closed, "\(rest)")
  }

  /// Two KeyUpdates at once, so that one read of OpenSSL's meets both.
  func expectTwoKeyUpdatesAtOnce(inDownload: Bool) throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort, receiveBuffer: Self.smallBuffer)
    if inDownload {
      try client.get("/1048577.bin")
      usleep(300_000)
    }
    try client.together {
      try client.sendKeyUpdate(requested: true)
      try client.sendKeyUpdate(requested: true)
    }
    if inDownload { #expect(try Pattern.matches(client.response().body)) }
    if renewsKeys { client.close() }
    let rest = try client.rest()
    #expect(rest.data.isEmpty && rest.alert == 0 && rest.end == .closed, "\(rest)")
  }

  /// A record with padding (RFC 8446 §5.4), and one behind it.
  func expectPaddedRecords(_ cipher: RecordProtection.Cipher) throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort, cipher)
    let request = Array("GET /1.bin HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
    for padding in [0, 1, 100, 255, 16_000] {
      try client.together {
        try client.send(23, Array(request[..<20]), padding: padding)
        try client.send(23, Array(request[20...]) + request, padding: padding / 2)
        try client.send(23, [], padding: padding)
        try client.send(23, request)
      }
      for _ in 0..<3 { #expect(try client.response().body == Pattern.bytes(1), "\(padding)") }
    }
    client.close()
    #expect(try client.rest().alert == 0)
    #expect(try sluice.stopForMetrics()["malformed"] == 0)
  }

  /// close_notify, or another alert, in one segment with a request, while the server waits for events.
  func expectAlertBehindARequest(version: UInt16) throws {
    let sluice = try start()
    for (description, level) in [(UInt8(0), UInt8(1)), (40, 2)] {
      let client = try RecordClient(sluice.securePort, version: version)
      try client.get("/1.bin")
      #expect(try client.response().body == Pattern.bytes(1))
      usleep(300_000)
      try client.together {
        try client.get("/1.bin")
        try client.sendAlert(description, level: level)
      }
      if description == 0 {
        #expect(try client.response().body == Pattern.bytes(1))
        #expect(try client.rest().alert == 0)
      } else {
        // Answered or not: the connection ends.
        _ = try client.rest()
      }
    }
  }

  /// What comes behind close_notify is no request: RFC 8446 §6.1. What came before it is.
  func expectNothingBehindCloseNotify(version: UInt16) throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort, version: version)
    try client.together {
      try client.get("/16385.bin")
      try client.get("/1.bin")
      try client.sendAlert(0, level: 1)
      try client.get("/16385.bin")
      if version == RecordProtection.tls13 { try client.sendKeyUpdate(requested: true) }
    }
    let rest = try client.rest()
    #expect(try HTTPResponse.all(in: rest.data).map(\.body.count) == [16385, 1])
    #expect(rest.alert == 0)
    #expect(try sluice.stopForMetrics()["requests"] == 2)
  }

  /// Requests that come in the middle of a download are answered after it.
  func expectRequestsDuringDownload(version: UInt16) throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort, version: version, receiveBuffer: Self.smallBuffer)
    let bytes = try beginDownload(client)
    for _ in 0..<3 { try client.get("/16385.bin") }
    // close_notify: it asks for nothing more.
    try client.sendAlert(0, level: 1)
    let body = try takeRest(client, bytes)
    #expect(Pattern.matches(body))
    let rest = try client.rest()
    #expect(rest.alert == 0 && rest.end == .closed)
    let responses = try HTTPResponse.all(in: rest.data)
    #expect(responses.count == 3 && responses.allSatisfy { $0.body == Pattern.bytes(16385) })
  }

  /// A client that ends its side of TCP without close_notify still gets what it has asked for.
  func expectHalfCloseDuringDownload() throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort, receiveBuffer: Self.smallBuffer)
    let bytes = try beginDownload(client)
    client.connection.endSending()
    #expect(try Pattern.matches(takeRest(client, bytes)))
    #expect(try client.rest().data.isEmpty)
  }

  /// Requests in records of one byte, and between empty ones.
  func expectSmallRecords(version: UInt16, _ cipher: RecordProtection.Cipher) throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort, version: version, cipher)
    for byte in "GET /16385.bin HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8 {
      try client.send(RecordClient.Kind.data, [byte])
      // Few: OpenSSL takes a flood of them for an attack.
      if byte == UInt8(ascii: " ") { try client.send(RecordClient.Kind.data, []) }
    }
    #expect(try client.response().body == Pattern.bytes(16385))
    if version == RecordProtection.tls13 {
      try client.send(
        RecordClient.Kind.data, Array("GET /1.bin HTTP/1.1\r\nHost: a\r\n\r\n".utf8), padding: 1000)
      #expect(try client.response().body == Pattern.bytes(1))
    }
    client.close()
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["broken"] == 0 && metrics["malformed"] == 0, "\(metrics)")
  }

  /// An empty record with one behind it that holds no data, in one segment: of data the kernel then gives none, as at the end.
  func expectEmptyRecordsBefore(_ moment: Moment, version: UInt16) throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort, version: version, receiveBuffer: Self.smallBuffer)
    let bytes = moment == .download ? try beginDownload(client) : []
    for _ in 0..<2 {
      try client.together {
        if moment == .betweenRequests { try client.get("/1.bin") }
        try client.send(RecordClient.Kind.data, [])
        if version == RecordProtection.tls13, renewsKeys {
          try client.sendKeyUpdate(requested: true)
        } else {
          // user_canceled
          try client.sendAlert(90, level: 1)
        }
        try client.get("/1.bin")
      }
      if moment == .betweenRequests { #expect(try client.response().body == Pattern.bytes(1)) }
      if moment != .download { #expect(try client.response().body == Pattern.bytes(1)) }
    }
    if moment == .download {
      #expect(try Pattern.matches(takeRest(client, bytes)))
      for _ in 0..<2 { #expect(try client.response().body == Pattern.bytes(1)) }
    }
    try client.together {
      try client.send(RecordClient.Kind.data, [])
      try client.sendAlert(0, level: 1)
    }
    #expect(try client.rest().alert == 0)
    client.connection.endSending()
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["broken"] == 0, "\(metrics)")
  }

  /// What is wrong with a record is told by the alert that the RFC wants, and the connection ends.
  func expectAlert(for wrong: WrongRecord) throws {
    let sluice = try start()
    for version in wrong.versions {
      let client = try RecordClient(sluice.securePort, version: version)
      try client.get("/1.bin")
      #expect(try client.response().body == Pattern.bytes(1))
      try wrong.send(client)
      let rest = try client.rest()
      #expect(rest.data.isEmpty)
      if let alert = wrong.alert(self) { #expect(rest.alert == alert, "\(wrong), \(version)") }
      #expect(rest.alert != nil && rest.alert != 0, "\(wrong), \(version)")
    }
    #expect(try Curl.run(flags() + [url(sluice) + "/hello.txt"]).output == "hello\n")
    #expect(try sluice.stopForMetrics()["broken"] == wrong.versions.count)
  }

  /// Alerts that end nothing, and in TLS 1.2 the wish for another handshake, which is declined: RFC 5246 §7.2.2.
  func expectWarningsAreNoEnd(version: UInt16) throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort, version: version)
    for _ in 0..<2 {
      // user_canceled
      try client.sendAlert(90, level: 1)
      try client.get("/1.bin")
      #expect(try client.response().body == Pattern.bytes(1))
    }
    client.close()
    let alert = try client.rest().alert
    #expect(alert == 0, "\(String(describing: alert))")
    #expect(try sluice.stopForMetrics()["broken"] == 0)
  }

  /// Half a record, and then the end of TCP: no request, and nothing of it is answered.
  func expectCutRecordIsNoRequest() throws {
    let sluice = try start()
    let client = try RecordClient(sluice.securePort)
    try client.sendCut(Array("GET /1.bin HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
    client.connection.endSending()
    #expect(try client.rest().data.isEmpty)
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["requests"] == 0 && metrics["broken"] == 1, "\(metrics)")
  }
}

/// Records that no client may send.
enum WrongRecord: String, CaseIterable, Sendable {
  case damaged, tooLong, unknownType, sealedChangeCipherSpec, finished, emptyHandshake, emptyAlert, longAlert
  case keyUpdateOfAnotherKind, longKeyUpdate

  var versions: [UInt16] {
    switch self {
    case .damaged, .tooLong, .unknownType: [RecordProtection.tls12, RecordProtection.tls13]
    default: [RecordProtection.tls13]
    }
  }

  /// The alert for it: RFC 8446 §5 and §6.2. Nil where OpenSSL is the one who decides, and versions of it do otherwise.
  func alert(_ transport: Transfer.Transport) -> UInt8? {
    switch self {
    case .damaged: 20
    case .tooLong: transport == .kernelBothWays ? 22 : nil
    case .unknownType, .sealedChangeCipherSpec, .finished, .emptyHandshake, .emptyAlert:
      transport == .kernelBothWays ? 10 : nil
    case .longAlert, .longKeyUpdate: transport == .kernelBothWays ? 50 : nil
    case .keyUpdateOfAnotherKind: 47
    }
  }

  func send(_ client: RecordClient) throws {
    typealias Kind = RecordClient.Kind
    switch self {
    case .damaged: try client.sendDamaged(Array("GET / HTTP/1.1\r\n".utf8))
    case .tooLong: try client.send(Kind.data, [UInt8](repeating: 0x41, count: (1 << 14) + 1))
    case .unknownType: try client.send(99, [1, 2, 3])
    case .sealedChangeCipherSpec: try client.send(Kind.changeCipherSpec, [1])
    case .finished: try client.send(Kind.handshake, [20, 0, 0, 32] + [UInt8](repeating: 0, count: 32))
    case .emptyHandshake: try client.send(Kind.handshake, [])
    case .emptyAlert: try client.send(Kind.alert, [])
    case .longAlert: try client.send(Kind.alert, [2, 20, 0])
    case .keyUpdateOfAnotherKind: try client.send(Kind.handshake, [24, 0, 0, 1, 2])
    case .longKeyUpdate: try client.send(Kind.handshake, [24, 0, 0, 2, 0, 0])
    }
  }
}
