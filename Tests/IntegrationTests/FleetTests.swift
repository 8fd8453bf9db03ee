import Glibc
import Testing

/// docs/fleet.md: two servers behind HAProxy, as the page has it.
@Suite(.enabled(if: TestMachine.has("haproxy"), "haproxy is missing: apt-get install haproxy"))
struct FleetTests {
  private let folder: TemporaryFolder
  private let site: TemporarySite
  private let page = DocumentationPage("docs/fleet.md")

  init() throws {
    folder = try TemporaryFolder()
    site = try TemporarySite()
    try site.add("hello.txt", "hello\n")
    try Shell.require(["openssl", "rand", "-out", folder.path + "/ticket.key", "80"])
  }

  private struct Machine {
    let sluice: SluiceProcess
    let adminPort: UInt16
    let log: String
  }

  private func machine(_ number: Int) throws -> Machine {
    let log = "\(folder.path)/access-\(number)"
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa),
      flags: [
        "--ticket-key-file", folder.path + "/ticket.key", "--proxy-protocol", "127.0.0.0/8", "--admin",
        "127.0.0.1:0", "--access-log", log, "--access-log-format", "json",
      ])
    let port = try sluice.adminPlace().split(separator: ":").last.flatMap { UInt16($0) }
    return Machine(sluice: sluice, adminPort: try #require(port), log: log)
  }

  /// The page's, with our ports. It listens at `socket`.
  private func haproxy(_ machines: [Machine], _ socket: String) throws -> Subprocess {
    let block = try #require(page.blocks.first { $0.language == "haproxy" })
    var text = block.lines.joined(separator: "\n").replacing("bind :443", with: "bind unix@\(socket)")
      .replacing(" port 9464", with: "")
    for (machine, name) in zip(machines, ["10.0.0.11:443", "10.0.0.12:443"]) {
      text = text.replacing(
        name, with: "127.0.0.1:\(try machine.sluice.securePort) port \(machine.adminPort)")
    }
    try writeFile(folder.path + "/haproxy.cfg", Array((text + "\n").utf8))
    let haproxy = try Subprocess(["haproxy", "-db", "-f", folder.path + "/haproxy.cfg"])
    try waitUntil("it passes connections on") {
      try fetch(socket).output == "hello\n" || haproxy.exitStatus != nil
    }
    #expect(haproxy.exitStatus == nil, "\(haproxy.errorOutput)")
    return haproxy
  }

  private func fetch(_ socket: String) throws -> Shell.Result {
    try Curl.run(
      ["--unix-socket", socket] + Curl.trusting(TestCertificates.ecdsa) + ["https://localhost/hello.txt"])
  }

  @Test func sessionsResumeAndNoConnectionIsLost() throws {
    let machines = try [machine(1), machine(2)]
    let socket = folder.path + "/haproxy"
    let haproxy = try haproxy(machines, socket)
    defer { haproxy.signal(SIGTERM) }

    // One after the other, on both.
    for version in ["-tls1_2", "-tls1_3"] {
      let session = folder.path + "/session\(version)"
      func shake(_ flags: [String]) throws -> String {
        try Shell.run(
          ["sh", "-c", "echo | openssl s_client \"$@\"", "sh", "-unix", socket, version] + flags
        ).output
      }
      let request = ["openssl", "s_client", "-unix", socket, version, "-sess_out", session, "-ign_eof"]
      let first = try Subprocess(request, stdin: .socket)
      first.send("GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
      _ = try first.wait()
      for _ in 0..<4 {
        let output = try shake(["-sess_in", session])
        #expect(output.contains("Reused, TLSv1."), "\(output)")
      }
    }

    // One goes, and is replaced in the middle of it.
    for number in 0..<20 {
      if number == 5 { machines[0].sluice.signal(SIGTERM) }
      let result = try fetch(socket)
      #expect(result.output == "hello\n", "\(number): \(result.text)")
    }
    #expect(try machines[0].sluice.process.wait() == 0)
    #expect(haproxy.exitStatus == nil, "\(haproxy.errorOutput)")
    let metrics = try machines[1].sluice.stopForMetrics()
    #expect(metrics["proxy_headers_refused"] == 0 && (metrics["requests"] ?? 0) >= 15, "\(metrics)")
    for machine in machines {
      let log = String(decoding: try #require(readFile(machine.log)), as: UTF8.self)
      #expect(log.contains("\"resumed\":true"), "\(log)")
    }
  }

  /// The configuration in the manifest, with Secrets as Kubernetes lays them out: files are links through `..data`.
  @Test func configurationOfKubernetes() throws {
    let block = try #require(page.blocks.first { $0.language == "yaml" })
    let start = try #require(block.lines.firstIndex { $0.hasSuffix("sluice.toml: |") })
    let lines = block.lines[(start + 1)...].prefix { $0.hasPrefix("    ") }.map { $0.dropFirst(4) }
    let pair = try TestCertificates.ecdsa
    for (secret, files) in [
      ("tls", [("tls.crt", pair.certificate), ("tls.key", pair.key)]),
      ("tickets", [("ticket.key", folder.path + "/ticket.key")]),
    ] {
      let place = "\(folder.path)/\(secret)"
      try Shell.require(["mkdir", "-p", place + "/..2026_1"])
      try Shell.require(["ln", "-s", "..2026_1", place + "/..data"])
      for (name, file) in files {
        try Shell.require(["cp", file, "\(place)/..2026_1/\(name)"])
        try Shell.require(["ln", "-s", "..data/\(name)", "\(place)/\(name)"])
      }
    }
    let text = lines.joined(separator: "\n").replacing("/etc/sluice", with: folder.path)
      .replacing("/srv/www", with: site.path)
    try writeFile(folder.path + "/sluice.toml", Array(text.utf8))
    let result = try SluiceProcess.run(["check", "--config", folder.path + "/sluice.toml"])
    #expect(result.exitStatus == 0 && result.text.isEmpty, "\(result.text)\n\(text)")
  }
}
