import Glibc
import Testing

/// Behind a balancer that says who has connected to it (PROXY protocol).
@Suite struct ProxyProtocolTests {
  private let site: TemporarySite
  private let folder: TemporaryFolder
  private var log: String { folder.path + "/log" }

  init() throws {
    site = try TemporarySite()
    folder = try TemporaryFolder()
    try site.add("hello.txt", "hello\n")
    try site.add("c.toml", "[[path]]\nmatch = \"/closed.txt\"\nallow = [\"192.0.2.0/24\"]\n")
    try site.add("closed.txt", "closed\n")
  }

  private func serve(_ listeners: SluiceProcess.Listeners = .plain, networks: String = "127.0.0.1") throws
    -> SluiceProcess
  {
    try SluiceProcess(
      site.path, listeners,
      flags: [
        "--proxy-protocol", networks, "--access-log", log, "--config", site.path + "/c.toml",
      ])
  }

  private func clients() -> [String] {
    String(decoding: readFile(log) ?? [], as: UTF8.self).split(separator: "\n").map {
      String($0.prefix { $0 != " " })
    }
  }

  private static let request = "GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
  /// Version 2, for 192.0.2.7 and with something besides.
  private static let binary: [UInt8] =
    [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x21, 0x11, 0, 16]
    + [192, 0, 2, 7, 10, 0, 0, 1, 1, 2, 0, 80, 0x04, 0, 1, 0]

  @Test(arguments: [1, 7, 1000]) func everyVersion(pieces: Int) throws {
    let sluice = try serve()
    for header in [Array("PROXY TCP4 192.0.2.7 10.0.0.1 258 80\r\n".utf8), Self.binary] {
      let connection = try sluice.connect()
      // With the request behind it, and in pieces.
      let bytes = header + Array(Self.request.utf8)
      for start in stride(from: 0, to: bytes.count, by: pieces) {
        try connection.send(Array(bytes[start..<min(bytes.count, start + pieces)]))
        if pieces < 1000 { usleep(300) }
      }
      #expect(try connection.response().text == "hello\n")
    }
    #expect(try sluice.stop() == 0)
    #expect(clients() == ["192.0.2.7", "192.0.2.7"])
  }

  /// Who may have something is decided by whom the balancer names, and not by the balancer's address.
  @Test func rules() throws {
    let sluice = try serve()
    for (address, status) in [("192.0.2.7", 200), ("127.0.0.1", 403), ("198.51.100.1", 403)] {
      let connection = try sluice.connect()
      try connection.send(
        "PROXY TCP4 \(address) 10.0.0.1 258 80\r\nGET /closed.txt HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try connection.response().status == status, "\(address)")
    }
    // LOCAL and UNKNOWN are about the balancer itself.
    let local = try sluice.connect()
    try local.send(Array(Self.binary[..<12]) + [0x20, 0, 0, 0] + Array(Self.request.utf8))
    #expect(try local.response().text == "hello\n")
    #expect(try sluice.stop() == 0)
    #expect(clients().last == "127.0.0.1")
  }

  /// They are closed without a word, and counted.
  @Test func whatIsNone() throws {
    let sluice = try serve()
    var count = 0
    for text in [
      Self.request, "PROXY TCP4 1.2.3.4\r\n", "PROXY UNKNOWN " + String(repeating: "x", count: 100),
      "\u{16}\u{3}\u{1}",
    ] {
      let connection = try sluice.connect()
      try connection.send(text)
      #expect(try connection.rest().bytes.isEmpty, "\(text)")
      count += 1
    }
    do {
      let half = try sluice.connect()
      try half.send("PROXY TCP4 1.2")
      half.endSending()
      #expect(try half.rest().bytes.isEmpty)
      count += 1
    }
    let good = try sluice.connect()
    try good.send("PROXY UNKNOWN\r\n" + Self.request)
    #expect(try good.response().text == "hello\n")
    #expect(try sluice.stopForMetrics()["proxy_headers_refused"] == count)
  }

  /// From elsewhere it is no header, but a request that is none.
  @Test func strangers() throws {
    let sluice = try serve(networks: "10.0.0.0/8,::1")
    let connection = try sluice.connect()
    try connection.send("PROXY TCP4 192.0.2.7 10.0.0.1 258 80\r\n\r\n")
    #expect(try connection.response().status != 200)
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
    #expect(try Curl.get(sluice.url("http") + "/closed.txt").status == 403)
    let wrong = try SluiceProcess.run([site.path, "--proxy-protocol", "10.0.0.1/8"])
    #expect(wrong.exitStatus == 64 && wrong.errorOutput.contains("use networks such as 10.0.0.0/8"))
  }

  /// curl speaks version 1, over TLS, too.
  @Test(arguments: ["http", "https"]) func curl(scheme: String) throws {
    let pair = try TestCertificates.ecdsa
    let sluice = try serve(.both(pair))
    let url = try sluice.url(scheme) + "/hello.txt"
    let result = try Curl.run(["--haproxy-protocol"] + Curl.trusting(pair) + [url])
    #expect(result.output == "hello\n", "\(result.text)")
    #expect(try Curl.run(Curl.trusting(pair) + [url]).exitStatus != 0)
    #expect(try sluice.stop() == 0)
  }

  /// HAProxy, with its health checks: all pass, and the log has the clients.
  @Test(
    .enabled(if: TestMachine.has("haproxy"), "haproxy is missing: apt-get install haproxy"),
    arguments: ["send-proxy", "send-proxy-v2"])
  func haproxy(version: String) throws {
    let pair = try TestCertificates.ecdsa
    let sluice = try serve(.both(pair))
    let (plain, secure, state) = (folder.path + "/plain", folder.path + "/secure", folder.path + "/state")
    let configuration = """
      global
        stats socket \(state) mode 600
      defaults
        mode tcp
        timeout connect 5s
        timeout client 20s
        timeout server 20s
      frontend plain
        bind unix@\(plain)
        default_backend plain
      backend plain
        server one 127.0.0.1:\(try sluice.plainPort) \(version) check inter 200 check-send-proxy
      frontend secure
        bind unix@\(secure)
        default_backend secure
      backend secure
        server one 127.0.0.1:\(try sluice.securePort) \(version) check inter 200 check-ssl verify none

      """
    try writeFile(folder.path + "/haproxy.cfg", Array(configuration.utf8))
    let haproxy = try Subprocess(["haproxy", "-db", "-f", folder.path + "/haproxy.cfg"])
    try waitUntil("it listens") {
      try Curl.run(["--unix-socket", plain, "http://localhost/hello.txt"]).output == "hello\n"
        || haproxy.exitStatus != nil
    }
    for _ in 0..<5 {
      #expect(try Curl.run(["--unix-socket", plain, "http://localhost/hello.txt"]).output == "hello\n")
      let result = try Curl.run(
        ["--unix-socket", secure] + Curl.trusting(pair) + ["https://localhost/hello.txt"])
      #expect(result.output == "hello\n", "\(result.text)")
    }
    usleep(700_000)
    #expect(haproxy.exitStatus == nil && !haproxy.errorOutput.contains("is DOWN"), "\(haproxy.errorOutput)")
    haproxy.signal(SIGTERM)
    try haproxy.wait()
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["proxy_headers_refused"] == 0, "\(metrics)")
  }
}
