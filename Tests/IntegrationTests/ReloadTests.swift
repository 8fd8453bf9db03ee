import Glibc
import Testing

/// SIGHUP: what the configuration says now is served from then on, and nobody notices that it has changed.
@Suite struct ReloadTests {
  private let folder: TemporaryFolder
  private let site: TemporarySite

  init() throws {
    folder = try TemporaryFolder()
    site = try TemporarySite()
    try site.add("hello.txt", "hello\n")
    try site.addSparse("huge.bin", size: 64 << 20)
  }

  /// A server whose file says this beside where it listens.
  private func serve(_ text: String, _ flags: [String] = [], listeners: Int = 1) throws -> SluiceProcess {
    try write(text)
    return try SluiceProcess(
      arguments: ["--config", (folder.path + "/sluice.toml"), "--log-level", "info"] + flags,
      listeners: listeners)
  }

  private func whole(_ text: String) -> [UInt8] {
    Array("root = \"\(site.path)\"\nport = 0\n\(text)\n".utf8)
  }

  private func write(_ text: String) throws {
    try writeFile(folder.path + "/new", whole(text))
    guard unsafe rename((folder.path + "/new"), (folder.path + "/sluice.toml")) == 0 else {
      throw TestFailure("rename")
    }
  }

  /// Asks for a reload and waits for this in the log.
  private func reload(_ sluice: SluiceProcess, until text: String = "the new configuration is in use") throws
  {
    func count() -> Int { sluice.process.errorOutput.ranges(of: text).count }
    let before = count()
    sluice.process.signal(SIGHUP)
    try waitUntil("the log says \(text)") { count() > before }
  }

  private func value(_ sluice: SluiceProcess, _ field: String, _ arguments: [String] = []) throws -> String? {
    try Curl.get(sluice.url("http") + "/hello.txt", arguments)[field]
  }

  @Test func whatTheFileSaysNowIsServed() throws {
    let sluice = try serve("header = \"X-Version: 1\"")
    #expect(try value(sluice, "x-version") == "1")
    try write("header = \"X-Version: 2\"")
    try reload(sluice)
    #expect(try value(sluice, "x-version") == "2")
    // Other hosts, with folders of their own, and media types of a file.
    let other = try TemporarySite()
    try other.add("hello.txt", "other\n")
    try write(
      "[[host]]\nnames = [\"other.example\"]\nroot = \"\(other.path)\"\nlisting = true\n[[path]]\nmatch = \"/\"\n"
    )
    try reload(sluice, until: "not reloaded")
    #expect(try value(sluice, "x-version") == "2")
    try write("[[host]]\nnames = [\"other.example\"]\nroot = \"\(other.path)\"")
    try reload(sluice)
    let there = ["-H", "Host: other.example"]
    #expect(try Curl.get(sluice.url("http") + "/hello.txt", there).text == "other\n")
    #expect(try value(sluice, "x-version") == nil)
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
    #expect(try sluice.stop() == 0)
  }

  /// All that is wrong is told, with where it is, and nothing is changed.
  @Test(arguments: [
    ("header = 5", "sluice.toml:3"), ("[[host]]", "[[host]]"), ("port = 1", "sluice.toml"),
    ("root = ", "sluice.toml"), ("workers = 63", "workers can't change while the server runs"),
    ("address = \"::1\"", "address can't change"), ("admin = \"127.0.0.1:0\"", "admin can't change"),
    ("auth-over-http = true\n[[path]]\nmatch = \"/*\"\nauth = \"/nowhere/users\"", "/nowhere/users"),
    ("[[host]]\nnames = [\"a.example\"]\nroot = \"/nowhere/at/all\"", "/nowhere/at/all"),
    ("access-log = \"/nowhere/log\"", "/nowhere/log"),
  ]) func whatIsWrongChangesNothing(text: String, complaint: String) throws {
    let sluice = try serve(
      "header = \"X-Version: 1\"", ["--workers", "1"].filter { _ in !text.contains("workers") })
    try write(text)
    try reload(sluice, until: "not reloaded, nothing is changed: ")
    #expect(sluice.process.errorOutput.contains(complaint), "\(sluice.process.errorOutput)")
    #expect(try value(sluice, "x-version") == "1")
    try write("header = \"X-Version: 2\"")
    try reload(sluice)
    #expect(try value(sluice, "x-version") == "2")
    #expect(try sluice.stop() == 0)
  }

