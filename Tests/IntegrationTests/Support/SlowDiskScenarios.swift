import Glibc
import Testing

/// What must hold on every transport when a disk is slow, hung or broken: the worker waits for none.
extension Transfer.Transport {
  /// Where a disk can be waited for.
  enum Stage: String, CaseIterable, Sendable {
    /// When a name is looked up.
    case lookup
    /// When a file is opened.
    case open
    /// The same, though the kernel knows the name: what it can look up without waiting it may still wait to open.
    case openOfAKnownName
    /// When a file's size is asked for.
    case attributes
    /// When a file is read.
    case read
    /// When pages are being read already, for somebody else: they are in the page cache, but not there yet.
    case readAhead
    /// When a file that is being served is looked at again.
    case secondLook

    /// Whether the server can't do without.
    var isNecessary: Bool { self != .attributes && self != .secondLook }
  }

  private static let files: KeyValuePairs = ["small.bin": 4096, "large.bin": 1 << 20]

  private func prepare(_ server: SlowDiskServer, _ stage: Stage) throws {
    let disk = server.disk
    switch stage {
    case .lookup: try disk.hold(.lookup)
    case .open: try disk.hold(.open)
    case .openOfAKnownName:
      for (name, _) in Self.files { #expect(unsafe access("\(disk.path)/\(name)", F_OK) == 0) }
      try disk.hold(.open)
    case .attributes:
      try disk.setValidity(seconds: 0)
      try disk.hold(.getattr)
    case .read: try disk.hold(.read)
    case .readAhead:
      try disk.hold(.read)
      for (name, _) in Self.files { try disk.readAhead(name) }
      try disk.waitUntilHeld(2)
    case .secondLook:
      try disk.setValidity(seconds: 0)
      for (name, size) in Self.files { try server.expectServed(name, size: size) }
      // Longer than a file is trusted.
      usleep(1_100_000)
      try disk.hold(.any)
    }
  }

  /// Files that are hot are served, `count` times, while others wait for the disk, which are served afterwards.
  func expectHotFilesGoOn(while stage: Stage, count: Int = 200) throws {
    let server = try SlowDiskServer(self, Self.files)
    try prepare(server, stage)
    let clients = try Self.files.map { try server.ask("/slow/\($0.key)") }
    try waitUntil("the disk is asked", seconds: 30) {
      try server.disk.held > 0 || !stage.isNecessary && clients.allSatisfy(\.hasReceived)
    }
    // Before the time of those who wait is up.
    try server.expectHotFilesAreServed(small: count, large: count / 40)
    if stage.isNecessary {
      #expect(try server.disk.held > 0)
      #expect(!clients[0].hasReceived)
    }
    try server.disk.release()
    for (client, file) in zip(clients, Self.files) { try server.expect(client, gets: file.value) }
    // They are hot now.
    for (name, size) in Self.files { try server.expectServed(name, size: size) }
    let metrics = try server.sluice.stopForMetrics()
    #expect((metrics["disk_waits"] ?? 0) > 0 || !stage.isNecessary, "\(metrics)")
    #expect(metrics["disk_timeouts"] == 0 && metrics["disk_refused"] == 0, "\(metrics)")
    #expect(metrics["broken"] == 0 && metrics["truncated"] == 0, "\(metrics)")
  }

  /// A disk that is slow all the time: everything comes, and is right.
  func expectSlowFilesAreServed() throws {
    let server = try SlowDiskServer(self, Self.files)
    try server.disk.delay(.any, milliseconds: 100)
    let clients = try Self.files.map { try server.ask("/slow/\($0.key)") }
    try server.expectHotFilesAreServed()
    for (client, file) in zip(clients, Self.files) { try server.expect(client, gets: file.value) }
  }

  /// Many want the same file: the disk is asked once.
  func expectOneLoad(size: Int) throws {
    let server = try SlowDiskServer(self, ["file.bin": size])
    try server.disk.hold(.read)
    let start = now()
    // A file that is known is looked at again twice a second; an emulated machine takes longer for all this.
    func looks() -> Int { 1 + Int((now() - start) / 0.5) }
    let clients = try (0..<10).map { _ in try server.ask("/slow/file.bin") }
    try server.disk.waitUntilHeld()
    // Meanwhile the others' requests have come, too.
    try server.expectHotFilesAreServed(small: 20, large: 1)
    #expect(try (1...looks()).contains(server.disk.count(.open, "file.bin")))
    try server.disk.release()
    for client in clients { try server.expect(client, gets: size) }
    #expect(try (1...looks()).contains(server.disk.count(.open, "file.bin")))
    #expect(try (1...looks()).contains(server.disk.count(.lookup, "file.bin")))
    // No page is read twice.
    #expect(try server.disk.count(.read, "file.bin") <= max(1, size >> 12))
  }

  /// A disk that hangs for good: who waits for it is told so, at its time, and all others go on.
  func expectHungRequestsEnd() throws {
    let size = 8 << 20
    let server = try SlowDiskServer(self, ["small.bin": 4096, "large.bin": size])
    try server.disk.hold(.read, "small.bin")
    // Beyond what is sent in one turn.
    try server.disk.hold(.read, "large.bin", from: 5 << 20)
    let small = try server.ask("/slow/small.bin")
    let large = try server.ask("/slow/large.bin")
    try server.disk.waitUntilHeld()
    let start = now()
    for _ in 0..<3 { try server.expectHotFilesAreServed(small: 50, large: 2) }
    // In mid-body nothing can be told but that it is cut.
    let rest = try large.rest(seconds: 30)
    #expect(!rest.isWhole && rest.bytes.count < size)
    let end = try #require(rest.bytes.firstRange(of: Array("\r\n\r\n".utf8)))
    let head = try HTTPResponse(head: Array(rest.bytes[..<end.lowerBound] + [0x0D, 0x0A]))
    #expect(head.status == 200 && head.contentLength == size)
    let body = Array(rest.bytes[end.upperBound...])
    #expect(!body.isEmpty && Pattern.matches(body))
    #expect(try small.response(seconds: 30).status == 503)
    #expect(now() - start < 40)
    try server.expectHotFilesAreServed(small: 50, large: 2)
    #expect(try server.disk.held > 0)

    try server.disk.release()
    try server.expectServed("small.bin", size: 4096)
    try server.expectServed("large.bin", size: size)
    let metrics = try server.sluice.stopForMetrics()
    #expect(metrics["disk_timeouts"] == 2, "\(metrics)")
    #expect((metrics["disk_waits"] ?? 0) >= 2, "\(metrics)")
  }

  /// Far more requests for hung files than there are threads.
  func expectFloodOfHungFilesIsSurvived(
    count: Int, while operation: SlowDisk.Operation = .read
  ) throws {
    let server = try SlowDiskServer(self, [:])
    for index in 1...count { try server.disk.add("\(index).bin", size: 4096) }
    try server.disk.hold(operation)
    var command = try ["curl"] + Curl.flags + flags()
    command += ["-Z", "--parallel-immediate", "--parallel-max", "\(count)", "-w", "%{http_code}\\n"]
    command += try ["-o", "/dev/null", "\(url(server.sluice))/slow/[1-\(count)].bin"]
    let flood = try Subprocess(command)
    // Both threads hang.
    try server.disk.waitUntilHeld(2)
    while flood.exitStatus == nil { try server.expectHotFilesAreServed(small: 50, large: 2) }
    let codes = flood.output.split(separator: "\n")
    #expect(codes.count == count && codes.allSatisfy { $0 == "503" }, "\(flood.output) \(flood.errorOutput)")
    #expect(try server.disk.held >= 2)
    // No more of them than there are threads: the others have not even begun.
    #expect(try server.disk.count(operation) <= 2)
    try server.disk.release()
    for index in [1, count / 2, count] { try server.expectServed("\(index).bin", size: 4096) }
    let metrics = try server.sluice.stopForMetrics()
    #expect((metrics["disk_timeouts"] ?? 0) + (metrics["disk_refused"] ?? 0) == count, "\(metrics)")
  }

  /// Clients go away while the disk is waited for: nothing of them stays.
  func expectNothingIsLeft(after departure: TransportClient.Departure) throws {
    let size = 8 << 20
    let server = try SlowDiskServer(self, [:])
    for round in ["a", "b"] {
      try server.disk.add("\(round)-small.bin", size: 4096)
      try server.disk.add("\(round)-large.bin", size: size)
      try server.disk.add("\(round)-middle.bin", size: size)
    }
    func sockets() throws -> Int { try server.sluice.descriptors().matches(of: /socket:/).count }
    func files() throws -> Int { try server.sluice.descriptors().matches(of: /\/slow\//).count }
    let before = try sockets()

    /// Three clients, of which one has got a part already, go away.
    func leave(_ round: String) throws {
      try server.disk.hold(.read, "\(round)-small.bin")
      try server.disk.hold(.read, "\(round)-large.bin")
      try server.disk.hold(.read, "\(round)-middle.bin", from: 5 << 20)
      let middle = try server.ask("/slow/\(round)-middle.bin")
      try waitUntil("a part has come", seconds: 30) { middle.hasReceived }
      let clients = try [middle] + ["small", "large"].map { try server.ask("/slow/\(round)-\($0).bin") }
      try server.disk.waitUntilHeld(2)
      for client in clients { try client.leave(departure) }
      try server.expectHotFilesAreServed(small: 20, large: 1)
    }

    // The load ends, then the connection.
    try leave("a")
    try server.disk.release()
    try waitUntil("all sockets are closed", seconds: 30) { try sockets() == before }
    // The connection ends, at the latest when its time is up, then the load.
    try leave("b")
    try waitUntil("all sockets are closed", seconds: 30) { try sockets() == before }
    #expect(try server.disk.held > 0)
    try server.disk.release()
    try waitUntil("the loads have ended", seconds: 30) { try server.disk.held == 0 }
    for round in ["a", "b"] {
      try server.expectServed("\(round)-small.bin", size: 4096)
      try server.expectServed("\(round)-large.bin", size: size)
      try server.expectServed("\(round)-middle.bin", size: size)
    }
    // One each for the four that are too large for memory, and for nobody else.
    try waitUntil("nothing is open twice", seconds: 10) { try files() <= 4 && sockets() == before }
    #expect(try server.sluice.stop() == 0)
  }

  /// A file is replaced while it is loaded: who waits gets one of the two, whole.
  func expectReplacedFileIsNotMixed(size: Int) throws {
    let server = try SlowDiskServer(self, ["file.bin": size])
    try server.disk.add("new.bin", size: size, from: 77)
    try server.disk.hold(.read)
    let first = try server.ask("/slow/file.bin")
    try server.disk.waitUntilHeld()
    #expect(unsafe rename("\(server.disk.path)/new.bin", "\(server.disk.path)/file.bin") == 0)
    let second = try server.ask("/slow/file.bin")
    try server.expectHotFilesAreServed(small: 20, large: 1)
    try server.disk.release()
    for client in [first, second] {
      let response = try client.response()
      #expect(response.status == 200 && response.body.count == size)
      #expect(Pattern.matches(response.body) || Pattern.matches(response.body, from: 77))
    }
    try waitUntil("the new file is seen", seconds: 10) {
      try server.ask("/slow/file.bin").response().body == Pattern.bytes(size, from: 77)
    }
  }

  /// A file is removed while it is loaded.
  func expectRemovedFileIsWholeOrGone(size: Int) throws {
    let server = try SlowDiskServer(self, ["file.bin": size])
    try server.disk.hold(.read)
    let client = try server.ask("/slow/file.bin")
    try server.disk.waitUntilHeld()
    #expect(unsafe unlink("\(server.disk.path)/file.bin") == 0)
    try server.expectHotFilesAreServed(small: 20, large: 1)
    try server.disk.release()
    let response = try client.response()
    #expect(response.status == 404 || response.status == 200 && response.body == Pattern.bytes(size))
    try waitUntil("the file is gone", seconds: 10) {
      try server.ask("/slow/file.bin").response().status == 404
    }
  }

  /// Pages are evicted again and again while the file is sent: it goes on, and nothing is skipped or doubled.
  func expectEvictedPagesAreReadAgain() throws {
    let size = 8 << 20
    let server = try SlowDiskServer(self, ["file.bin": size])
    try server.disk.delay(.read, milliseconds: 10)
    let command = try ["curl"] + Curl.flags + flags() + ["-N", "-o", "-"]
    let client = try Subprocess(command + [url(server.sluice) + "/slow/file.bin"], stdout: .socket)
    var bytes: [UInt8] = []
    while true {
      let more = try client.receive(1 << 18)
      if more.isEmpty { break }
      bytes += more
      try server.disk.evict("file.bin")
    }
    #expect(try client.wait() == 0, "\(client.errorOutput)")
    #expect(bytes.count == size && Pattern.matches(bytes))
  }

  /// A disk with errors: told where it can be, a cut where not; and forgotten when it is over.
  func expectErrorsAreTold() throws {
    let size = 8 << 20
    let server = try SlowDiskServer(self, ["small.bin": 4096, "large.bin": size, "other.bin": 4096])
    try server.disk.fail(.read, "small.bin")
    try server.disk.fail(.read, "large.bin", from: 5 << 20)
    try server.disk.fail(.open, "other.bin")
    #expect(try server.ask("/slow/small.bin").response().status == 500)
    #expect(try server.ask("/slow/other.bin").response().status == 500)
    let rest = try server.ask("/slow/large.bin").rest()
    #expect(!rest.isWhole && rest.bytes.starts(with: "HTTP/1.1 200".utf8) && rest.bytes.count < size)
    try server.disk.release()
    try server.expectServed("small.bin", size: 4096)
    try server.expectServed("other.bin", size: 4096)
    try server.expectServed("large.bin", size: size)
    let metrics = try server.sluice.stopForMetrics()
    #expect(metrics["disk_timeouts"] == 0, "\(metrics)")
  }

  /// Everything that can be said of a file is said of one that must be waited for, too.
  func expectEveryKindOfAnswer() throws {
    let server = try SlowDiskServer(
      self,
      [
        "index.html": 300, "head.bin": 4096, "new.bin": 4096, "match.bin": 4096, "part.bin": 4096,
        "large.bin": 8 << 20, "beyond.bin": 4096,
      ])
    try server.disk.addFolder("folder")
    try server.disk.add("folder/index.html", size: 20_000, from: 9)
    try server.disk.delay(.any, milliseconds: 20)
    let modified = "Sun, 09 Sep 2001 01:46:40 GMT"

    #expect(try server.ask("/slow/").response().body == Pattern.bytes(300))
    #expect(try server.ask("/slow/folder").response().status == 301)
    #expect(try server.ask("/slow/folder/").response().body == Pattern.bytes(20_000, from: 9))
    #expect(try server.ask("/slow/nothing.bin").response().status == 404)
    #expect(try server.ask("/slow/nothing/").response().status == 404)

    let head = try server.client()
    try head.send("HEAD /slow/head.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    let rest = try head.rest()
    let text = String(decoding: rest.bytes, as: UTF8.self)
    #expect(rest.isWhole && text.hasPrefix("HTTP/1.1 200 OK\r\n") && text.hasSuffix("\r\n\r\n"))
    #expect(text.contains("\r\nContent-Length: 4096\r\n"))

    #expect(try server.ask("/slow/new.bin", "If-Modified-Since: \(modified)\r\n").response().status == 304)
    #expect(try server.ask("/slow/match.bin", "If-Match: \"other\"\r\n").response().status == 412)
    let part = try server.ask("/slow/part.bin", "Range: bytes=100-199\r\n").response()
    #expect(part.status == 206 && part.body == Pattern.bytes(100, from: 100))
    let far = try server.ask("/slow/large.bin", "Range: bytes=7000000-7099999\r\n").response()
    #expect(far.status == 206 && far.body == Pattern.bytes(100_000, from: 7_000_000))
    #expect(try server.ask("/slow/beyond.bin", "Range: bytes=9999-\r\n").response().status == 416)

    // Of the same file, known now.
    let tag = try #require(try server.ask("/slow/new.bin").response()["ETag"])
    #expect(try server.ask("/slow/new.bin", "If-None-Match: \(tag)\r\n").response().status == 304)
  }

  /// Paths that lead to files in several steps, each of which has to wait.
  func expectEveryWayToAFile() throws {
    let server = try SlowDiskServer(
      self,
      [
        "page.html": 300, "app.html": 400, "404.html": 500, "style.css": 600, "style.css.gz": 700,
        "large.css": 100_000,
        "large.css.br": 50_000,
      ],
      flags: ["--clean-urls", "--fallback", "slow/app.html", "--error-page", "404=/slow/404.html"])
    for milliseconds in [10, 250] {
      try server.disk.setValidity(seconds: 0)
      try server.disk.delay(.any, milliseconds: milliseconds)
      for (path, fields, status, size) in [
        ("/slow/page", "", 200, 300), ("/slow/page.html", "", 308, nil), ("/slow/users/7", "", 200, 400),
        ("/slow/none.css", "", 404, 500),
        // What is missing by several names is looked for by each of them once.
        ("/slow/none.html", "", 404, 500), ("/slow/users/7/", "", 200, 400),
        ("/slow/style.css", "Accept-Encoding: gzip, br\r\n", 200, 700),
        ("/slow/style.css", "Accept-Encoding: br\r\n", 200, 600),
        ("/slow/large.css", "Accept-Encoding: gzip, br\r\n", 200, 50_000),
      ] as [(String, String, Int, Int?)] {
        if milliseconds > 100, path != "/slow/users/7", size != 700 { continue }
        let response = try server.ask(path, fields).response()
        // A look takes several answers. A disk so slow that a file is old before the next one has come may be given up: but
        // told, and in time.
        if milliseconds > 100, response.status == 503 { continue }
        #expect(
          response.status == status && response.body.count == size ?? response.body.count,
          "\(path), \(fields)")
      }
      try server.disk.release()
    }
  }

  /// Pipelined requests are answered in their order, whichever of them waits for the disk.
  func expectPipelinedAnswersInOrder() throws {
    let server = try SlowDiskServer(self, ["cold.bin": 4096, "large.bin": 1 << 20])
    try server.site.add("first.txt", "first\n")
    try server.site.add("last.txt", "last\n")
    try server.disk.hold(.read)
    let client = try server.client()
    let kept = ["/slow/cold.bin", "/first.txt", "/slow/large.bin"].map {
      "GET \($0) HTTP/1.1\r\nHost: localhost\r\n\r\n"
    }
    try client.send(
      kept.joined() + "GET /last.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    try server.disk.waitUntilHeld()
    try server.expectHotFilesAreServed(small: 20, large: 1)
    #expect(!client.hasReceived)
    try server.disk.release()
    let bodies = try client.responses().map(\.body)
    let expected = [
      Pattern.bytes(4096), Array("first\n".utf8), Pattern.bytes(1 << 20), Array("last\n".utf8),
    ]
    #expect(bodies == expected)
  }

  /// Requests with content, before and while the disk is waited for.
  func expectContentIsPassedOver() throws {
    let server = try SlowDiskServer(self, ["a.bin": 4096, "b.bin": 100_000])
    try server.disk.hold(.any)
    let client = try server.client()
    try client.send(
      "GET /slow/a.bin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n0123456789"
        + "GET /slow/b.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 10\r\n\r\n01234"
    )
    try server.disk.waitUntilHeld()
    // What the disk holds has nothing to do with this.
    let post = try server.client()
    try post.send(
      "POST /slow/a.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc")
    #expect(try post.response(seconds: 20).status == 405)
    #expect(!client.hasReceived)
    try client.send("56789")
    try server.disk.release()
    let responses = try client.responses()
    #expect(responses.map(\.status) == [200, 200])
    #expect(responses.map(\.body) == [Pattern.bytes(4096), Pattern.bytes(100_000)])
  }

  /// Connections that end with their response, and clients that have ended their direction already.
  func expectLastResponsesAreWhole() throws {
    let server = try SlowDiskServer(self, ["a.bin": 4096, "b.bin": 1 << 20, "c.bin": 4096])
    try server.disk.hold(.read)
    let old = try server.client()
    try old.send("GET /slow/a.bin HTTP/1.0\r\n\r\n")
    let oldAndLarge = try server.client()
    try oldAndLarge.send("GET /slow/b.bin HTTP/1.0\r\n\r\n")
    let half = try server.ask("/slow/c.bin")
    half.endSending()
    try server.disk.waitUntilHeld(2)
    try server.expectHotFilesAreServed(small: 20, large: 1)
    try server.disk.release()
    try server.expect(old, gets: 4096)
    try server.expect(oldAndLarge, gets: 1 << 20)
    try server.expect(half, gets: 4096)
  }

  /// SIGTERM while the disk hangs: the server ends in its time.
  /// More requests hang than there are helper threads: the root's own disk goes on being looked at, for names that nobody has
  /// asked for before and for files that have gone.
  func expectOwnDiskGoesOn() throws {
    let files: KeyValuePairs = ["a.bin": 4096, "b.bin": 4096, "c.bin": 4096, "d.bin": 4096]
    let server = try SlowDiskServer(self, files)
    try server.disk.hold(.read)
    let hanging = try files.map { try server.ask("/slow/\($0.key)") }
    try server.disk.waitUntilHeld()
    func code(_ path: String) throws -> String {
      let discard = ["-o", "/dev/null", "-w", "%{http_code}", "--max-time", "8"]
      return try Curl.run(flags() + discard + [url(server.sluice) + path]).output
    }
    for number in 0..<20 { #expect(try code("/missing-\(number).bin") == "404") }
    #expect(try code("/none/") == "404")
    try server.site.add("short-lived.bin", Pattern.bytes(100))
    #expect(try code("/short-lived.bin") == "200")
    #expect(unsafe unlink("\(server.site.path)/short-lived.bin") == 0)
    usleep(1_100_000)
    #expect(try code("/short-lived.bin") == "404")
    try server.disk.release()
    _ = consume hanging
  }

  func expectStopInTime(while operation: SlowDisk.Operation) throws {
    let server = try SlowDiskServer(self, Self.files)
    try server.disk.hold(operation)
    let clients = try Self.files.map { try server.ask("/slow/\($0.key)") }
    try server.disk.waitUntilHeld()
    server.sluice.signal(SIGTERM)
    #expect(try server.sluice.process.wait(seconds: 45) == 0)
    #expect(try server.disk.held > 0 || operation != .read)
    for client in clients {
      // Told, or cut: whatever it is, it isn't a whole file.
      let rest = try client.rest(seconds: 10)
      #expect(!rest.isWhole || !rest.bytes.starts(with: "HTTP/1.1 200".utf8))
    }
  }
}
