import Glibc
import Testing

/// What the server says of itself, on a listener of its own.
@Suite struct AdminTests {
  private let site: TemporarySite
  private let folder: TemporaryFolder

  init() throws {
    site = try TemporarySite()
    folder = try TemporaryFolder()
    try site.add("hello.txt", "hello\n")
    try site.add("large.bin", String(repeating: "0123456789abcdef", count: 1 << 14))
  }

  private func serve(
    _ listeners: SluiceProcess.Listeners = .plain, _ flags: [String] = [], prefix: [String] = []
  )
    throws -> (SluiceProcess, admin: String)
  {
    let sluice = try SluiceProcess(
      site.path, listeners, flags: ["--admin", "127.0.0.1:0"] + flags, prefix: prefix)
    return (sluice, try sluice.adminPlace())
  }

  /// With all that there are metrics of.
  private func serveWithAll() throws -> (SluiceProcess, admin: String) {
    let authorities = try ClientAuthorities()
    return try serve(
      .both(TestCertificates.ecdsa),
      [
        "--client-ca", authorities.ours.certificate, "--client-crl", authorities.revocations,
        "--client-auth", "request",
      ])
  }

  /// The values of a metric, by its labels as they are written.
  static func values(_ admin: String) throws -> [String: Double] {
    let text = try Curl.get(admin + "/metrics").text
    var values: [String: Double] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
        throw TestFailure("no metric: \(line)")
      }
      values[String(line[..<space])] = value
    }
    return values
  }

  /// A file where its socket is to be stays, whatever it is.
  @Test func otherFilesStay() throws {
    let (file, link) = (folder.path + "/file", folder.path + "/link")
    try writeFile(file, Array("precious".utf8))
    try Shell.require(["ln", "-s", file, link])
    let folder = folder.path
    for (path, expected) in [
      (file, "a file is there that is no socket, and stays: move it away, or choose another path"),
      (link, "a symbolic link is there: choose the path that it leads to, or remove it"),
      (folder, "a folder is there: choose a path in it, such as \(folder)/admin"),
    ] {
      let result = try SluiceProcess.run([site.path, "--port", "0", "--admin", path])
      #expect(
        result.exitStatus == 1
          && result.errorOutput == "sluice: --admin: cannot listen on \(path): \(expected)\n",
        "\(result.text)")
    }
    #expect(readFile(link) == Array("precious".utf8))
    // Another one's socket, which is in use.
    let path = folder + "/admin"
    let other = try SluiceProcess(site.path, flags: ["--admin", path])
    #expect(try other.adminPlace() == path)
    let result = try SluiceProcess.run([site.path, "--port", "0", "--admin", path])
    #expect(
      result.exitStatus == 1 && result.errorOutput.contains("\(path): another program listens there"),
      "\(result.text)")
    #expect(try Curl.run(["--unix-socket", path, "http://localhost/healthz"]).output == "ok\n")
    #expect(try other.stop() == 0)
  }

  @Test func countsWhatClientsDo() throws {
    let pair = try TestCertificates.ecdsa
    let (sluice, admin) = try serve(.both(pair), ["--workers", "2"])
    let (plain, secure) = try (sluice.url("http"), sluice.url("https"))
    for _ in 0..<3 { _ = try Curl.get(plain + "/hello.txt") }
    for _ in 0..<2 { _ = try Curl.get(secure + "/large.bin", Curl.trusting(pair)) }
    _ = try Curl.get(plain + "/none")
    _ = try Curl.get(plain + "/hello.txt", ["-r", "0-1"])
    let garbage = try sluice.connect()
    try garbage.send("garbage\r\n\r\n")
    _ = try garbage.rest()
    // A client that trusts somebody else, one that is too old, and one that speaks no TLS.
    _ = try Curl.run(Curl.trusting(TestCertificates.shared.get().rsa) + [secure])
    _ = try SecureClient.handshake(sluice.securePort, ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])
    _ = try Curl.run(["http://127.0.0.1:\(sluice.securePort)/"])
    let values = try Self.values(admin)
    let expected: [String: Double] = [
      "sluice_responses_total{host=\"default\",status=\"200\"}": 5,
      "sluice_responses_total{host=\"default\",status=\"404\"}": 1,
      "sluice_responses_total{host=\"default\",status=\"206\"}": 1,
      "sluice_responses_total{host=\"default\",status=\"400\"}": 2,
      "sluice_tls_handshakes_total{outcome=\"full\"}": 2,
      "sluice_tls_handshakes_total{outcome=\"failed\"}": 3,
      "sluice_tls_handshake_failures_total{cause=\"refused_by_client\"}": 1,
      "sluice_tls_handshake_failures_total{cause=\"version\"}": 1,
      "sluice_tls_handshake_failures_total{cause=\"not_tls\"}": 1,
      "sluice_tls_connections_total{transport=\"user_tls\"}": 2,
      "sluice_ktls_off_total{reason=\"off\"}": 2, "sluice_malformed_total": 1, "sluice_ready": 1,
      "sluice_workers": 2, "sluice_workers_silent": 0, "sluice_first_byte_seconds_count": 7,
      "sluice_response_seconds_bucket{le=\"+Inf\"}": 7,
    ]
    for (name, value) in expected { #expect(values[name] == value, "\(name)") }
    #expect(values["sluice_sent_bytes_total{transport=\"user_tls\"}"] ?? 0 > 2 * 262_144)
    let names =
      "sluice_certificate_expiry_seconds{file=\"\(pair.certificate)\",name=\"localhost\",key=\"EC\"}"
    #expect(values[names] ?? 0 > 29 * 86_400)
    // What it says at its end is the same.
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["requests"] == 7 && metrics["handshakes_failed"] == 3)
  }

  /// A download that is not done, or broken off, is no quick one.
  @Test func timesOfWholeResponses() throws {
    try Shell.require(["truncate", "-s", "64M", site.path + "/huge.bin"])
    let (sluice, admin) = try serve()
    func counts() throws -> [Double?] {
      let values = try Self.values(admin)
      return [values["sluice_first_byte_seconds_count"], values["sluice_response_seconds_count"]]
    }
    _ = try Curl.get(sluice.url("http") + "/hello.txt")
    do {
      let slow = try sluice.connect(receiveBuffer: 4096)
      try slow.get("/huge.bin")
      try waitUntil("it is being sent") { try counts() == [2, 1] }
    }
    try waitUntil("it is broken off") {
      try Self.values(admin)["sluice_connections{state=\"sending\"}"] == 0
    }
    #expect(try counts() == [2, 1])
    // And one that is done in the end.
    #expect(try Curl.get(sluice.url("http") + "/huge.bin").body.count == 64 << 20)
    #expect(try counts() == [3, 2])
    #expect(try sluice.stop() == 0)
  }

  @Test(.enabled(if: TestMachine.has("promtool"), "promtool is missing: apt-get install prometheus"))
  func isWhatPrometheusReads() throws {
    let (sluice, admin) = try serveWithAll()
    _ = try Curl.get(sluice.url("http") + "/hello.txt")
    let file = folder.path + "/metrics"
    try writeFile(file, Array(Curl.get(admin + "/metrics").text.utf8))
    let result = try Shell.run(["sh", "-c", "promtool check metrics <'\(file)'"])
    #expect(result.exitStatus == 0 && result.text.isEmpty, "\(result.text)")
    let rules = try Shell.run([
      "promtool", "check", "rules", DocumentationPage.repository + "/docs/alerts.yml",
    ])
    #expect(rules.exitStatus == 0, "\(rules.text)")
  }

  /// The dashboard and the alerts speak of metrics that there are.
  @Test func whatDocumentsAskFor() throws {
    let (sluice, admin) = try serveWithAll()
    _ = try Curl.get(sluice.url("http") + "/hello.txt")
    let text = try Curl.get(admin + "/metrics").text
    let known = Set(
      text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { $0.prefix { $0 != "{" && $0 != " " } })
    for file in ["alerts.yml", "grafana.json"] {
      let asked = String(
        decoding: readFile(DocumentationPage.repository + "/docs/\(file)") ?? [], as: UTF8.self)
      var count = 0
      for match in asked.matches(of: /sluice_[a-z_]+/) {
        #expect(known.contains(match.output), "\(file): \(match.output)")
        count += 1
      }
      #expect(count > 8)
    }
  }

  @Test func statusPage() throws {
    let (sluice, admin) = try serve(.both(TestCertificates.ecdsa))
    _ = try Curl.get(sluice.url("http") + "/hello.txt")
    let page = try Curl.get(admin + "/")
    #expect(page.status == 200 && page.text.contains("<title>Sluice</title>"))
    // Nothing from elsewhere.
    #expect(page.text.matches(of: /(src|href)="(?!data:,)/).isEmpty)
    #expect(!page.text.contains("http://") || page.text.contains("http://www.w3.org/2000/svg"))
    let file = folder.path + "/status"
    try writeFile(file, Array(Curl.get(admin + "/status.json").text.utf8))
    let said = try Shell.require([
      "jq", "-r",
      ".state, .requests, .statuses[\"200\"], .kernel_tls, (.certificates|length), (.urls|length)", file,
    ])
    #expect(said == "serving\n1\n1\noff: turned off by --ktls off\n1\n2\n")
  }

  @Test func readinessEndsWithTheSignal() throws {
    let (sluice, admin) = try serve()
    #expect(try Curl.get(admin + "/healthz").text == "ok\n")
    #expect(try Curl.get(admin + "/readyz").text == "ready\n")
    // So that it goes on for a while.
    try Shell.require(["truncate", "-s", "64M", site.path + "/huge.bin"])
    let slow = try sluice.connect(receiveBuffer: 4096)
    try slow.get("/huge.bin")
    try waitUntil("it is being sent") {
      try Self.values(admin)["sluice_connections{state=\"sending\"}"] == 1
    }
    sluice.signal(SIGTERM)
    try waitUntil("it is draining") { try Curl.get(admin + "/readyz").status == 503 }
    #expect(try Curl.get(admin + "/healthz").status == 200)
    sluice.signal(SIGTERM)
    try sluice.process.wait()
  }

  /// While a worker hangs, who asks is told so.
  @Test(.enabled(if: TestMachine.has("strace"), "strace is missing"))
  func aWorkerThatHangs() throws {
    let (sluice, admin) = try serve(
      prefix: [
        "strace", "-f", "-D", "-qq", "-o", "/dev/null", "-e", "trace=sendfile", "-e",
        "inject=sendfile:delay_enter=8000000:when=1",
      ])
    #expect(try Self.values(admin)["sluice_workers_silent"] == 0)
    let connection = try sluice.connect()
    try connection.get("/large.bin")
    try waitUntil("it hangs") { try Self.values(admin)["sluice_workers_silent"] == 1 }
    #expect(try Curl.get(admin + "/healthz").text == "ok\n")
    #expect(try connection.response().body.count == 262_144)
    try waitUntil("it goes on") { try Self.values(admin)["sluice_workers_silent"] == 0 }
  }

  @Test func unixSocket() throws {
    let path = folder.path + "/admin"
    let sluice = try SluiceProcess(site.path, flags: ["--admin", path])
    let curl = ["--unix-socket", path, "http://localhost/healthz"]
    try waitUntil("it is there") { sluice.process.errorOutput.contains("admin \(path)\n") }
    #expect(try Curl.run(curl).output == "ok\n")
    #expect(try Shell.require(["stat", "-c", "%a", path]) == "660\n")
    // One that was killed leaves it behind.
    sluice.signal(SIGKILL)
    try sluice.process.wait()
    let next = try SluiceProcess(site.path, flags: ["--admin", path])
    try waitUntil("it is there") { next.process.errorOutput.contains("admin \(path)\n") }
    #expect(try Curl.run(curl).output == "ok\n")
    #expect(try next.stop() == 0)
    #expect(readFile(path) == nil)
    #expect(try Shell.run(["test", "-e", path]).exitStatus == 1)
  }

  /// Slow ones, too many, and what is no request.
  @Test func hostileClients() throws {
    let (sluice, admin) = try serve()
    let port = try #require(admin.split(separator: ":").last.flatMap { UInt16($0) })
    // As many as there may be, and more: who has said nothing for longest gives way.
    var held: [RawConnection] = []
    for _ in 0..<16 { held.append(try RawConnection(port: port)) }
    for connection in held { try connection.send("GET / HTTP/1.1\r\nHo") }
    #expect(try Curl.run([admin + "/healthz"]).output == "ok\n")
    for _ in 0..<40 { held.append(try RawConnection(port: port)) }
    #expect(try Curl.run([admin + "/healthz"]).output == "ok\n")
    #expect(try held[0].rest().bytes.isEmpty)
    try held[55].send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(try held[55].response().status == 200)
    for (request, status) in [
      ("garbage\r\n\r\n", 400), ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
      ("GET /none HTTP/1.1\r\nHost: a\r\n\r\n", 404), ("GET /metrics HTTP/1.0\r\n\r\n", 200),
      ("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 40_000))\r\n\r\n", 431),
    ] {
      let connection = try RawConnection(port: port)
      try? connection.send(request)
      #expect(try connection.response().status == status, "\(request.prefix(20))")
    }
    let head = try Curl.run(["-I", admin + "/metrics"])
    #expect(head.output.hasPrefix("HTTP/1.1 200 OK"))
    // Never on the public port.
    #expect(try Curl.get(sluice.url("http") + "/metrics").status == 404)
    #expect(try sluice.stop() == 0)
  }

  @Test func whatIsWrongIsTold() throws {
    let (sluice, admin) = try serve()
    let place = String(admin.dropFirst("http://".count))
    for (value, expected) in [
      ("9464", "use an address with a port"), ("localhost:http", "use an address with a port"),
      ("::1:9464", "use an address with a port"), ("", "is invalid"),
      ("/none/admin", "--admin: cannot listen on /none/admin: No such file or directory"),
      (place, "--admin: cannot listen on \(place): Address already in use"),
    ] {
      let result = try SluiceProcess.run([site.path, "--port", "0", "--admin", value])
      #expect(
        [1, 64].contains(result.exitStatus) && result.errorOutput.contains(expected), "\(result.errorOutput)")
    }
    #expect(try sluice.stop() == 0)
  }
}
