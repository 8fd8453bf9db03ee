import Glibc
import Testing

/// HTTP sent to the HTTPS port, and TLS sent to the HTTP port.
@Suite struct WrongProtocolTests {
  private let sluice: SluiceProcess

  init() throws {
    sluice = try SluiceProcess(TemporarySite.common().path, .both(TestCertificates.ecdsa))
  }

  @Test func plaintextToTheSecurePort() throws {
    let response = try Curl.get("http://127.0.0.1:\(sluice.securePort)/hello.txt")
    #expect(response.status == 400)
    #expect(response["Connection"] == "close")
    // Nothing of the request is in it.
    let text = "400 Bad Request: this port speaks HTTPS, and the request came without TLS"
    #expect(response.text == text)
    let methods = [
      "GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH", "PROPFIND", "CONNECT", "TRACE", "get",
    ]
    for method in methods {
      let connection = try RawConnection(port: sluice.securePort)
      try connection.send("\(method) / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      let rest = try connection.rest()
      let answer = String(decoding: rest.bytes, as: UTF8.self)
      #expect(answer.hasPrefix("HTTP/1.1 400 "), "\(method)")
      #expect(answer.contains("\r\nContent-Length: \(text.utf8.count)\r\n"), "\(answer)")
      #expect(answer.hasSuffix(method == "HEAD" ? "\r\n\r\n" : "\r\n\r\n\(text)"), "\(answer)")
      #expect(rest.end == .closed, "\(method)")
    }
    // Byte by byte.
    let slow = try RawConnection(port: sluice.securePort)
    for byte in "HEAD ".utf8 {
      try slow.send([byte])
      usleep(5_000)
    }
    let rest = try slow.rest()
    #expect(String(decoding: rest.bytes, as: UTF8.self).hasSuffix("\r\n\r\n"))
    #expect(try sluice.stopForMetrics()["handshakes_failed"] == methods.count + 2)
  }

  @Test func secureToThePlaintextPort() throws {
    #expect(try Curl.run(["-k", "https://127.0.0.1:\(sluice.plainPort)/"]).exitStatus == 35)
    let connection = try sluice.connect()
    try connection.send([22, 3, 1, 0, 5, 1, 0, 0, 1, 0])
    let rest = try connection.rest()
    #expect(try HTTPResponse.all(in: rest.bytes).map(\.status) == [400])
    #expect(rest.end == .closed)
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
  }
}
