import Testing

/// Parts of files: Range, If-Range, Content-Range.
@Suite struct RangeTests {
  private let sluice: SluiceProcess

  init() throws {
    sluice = try SluiceProcess(TemporarySite.common().path)
  }

  private func expectPart(
    _ connection: RawConnection, _ size: Int, _ range: String, _ expected: Range<Int>,
    location: SourceLocation = #_sourceLocation
  ) throws {
    try connection.get("/\(size).bin", "Range: \(range)\r\n")
    let response = try connection.response()
    #expect(
      response.statusLine == "HTTP/1.1 206 Partial Content", "\(size) \(range)", sourceLocation: location)
    let field = "bytes \(expected.lowerBound)-\(expected.upperBound - 1)/\(size)"
    #expect(response["Content-Range"] == field, "\(size) \(range)", sourceLocation: location)
    #expect(
      response.body == Pattern.bytes(expected.count, from: expected.lowerBound), sourceLocation: location)
    #expect(response["ETag"] != nil && response["Accept-Ranges"] == "bytes", sourceLocation: location)
  }

  /// From memory (up to 16 KiB) and from an open file.
  @Test(arguments: [1023, 16384, 16385, 1 << 20 + 1]) func parts(size: Int) throws {
    let connection = try sluice.connect()
    try expectPart(connection, size, "bytes=0-0", 0..<1)
    try expectPart(connection, size, "bytes=0-499", 0..<500)
    try expectPart(connection, size, "bytes=500-999", 500..<1000)
    try expectPart(connection, size, "bytes=7-", 7..<size)
    try expectPart(connection, size, "bytes=0-", 0..<size)
    try expectPart(connection, size, "bytes=-1", size - 1..<size)
    try expectPart(connection, size, "bytes=-500", size - 500..<size)
    try expectPart(connection, size, "bytes=-\(size)", 0..<size)
    try expectPart(connection, size, "bytes=-99999999999", 0..<size)
    try expectPart(connection, size, "bytes=10-99999999999999999999999", 10..<size)
    try expectPart(connection, size, "bytes=\(size - 1)-", size - 1..<size)
    try expectPart(connection, size, "BYTES=1-2", 1..<3)
    // Whole again, and right.
    try connection.get("/\(size).bin")
    #expect(try Pattern.matches(connection.response().body))
  }

  @Test func beyondTheEnd() throws {
    let connection = try sluice.connect()
    for (size, range) in [
      (1023, "1023-"), (1023, "5000-6000"), (1023, "-0"), (16385, "16385-16385"), (0, "0-0"), (0, "0-"),
      (0, "-0"), (1, "99999999999999999999-"),
    ] {
      try connection.get("/\(size).bin", "Range: bytes=\(range)\r\n")
      let response = try connection.response()
      #expect(response.status == 416, "\(size) \(range)")
      #expect(response["Content-Range"] == "bytes */\(size)")
      #expect(response.contentLength == response.body.count)
    }
  }

  /// It can be satisfied, but by nothing that a Content-Range could name: the whole of it is the answer.
  @Test func suffixOfAnEmptyFile() throws {
    let connection = try sluice.connect()
    try connection.get("/0.bin", "Range: bytes=-5\r\n")
    let response = try connection.response()
    #expect(response.status == 200 && response.contentLength == 0 && response["Content-Range"] == nil)
  }

  @Test func rangesThatAreIgnored() throws {
    let connection = try sluice.connect()
    for range in [
      "bytes=0-1,x", "bytes=0-0,5-1", "bytes=5-1", "bytes=", "bytes=a-b", "bytes=1", "bytes=--1",
      "bytes=1-2-3",
      "lines=0-1", "0-1", "bytes 0-1", "bytes=0x0-1", "bytes=+1-2", "bytes= 0-1x",
    ] {
      try connection.get("/1023.bin", "Range: \(range)\r\n")
      let response = try connection.response()
      #expect(response.status == 200, "\(range)")
      #expect(response["Content-Range"] == nil)
      #expect(response.body == Pattern.bytes(1023))
    }
  }

  @Test func onlyGetHasRanges() throws {
    let connection = try sluice.connect()
    try connection.get("/1023.bin", "Range: bytes=0-1\r\n", method: "HEAD")
    let response = try connection.response(toHead: true)
    #expect(response.status == 200 && response.contentLength == 1023)
  }

  @Test func ifRange() throws {
    let site = try TemporarySite()
    try site.add("file.bin", Pattern.bytes(1000))
    try Shell.require(["touch", "-d", "2001-09-09 01:46:40 UTC", "\(site.path)/file.bin"])
    let own = try SluiceProcess(site.path)
    let connection = try own.connect()
    try connection.get("/file.bin")
    let etag = try #require(try connection.response()["ETag"])
    for (validator, status) in [
      (etag, 206), ("\"other\"", 200), ("W/\(etag)", 200), ("Sun, 09 Sep 2001 01:46:40 GMT", 206),
      ("Sun, 09 Sep 2001 01:46:41 GMT", 200), ("Sun, 09 Sep 2001 01:46:39 GMT", 200), ("nonsense", 200),
    ] {
      try connection.get("/file.bin", "Range: bytes=1-2\r\nIf-Range: \(validator)\r\n")
      let response = try connection.response()
      #expect(response.status == status, "\(validator)")
      #expect(response.body == (status == 206 ? Pattern.bytes(2, from: 1) : Pattern.bytes(1000)))
    }
    // Not satisfiable, but only if it is to be honoured at all.
    try connection.get("/file.bin", "Range: bytes=5000-\r\nIf-Range: \"other\"\r\n")
    #expect(try connection.response().status == 200)
  }

  @Test func curlResumesADownload() throws {
    let target = try TemporarySite()
    try target.add("part.bin", Pattern.bytes(400_000))
    let file = "\(target.path)/part.bin"
    let result = try Curl.run(["-C", "-", "-o", file, sluice.url("http") + "/1048577.bin"])
    #expect(result.exitStatus == 0)
    #expect(readFile(file) == Pattern.bytes(1 << 20 + 1))
  }

  @Test func fileOfMoreThan4GiB() throws {
    let site = try TemporarySite()
    let size: Int64 = 5 << 30 + 7
    try site.addSparse("huge.bin", size: size)
    let descriptor = "\(site.path)/huge.bin"
    try Shell.require([
      "sh", "-c",
      "printf '\(String(repeating: "sluice ", count: 10))' | dd of=\"$0\" bs=1 seek=\(size - 70) conv=notrunc",
      descriptor,
    ])
    let own = try SluiceProcess(site.path)
    let connection = try own.connect()
    try connection.get("/huge.bin", method: "HEAD")
    #expect(try connection.response(toHead: true)["Content-Length"] == "\(size)")
    try connection.get("/huge.bin", "Range: bytes=-70\r\n")
    var response = try connection.response()
    #expect(response["Content-Range"] == "bytes \(size - 70)-\(size - 1)/\(size)")
    #expect(response.text == String(repeating: "sluice ", count: 10))
    // Across the 4 GiB line.
    try connection.get("/huge.bin", "Range: bytes=4294967290-4294967305\r\n")
    response = try connection.response()
    #expect(response.status == 206 && response.body == [UInt8](repeating: 0, count: 16))
    try connection.get("/huge.bin", "Range: bytes=\(size)-\r\n")
    #expect(try connection.response()["Content-Range"] == "bytes */\(size)")
  }
}
