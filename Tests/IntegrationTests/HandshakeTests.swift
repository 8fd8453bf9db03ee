import Testing

/// Versions, ciphers, ALPN, tickets, and what TLS is refused.
@Suite struct HandshakeTests {
  private let sluice: SluiceProcess

  init() throws {
    sluice = try SluiceProcess(TemporarySite.common().path, .both(TestCertificates.ecdsa))
  }

  private func handshake(_ flags: String...) throws -> String {
    try SecureClient.handshake(sluice.securePort, flags)
  }

  @Test(arguments: Curl.Secure.all) func everyCipher(secure: Curl.Secure) throws {
    let said = try SecureClient.handshake(sluice.securePort, secure.clientFlags)
    #expect(said.contains("New, TLSv\(secure.version), Cipher is \(secure.name)"))
    let pair = try TestCertificates.ecdsa
    let url = try sluice.url("https") + "/16385.bin"
    let response = try Curl.get(url, Curl.trusting(pair) + secure.curlFlags)
    #expect(response.body.count == 16385 && Pattern.matches(response.body))
  }

  @Test(arguments: [
    "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305",
  ])
  func rsa(cipher: String) throws {
    let pair = try TestCertificates.shared.get().rsa
    let own = try SluiceProcess(TemporarySite.common().path, .both(pair))
    let said = try SecureClient.handshake(
      own.securePort, ["-tls1_2", "-cipher", cipher, "-CAfile", pair.certificate])
    #expect(said.contains("Cipher is \(cipher)") && said.contains("Verify return code: 0 (ok)"))
    #expect(try Curl.get(own.url("https") + "/hello.txt", Curl.trusting(pair)).text == "hello\n")
  }

  @Test func certificateIsVerified() throws {
    let said = try handshake()
    #expect(said.contains("Verify return code: 0 (ok)"))
    // A client that trusts somebody else goes away, and harms nobody.
    let other = try TestCertificates.shared.get().rsa
    #expect(try Curl.run(Curl.trusting(other) + [sluice.url("https") + "/"]).exitStatus == 60)
    #expect(try sluice.stopForMetrics()["broken"] != nil)
  }

  @Test func serverPrefersAES128() throws {
    let tls13 = try handshake(
      "-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
    )
    #expect(tls13.contains("Cipher is TLS_AES_128_GCM_SHA256"))
    let tls12 = try handshake(
      "-tls1_2", "-cipher",
      "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256")
    #expect(tls12.contains("Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"))
  }

  @Test func clientThatPutsChaChaFirstGetsIt() throws {
    let tls13 = try handshake(
      "-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256")
    #expect(tls13.contains("Cipher is TLS_CHACHA20_POLY1305_SHA256"))
    let tls12 = try handshake(
      "-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256")
    #expect(tls12.contains("Cipher is ECDHE-ECDSA-CHACHA20-POLY1305"))
  }

  @Test(arguments: ["-tls1_1", "-tls1"]) func oldVersionsAreRefused(version: String) throws {
    let said = try handshake(version, "-cipher", "ALL:@SECLEVEL=0")
    #expect(said.contains("Cipher is (NONE)"))
    #expect(said.contains("alert protocol version"))
    #expect(try sluice.stopForMetrics()["handshakes_failed"] == 1)
  }

  @Test(arguments: [
    "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256",
  ])
  func weakCiphersAreRefused(cipher: String) throws {
    let said = try handshake("-tls1_2", "-cipher", "\(cipher):@SECLEVEL=0")
    #expect(said.contains("Cipher is (NONE)") && said.contains("alert handshake failure"))
  }

  @Test func groups() throws {
    for (group, key) in [("X25519", "X25519"), ("P-256", "ECDH, prime256v1"), ("P-384", "ECDH, secp384r1")] {
      #expect(try handshake("-tls1_3", "-groups", group).contains("Temp Key: \(key), "))
    }
    for group in ["ffdhe2048", "ffdhe8192", "X448", "P-521"] {
      let said = try handshake("-tls1_3", "-groups", group)
      #expect(said.contains("Cipher is (NONE)") && said.contains("alert handshake failure"), "\(group)")
    }
  }

