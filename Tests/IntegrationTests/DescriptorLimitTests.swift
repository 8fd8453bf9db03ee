import Testing

/// When no file descriptor is free: who comes is refused, who is there goes on, and later all is as before.
@Suite struct DescriptorLimitTests {
  private func limited(_ count: Int) -> [String] {
    ["sh", "-c", "ulimit -n \(count) && exec \"$0\" \"$@\""]
  }

  /// Connects until the server refuses; those that it serves.
  private func fill(_ sluice: SluiceProcess) throws -> [RawConnection] {
    var served: [RawConnection] = []
    for _ in 0..<200 {
      let connection = try sluice.connect()
      // Refused: the connection ends without an answer.
      guard (try? connection.get("/hello.txt")) != nil, let response = try? connection.response() else {
        return served
      }
      #expect(response.status == 200)
      served.append(connection)
    }
    throw TestFailure("200 connections and none was refused")
  }

  @Test(arguments: [(16, "refused_without_descriptor"), (64, "refused_at_limit")])
  func refusesAndRecovers(limit: Int, counter: String) throws {
    let sluice = try SluiceProcess(TemporarySite.common().path, prefix: limited(limit))
    do {
      let served = try fill(sluice)
      #expect(served.count >= 2)
      // Again and again: not one that is served suffers from those that are not.
      for _ in 0..<3 {
        for _ in 0..<10 {
          let refused = try sluice.connect()
          try? refused.get("/hello.txt")
          #expect(throws: (any Error).self) { try refused.response() }
        }
        for connection in served {
          try connection.get("/hello.txt")
          #expect(try connection.response().text == "hello\n")
        }
      }
    }
    try waitUntil("there is room again", seconds: 20) {
      guard let connection = try? sluice.connect(), (try? connection.get("/hello.txt")) != nil else {
        return false
      }
      return (try? connection.response().text) == "hello\n"
    }
    let metrics = try sluice.stopForMetrics()
    #expect((metrics[counter] ?? 0) >= 30, "\(metrics)")
  }

  @Test func waitsWithoutSpinning() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path, prefix: limited(16))
    let served = try fill(sluice)
    try #require(!served.isEmpty)
    let before = try sluice.processorTicks()
    // Nothing happens for a while; a listener that stays ready for ever would burn a second of CPU.
    #expect(served[0].isSilent(seconds: 1))
    #expect(try sluice.processorTicks() - before < 30)
  }

  @Test func secureConnectionsToo() throws {
    let sluice = try SluiceProcess(
      TemporarySite.common().path, .both(TestCertificates.ecdsa), prefix: limited(16))
    let served = try fill(sluice)
    try #require(!served.isEmpty)
    let flags = try Curl.trusting(TestCertificates.ecdsa)
    #expect(try Curl.run(flags + [sluice.url("https") + "/hello.txt"]).exitStatus != 0)
    try served[0].get("/hello.txt")
    #expect(try served[0].response().text == "hello\n")
  }

  @Test func fileWithoutDescriptorIs503() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path, prefix: limited(16))
    let served = try fill(sluice)
    try #require(!served.isEmpty)
    // Not in the cache: opening it needs a descriptor.
    try served[0].get("/big.bin", "Range: bytes=0-1\r\n")
    let response = try served[0].response()
    #expect([503, 206].contains(response.status))
    try served[0].get("/hello.txt")
    #expect(try served[0].response().status == 200)
  }
}
