import Glibc
import Testing

/// Requests that come slowly, and those that never come whole.
@Suite struct SlowRequestTests {
  @Test func headByteByByte() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path)
    let connection = try sluice.connect()
    for byte in "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nX-Slow: yes\r\n\r\n".utf8 {
      try connection.send([byte])
      usleep(1000)
    }
    #expect(try connection.response().text == "hello\n")
    #expect(try sluice.stopForMetrics()["timeouts"] == 0)
  }

  @Test func headByteByByteOverTLS() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path, .both(TestCertificates.ecdsa))
    let client = try SecureClient.interactive(sluice.securePort, ["-nocommands", "-ign_eof"])
    // Each a record of its own.
    for byte in "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" {
      client.send(String(byte))
      usleep(2000)
    }
    try client.wait()
    #expect(client.output.contains("\r\n\r\nhello\n"))
  }

  /// All that has a time limit of 10 s, at once.
  @Test func onlyTheirTimeIsUp() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path, .both(TestCertificates.ecdsa))
    let start = now()
    let partial = try sluice.connect()
    try partial.send("GET /hello.txt HTTP/1.1\r\nHost: local")
    let silent = try sluice.connect()
    let second = try sluice.connect()
    try second.get("/hello.txt")
    #expect(try second.response().status == 200)
    try second.send("GET /")
    let handshake = try RawConnection(port: sluice.securePort)
    let idle = try sluice.connect()
    try idle.get("/hello.txt")
    #expect(try idle.response().status == 200)

    for connection in [partial, second] {
      let rest = try connection.rest()
      let responses = try HTTPResponse.all(in: rest.bytes)
      #expect(responses.map(\.status) == [408])
      #expect(responses.first?["Connection"] == "close")
      #expect(rest.end == .closed)
      #expect((9...15).contains(now() - start), "\(now() - start)")
    }
    // Nothing was asked: nothing is answered.
    #expect(try silent.rest().bytes.isEmpty)
    #expect(try handshake.rest().bytes.isEmpty)
    #expect(now() - start < 20)
    // Between requests a client may wait for longer.
    try idle.get("/hello.txt")
    #expect(try idle.response().text == "hello\n")
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["timeouts"] == 2)
    #expect(metrics["handshakes_failed"] == 1)
  }

  @Test func slowBodyHasALimitToo() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path)
    let first = try sluice.connect()
    try first.get("/hello.txt", "Content-Length: 10\r\n")
    // The second request of a connection is no exception.
    let second = try sluice.connect()
    try second.get("/hello.txt")
    #expect(try second.response().status == 200)
    try second.get("/hello.txt", "Content-Length: 10\r\n")
    for connection in [first, second] {
      let responses = try HTTPResponse.all(in: connection.rest(seconds: 20).bytes)
      #expect(responses.map(\.status) == [408])
    }
  }
}
