import Glibc
import Testing

/// HTTPS where OpenSSL encrypts (`--ktls off`): the same bytes as in plaintext, and an end that can be told from a cut.
@Suite struct UserTLSTests {
  private let pair: TestCertificates.Pair
  private let sluice: SluiceProcess

  init() throws {
    pair = try TestCertificates.ecdsa
    sluice = try SluiceProcess(TemporarySite.common().path, .both(pair))
  }

  @Test(arguments: Curl.Secure.all) func sameBytesAsInPlaintext(secure: Curl.Secure) throws {
    let folder = try TemporarySite()
    let names = TemporarySite.sizes.map { "\($0).bin" }
    for name in names {
      let files = ["-o", "\(folder.path)/\(name)", try sluice.url("https") + "/" + name]
      let result = try Curl.run(Curl.trusting(pair) + secure.curlFlags + files)
      #expect(result.exitStatus == 0, "\(name): \(result.errorOutput)")
    }
    #expect(try Transfer.sums(names, in: folder.path) == Transfer.originals(names))
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["user_tls"] == TemporarySite.sizes.count && metrics["kernel_tls"] == 0)
  }

  @Test(arguments: Curl.Secure.preferred) func bigFile(secure: Curl.Secure) throws {
    let folder = try TemporarySite()
    let files = ["-o", "\(folder.path)/big.bin", try sluice.url("https") + "/big.bin"]
    #expect(try Curl.run(Curl.trusting(pair) + secure.curlFlags + files).exitStatus == 0)
    #expect(try Transfer.sums(["big.bin"], in: folder.path) == Transfer.originals(["big.bin"]))
  }

  @Test(arguments: ["1.2", "1.3"]) func sameHeadsAsInPlaintext(version: String) throws {
    for (path, flags) in [
      ("/hello.txt", []), ("/big.bin", ["-r", "5-10"]), ("/none", []), ("/hello.txt", ["-I"]),
      ("/1024.bin", ["-r", "2000-"]),
      ("/hello.txt", ["-X", "OPTIONS"]), ("/hello.txt", ["-X", "DELETE"]),
    ] as [(String, [String])] {
      let plain = try Curl.run(["-i"] + flags + [sluice.url("http") + path])
      let secure = try Curl.run(
        ["-i"] + Curl.trusting(pair) + ["--tls-max", version] + flags + [sluice.url("https") + path])
      let dates = /Date: [^\r]*/
      #expect(
        plain.output.replacing(dates, with: "") == secure.output.replacing(dates, with: ""),
        "\(path) \(flags)")
      #expect(plain.exitStatus == secure.exitStatus)
    }
  }

  /// curl announces the ALPN protocol "http/1.0" then.
  @Test func http10() throws {
    let result = try Curl.run(["-0"] + Curl.trusting(pair) + [sluice.url("https") + "/hello.txt"])
    #expect(result.output == "hello\n", "\(result.errorOutput)")
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"]) func pipelined(version: String) throws {
    let sizes = (0..<20).map { TemporarySite.sizes[$0 % TemporarySite.sizes.count] }
    let requests = sizes.map { "GET /\($0).bin HTTP/1.1\r\nHost: localhost\r\n\r\n" }
    let last = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    let result = try SecureClient.exchange(sluice.securePort, requests.joined() + last, [version])
    let responses = try HTTPResponse.all(in: result.outputBytes)
    #expect(responses.map(\.body.count) == sizes + [6])
    #expect(responses.dropLast().allSatisfy { $0.status == 200 && Pattern.matches($0.body) })
  }

  @Test func pipelinedByTheThousand() throws {
    let count = 2000
    let requests = String(repeating: "GET /1.bin HTTP/1.1\r\nHost: localhost\r\n\r\n", count: count)
    let last = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    let result = try SecureClient.exchange(sluice.securePort, requests + last)
    #expect(result.output.matches(of: /HTTP\/1.1 200 OK/).count == count + 1)
    #expect(result.output.hasSuffix("\r\n\r\nhello\n"))
  }

  /// What comes while the session still holds a whole record is not forgotten when that is read, which needs no receive.
  @Test func pipelinedWhileARecordWaits() throws {
    let requests = String(repeating: "GET /1.bin HTTP/1.1\r\nHost: localhost\r\n\r\n", count: 1000)
    let last = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for _ in 0..<10 {
      let bytes = try RecordingProxy.inTwoFlights(sluice.securePort, requests + last)
      #expect(try HTTPResponse.all(in: bytes).filter { $0.status == 200 }.count == 1001)
    }
  }

  /// Content in several records, and a request behind it.
  @Test func contentIsPassedOver() throws {
    let chunks = String(repeating: "1000\r\n\(String(repeating: "x", count: 4096))\r\n", count: 12)
    let result = try SecureClient.exchange(
      sluice.securePort,
      "GET /1.bin HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)0\r\n\r\n"
        + "GET /1024.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    let responses = try HTTPResponse.all(in: result.outputBytes)
    #expect(responses.map(\.body.count) == [1, 1024])
  }

  @Test func continueIsSent() throws {
    let result = try Curl.run(
      ["-v", "-X", "GET", "-d", String(repeating: "x", count: 30_000), "-H", "Expect: 100-continue"]
        + Curl.trusting(pair) + [sluice.url("https") + "/hello.txt"])
    #expect(result.output == "hello\n")
    #expect(result.errorOutput.contains("HTTP/1.1 100 Continue"))
  }

  /// s_client tells close_notify ("closed") from an end without it (an error).
  @Test(arguments: ["-tls1_2", "-tls1_3"]) func closeNotifyEndsTheConnection(version: String) throws {
    for path in ["/hello.txt", "/16385.bin", "/1048577.bin"] {
      let client = try SecureClient.interactive(sluice.securePort, [version])
      client.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
      #expect(try client.wait() == 0, "\(path)")
      let end = String(decoding: client.outputBytes.suffix(7), as: UTF8.self)
      #expect(end == "closed\n", "\(path)")
      #expect(!client.errorOutput.contains("unexpected eof"), "\(path): \(client.errorOutput)")
    }
  }

  @Test func closeNotifyEndsARefusedConnection() throws {
    let client = try SecureClient.interactive(sluice.securePort)
    client.send("nonsense\r\n\r\n")
    #expect(try client.wait() == 0)
    #expect(client.output.contains("HTTP/1.1 400 Bad Request"))
    #expect(client.output.hasSuffix("closed\n"))
  }

  @Test func closeNotifyWhenTheServerStops() throws {
    let client = try SecureClient.interactive(sluice.securePort)
    sluice.signal(SIGTERM)
    #expect(try client.wait() == 0)
    #expect(client.output.hasSuffix("closed\n"))
    #expect(try sluice.process.wait() == 0)
  }

  @Test func closeNotifyAnswersTheClients() throws {
    // The client closes first: at its prompt, Q sends close_notify.
    let client = try SecureClient.interactive(sluice.securePort)
    client.send("Q\n")
    #expect(try client.wait() == 0)
    #expect(try Curl.get(sluice.url("https") + "/hello.txt", Curl.trusting(pair)).text == "hello\n")
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["broken"] == 0, "\(metrics)")
  }

  @Test func maximumFragmentLength() throws {
    for length in ["512", "1024", "4096"] {
      let result = try SecureClient.exchange(
        sluice.securePort, "GET /16385.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        ["-maxfraglen", length])
      let responses = try HTTPResponse.all(in: result.outputBytes)
      #expect(responses.count == 1 && responses[0].body == Pattern.bytes(16385), "\(length)")
    }
  }

  @Test func keyUpdateIsAnswered() throws {
    for command in ["K\n", "k\n"] {
      let client = try SecureClient.interactive(sluice.securePort, ["-tls1_3"])
      for count in 1...3 {
        client.send("GET /1.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try waitUntil("the response has come") {
          client.output.matches(of: /HTTP\/1.1 200 OK/).count == count || client.exitStatus != nil
        }
        client.send(command)
        try waitUntil("s_client has sent a KeyUpdate") {
          client.errorOutput.matches(of: /KEYUPDATE/).count == count || client.exitStatus != nil
        }
      }
      client.send("GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
      #expect(try client.wait() == 0)
      #expect(client.output.contains("\r\n\r\nhello\n"), "\(command)")
    }
    // Those of the first client: the second asks for none.
    #expect(try sluice.stopForMetrics()["key_updates"] == 3)
  }

  /// A busy connection keeps its buffers, an idle one gives them back (within two ticks of 256 ms).
  @Test func aConnectionIsBusyAndIdleInTurn() throws {
    let client = try SecureClient.interactive(sluice.securePort)
    for count in 1...12 {
      client.send("GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
      try waitUntil("the response has come") {
        client.output.matches(of: /\r\n\r\nhello\n/).count == count || client.exitStatus != nil
      }
      if count % 4 == 0 { usleep(700_000) }
    }
    client.send("Q\n")
    #expect(try client.wait() == 0)
    #expect(try sluice.stopForMetrics()["requests"] == 12)
  }

  /// A client without TCP_NODELAY waits for an answer to its Finished before it sends a request: the ticket is one.
  @Test func theTicketComesWithoutARequest() throws {
    let client = try SecureClient.interactive(sluice.securePort, ["-tls1_3"])
    try waitUntil("the ticket has come") {
      client.output.contains("New Session Ticket") || client.exitStatus != nil
    }
    #expect(client.output.contains("New Session Ticket"))
    client.send("Q\n")
    #expect(try client.wait() == 0)
  }

  @Test func oneRecordForASmallResponse() throws {
    for version in ["-tls1_2", "-tls1_3"] {
      let recording = try RecordingProxy.record(sluice.securePort, path: "/1024.bin", version)
      try recording.expectOneRecord()
    }
  }
}
