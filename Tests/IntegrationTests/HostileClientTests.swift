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
}
