import Glibc
import Testing

/// Where memory ends, or what a worker may keep: who would need more is given up, and the process lives.
@Suite(.serialized) struct MemoryLimitTests {
  /// As many clients as the descriptors of this process allow.
  private static let clients = 750
  private static let halfHead =
    "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n"
    + (0..<7).map { "X-\($0): \(String(repeating: "x", count: 4_000))\r\n" }.joined()

  private func expectServed(_ sluice: SluiceProcess) throws {
    try waitUntil("there is memory again", seconds: 60) {
      guard let connection = try? sluice.connect(), (try? connection.get("/hello.txt")) != nil else {
        return false
      }
      return (try? connection.response().text) == "hello\n"
    }
  }

  /// Half a head from each; it is kept.
  private func sendHalfHeads(_ sluice: SluiceProcess) throws -> [RawConnection] {
    try (0..<Self.clients).map { _ in
      let connection = try sluice.connect()
      try? connection.send(Self.halfHead)
      return connection
    }
  }

  /// Requests that nobody reads the answers of.
  private func pipeline(_ sluice: SluiceProcess) throws -> [RawConnection] {
    let requests = Array(
      String(repeating: "GET /16384.bin HTTP/1.1\r\nHost: localhost\r\n\r\n", count: 2_000).utf8)
    return try (0..<Self.clients).map { _ in
      let connection = try sluice.connect(receiveBuffer: 4096)
      _ = fcntl(connection.descriptor, F_SETFL, fcntl(connection.descriptor, F_GETFL) | O_NONBLOCK)
      for _ in 0..<3 {
        _ = unsafe requests.withUnsafeBytes {
          unsafe send(connection.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
      }
      return connection
    }
  }

  /// The budget is a part of the address space that is allowed; 60 MB of it are taken by libraries.
  @Test(arguments: ["110000", "125000"]) func halfHeads(kilobytes: String) throws {
    let sluice = try SluiceProcess(
      TemporarySite.common().path, prefix: ["sh", "-c", "ulimit -v \(kilobytes) && exec \"$0\" \"$@\""])
    try expectServed(sluice)
    do {
      let pipelining = kilobytes == "125000" ? try pipeline(sluice) : []
      let heads = try sendHalfHeads(sluice)
      try waitUntil("somebody is given up") { heads.contains { !$0.isSilent(seconds: 0) } }
      #expect(heads.count >= pipelining.count && sluice.process.exitStatus == nil)
    }
    try expectServed(sluice)
    let metrics = try sluice.stopForMetrics()
    #expect((metrics["refused_without_memory"] ?? 0) > 0, "\(metrics)")
  }

  /// A little more than what the threads' stacks and one arena of malloc take: no thread may be missing something because
  /// others were quick to reserve it.
  @Test func littleAddressSpaceIsEnoughEachTime() throws {
    for _ in 0..<20 {
      let sluice = try SluiceProcess(
        TemporarySite.common().path, prefix: ["sh", "-c", "ulimit -v 138000 && exec \"$0\" \"$@\""])
      try expectServed(sluice)
    }
  }

  /// The kernel gives the process nothing more, though its budget is not used up.
  @Test(.enabled(if: TestMachine.has("prlimit"), "prlimit is missing: apt-get install util-linux"))
  func theKernelGivesNoMore() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path)
    // Both files are known before.
    let first = try sluice.connect()
    for name in ["hello.txt", "16384.bin"] {
      try first.get("/\(name)")
      #expect(try first.response().status == 200)
    }
    let status = String(decoding: readFile("/proc/\(sluice.process.identifier)/status") ?? [], as: UTF8.self)
    let size = try #require(status.firstMatch(of: /VmSize:\s+(\d+) kB/).flatMap { Int($0.output.1) })
    // What is reserved already may still be used: the limit is on what comes on top.
    try Shell.require([
      "prlimit", "--pid", "\(sluice.process.identifier)", "--as=\(size << 10)",
    ])
    do {
      let heads = try sendHalfHeads(sluice)
      try first.get("/hello.txt")
      #expect(try first.response().text == "hello\n")
      let pipelining = try pipeline(sluice)
      #expect(heads.count == pipelining.count && sluice.process.exitStatus == nil)
    }
    try expectServed(sluice)
    #expect(try sluice.stop() == 0)
  }
}