  @Test func applicationProtocol() throws {
    #expect(try handshake("-alpn", "http/1.1").contains("ALPN protocol: http/1.1"))
    #expect(try handshake("-alpn", "h2,http/1.1").contains("ALPN protocol: http/1.1"))
    #expect(try handshake().contains("No ALPN negotiated"))
    for version in ["-tls1_2", "-tls1_3"] {
      #expect(try handshake(version, "-alpn", "h2").contains("alert no application protocol"))
    }
    let pair = try TestCertificates.ecdsa
    let result = try Curl.run(
      ["--http2", "-w", "%{http_version}"] + Curl.trusting(pair) + [sluice.url("https") + "/hello.txt"])
    #expect(result.output == "hello\n1.1")
  }

  @Test func oneTicketIsSent() throws {
    let client = try SecureClient.interactive(sluice.securePort, ["-tls1_3"])
    client.send("GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    try client.wait()
    #expect(client.output.matches(of: /New Session Ticket arrived/).count == 1)
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"]) func sessionsAreResumed(version: String) throws {
    let folder = try TemporarySite()
    let file = folder.path + "/session"
    let request = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    let first = try SecureClient.exchange(sluice.securePort, request, [version, "-sess_out", file])
    #expect(first.output.hasSuffix("hello\n"))
    let said = try handshake(version, "-sess_in", file)
    #expect(said.contains("Reused, TLSv1."))
    let second = try SecureClient.exchange(sluice.securePort, request, [version, "-sess_in", file])
    #expect(second.output.hasSuffix("hello\n"))
  }

  @Test func sessionsAreResumedAtAnotherWorker() throws {
    let own = try SluiceProcess(
      TemporarySite.common().path, .both(TestCertificates.ecdsa), flags: ["--workers", "2"])
    let folder = try TemporarySite()
    let file = folder.path + "/session"
    let request = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    _ = try SecureClient.exchange(own.securePort, request, ["-tls1_2", "-sess_out", file])
    for _ in 0..<8 {
      #expect(
        try SecureClient.handshake(own.securePort, ["-tls1_2", "-sess_in", file]).contains("Reused, TLSv1.2"))
    }
  }

  @Test func noRenegotiation() throws {
    let client = try SecureClient.interactive(sluice.securePort, ["-tls1_2"])
    client.send("R\n")
    try waitUntil("s_client is refused") {
      client.errorOutput.contains("no renegotiation") || client.exitStatus != nil
    }
    #expect((client.output + client.errorOutput).contains("RENEGOTIATING"))
    #expect(client.errorOutput.contains("no renegotiation"))
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").status == 200)
  }

  @Test func noCompression() throws {
    #expect(try handshake("-tls1_2", "-comp").contains("Compression: NONE"))
  }

  @Test func unfinishedHandshakesHarmNobody() throws {
    // A ClientHello that is cut, garbage, and an end in the middle.
    let hello: [UInt8] = [22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]
    var connections: [RawConnection] = []
    for bytes in [
      hello, [22, 3, 1, 255, 255], [UInt8](repeating: 0x80, count: 50), [22, 3, 3, 0, 0],
      [21, 3, 3, 0, 2, 2, 40],
    ] {
      let connection = try RawConnection(port: sluice.securePort)
      try connection.send(bytes)
      connections.append(connection)
      let gone = try RawConnection(port: sluice.securePort)
      try gone.send(bytes)
      gone.resetOnClose()
    }
    let pair = try TestCertificates.ecdsa
    #expect(try Curl.get(sluice.url("https") + "/hello.txt", Curl.trusting(pair)).text == "hello\n")
  }
}
