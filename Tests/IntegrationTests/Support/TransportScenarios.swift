import Glibc
import Testing

/// What must hold on every transport, so that kernel TLS is tested by the very same steps as the others.
extension Transfer.Transport {
  /// So much of big.bin that it does not fit into the buffers of two sockets.
  private static let partSize = 24 << 20

  /// A curl that takes in no more of `path`, or of a part of it, than we read.
  private func slowClient(_ sluice: SluiceProcess, _ path: String, _ more: [String] = []) throws -> Subprocess
  {
    let command = try ["curl"] + Curl.flags + flags() + more + ["-N", "-o", "-", url(sluice) + path]
    return try Subprocess(command, stdout: .socket)
  }

  private func hello(_ sluice: SluiceProcess) throws -> String {
    try Curl.run(flags() + [url(sluice) + "/hello.txt"]).output
  }

  /// A file is cut while it is sent: the client sees an error, and soon.
  func expectCutIsTold() throws {
    let site = try TemporarySite()
    try site.addBig("big.bin")
    try site.add("hello.txt", "hello\n")
    let sluice = try serve(site.path)
    let client = try slowClient(sluice, "/big.bin")
    var bytes = try client.receive(1000)
    #expect(!bytes.isEmpty)
    try site.cut("big.bin", to: 1000)
    let start = now()
    bytes += try client.receiveAll()
    // 18: the transfer was shorter than it should be; 56: failure in receiving.
    let status = try client.wait()
    #expect(status == 18 || status == 56, "\(status): \(client.errorOutput)")
    #expect(now() - start < 60)
    // What has come until then is right, and nothing was made up for the rest.
    #expect(bytes.count < TemporarySite.bigSize)
    #expect(Pattern.matches(Array(bytes.prefix(1000))))
    #expect(try hello(sluice) == "hello\n")
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["truncated"] == 1, "\(metrics)")
  }

  /// A slow reader gets all that it has asked for, and others are served in the meantime.
  func expectSlowReaderGetsAll() throws {
    let sluice = try serve(TemporarySite.common().path)
    let client = try slowClient(sluice, "/big.bin", ["-r", "0-\(Self.partSize - 1)"])
    var bytes = try client.receive(1000)
    for _ in 0..<3 {
      #expect(try hello(sluice) == "hello\n")
      for _ in 0..<20 { bytes += try client.receive(10_000) }
    }
    bytes += try client.receiveAll()
    #expect(try client.wait() == 0, "\(client.errorOutput)")
    #expect(bytes.count == Self.partSize && Pattern.matches(bytes))
  }

  /// A client is killed in the middle of a download: nothing of it stays.
  func expectKilledClientIsNoticed() throws {
    let sluice = try serve(TemporarySite.common().path)
    let client = try slowClient(sluice, "/big.bin")
    _ = try client.receive(1000)
    client.signal(SIGKILL)
    try client.wait()
    #expect(try hello(sluice) == "hello\n")
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["broken"] == 1, "\(metrics)")
  }

  /// SIGTERM in the middle of a download: it is finished, and nothing else is begun.
  func expectDownloadIsFinished() throws {
    let sluice = try serve(TemporarySite.common().path)
    let client = try slowClient(sluice, "/big.bin", ["-r", "0-\(Self.partSize - 1)"])
    var bytes = try client.receive(1000)
    sluice.signal(SIGTERM)
    try waitUntil("new connections are refused") {
      do {
        _ = try sluice.connect()
        return false
      } catch RawConnection.Refused.refused {
        return true
      } catch RawConnection.Refused.other(ECONNRESET) {
        // It was in the queue of a listener that closed at that moment.
        return false
      }
    }
    #expect(sluice.process.exitStatus == nil)
    bytes += try client.receiveAll()
    #expect(try client.wait() == 0, "\(client.errorOutput)")
    #expect(bytes.count == Self.partSize && Pattern.matches(bytes))
    #expect(try sluice.process.wait() == 0)
  }

  /// wrk, for a second or so: every request is answered, and with 2xx.
  func expectLoadIsServed(_ name: String, connections: Int = 20, seconds: Int = 1) throws {
    let sluice = try serve(TemporarySite.common().path)
    let load = ["-t1", "-c\(connections)", "-d\(seconds)s", "--timeout", "60s"]
    let requests = try Load(url(sluice) + "/" + name, load).expectNoFailures()
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["malformed"] == 0 && metrics["truncated"] == 0, "\(metrics)")
    #expect((metrics["requests"] ?? 0) >= requests)
  }
}
