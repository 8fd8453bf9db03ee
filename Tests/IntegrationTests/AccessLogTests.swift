import Glibc
import TestSupport
import Testing

/// What the access log says, and that nobody waits for it.
@Suite struct AccessLogTests {
  private let folder: TemporaryFolder
  private let site: TemporarySite
  private var path: String { folder.path + "/access.log" }

  init() throws {
    folder = try TemporaryFolder()
    site = try TemporarySite()
    try site.add("hello.txt", "hello\n")
    try site.add("page.html", "<p>page</p>\n")
    try site.add("large.bin", String(repeating: "0123456789abcdef", count: 1 << 16))
  }

  private func serve(_ format: String, _ listeners: SluiceProcess.Listeners = .plain, _ flags: [String] = [])
    throws -> SluiceProcess
  {
    try SluiceProcess(
      site.path, listeners, flags: ["--access-log", path, "--access-log-format", format] + flags)
  }

  private func lines(_ path: String? = nil) -> [String] {
    String(decoding: readFile(path ?? self.path) ?? [], as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// What jq makes of each line of the log.
  private func read(_ filter: String) throws -> [String] {
    try Shell.require(["jq", "-r", filter, path]).split(separator: "\n", omittingEmptySubsequences: false)
      .dropLast().map(String.init)
  }

  @Test func combined() throws {
    let sluice = try serve("combined")
    let url = try sluice.url("http")
    _ = try Curl.get(url + "/hello.txt?q=1", ["-A", "agent/1", "-e", "http://from.example/"])
    _ = try Curl.run(["-H", "User-Agent:", "-I", url + "/hello.txt"])
    _ = try Curl.get(url + "/hello.txt", ["-A", "a\"b\\c\té", "-r", "1-2"])
    _ = try Curl.get(url + "/none", ["-A", ""])
    _ = try Curl.get(url + "/large.bin", ["-A", "x"])
    #expect(try sluice.stop() == 0)
    let pattern = try Regex(
      "127\\.0\\.0\\.1 - - \\[\\d\\d/[A-Z][a-z]{2}/20\\d\\d:\\d\\d:\\d\\d:\\d\\d [+-]\\d{4}\\] (.*)")
    let rests = try lines().map { line in
      String(try #require(try pattern.wholeMatch(in: line), "\(line)").output[1].substring ?? "")
    }
    #expect(
      rests == [
        "\"GET /hello.txt?q=1 HTTP/1.1\" 200 6 \"http://from.example/\" \"agent/1\"",
        "\"HEAD /hello.txt HTTP/1.1\" 200 0 \"-\" \"-\"",
        "\"GET /hello.txt HTTP/1.1\" 206 2 \"-\" \"a\\x22b\\x5Cc\\x09\\xC3\\xA9\"",
        "\"GET /none HTTP/1.1\" 404 13 \"-\" \"-\"",
        "\"GET /large.bin HTTP/1.1\" 200 1048576 \"-\" \"x\"",
      ])
  }

  /// Any bytes, and still JSON.
  @Test func anyBytes() throws {
    let sluice = try serve("json")
    var random = RepeatableNumbers(state: 7)
    var sent = 0
    for _ in 0..<60 {
      let agent = (0..<40).map { _ in UInt8.random(in: 0x20...255, using: &random) }.filter { $0 != 0x7F }
      let connection = try sluice.connect()
      let start = "GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: x\t"
      let end = "y\r\nReferer: \"\\\u{1F600}\r\n\r\n"
      try connection.send(Array(start.utf8) + agent + Array(end.utf8))
      _ = try connection.rest()
      sent += 1
    }
    let garbage = try sluice.connect()
    try garbage.send(Array("G\u{1}\"\\ \r\n\r\n".utf8))
    _ = try garbage.rest()
    #expect(try sluice.stop() == 0)
    #expect(lines().count == sent + 1)
    #expect(try read(".status").count == sent + 1)
    #expect(try read(".status").last == "400")
  }

  /// Texts are cut where the documentation says, also in the middle of a character.
  @Test func longTexts() throws {
    let sluice = try serve("json")
    let connection = try sluice.connect()
    let agent = String(repeating: "a", count: 8191) + "éb"
    try connection.send(
      "GET /hello.txt HTTP/1.1\r\nHost: a\r\nUser-Agent: \(agent)\r\nReferer: \(agent.dropFirst())\r\n\r\n")
    #expect(try connection.response().status == 200)
    connection.endSending()
    #expect(try sluice.stop() == 0)
    #expect(try read(".user_agent") == [agent.dropLast(2) + "\u{FFFD}"])
    #expect(try read(".referer") == [String(agent.dropFirst().dropLast())])
  }

  @Test(arguments: Transfer.Transport.everywhere) func everyTransport(transport: Transfer.Transport) throws {
    let flags = ["--access-log", path, "--access-log-format", "json"]
    let sluice = try transport.serve(site.path, flags: flags)
    for target in ["/hello.txt", "/large.bin", "/large.bin", "/none"] {
      let client = try TransportClient(transport, sluice)
      try client.get(target)
      _ = try client.response()
    }
    #expect(try sluice.stop() == 0)
    #expect(try read(".status | tostring") == ["200", "200", "200", "404"])
    #expect(try read(".bytes | tostring") == ["6", "1048576", "1048576", "13"])
    #expect(try read(".complete | tostring") == ["true", "true", "true", "true"])
    #expect(try read(".cache").prefix(3) == ["miss", "miss", "hit"])
    let isUser = transport == .userTLS
    #expect(try read(".sendfile_bytes | tostring")[1] == (isUser ? "0" : "1048576"))
    #expect(try read(".copied_bytes | tostring")[1] == (isUser ? "1048576" : "0"))
    let name = ["plain", "user_tls", "kernel_tls"][transport == .plain ? 0 : isUser ? 1 : 2]
    #expect(try read(".transport") == Array(repeating: name, count: 4))
    if transport != .plain {
      #expect(try read(".tls")[0] == "1.3" && read(".cipher")[0].hasPrefix("TLS_"))
      #expect(try read(".resumed | tostring")[0] == "false")
    }
    if isUser { #expect(try read(".ktls_off")[0] == "off") }
  }

  /// A client that goes, one that is slow, and one that is not understood.
  @Test func whatIsNotWhole() throws {
    try Shell.require(["truncate", "-s", "64M", site.path + "/huge.bin"])
    let sluice = try serve("json")
    do {
      let slow = try sluice.connect(receiveBuffer: 4096)
      try slow.get("/huge.bin")
      usleep(700_000)
    }
    try waitUntil("it is noted") { lines().count == 1 }
    #expect(try read(".complete | tostring") == ["false"])
    #expect(try read(".duration_ms")[0].count >= 3)
    let bytes = try #require(Int(try read(".bytes")[0]))
    #expect(bytes > 0 && bytes < 64 << 20)
    // A second, and all at once.
    let client = try sluice.connect()
    try client.send(Array(String(repeating: "GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n", count: 100).utf8))
    for _ in 0..<100 { #expect(try client.response().text == "hello\n") }
    #expect(try sluice.stop() == 0)
    #expect(lines().count == 101)
  }

  /// What was said of parts is no part of the file; and a client that goes in the middle has not got the rest.
  @Test func severalParts() throws {
    try Shell.require(["truncate", "-s", "64M", site.path + "/huge.bin"])
    let sluice = try serve("json")
    let ranges = "Range: bytes=0-99999,1000000-1099999,2000000-33554431\r\n"
    func ask(_ fields: String, _ connection: RawConnection) throws {
      try connection.send("GET /huge.bin HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
    }
    var content = 0
    do {
      let client = try sluice.connect()
      try ask(ranges, client)
      let response = try client.response()
      #expect(response.status == 206)
      content = response.body.count
    }
    let ofFile = 100_000 + 100_000 + 33_554_432 - 2_000_000
    #expect(content > ofFile)
    do {
      let slow = try sluice.connect(receiveBuffer: 4096)
      try ask("Range: bytes=0-999,100000-100999,2000000-60000000,61000000-67108863\r\n", slow)
      // As far as into the third.
      _ = try slow.bytes(20_000)
    }
    try waitUntil("both are noted") { lines().count == 2 }
    #expect(try sluice.stop() == 0)
    #expect(try read(".complete | tostring") == ["true", "false"])
    let numbers = try ["bytes", "sendfile_bytes", "copied_bytes"].map { name in
      try read(".\(name) | tostring").map { Int($0) ?? -1 }
    }
    #expect(numbers.map(\.[0]) == [content, ofFile, content - ofFile])
    // Two parts went out whole, with a head each, and some of the third, which a small buffer and the socket's hold.
    #expect((2_000...32 << 20).contains(numbers[1][1]), "\(numbers)")
    #expect((300...600).contains(numbers[2][1]), "\(numbers)")
    #expect(numbers[0][1] == numbers[1][1] + numbers[2][1])
  }

  @Test func namesOfTheHandshake() throws {
    let authorities = try ClientAuthorities()
    let sluice = try serve(
      "json", .both(TestCertificates.ecdsa), ["--client-ca", authorities.ours.certificate])
    let url = "https://a.example:\(try sluice.securePort)/hello.txt"
    let client = authorities.client
    let result = try Curl.run([
      "-k", "--connect-to", "a.example::127.0.0.1:", "--cert", client.certificate, "--key", client.key, url,
    ])
    #expect(result.output == "hello\n")
    #expect(try sluice.stop() == 0)
    #expect(try read(".sni") == ["a.example"] && read(".client_subject") == ["CN=client"])
    #expect(try read(".host") == ["a.example:\(sluice.securePort)"])
  }

  /// logrotate: the file is moved, and the server told. Under load no line is lost, and none is written twice.
  @Test(.enabled(if: TestMachine.has("wrk"), "wrk is missing"))
  func rotation() throws {
    let sluice = try serve("combined", .plain, ["--workers", "2"])
    let load = try Load(sluice.url("http") + "/hello.txt", seconds: 3, connections: 4)
    var turn = 0
    while load.goesOn {
      try Shell.require(["mv", path, "\(path).\(turn)"])
      sluice.process.signal(SIGUSR1)
      turn += 1
      let end = turn
      try waitUntil("it is opened anew") {
        sluice.process.errorOutput.split(separator: "\n").count { $0.contains("is opened anew") } == end
      }
      usleep(200_000)
    }
    #expect(turn > 2)
    let metrics = try sluice.stopForMetrics()
    let files = [path] + (0..<turn).map { "\(path).\($0)" }
    let count = files.reduce(0) { $0 + lines($1).count }
    #expect(count + (metrics["log_lines_dropped"] ?? 0) == metrics["requests"])
    #expect(count > 1000)
    #expect(files.allSatisfy { file in lines(file).allSatisfy { $0.hasSuffix("\" 200 6 \"-\" \"-\"") } })
  }

  /// Whoever reads the log does not: lines are dropped and counted, and clients don't wait.
  @Test(.enabled(if: TestMachine.has("wrk"), "wrk is missing"))
  func whatNobodyReads() throws {
    try Shell.require(["mkfifo", path])
    // So that opening it does not wait.
    let end = unsafe open(path, O_RDWR | O_CLOEXEC)
    defer { close(end) }
    let sluice = try serve("json")
    try Load(sluice.url("http") + "/hello.txt", seconds: 2, connections: 4).expectNoFailures()
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["log_lines_dropped"] ?? 0 > 0)
  }

  @Test func fullDisk() throws {
    try Shell.require(["ln", "-s", "/dev/full", path])
    let sluice = try serve("combined")
    for _ in 0..<3 { #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n") }
    try waitUntil("it is told") { sluice.process.errorOutput.contains("the access log can't be written: ") }
    #expect(try sluice.stopForMetrics()["log_lines_dropped"] == 3)
  }

  @Test func standardOutput() throws {
    let sluice = try SluiceProcess(site.path, flags: ["--access-log", "-"])
    _ = try Curl.get(sluice.url("http") + "/hello.txt")
    try waitUntil("it is written") { sluice.process.output.contains("\"GET /hello.txt HTTP/1.1\" 200 6 ") }
    #expect(try sluice.stop() == 0)
  }

  @Test func whatIsWrongIsTold() throws {
    let result = try SluiceProcess.run([site.path, "--port", "0", "--access-log", "/none/access.log"])
    #expect(result.exitStatus == 1)
    #expect(
      result.errorOutput.contains("/none/access.log: cannot write the access log: No such file or directory"))
    let format = try SluiceProcess.run([site.path, "--port", "0", "--access-log-format", "common"])
    #expect(format.exitStatus == 64 && format.errorOutput.contains("use combined or json"))
  }
}
