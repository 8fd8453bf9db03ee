import Testing

/// The same bytes, whoever encrypts them: plaintext, OpenSSL and the kernel, with every version and cipher.
///
/// Few processes and little data: it runs on an emulated machine.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSTransferTests {
  private static let sizes = TemporarySite.sizes

  /// Gets files with one curl, on one connection, and compares their SHA-256 with the originals'.
  private func compare(
    _ names: [String], _ transport: Transfer.Transport, _ sluice: SluiceProcess, _ secure: Curl.Secure?
  ) throws {
    let folder = try TemporarySite()
    let url = try transport.url(sluice)
    var arguments = try ["-v"] + transport.flags() + (secure?.curlFlags ?? [])
    for name in names { arguments += ["-o", "\(folder.path)/\(name)", "\(url)/\(name)"] }
    let result = try Curl.run(arguments)
    #expect(
      result.exitStatus == 0, "\(transport) \(String(describing: secure)): \(result.errorOutput.suffix(500))")
    if let secure {
      let line = "SSL connection using TLSv\(secure.version) / \(secure.name)"
      #expect(result.errorOutput.contains(line), "\(line)")
    }
    let sums = try Transfer.sums(names, in: folder.path)
    #expect(try sums == Transfer.originals(names), "\(transport) \(String(describing: secure))")
  }

  @Test(arguments: Transfer.Transport.allCases) func everySizeAndCipher(transport: Transfer.Transport) throws
  {
    let sluice = try transport.serve(TemporarySite.common().path)
    let combinations: [Curl.Secure?] = transport == .plain ? [nil] : Curl.Secure.all
    for secure in combinations {
      try compare(Self.sizes.map { "\($0).bin" }, transport, sluice, secure)
    }
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["kernel_tls"] == (transport.isInKernel ? combinations.count : 0))
    #expect(metrics["user_tls"] == (transport == .userTLS ? combinations.count : 0))
    #expect(metrics["broken"] == 0 && metrics["truncated"] == 0, "\(metrics)")
  }

  @Test(arguments: Transfer.Transport.allCases) func bigFile(transport: Transfer.Transport) throws {
    let sluice = try transport.serve(TemporarySite.common().path)
    switch transport {
    case .plain: try compare(["big.bin"], transport, sluice, nil)
    case .userTLS, .kernelBothWays:
      for secure in Curl.Secure.preferred { try compare(["big.bin"], transport, sluice, secure) }
    case .kernelTLS:
      for secure in Curl.Secure.all where secure.version == "1.3" || secure.cipher == "AES-128-GCM" {
        try compare(["big.bin"], transport, sluice, secure)
      }
    }
  }

  /// Ranges, in requests that come all at once.
  @Test(arguments: [Transfer.Transport.userTLS, .kernelTLS, .kernelBothWays], ["-tls1_2", "-tls1_3"])
  func pipelinedRanges(transport: Transfer.Transport, version: String) throws {
    let sluice = try transport.serve(TemporarySite.common().path)
    let size = 1 << 20 + 1
    let parts = [
      0..<1, 0..<16384, 1..<16385, 16383..<16386, 5..<100_000, size - 1..<size, size - 70_000..<size,
      0..<size,
    ]
    var requests = parts.map { part in
      "GET /\(size).bin HTTP/1.1\r\nHost: a\r\nRange: bytes=\(part.lowerBound)-\(part.upperBound - 1)\r\n\r\n"
    }
    requests.append("GET /16384.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=-5\r\n\r\n")
    requests.append("GET /1.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=1-\r\nConnection: close\r\n\r\n")
    let result = try SecureClient.exchange(sluice.securePort, requests.joined(), [version])
    let responses = try HTTPResponse.all(in: result.outputBytes)
    #expect(responses.map(\.status) == parts.map { _ in 206 } + [206, 416])
    for (part, response) in zip(parts, responses) {
      #expect(
        response.body.count == part.count && Pattern.matches(response.body, from: part.lowerBound), "\(part)")
    }
    #expect(responses[parts.count].body == Pattern.bytes(5, from: 16379))
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"]) func pipelinedFiles(version: String) throws {
    let sluice = try Transfer.Transport.kernelTLS.serve(TemporarySite.common().path)
    let sizes = (0..<20).map { Self.sizes[$0 % Self.sizes.count] }
    let requests = sizes.map { "GET /\($0).bin HTTP/1.1\r\nHost: localhost\r\n\r\n" }
    let last = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    let result = try SecureClient.exchange(sluice.securePort, requests.joined() + last, [version])
    let responses = try HTTPResponse.all(in: result.outputBytes)
    #expect(responses.map(\.body.count) == sizes + [6])
    #expect(responses.dropLast().allSatisfy { $0.status == 200 && Pattern.matches($0.body) })
  }

  @Test(arguments: Transfer.Transport.allCases) func slowReader(transport: Transfer.Transport) throws {
    try transport.expectSlowReaderGetsAll()
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"]) func resumedSession(version: String) throws {
    let sluice = try Transfer.Transport.kernelTLS.serve(TemporarySite.common().path)
    let folder = try TemporarySite()
    let file = folder.path + "/session"
    let request = "GET /16385.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for flag in ["-sess_out", "-sess_in"] {
      let result = try SecureClient.exchange(sluice.securePort, request, [version, flag, file])
      let responses = try HTTPResponse.all(in: result.outputBytes)
      #expect(responses.count == 1 && responses[0].body == Pattern.bytes(16385), "\(flag)")
    }
    #expect(try sluice.stopForMetrics()["kernel_tls"] == 2)
  }

  @Test func rsaCertificate() throws {
    let pair = try TestCertificates.shared.get().rsa
    let sluice = try SluiceProcess(TemporarySite.common().path, .both(pair), flags: ["--ktls", "require"])
    for version in ["1.2", "1.3"] {
      let arguments = Curl.trusting(pair) + ["--tls-max", version, try sluice.url("https") + "/hello.txt"]
      #expect(try Curl.run(arguments).output == "hello\n", "\(version)")
    }
    #expect(try sluice.stopForMetrics()["kernel_tls"] == 2)
  }

  @Test(
    .enabled(if: TestMachine.has("wrk"), "wrk is missing: apt-get install wrk"),
    arguments: ["hello.txt", "102400.bin"])
  func load(name: String) throws {
    // An emulated machine needs a second for a few handshakes.
    try Transfer.Transport.kernelTLS.expectLoadIsServed(name, connections: 5, seconds: 5)
  }
}
