import Glibc
import Testing

/// Clients that want the server's end, or all of it for themselves.
@Suite struct HostileClientTests {
  private func limited(_ limit: String) -> [String] {
    ["sh", "-c", "ulimit \(limit) && exec \"$0\" \"$@\""]
  }

  private func expectHello(_ sluice: SluiceProcess) throws {
    try waitUntil("it serves", seconds: 30) {
      if let status = sluice.process.exitStatus { throw TestFailure("it has ended with status \(status)") }
      guard let connection = try? sluice.connect(), (try? connection.get("/hello.txt")) != nil else {
        return false
      }
      return (try? connection.response().text) == "hello\n"
    }
  }

  /// How many connections at once it takes.
  private func slots(of sluice: SluiceProcess) throws -> Int {
    var served: [RawConnection] = []
    for _ in 0..<500 {
      let connection = try sluice.connect()
      guard (try? connection.get("/hello.txt")) != nil, (try? connection.response()) != nil else { break }
      served.append(connection)
    }
    return served.count
  }

  // MARK: Turns

  /// All connections wait for another turn, since each has sent more requests than one turn answers. Then some are reset
  /// and as many come, in one batch of events.
  @Test(arguments: [64, 128]) func resetsAndNewcomersWhileAllWaitForATurn(descriptors: Int) throws {
    let sluice = try SluiceProcess(TemporarySite.common().path, prefix: limited("-n \(descriptors)"))
    let slots = try slots(of: sluice)
    try #require(slots >= 4)
    let (port, pipeline) = (try sluice.plainPort, Flood.Pipeline(path: "/hello.txt"))
    var floods: [Flood] = []
    let end = now() + 5
    while now() < end, sluice.process.exitStatus == nil {
      while floods.count < slots, let flood = try? Flood(port, pipeline) { floods.append(flood) }
      let roundEnd = now() + 0.03
      while now() < roundEnd { floods = floods.filter { $0.goOn() } }
      guard floods.count == slots else { continue }
      let leaving = max(1, slots / 4)
      for flood in floods[..<leaving] { flood.connection.resetOnClose() }
      floods.removeFirst(leaving)
      for _ in 0..<leaving {
        if let flood = try? Flood(port, pipeline) { floods.append(flood) }
      }
    }
    for flood in floods { flood.connection.resetOnClose() }
    floods = []
    try #require(sluice.process.exitStatus == nil, "\(sluice.process.errorOutput.prefix(300))")
    try expectHello(sluice)
    #expect(try sluice.stop() == 0)
  }

  // MARK: Memory

  /// Else the C library reserves 64 MiB and more for each thread ahead.
  private static let oneArena = ["env", "MALLOC_ARENA_MAX=1"]

  /// How much of its address space it takes when nobody has come, in KiB.
  private func sizeAtStart() throws -> Int {
    let sluice = try SluiceProcess(
      TemporarySite.common().path, .both(TestCertificates.ecdsa), prefix: Self.oneArena)
    try expectHello(sluice)
    let status = String(decoding: readFile("/proc/\(sluice.process.identifier)/status") ?? [], as: UTF8.self)
    guard let size = status.firstMatch(of: /VmSize:\s*(\d+)/).flatMap({ Int($0.output.1) }) else {
      throw TestFailure("no size")
    }
    return size
  }

  /// A server that gets 32 MiB more than it starts with.
  private func serveInLittleMemory() throws -> SluiceProcess {
    try SluiceProcess(
      TemporarySite.common().path, .both(TestCertificates.ecdsa),
      prefix: Self.oneArena + limited("-v \(sizeAtStart() + (32 << 10))"))
  }

  /// Waits until it has done what can be done with what was sent, or has ended.
  private func waitUntilIdle(_ sluice: SluiceProcess) throws {
    var before = -1
    try waitUntil("it has nothing to do", seconds: 60) {
      guard sluice.process.exitStatus == nil else { return true }
      let ticks = try sluice.processorTicks()
      defer { before = ticks }
      usleep(200_000)
      return ticks == before
    }
  }

  @Test(.enabled(if: !TestMachine.isSanitized, "a sanitizer takes all address space"))
  func halfHeadsThatFillTheMemory() throws {
    try TestMachine.raiseDescriptorLimit()
    let sluice = try serveInLittleMemory()
    do {
      let head = Array("GET /hello.txt HTTP/1.1\r\nHost: a\r\nX-Long: ".utf8)
      let half = head + [UInt8](repeating: UInt8(ascii: "x"), count: 30 << 10)
      var connections: [RawConnection] = []
      for _ in 0..<5000 where sluice.process.exitStatus == nil {
        let connection = try sluice.connect()
        // It may be refused.
        _ = connection.sendWhatFits(half[...])
        connections.append(connection)
      }
      try waitUntilIdle(sluice)
    }
    try expectHello(sluice)
  }

