import Glibc
import Testing

/// What must hold of several ranges in one request, on every transport.
extension Transfer.Transport {
  private static func field(_ ranges: [Range<Int>]) -> String {
    "bytes=" + ranges.map { "\($0.lowerBound)-\($0.upperBound - 1)" }.joined(separator: ",")
  }

  /// A curl that takes in no more than we read, and gives out the head, too.
  private func slowClient(_ sluice: SluiceProcess, _ ranges: [Range<Int>]) throws -> Subprocess {
    let command = try ["curl"] + Curl.flags + flags() + ["-i", "-N", "-H", "Range: \(Self.field(ranges))"]
    return try Subprocess(command + ["-o", "-", url(sluice) + "/big.bin"], stdout: .socket)
  }

  /// So much of big.bin, in parts of all sizes, that it does not fit into the buffers of two sockets.
  private static let manyParts = [
    40 << 20..<48 << 20, 0..<1, 10 << 20..<22 << 20, 1000..<1001, 5000..<70_000, 3 << 20..<7 << 20,
    TemporarySite.bigSize - 1..<TemporarySite.bigSize,
  ]

  /// From memory and from open files, in requests that come all at once.
  func expectPartsOfEverySize() throws {
    let sluice = try serve(TemporarySite.common().path)
    let big = TemporarySite.bigSize
    let cases: [(name: String, size: Int, ranges: [Range<Int>])] = [
      ("1023", 1023, [0..<100, 200..<300]),
      ("1023", 1023, [1022..<1023, 0..<1]),
      ("16384", 16384, [16000..<16384, 0..<1, 5000..<7000]),
      ("16385", 16385, [0..<1, 16384..<16385]),
      ("16385", 16385, (0..<50).map { $0 * 300..<$0 * 300 + 7 }.reversed()),
      ("1048577", 1 << 20 + 1, [0..<100, 200..<300]),
      ("1048577", 1 << 20 + 1, [100_000..<170_000, 16383..<16386, 1 << 20..<1 << 20 + 1, 300_000..<900_000]),
      ("1048577", 1 << 20 + 1, (0..<200).map { $0 * 5000..<$0 * 5000 + 2048 }),
      // Across the windows that are asked for of the page cache.
      ("big", big, [(2 << 20) - 5..<(2 << 20) + 5, 5 << 20..<9 << 20, 0..<300_000]),
    ]
    let client = try TransportClient(self, sluice)
    for (name, _, ranges) in cases {
      try client.get("/\(name).bin", "Range: \(Self.field(ranges))\r\n", kept: true)
    }
    try client.get("/hello.txt")
    let responses = try client.responses()
    try #require(responses.count == cases.count + 1)
    for (response, (_, size, ranges)) in zip(responses, cases) { try response.expectParts(ranges, of: size) }
    #expect(responses.last?.text == "hello\n")
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["requests"] == cases.count + 1 && metrics["broken"] == 0, "\(metrics)")
  }

  /// The last response of a connection, for clients of both versions: it ends in good order.
  func expectPartsAndTheEnd() throws {
    let sluice = try serve(TemporarySite.common().path)
    for size in [1023, 1 << 20 + 1] {
      for version in ["1.1", "1.0"] {
        let client = try TransportClient(self, sluice)
        try client.send(
          "GET /\(size).bin HTTP/\(version)\r\nHost: a\r\nConnection: close\r\nRange: bytes=0-9,-10\r\n\r\n")
        let response = try client.response()
        try response.expectParts([0..<10, size - 10..<size], of: size)
        #expect(response["Connection"] == "close")
      }
    }
  }

  /// A slow reader gets all parts, and others are served in the meantime.
  func expectSlowReaderGetsAllParts() throws {
    let sluice = try serve(TemporarySite.common().path)
    let client = try slowClient(sluice, Self.manyParts)
    var bytes = try client.receive(1000)
    for _ in 0..<3 {
      #expect(try Curl.run(flags() + [url(sluice) + "/hello.txt"]).output == "hello\n")
      for _ in 0..<20 { bytes += try client.receive(10_000) }
    }
    bytes += try client.receiveAll()
    #expect(try client.wait() == 0, "\(client.errorOutput)")
    let response = try #require(HTTPResponse.all(in: bytes).first)
    try response.expectParts(Self.manyParts, of: TemporarySite.bigSize)
  }

  /// SIGTERM between two parts: they are all sent.
  func expectPartsAreFinished() throws {
    let sluice = try serve(TemporarySite.common().path)
    let client = try slowClient(sluice, Self.manyParts)
    var bytes = try client.receive(1000)
    sluice.signal(SIGTERM)
    usleep(100_000)
    #expect(sluice.process.exitStatus == nil)
    bytes += try client.receiveAll()
    #expect(try client.wait() == 0, "\(client.errorOutput)")
    let response = try #require(HTTPResponse.all(in: bytes).first)
    try response.expectParts(Self.manyParts, of: TemporarySite.bigSize)
    #expect(try sluice.process.wait() == 0)
  }

  /// A file is cut while a later part of it is sent: the client sees an error, never an end.
  func expectCutBetweenPartsIsTold() throws {
    let site = try TemporarySite()
    try site.addBig("big.bin")
    let sluice = try serve(site.path)
    let parts = [1 << 20..<2 << 20, 8 << 20..<40 << 20, 0..<1000]
    let client = try slowClient(sluice, parts)
    var bytes: [UInt8] = []
    while bytes.count < 3 << 20 {
      let more = try client.receive(1 << 16)
      try #require(!more.isEmpty)
      bytes += more
    }
    try site.cut("big.bin", to: 9 << 20)
    bytes += try client.receiveAll()
    // 18: the transfer was shorter than it should be; 56: failure in receiving.
    let status = try client.wait()
    #expect(status == 18 || status == 56, "\(status): \(client.errorOutput)")
    #expect(bytes.count < 33 << 20)
    let content = try #require(bytes.prefix(2000).firstRange(of: Pattern.bytes(16, from: 1 << 20)))
    #expect(Pattern.matches(Array(bytes[content.lowerBound...].prefix(1 << 20)), from: 1 << 20))
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["truncated"] == 1, "\(metrics)")
  }

  /// A later part has to be waited for, beyond the time of nobody: others go on, and it comes.
  func expectPartsWaitForTheDisk() throws {
    let size = 12 << 20
    let server = try SlowDiskServer(self, ["file.bin": size])
    let parts = [0..<100, 5 << 20..<(5 << 20) + 70_000, 9 << 20..<(9 << 20) + 10, 1000..<2000]
    try server.disk.hold(.read, "file.bin", from: 5 << 20)
    let client = try server.ask("/slow/file.bin", "Range: \(Self.field(parts))\r\n")
    try server.disk.waitUntilHeld()
    try server.expectHotFilesAreServed(small: 20, large: 2)
    try server.disk.release()
    try client.response().expectParts(parts, of: size)
    let metrics = try server.sluice.stopForMetrics()
    #expect((metrics["disk_waits"] ?? 0) >= 2 && metrics["disk_timeouts"] == 0, "\(metrics)")
  }

  /// Of what a client accepts a coding of: parts of that, whose coding is said where their type is.
  func expectPartsOfCodings() throws {
    let site = try TemporarySite()
    try site.add("a.css", Pattern.bytes(400_000, from: 3))
    try site.add("b.css", Pattern.bytes(4_000, from: 3))
    usleep(20_000)
    try site.add("a.css.br", Pattern.bytes(300_000))
    try site.add("b.css.br", Pattern.bytes(3_000))
    let sluice = try serve(site.path, flags: ["--cache-control", "*.css=max-age=5", "--hsts", "60"])
    for (name, size) in [("a.css", 300_000), ("b.css", 3_000)] {
      let response = try Curl.get(
        url(sluice) + "/" + name, flags() + ["-H", "Accept-Encoding: br", "-H", "Range: bytes=0-9,-10"])
      let parts = try MultipartBody(response).parts
      #expect(parts.map(\.range) == [0..<10, size - 10..<size])
      for part in parts {
        #expect(part.bytes == Pattern.bytes(10, from: part.range.lowerBound) && part.size == size)
        #expect(part.fields["Content-Encoding"] == "br")
        #expect(part.fields["Content-Type"] == "text/css; charset=utf-8")
      }
      #expect(response["Content-Encoding"] == nil && response["Vary"] == "Accept-Encoding")
      #expect(response["Cache-Control"] == "max-age=5")
      // All else is as for one part: what the connection decides of it, too.
      let part = try Curl.get(url(sluice) + "/" + name, flags() + ["-H", "Accept-Encoding: br", "-r", "0-9"])
      func common(_ response: HTTPResponse) -> [String] {
        response.fields.map(\.name).filter { !["Content-Range", "Content-Encoding"].contains($0) }.sorted()
      }
      #expect(common(response) == common(part))
      #expect((response["Strict-Transport-Security"] != nil) == (self != .plain))
    }
  }
}