  /// Files that nobody can read at once, and such that are read by themselves else.
  @Test func filesThatItNames() throws {
    try Shell.require(["mkfifo", folder.path + "/fifo"])
    let users = folder.path + "/users"
    try writeFile(users, Array("a:$5$x$4Ovu1GmOuLVsyp6Zyu0LcRWtgRO.mEeZgNrVkvJnFDD\n".utf8))
    let text = "auth = [\"/a/**=\(users)\"]\nauth-over-http = true"
    let sluice = try serve(text)
    try write(text + "\naccess-log = \"\(folder.path)/fifo\"")
    try reload(
      sluice, until: "not reloaded, nothing is changed: \(folder.path)/fifo: cannot write the access log")
    try write(text)
    try writeFile(users, Array("nonsense\n".utf8))
    try reload(
      sluice, until: "not reloaded, nothing is changed: \(folder.path)/sluice.toml:3: auth: \(users)")
    #expect(try sluice.stop() == 0)
  }

  /// A half-done deploy: the file is empty, or something else that has no content. One line says so, and nothing is changed.
  @Test func anEmptiedFileOrNone() throws {
    let file = folder.path + "/sluice.toml"
    let sluice = try serve("header = \"X-Version: 1\"")
    func expectRefusal(_ text: String, location: SourceLocation = #_sourceLocation) throws {
      let result = try SluiceProcess.run(command(sluice))
      #expect(result.exitStatus == 1, sourceLocation: location)
      #expect(
        result.text == "sluice: not reloaded, nothing is changed: \(file): \(text)\n",
        sourceLocation: location)
      #expect(try value(sluice, "x-version") == "1", sourceLocation: location)
    }
    for nothing in ["", "\n \n"] {
      try writeFile(file, Array(nothing.utf8))
      try expectRefusal(
        "this file is empty, and was not before: write it again; if nothing is to be said in it any more, leave a comment (#)"
      )
    }
    for (command, text) in [
      ("mkfifo", "cannot read this file: it is a pipe, which is read at start only: put a file in its place"),
      ("mkdir", "cannot read this file: Is a directory"),
      (
        "ln -s /dev/zero",
        "cannot read this file: it is a device, which is read at start only: put a file in its place"
      ),
      ("ln -s /dev/null", "this file is empty, and was not before"),
      ("true", "cannot read this file: No such file"),
    ] {
      try Shell.require(["sh", "-c", "rm -rf '\(file)'; \(command) '\(file)'"])
      // One that somebody writes to, who never ends.
      let writer = unsafe command == "mkfifo" ? open(file, O_RDWR | O_CLOEXEC) : -1
      defer { if writer >= 0 { close(writer) } }
      let result = try SluiceProcess.run(self.command(sluice))
      #expect(
        result.exitStatus == 1
          && result.errorOutput.hasPrefix("sluice: not reloaded, nothing is changed: \(file): \(text)"),
        "\(result.text)")
      #expect(result.errorOutput.split(separator: "\n").count == 1, "\(result.text)")
      #expect(try value(sluice, "x-version") == "1")
    }
    try Shell.require(["rm", "-rf", file])
    try write("header = \"X-Version: 2\"")
    try reload(sluice)
    #expect(try value(sluice, "x-version") == "2")
    #expect(try sluice.stop() == 0)
  }

  /// A file in which nothing was said before may stay so; flags can say all. Nothing is said by a comment, either.
  @Test func aFileThatWasEmpty() throws {
    let file = folder.path + "/sluice.toml"
    try writeFile(file, [])
    let sluice = try SluiceProcess(site.path, flags: ["--config", file])
    func expect(_ status: Int32, _ text: String) throws {
      let result = try SluiceProcess.run(command(sluice))
      #expect(result.exitStatus == status && result.text.contains(text), "\(result.text)")
    }
    try expect(0, "SIGHUP: nothing is new")
    try writeFile(file, Array("header = \"X-Version: 1\"\n".utf8))
    try expect(0, "the new configuration is in use")
    #expect(try value(sluice, "x-version") == "1")
    try writeFile(file, [])
    try expect(1, "this file is empty, and was not before")
    try writeFile(file, Array("# nothing\n".utf8))
    try expect(0, "the new configuration is in use")
    #expect(try value(sluice, "x-version") == nil)
    #expect(try sluice.stop() == 0)
    let none = try SluiceProcess(site.path, flags: ["--config", "/dev/null"])
    let result = try SluiceProcess.run(command(none))
    #expect(result.exitStatus == 0 && result.text.contains("nothing is new"), "\(result.text)")
    #expect(try none.stop() == 0)
  }

  /// None of the files that a reload reads is waited for when a pipe has taken its place, whether somebody writes to it or not.
  @Test func pipesInPlaceOfFiles() throws {
    let pair = try TestCertificates.ecdsa
    let authorities = try ClientAuthorities()
    let files = [
      "cert": readFile(pair.certificate), "key": readFile(pair.key),
      "client-ca": readFile(authorities.ours.certificate), "client-crl": readFile(authorities.revocations),
      // The key needs none, and it is read all the same.
      "key-passphrase-file": Array("secret\n".utf8), "ticket-key-file": [UInt8](repeating: 1, count: 80),
      "auth": Array("a:$5$x$4Ovu1GmOuLVsyp6Zyu0LcRWtgRO.mEeZgNrVkvJnFDD\n".utf8), "mime-types": [],
    ]
    var lines = "tls-port = 0\nktls = \"off\"\nclient-auth = \"request\"\n"
    for (option, content) in files {
      let path = folder.path + "/" + option
      try writeFile(path, try #require(content))
      lines += "\(option) = \"\(option == "auth" ? "/a/**=" : "")\(path)\"\n"
    }
    let sluice = try serve(lines, listeners: 2)
    for (option, content) in files {
      let path = folder.path + "/" + option
      try Shell.require(["sh", "-c", "rm '\(path)'; mkfifo '\(path)'"])
      for isWritten in [false, true] {
        let writer = unsafe isWritten ? open(path, O_RDWR | O_CLOEXEC) : -1
        defer { if writer >= 0 { close(writer) } }
        let result = try SluiceProcess.run(command(sluice))
        let said = result.errorOutput.split(separator: "\n")
        #expect(result.exitStatus == 1 && said.count == 1, "\(result.text)")
        #expect(
          said.first?.contains(" \(option): \(path): cannot read ") == true
            && said.first?.contains("it is a pipe") == true, "\(said)")
      }
      #expect(try Curl.get(sluice.url("http") + "/hello.txt").status == 200)
      try Shell.require(["rm", path])
      try writeFile(path, try #require(content))
    }
    #expect(try sluice.stop() == 0)
  }

  /// A file system that hangs holds up neither clients nor signals, and what it has said at last is used.
  @Test(.enabled(if: SlowDisk.isAvailable, Comment(rawValue: SlowDisk.lacksFUSE))) func aFileThatHangs()
    throws
  {
    try Shell.require(["mkdir", folder.path + "/disk"])
    let disk = try SlowDisk(at: folder.path + "/disk")
    defer { disk.end() }
    try disk.setValidity(seconds: 0)
    try disk.addFolder("way")
    let sluice = try serve("header = \"X-Version: 1\"")
    /// The way to the file leads over a disk that does not answer, until it is released.
    func hang() throws {
      try disk.hold(.lookup, "way")
      try Shell.require(["ln", "-s", disk.path + "/way/../../later.toml", folder.path + "/link"])
      guard unsafe rename(folder.path + "/link", folder.path + "/sluice.toml") == 0 else {
        throw TestFailure("rename")
      }
      let text = "files are being read already"
      let before = sluice.process.errorOutput.ranges(of: text).count
      // Two that come at once are one: signal(7).
      try waitUntil("the second one is noted") {
        sluice.process.signal(SIGHUP)
        return sluice.process.errorOutput.ranges(of: text).count > before
      }
    }
    try hang()
    #expect(try value(sluice, "x-version") == "1")
    try write("header = \"X-Version: 2\"")
    try writeFile(folder.path + "/later.toml", whole("header = \"X-Version: 3\""))
    try disk.release()
    // It was asked for twice: what the disk said is read, and then the file.
    try waitUntil("both are done") { sluice.process.errorOutput.ranges(of: "is in use").count == 2 }
    #expect(try value(sluice, "x-version") == "2")
    try hang()
    let command = try Subprocess([SluiceProcess.binary] + command(sluice))
    // It has sent its signal when it waits.
    try waitUntil("it waits") {
      try Shell.require(["cat", "/proc/\(command.identifier)/syscall"]).hasPrefix("7 ")
    }
    #expect(try sluice.stop() == 0)
    #expect(try command.wait() == 1)
    #expect(command.errorOutput == "sluice: not reloaded: the server is stopping\n")
  }

  private func command(_ sluice: SluiceProcess) -> [String] {
    ["reload", "--process", "\(sluice.process.identifier)"]
  }

  /// Whoever asks by the command hears what comes of it, all of it.
  @Test func theCommand() throws {
    let sluice = try serve("header = \"X-Version: 1\"")
    func run() throws -> Shell.Result { try SluiceProcess.run(command(sluice)) }
    let same = try run()
    #expect(same.exitStatus == 0 && same.output == "SIGHUP: nothing is new\n", "\(same.text)")
    try write("header = \"X-Version: 2\"")
    let done = try run()
    #expect(done.exitStatus == 0 && done.output == "reloaded: the new configuration is in use\n")
    #expect(try value(sluice, "x-version") == "2")
    try write("header = 5\nhosts = 7")
    let failed = try run()
    #expect(failed.exitStatus == 1 && failed.output.isEmpty)
    let lines = failed.errorOutput.split(separator: "\n")
    #expect(lines.count == 2, "\(failed.errorOutput)")
    for number in [3, 4] {
      let place = "sluice: not reloaded, nothing is changed: \(folder.path)/sluice.toml:\(number): "
      #expect(lines.contains { $0.hasPrefix(place) }, "\(failed.errorOutput)")
    }
    #expect(try value(sluice, "x-version") == "2")
    #expect(try sluice.stop() == 0)
  }

  /// From where its answer can't come it is not asked: it would be waited for, for a minute.
  @Test(.enabled(if: TestMachine.isRoot && TestMachine.has("unshare"), "needs root and unshare"))
  func theCommandInAnotherNetwork() throws {
    let sluice = try serve("header = \"X-Version: 1\"")
    let result = try SluiceProcess.run(command(sluice), prefix: ["unshare", "-n"])
    #expect(result.exitStatus == 1)
    #expect(
      result.errorOutput
        == "sluice: process \(sluice.process.identifier) is in another network namespace, and can't answer here: send it the signal by kill, and see its log\n"
    )
    #expect(!sluice.process.errorOutput.contains("SIGHUP"))
    #expect(try sluice.stop() == 0)
  }

  @Test func nothingIsNew() throws {
    let sluice = try serve("header = \"X-Version: 1\"")
    let connection = try sluice.connect()
    for _ in 0..<3 {
      try connection.get("/hello.txt")
      let response = try connection.response()
      #expect(response.status == 200 && response["connection"] == nil)
      try reload(sluice, until: "SIGHUP: nothing is new")
    }
    connection.endSending()
    #expect(try sluice.stop() == 0)
  }

  /// What is being sent is finished, whoever was answered is told with the next answer, and who has not asked yet may.
  @Test(arguments: Transfer.Transport.everywhere) func connectionsGoOn(transport: Transfer.Transport) throws {
    let pair = try TestCertificates.ecdsa
    let sluice = try serve(
      "header = \"X-Version: 1\"\nworkers = 1\(transport.keys)",
      pair.flags, listeners: 2)
    try transport.expectConnectionsSurvive(sluice, hugeSize: 64 << 20) {
      try write("header = \"X-Version: 2\"\nworkers = 1\(transport.keys)")
      try reload(sluice)
    }
    #expect(try value(sluice, "x-version") == "2")
    #expect(try sluice.stop() == 0)
  }

  /// Of an earlier configuration, nothing stays when its connections are gone; until then it stops with the server.
  @Test func earlierOnesEnd() throws {
    let sluice = try serve(
      "header = \"X-Version: 0\"\nlisting = true",
      ["--workers", "2", "--drain", "1", "--access-log", folder.path + "/log"])
    func threads() throws -> Int {
      try Shell.require(["ls", "/proc/\(sluice.process.identifier)/task"]).split(separator: "\n").count
    }
    /// What they lead to, in order.
    func descriptors() throws -> [String] {
      try sluice.descriptors().split(separator: "\n").map {
        $0.split(separator: " ").last.map(String.init) ?? ""
      }
      .map { $0.replacing(/\[\d+\]/, with: "") }.sorted()
    }
    func state() throws -> (Int, [String]) { (try threads(), try descriptors()) }
    let before = try state()
    for number in 1...10 {
      try write("header = \"X-Version: \(number)\"\nlisting = true")
      try reload(sluice)
      #expect(try value(sluice, "x-version") == "\(number)")
    }
    try? waitUntil("all is as before") { try state() == before }
    let after = try state()
    #expect(after == before, "\(after) instead of \(before)")
    let slow = try sluice.connect(receiveBuffer: 8192)
    try slow.get("/huge.bin")
    _ = try slow.bytes(100)
    try write("header = \"X-Version: 11\"\nlisting = true")
    try reload(sluice)
    #expect(try value(sluice, "x-version") == "11")
    #expect(try sluice.stop() == 0)
    #expect(try slow.rest().end == .reset)
  }

  /// What a configuration takes is given back when it ends.
  @Test(.enabled(if: TestMachine.releaseBinary != nil, "needs a release build: set SLUICE_RELEASE_BINARY"))
  func memoryIsGivenBack() throws {
    let text = "header = \"X-Version: 0\"\nworkers = 2"
    try write(text)
    let sluice = try SluiceProcess(
      arguments: ["--config", folder.path + "/sluice.toml"], listeners: 1, binary: TestMachine.releaseBinary)
    func resident() throws -> Int {
      let status = String(
        decoding: try #require(readFile("/proc/\(sluice.process.identifier)/status")), as: UTF8.self)
      let match = try #require(status.firstMatch(of: /VmRSS:\s+(\d+) kB/))
      return try #require(Int(match.output.1))
    }
    #expect(try value(sluice, "x-version") == "0")
    let before = try resident()
    for number in 1...30 {
      try write(text.replacing("Version: 0", with: "Version: \(number)"))
      try reload(sluice)
      #expect(try value(sluice, "x-version") == "\(number)")
    }
    try waitUntil("there is as much as before, about") { try resident() < before + 8_192 }
    #expect(try sluice.stop() == 0)
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"]) func sessionsAreResumed(version: String) throws {
    let text = "header = \"X-Version: 1\"\ntls-port = 0\nktls = \"off\""
    let sluice = try serve(text, TestCertificates.ecdsa.flags, listeners: 2)
    let session = [version, "-sess_out", (folder.path + "/session")]
    let request = "GET /hello.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    #expect(
      try SecureClient.exchange(sluice.securePort, request, session).output.contains("X-Version: 1\r\n"))
    try write(text.replacing("Version: 1", with: "Version: 2"))
    try reload(sluice)
    let again = [version, "-sess_in", (folder.path + "/session")]
    #expect(try SecureClient.exchange(sluice.securePort, request, again).output.contains("X-Version: 2\r\n"))
    #expect(try SecureClient.handshake(sluice.securePort, again).contains("Reused, TLSv1."))
    #expect(try sluice.stop() == 0)
  }

  /// Counts go on, by the names of hosts, whatever their order in the file.
  @Test func countsGoOn() throws {
    func host(_ name: String) -> String {
      "[[host]]\nnames = [\"\(name).example\"]\nroot = \"\(site.path)\"\n"
    }
    let sluice = try serve(host("a") + host("b"), ["--admin", (folder.path + "/admin"), "--workers", "2"])
    func ask(_ name: String) throws {
      #expect(try value(sluice, "content-length", ["-H", "Host: \(name).example"]) == "6")
    }
    for name in ["a", "a", "b"] { try ask(name) }
    try write(host("b") + host("c"))
    try reload(sluice)
    for name in ["b", "b", "c"] { try ask(name) }
    try write("header = 5")
    try reload(sluice, until: "not reloaded")
    let unix = ["--unix-socket", (folder.path + "/admin")]
    func metrics() throws -> [Substring] {
      try Curl.get("http://x/metrics", unix).text.split(separator: "\n").filter { !$0.hasPrefix("#") }
    }
    try waitUntil("the earlier one has ended") { try metrics().contains("sluice_earlier_configurations 0") }
    let lines = try metrics()
    for line in [
      "sluice_responses_total{host=\"a.example\",status=\"200\"} 2",
      "sluice_responses_total{host=\"b.example\",status=\"200\"} 3",
      "sluice_responses_total{host=\"c.example\",status=\"200\"} 1",
      "sluice_reloads_total{outcome=\"done\"} 1", "sluice_reloads_total{outcome=\"failed\"} 1",
      "sluice_connections_total 6",
    ] {
      #expect(lines.contains(Substring(line)), "\(line) in \(lines.filter { $0.contains("total") })")
    }
    let sites = try Curl.get("http://x/status.json", unix).text
    #expect(sites.contains("\"c.example\"") && !sites.contains("\"a.example\""))
    #expect(try sluice.stopForMetrics()["requests"] == 6)
  }

  @Test func theAccessLogMoves() throws {
    let sluice = try serve("access-log = \"\((folder.path + "/one"))\"")
    #expect(try value(sluice, "content-length") == "6")
    try write("access-log = \"\((folder.path + "/two"))\"\naccess-log-format = \"json\"")
    try reload(sluice)
    #expect(try value(sluice, "content-length") == "6")
    #expect(try sluice.stop() == 0)
    let logs = try ["one", "two"].map {
      String(decoding: try #require(readFile(folder.path + "/" + $0)), as: UTF8.self)
    }
    #expect(logs[0].contains("\"GET /hello.txt HTTP/1.1\" 200 6") && logs[1].hasPrefix("{\""))
    #expect(logs.map { $0.split(separator: "\n").count } == [1, 1])
  }

  /// Many clients at once, reload after reload.
  @Test(.enabled(if: TestMachine.has("wrk"), "wrk is missing"), arguments: Transfer.Transport.everywhere)
  func nobodyNotices(transport: Transfer.Transport) throws {
    func text(_ number: Int) -> String {
      "header = \"X-Version: \(number)\"\nworkers = 2\(transport.keys)"
    }
    let sluice = try serve(text(0), TestCertificates.ecdsa.flags, listeners: 2)
    let load = try Load(transport.url(sluice) + "/hello.txt", seconds: 4)
    for number in 1...10 {
      try write(text(number))
      try reload(sluice)
      usleep(200_000)
    }
    try load.expectNoFailures()
    #expect(try sluice.stop() == 0)
  }
}

extension Transfer.Transport {
  /// Of a configuration's file.
  fileprivate var keys: String {
    "\ntls-port = 0\nktls = \"\(isInKernel ? "require" : "off")\"\nktls-receive = \(self == .kernelBothWays)"
  }

  /// What clients have who are connected when others take over: one in the middle of a download, one that was answered, one that
  /// has not asked yet, and one whose request has begun to come.
  func expectConnectionsSurvive(
    _ sluice: SluiceProcess, hugeSize: Int, _ handOver: () throws -> Void
  ) throws {
    let before = try sluice.socketCount()
    let answered = try TransportClient(self, sluice)
    try answered.get("/hello.txt", kept: true)
    let silent = try TransportClient(self, sluice)
    let slow = try TransportClient(self, sluice)
    try slow.send("GET /hello.txt HTTP/1.1\r\n")
    try waitUntil("one is served and all that can be are accepted") {
      // Without TLS, one that has not asked is not accepted yet (TCP_DEFER_ACCEPT, tcp(7)).
      try answered.hasReceived && sluice.socketCount() >= before + (self == .plain ? 2 : 3)
    }
    // Last, since it may not last long.
    let download = try TransportClient(self, sluice)
    try download.get("/huge.bin")
    try waitUntil("it has begun") { download.hasReceived }
    try handOver()
    try answered.get("/hello.txt", kept: true)
    let answers = try answered.responses()
    #expect(answers.map(\.status) == [200, 200])
    // It may have asked before its worker knew of it: then it is closed all the same, soon.
    #expect(answers.first?["connection"] == nil && [nil, "close"].contains(answers.last?["connection"]))
    try slow.send("Host: x\r\n\r\n")
    #expect(try slow.response()["connection"] == "close")
    // Without TLS, whoever takes over accepts it, and keeps it.
    try silent.get("/hello.txt", kept: self != .plain)
    #expect(try silent.response()["connection"] == "close")
    let whole = try download.response()
    #expect(whole.status == 200 && whole.body.count == hugeSize)
  }
}
