import Glibc

/// A client that sends exactly what it is told to, over any transport: a socket of ours, or `openssl s_client`.
final class TransportClient {
  private enum Peer {
    case plain(RawConnection)
    case secure(Subprocess)
    case gone
  }

  private var peer: Peer

  /// `receiveBuffer` bounds what the kernel takes in for a client without TLS.
  init(_ transport: Transfer.Transport, _ sluice: SluiceProcess, receiveBuffer: Int32? = nil) throws {
    peer =
      transport == .plain
      ? .plain(try sluice.connect(receiveBuffer: receiveBuffer))
      : .secure(try SecureClient.quiet(sluice.securePort))
  }

  func send(_ text: String) throws {
    switch peer {
    case .plain(let connection): try connection.send(text)
    case .secure(let process): process.send(text)
    case .gone: throw TestFailure("the client is gone")
    }
  }

  /// Sends a GET, with `Connection: close` unless it is `kept`.
  func get(_ path: String, _ fields: String = "", kept: Bool = false) throws {
    try send(
      "GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(kept ? "" : "Connection: close\r\n")\(fields)\r\n")
  }

  /// Ends our direction. A client with TLS says nothing then.
  func endSending() {
    if case .plain(let connection) = peer { connection.endSending() }
  }

  /// Whether something has come.
  var hasReceived: Bool {
    switch peer {
    case .plain(let connection): !connection.isSilent(seconds: 0)
    case .secure(let process): !process.outputBytes.isEmpty || process.exitStatus != nil
    case .gone: false
    }
  }

  /// What `openssl` has to say.
  var complaint: String {
    if case .secure(let process) = peer { process.errorOutput } else { "" }
  }

  /// Everything until the server ends the connection, and whether it does so in good order.
  func rest(seconds: Double = Patience.seconds) throws -> (bytes: [UInt8], isWhole: Bool) {
    switch peer {
    case .plain(let connection):
      let rest = try connection.rest(seconds: seconds)
      return (rest.bytes, rest.end == .closed)
    case .secure(let process):
      let status = try process.wait(seconds: seconds)
      return (process.outputBytes, status == 0)
    case .gone:
      throw TestFailure("the client is gone")
    }
  }

  /// The responses until the server ends the connection, which it must do in good order.
  func responses(seconds: Double = Patience.seconds) throws -> [HTTPResponse] {
    let rest = try rest(seconds: seconds)
    guard rest.isWhole else {
      throw TestFailure("cut off: \(String(decoding: rest.bytes.prefix(500), as: UTF8.self))")
    }
    return try HTTPResponse.all(in: rest.bytes)
  }

  /// The only response.
  func response(seconds: Double = Patience.seconds) throws -> HTTPResponse {
    let responses = try responses(seconds: seconds)
    guard responses.count == 1 else { throw TestFailure("\(responses.count) responses") }
    return responses[0]
  }

  /// How it goes away.
  enum Departure: String, CaseIterable {
    /// Its socket is closed.
    case close
    /// Its socket is reset; with s_client: its process is killed.
    case reset
  }

  /// Goes away without a word.
  func leave(_ departure: Departure) throws {
    switch peer {
    case .plain(let connection):
      if departure == .reset { connection.resetOnClose() }
    case .secure(let process):
      process.signal(departure == .reset ? SIGKILL : SIGTERM)
      try process.wait()
    case .gone:
      break
    }
    peer = .gone
  }
}
