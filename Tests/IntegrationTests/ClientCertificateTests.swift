import Glibc
import Testing

/// Clients that have to show certificates.
@Suite struct ClientCertificateTests {
  private let site: TemporarySite
  private let authorities: ClientAuthorities

  init() throws {
    site = try TemporarySite()
    try site.add("name.txt", "main\n")
    authorities = try ClientAuthorities()
  }

  private func status(
    _ sluice: SluiceProcess, _ client: TestCertificates.Pair?, host: String = "localhost",
    _ flags: [String] = []
  ) throws -> Int {
    let server = try TestCertificates.ecdsa
    let url = "https://\(host):\(try sluice.securePort)/name.txt"
    let own = client.map { ["--cert", $0.certificate, "--key", $0.key] } ?? []
    let result = try Curl.run(
      ["-k", "-o", "/dev/null", "-w", "%{http_code}", "--connect-to", "\(host)::127.0.0.1:"] + own
        + Curl.trusting(server) + flags + [url])
    return result.exitStatus == 0 ? Int(result.output) ?? -1 : 0
  }

  @Test(arguments: ["1.2", "1.3"]) func required(version: String) throws {
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa), flags: ["--client-ca", authorities.ours.certificate])
    let flags = ["--tlsv\(version)", "--tls-max", version]
    #expect(try status(sluice, authorities.client, flags) == 200)
    #expect(try status(sluice, nil, flags) == 0)
    #expect(try status(sluice, authorities.stranger, flags) == 0)
    #expect(try status(sluice, authorities.client, flags) == 200)
    // Nobody gets round it without TLS.
    #expect(try Curl.get(sluice.url("http") + "/name.txt").status == 403)
    #expect(try sluice.stopForMetrics()["handshakes_failed"] == 2)
  }

  @Test func requested() throws {
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa),
      flags: ["--client-ca", authorities.ours.certificate, "--client-auth", "request"])
    #expect(try status(sluice, authorities.client) == 200)
    #expect(try status(sluice, nil) == 200)
    #expect(try status(sluice, authorities.stranger) == 0)
    #expect(try Curl.get(sluice.url("http") + "/name.txt").status == 200)
  }

  @Test func revoked() throws {
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa),
      flags: ["--client-ca", authorities.ours.certificate, "--client-crl", authorities.revocations])
    #expect(try status(sluice, authorities.client) == 200)
    #expect(try status(sluice, authorities.revoked) == 0)
  }

  /// What one host asks for is not to be had by asking for another, in the handshake or in the request.
  @Test func hosts() throws {
    let pair = try TestCertificates.ecdsa
    try site.add(
      "c.toml",
      """
      root = "\(site.path)"
      cert = "\(pair.certificate)"
      key = "\(pair.key)"

      [[host]]
      names = ["closed.example"]
      root = "\(site.path)"
      client-ca = "\(authorities.ours.certificate)"

      [[host]]
      names = ["other.example"]
      root = "\(site.path)"
      client-ca = "\(authorities.theirs.certificate)"

      """)
    let sluice = try SluiceProcess(
      arguments: [
        "--config", site.path + "/c.toml", "--port", "0", "--tls-port", "0", "--ktls", "off", "--workers",
        "1",
      ], listeners: 2)
    let (ours, theirs) = (authorities.client, authorities.stranger)
    for (host, client, expected) in [
      ("open.example", nil, 200), ("open.example", ours, 200), ("closed.example", ours, 200),
      ("closed.example", nil, 0), ("closed.example", theirs, 0), ("other.example", theirs, 200),
      ("other.example", ours, 0),
    ] {
      #expect(try status(sluice, client, host: host) == expected, "\(host)")
    }
    for (name, host, client, expected) in [
      ("open.example", "closed.example", nil, 421), ("open.example", "closed.example", ours, 421),
      ("closed.example", "other.example", ours, 421), ("closed.example", "open.example", ours, 200),
      ("closed.example", "closed.example", ours, 200), ("", "closed.example", ours, 421),
    ] {
      let status = try status(
        sluice, client, host: name.isEmpty ? "127.0.0.1" : name, ["-H", "Host: \(host)"])
      #expect(status == expected, "\(name) \(host)")
    }
    // Several requests on one connection, with dot segments and codings, too.
    let client = try SecureClient.quiet(sluice.securePort, ["-servername", "open.example"])
    for host in ["open.example", "closed.example", "open.example", "CLOSED.example:443", "closed.example."] {
      client.send("GET /name.txt HTTP/1.1\r\nHost: \(host)\r\nAccept-Encoding: br\r\n\r\n")
    }
    client.send(
      "GET https://closed.example/./name.txt HTTP/1.1\r\nHost: open.example\r\nConnection: close\r\n\r\n")
    try client.wait()
    #expect(
      try HTTPResponse.all(in: client.outputBytes).map(\.status) == [200, 421, 200, 421, 421, 421])
    #expect(try Curl.get(sluice.url("http") + "/name.txt", ["-H", "Host: closed.example"]).status == 403)
    #expect(try Curl.get(sluice.url("http") + "/name.txt", ["-H", "Host: open.example"]).status == 200)
  }

  /// A session that was begun under other conditions is not resumed.
  @Test(arguments: ["-tls1_2", "-tls1_3"]) func resumption(version: String) throws {
    let folder = try TemporaryFolder()
    let (file, list) = (folder.path + "/ca", folder.path + "/session")
    try Shell.require(["cp", authorities.ours.certificate, file])
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa), flags: ["--client-ca", file, "--workers", "2"])
    let own = ["-cert", authorities.client.certificate, "-key", authorities.client.key, version]
    let request = "GET /name.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    _ = try SecureClient.exchange(sluice.securePort, request, own + ["-sess_out", list])
    #expect(
      try SecureClient.handshake(sluice.securePort, own + ["-sess_in", list]).contains("Reused, TLSv1."))
    // By somebody who has the session and not the certificate: as with any session, who has its secret is who has begun it.
    // But under another authority nobody resumes it.
    try Shell.require(["cp", authorities.theirs.certificate, file])
    sluice.process.signal(SIGHUP)
    try waitUntil("it is reloaded") { sluice.process.errorOutput.contains("reloaded: ") }
    let said = try SecureClient.exchange(sluice.securePort, request, own + ["-sess_in", list])
    #expect(!said.output.contains("main\n") && said.errorOutput.contains("alert"), "\(said.text)")
    #expect(try status(sluice, authorities.stranger) == 200)
  }

  /// Seen while the server runs, whoever reads the file.
  @Test func revokedMeanwhile() throws {
    let folder = try TemporaryFolder()
    let list = folder.path + "/crl"
    try Shell.require(["cp", authorities.noRevocations, list])
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa),
      flags: ["--client-ca", authorities.ours.certificate, "--client-crl", list])
    #expect(try status(sluice, authorities.revoked) == 200)
    try writeFile(list, Array("nonsense".utf8))
    try waitUntil("it is told", seconds: 20) {
      sluice.process.errorOutput.contains("\(list): no usable list of revoked certificates in it")
    }
    #expect(try status(sluice, authorities.revoked) == 200)
    try Shell.require(["cp", authorities.revocations, list])
    try waitUntil("it is revoked", seconds: 20) { try status(sluice, authorities.revoked) == 0 }
    #expect(try status(sluice, authorities.client) == 200)
    #expect(try sluice.stop() == 0)
  }

  /// Each has a name of its own, in the log and in metrics.
  @Test func causes() throws {
    let folder = try TemporaryFolder()
    let list = folder.path + "/crl"
    try Shell.require(["cp", authorities.revocations, list])
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa),
      flags: [
        "--client-ca", authorities.ours.certificate, "--client-crl", list, "--admin",
        folder.path + "/admin",
      ])
    func failures() throws -> [String: Int] {
      let text = try Curl.run(["--unix-socket", folder.path + "/admin", "http://x/metrics"]).output
      var counts: [String: Int] = [:]
      for match in text.matches(of: /sluice_tls_handshake_failures_total{cause="(.+)"} ([1-9][0-9]*)/) {
        counts[String(match.output.1)] = Int(match.output.2)
      }
      return counts
    }
    var expected: [String: Int] = [:]
    for (client, cause) in [
      (nil, "client_certificate_missing"), (authorities.stranger, "client_certificate_unknown"),
      (authorities.expired, "client_certificate_expired"),
      (authorities.revoked, "client_certificate_revoked"),
    ] {
      #expect(try status(sluice, client) == 0)
      expected[cause] = 1
      #expect(try failures() == expected)
      try waitUntil("it is told") {
        sluice.process.errorOutput.contains("info sluice: [Server] a handshake has failed (\(cause)), with ")
      }
    }
    #expect(!sluice.process.errorOutput.contains("warning"))
    // The list is not renewed: nobody gets in, and it is said why, before anybody comes and then.
    try Shell.require(["cp", authorities.outdated, list])
    let outdated =
      "warning sluice: [Server] \(list): what CN=ours has revoked is out of date since 2020-02-01 00:00 UTC:"
    try waitUntil("it is told", seconds: 20) { sluice.process.errorOutput.contains(outdated) }
    #expect(
      sluice.process.errorOutput.contains(
        "notice sluice: [Server] \(list): what it says now of the certificates of clients is in use"))
    #expect(try status(sluice, authorities.client) == 0)
    expected["client_revocation_unknown"] = 1
    #expect(try failures() == expected)
    try waitUntil("it is told") {
      sluice.process.errorOutput.contains(
        "warning sluice: [Server] a handshake has failed (client_revocation_unknown), with ")
    }
    let metrics = try Curl.run(["--unix-socket", folder.path + "/admin", "http://x/metrics"]).output
    #expect(metrics.contains("sluice_client_crl_expiry_seconds{file=\"\(list)\",authority=\"CN=ours\"} -"))
    #expect(
      metrics.contains(
        "sluice_client_ca_expiry_seconds{file=\"\(authorities.ours.certificate)\",authority=\"CN=ours\"} 25"))
    let page = try Curl.run(["--unix-socket", folder.path + "/admin", "http://x/status.json"]).output
    #expect(page.contains("what CN=ours has revoked is out of date since"))
    // And once only.
    #expect(sluice.process.errorOutput.matches(of: /is out of date since/).count == 1)
  }

  /// At start, at `check` and by `doctor`.
  @Test func listsThatAreOutOfDateAreTold() throws {
    let pair = try TestCertificates.ecdsa
    let flags = pair.flags + ["--client-ca", authorities.ours.certificate, "--client-crl"]
    let outdated =
      "\(authorities.outdated): what CN=ours has revoked is out of date since 2020-02-01 00:00 UTC"
    let checked = try SluiceProcess.run(["check", site.path] + flags + [authorities.outdated])
    #expect(checked.exitStatus == 0 && checked.text.contains(outdated), "\(checked.text)")
    let examined = try SluiceProcess.run(["doctor", site.path] + flags + [authorities.outdated])
    #expect(examined.text.contains(outdated), "\(examined.text)")
    let sluice = try SluiceProcess(
      site.path, .both(pair), flags: Array(flags.dropFirst(4)) + [authorities.outdated])
    #expect(sluice.process.errorOutput.contains("warning sluice: [sluice] \(outdated)"))
    // Not yet, and in the last quarter of the time for which it is good.
    let now = Int(time(nil))
    let soon = try SluiceProcess.run(["check", site.path] + flags + [authorities.list(until: now + 3_600)])
    #expect(!soon.text.contains("revoked"), "\(soon.text)")
    let list = try authorities.list(from: now - 4 * 3_600, until: now + 3_600 - 60)
    let late = try SluiceProcess.run(["check", site.path] + flags + [list])
    #expect(
      late.exitStatus == 0 && late.text.contains("\(list): what CN=ours has revoked is out of date on ")
        && late.text.contains(", and its clients are refused then: renew it"), "\(late.text)")
    // None for one of the authorities.
    let both = site.path + "/both"
    try Shell.require([
      "sh", "-c", "cat '\(authorities.ours.certificate)' '\(authorities.theirs.certificate)' >'\(both)'",
    ])
    let some = try SluiceProcess.run(
      ["check", site.path] + pair.flags + ["--client-ca", both, "--client-crl", authorities.noRevocations])
    #expect(
      some.exitStatus == 0
        && some.text.contains(
          "\(authorities.noRevocations): there is no list of what CN=theirs has revoked: its clients are refused"
        ),
      "\(some.text)")
  }

  /// A session that is resumed is looked at like a new one: the files are the same, and time has passed.
  @Test(arguments: ["-tls1_2", "-tls1_3"]) func aListGoesOutOfDate(version: String) throws {
    // On a busy machine it may be out of date before anybody has connected.
    for seconds in [12, 60] where try sessionEnds(withListAfter: seconds, version) { return }
    Issue.record("nobody could connect within a minute")
  }

  /// False if the list was out of date too early.
  private func sessionEnds(withListAfter seconds: Int, _ version: String) throws -> Bool {
    let end = Int(time(nil)) + seconds
    let (list, session) = (try authorities.list(until: end), site.path + "/session")
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa),
      flags: ["--client-ca", authorities.ours.certificate, "--client-crl", list])
    let own = ["-cert", authorities.client.certificate, "-key", authorities.client.key, version]
    let request = "GET /name.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    let first = try SecureClient.exchange(sluice.securePort, request, own + ["-sess_out", session])
    let resumed = try SecureClient.exchange(sluice.securePort, request, own + ["-sess_in", session])
    if Int(time(nil)) >= end { return false }
    #expect(first.output.contains("main\n") && resumed.output.contains("main\n"))
    while Int(time(nil)) <= end { usleep(100_000) }
    let late = try SecureClient.exchange(sluice.securePort, request, own + ["-sess_in", session])
    #expect(!late.output.contains("main\n"), "\(late.text)")
    try waitUntil("it is told") {
      sluice.process.errorOutput.contains("a handshake has failed (client_revocation_unknown)")
    }
    return true
  }

  @Test func whatIsWrongIsTold() throws {
    let server = try TestCertificates.ecdsa
    for (flags, expected) in [
      (server.flags + ["--client-ca", "/none"], "/none: cannot read it: No such file or directory"),
      (server.flags + ["--client-ca", server.key], "no certificate of an authority in it"),
      (
        server.flags + ["--client-ca", authorities.ours.certificate, "--client-crl", server.certificate],
        "no usable list of revoked certificates in it"
      ),
      (
        server.flags + ["--client-crl", authorities.revocations],
        "needs the authorities that it is of: client-ca"
      ),
      (server.flags + ["--client-auth", "require"], "needs the authorities of clients: client-ca"),
      (server.flags + ["--client-auth", "on"], "use off, request or require"),
      (["--client-ca", authorities.ours.certificate], "client-ca needs a certificate of the server's"),
    ] {
      let result = try SluiceProcess.run(
        [site.path, "--port", "0", "--tls-port", "0", "--ktls", "off"] + flags)
      #expect([1, 64].contains(result.exitStatus), "\(flags)")
      #expect(result.errorOutput.contains(expected), "\(flags): \(result.errorOutput)")
      #expect(result.errorOutput.split(separator: "\n").count == 1, "\(result.errorOutput)")
    }
  }
}