  @Test(.enabled(if: !TestMachine.isSanitized, "a sanitizer takes all address space"))
  func pipelinesThatFillTheMemory() throws {
    try TestMachine.raiseDescriptorLimit()
    let sluice = try serveInLittleMemory()
    do {
      let (port, pipeline) = (try sluice.plainPort, Flood.Pipeline(path: "/16384.bin"))
      var floods: [Flood] = []
      for _ in 0..<2000 where sluice.process.exitStatus == nil { floods.append(try Flood(port, pipeline)) }
      for _ in 0..<3 {
        for flood in floods { flood.sendMore() }
        try waitUntilIdle(sluice)
      }
    }
    try expectHello(sluice)
  }

  // MARK: What a crash tells

  /// Should it crash after all, memory is not shown: it can be a client's bytes, or a key.
  @Test(
    .enabled(if: !TestMachine.isSanitized, "a sanitizer prints what it likes"),
    arguments: [SIGILL, SIGSEGV, SIGABRT, SIGTRAP])
  func crashShowsNoMemory(number: Int32) throws {
    let sluice = try SluiceProcess(TemporarySite.common().path, .both(TestCertificates.ecdsa))
    let connection = try sluice.connect()
    try connection.send("GET / HTTP/1.1\r\nX-Long: " + String(repeating: "Marker", count: 1000))
    try expectHello(sluice)
    // Where the runtime catches it, it goes on afterwards, since no instruction has failed; the second one ends it.
    try waitUntil("it has ended", seconds: 30) {
      sluice.signal(number)
      usleep(500_000)
      return sluice.process.exitStatus != nil
    }
    let output = sluice.process.errorOutput
    for sign in ["Marker", "4d 61 72 6b", "Registers:", "rsp 0x", "sp 0x"] {
      #expect(!output.contains(sign), "\(output.prefix(500))")
    }
  }

  // MARK: Handshakes

  /// Full handshakes by the hundred: they are all done, and who is there already is answered in the meantime.
  @Test func manyHandshakesBesideAConnection() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path, .both(TestCertificates.ecdsa))
    let connection = try sluice.connect()
    let url = try sluice.url("https") + "/hello.txt"
    let secure = try SecureClient.interactive(sluice.securePort)
    let flags =
      try Curl.flags + Curl.trusting(TestCertificates.ecdsa) + ["--no-sessionid", "-H", "Connection: close"]
    let clients = try (0..<4).map { _ in
      try Subprocess(["curl"] + flags + [String](repeating: url, count: 125))
    }
    var asked = 0
    repeat {
      try connection.get("/hello.txt")
      #expect(try connection.response().text == "hello\n")
      secure.send("GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
      asked += 1
      try waitUntil("the secure connection is answered") {
        secure.output.matches(of: /HTTP\/1.1 200 OK/).count >= asked || secure.exitStatus != nil
      }
      try #require(secure.exitStatus == nil, "\(secure.errorOutput)")
    } while !clients.allSatisfy { $0.exitStatus != nil }
    for client in clients {
      #expect(client.exitStatus == 0, "\(client.errorOutput)")
      #expect(client.output == String(repeating: "hello\n", count: 125))
    }
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["user_tls"] == 501 && metrics["handshakes_failed"] == 0, "\(metrics)")
  }
}

/// Clients that are slow, over minutes: SLUICE_SLOW_TESTS=1.
@Suite(.enabled(if: TestMachine.hasTime, "these take minutes: set SLUICE_SLOW_TESTS=1"))
struct SlowClientTests {
  private func download(_ transport: Transfer.Transport) throws -> (SluiceProcess, RawConnection) {
    let site = try TemporarySite()
    try site.addSparse("huge.bin", size: 100 << 20)
    let sluice = try transport.serve(site.path)
    let connection = try sluice.connect()
    try connection.get("/huge.bin")
    return (sluice, connection)
  }

  /// 8 kB each second, with the buffers as they are: the socket is not writable for more than a minute at a time, but the
  /// client takes something all the time.
  @Test func steadyReaderIsNotCutOff() throws {
    let (sluice, connection) = try download(.plain)
    let start = now()
    var taken = 0
    for second in 1...150 {
      let count = try #require(connection.takeAtMost(8000), "it ended after \(second) s and \(taken) bytes")
      taken += count
      while now() < start + Double(second) { usleep(10_000) }
    }
    #expect(taken > 149 * 8000)
    #expect(try sluice.stopForMetrics()["timeouts"] == 0)
  }

  @Test func whoTakesNothingIsCutOff() throws {
    let (sluice, connection) = try download(.plain)
    let start = now()
    try waitUntil("it is cut off", seconds: 130) {
      var polled = pollfd(fd: connection.descriptor, events: 0, revents: 0)
      return unsafe poll(&polled, 1, 100) > 0
    }
    #expect(now() - start > 55)
    #expect(try connection.rest().end == .reset)
    #expect(try sluice.stopForMetrics()["timeouts"] == 1)
  }
}
