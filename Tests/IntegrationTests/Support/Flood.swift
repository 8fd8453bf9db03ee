import Glibc

/// A client that asks for one thing without an end and does not care for the answers: its pipeline is always full.
final class Flood {
  /// Many requests for the same, one behind the other. Made ahead: what floods is quick.
  struct Pipeline {
    let bytes: [UInt8]
    /// The length of one request.
    let period: Int

    init(path: String, count: Int = 2000) {
      let request = Array("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
      bytes = Array(repeatElement(request, count: count).joined())
      period = request.count
    }
  }

  let connection: RawConnection
  private let pipeline: Pipeline
  /// How much was sent of the request that the socket took in part.
  private var offset = 0

  /// Connects, and sends as many requests as the sockets take.
  init(_ port: UInt16, _ pipeline: Pipeline) throws {
    // So large that the answers to a turn's requests, each a packet, never fill it.
    connection = try RawConnection(port: port, receiveBuffer: 4 << 20)
    self.pipeline = pipeline
    sendMore()
  }

  /// Sends more requests, if there is room for some.
  func sendMore() {
    let sent = connection.sendWhatFits(pipeline.bytes[offset...])
    if sent > 0 { offset = (offset + sent) % pipeline.period }
  }

  /// Takes in what there is of answers and sends more requests. False if the connection has ended.
  func goOn() -> Bool {
    guard connection.discardWhatIsThere() else { return false }
    sendMore()
    return true
  }
}

extension RawConnection {
  /// Sends as much as the sockets take at once, and says how much that was; -1 if the connection has ended.
  func sendWhatFits(_ bytes: ArraySlice<UInt8>) -> Int {
    let count = unsafe bytes.withUnsafeBytes {
      unsafe Glibc.send(
        descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
    }
    return count >= 0 ? count : errno == EAGAIN ? 0 : -1
  }

  /// Passes over what has arrived. False if the connection has ended.
  func discardWhatIsThere() -> Bool {
    // MSG_TRUNC, tcp(7): nothing is copied.
    let count = recv(descriptor, nil, 1 << 20, Int32(MSG_DONTWAIT) | Int32(MSG_TRUNC))
    return count > 0 || count < 0 && errno == EAGAIN
  }

  /// Takes in at most `count` bytes of what has arrived, and waits for nothing; nil if the connection has ended.
  func takeAtMost(_ count: Int) -> Int? {
    var result = 0
    var error: Int32 = 0
    _ = unsafe [UInt8](unsafeUninitializedCapacity: count) { part, _ in
      unsafe result = recv(descriptor, part.baseAddress, count, Int32(MSG_DONTWAIT))
      error = errno
    }
    return result > 0 ? result : result < 0 && error == EAGAIN ? 0 : nil
  }
}
