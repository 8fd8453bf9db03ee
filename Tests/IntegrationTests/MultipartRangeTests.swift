import Glibc
import Testing

/// Several ranges in one request: RFC 9110 §14.2, §14.6, §15.3.7.2.
@Suite struct MultipartRangeTests {
  typealias Transport = Transfer.Transport

  @Test(arguments: Transport.everywhere) func everySize(transport: Transport) throws {
    try transport.expectPartsOfEverySize()
  }

  @Test(arguments: Transport.everywhere) func theEnd(transport: Transport) throws {
    try transport.expectPartsAndTheEnd()
  }

  @Test(arguments: Transport.everywhere) func slowReader(transport: Transport) throws {
    try transport.expectSlowReaderGetsAllParts()
  }

  @Test(arguments: Transport.everywhere) func finishedBeforeTheEnd(transport: Transport) throws {
    try transport.expectPartsAreFinished()
  }

  @Test(arguments: Transport.everywhere) func cutBetweenParts(transport: Transport) throws {
    try transport.expectCutBetweenPartsIsTold()
  }

  @Test(arguments: Transport.everywhere) func codings(transport: Transport) throws {
    try transport.expectPartsOfCodings()
  }

  private func ask(_ sluice: SluiceProcess, _ name: String, _ ranges: String, _ more: String = "") throws
    -> HTTPResponse
  {
    let connection = try sluice.connect()
    try connection.get("/" + name, "Range: bytes=\(ranges)\r\n\(more)")
    return try connection.response()
  }

  /// What is left being one range.
  @Test(arguments: [
    ("0-1,3-4", 0..<5), ("0-99,179-199", 0..<200), ("5000000-,0-9", 0..<10), ("0-9,0-9", 0..<10),
    ("20-29,0-9,5-25", 0..<30),
  ])
  func onePart(ranges: String, expected: Range<Int>) throws {
    let sluice = try SluiceProcess(TemporarySite.common().path)
    for size in [1023, 1 << 20 + 1] {
      let response = try ask(sluice, "\(size).bin", ranges)
      #expect(response.status == 206 && response.body == Pattern.bytes(expected.count))
      #expect(response["Content-Range"] == "bytes \(expected.lowerBound)-\(expected.upperBound - 1)/\(size)")
      #expect(response["Content-Type"] == "application/octet-stream")
    }
  }

  /// Nothing is gained by parts: they are as much as the file, or are so with what is said of them; or there are too many.
  @Test func theWholeInstead() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path)
    let overlapping = (0..<1000).map { "0-\($0)" }.joined(separator: ",")
    let many = (0..<201).map { "\($0 * 1000)-\($0 * 1000)" }.joined(separator: ",")
    for (size, ranges) in [
      (1023, "0-,0-"), (1023, "0-600,400-"), (1023, "0-399,500-"), (1 << 20 + 1, "0-,0-"), (1, "0-0,0-0"),
      (1 << 20 + 1, "0-599999,500000-"), (1 << 20 + 1, "0-1048400,1048500-"), (1 << 20 + 1, overlapping),
      (1023, overlapping), (1 << 20 + 1, many), (1 << 20 + 1, "0-0,-1,x"), (1 << 20 + 1, "9-8,-1"),
      (0, "-1,0-0"),
    ] {
      let response = try ask(sluice, "\(size).bin", ranges)
      #expect(response.status == 200 && response["Content-Range"] == nil, "\(size) \(ranges.prefix(50))")
      #expect(response.body.count == size && Pattern.matches(response.body))
    }
  }

  @Test func noneIsSatisfiable() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path)
    for (size, ranges) in [(1023, "1023-,5000-6000,-0"), (1 << 20 + 1, "9999999-,8888888-"), (0, "0-0,1-2")] {
      let response = try ask(sluice, "\(size).bin", ranges)
      #expect(response.status == 416 && response["Content-Range"] == "bytes */\(size)")
    }
  }

  /// RFC 9110 §14.2: Range is for GET.
  @Test func head() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path)
    let connection = try sluice.connect()
    for size in [1023, 1 << 20 + 1] {
      try connection.get("/\(size).bin", "Range: bytes=0-0,-1\r\n", method: "HEAD")
      let response = try connection.response(toHead: true)
      #expect(response.status == 200 && response.contentLength == size)
    }
    try connection.get("/hello.txt")
    #expect(try connection.response().text == "hello\n")
  }

  @Test func ifRange() throws {
    let site = try TemporarySite()
    try site.add("file.bin", Pattern.bytes(1000))
    try Shell.require(["touch", "-d", "2001-09-09 01:46:40 UTC", "\(site.path)/file.bin"])
    let sluice = try SluiceProcess(site.path)
    let etag = try #require(ask(sluice, "file.bin", "0-0")["ETag"])
    for (validator, isSame) in [
      (etag, true), ("Sun, 09 Sep 2001 01:46:40 GMT", true), ("\"other\"", false), ("W/\(etag)", false),
    ] {
      let response = try ask(sluice, "file.bin", "0-9,500-509", "If-Range: \(validator)\r\n")
      if isSame {
        try response.expectParts([0..<10, 500..<510], of: 1000)
      } else {
        #expect(response.status == 200 && response.body.count == 1000)
      }
    }
  }

  /// Nobody can foretell what is between the parts, so that no file can hold it.
  @Test func boundaries() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path)
    var boundaries: Set<String> = []
    for size in [1023, 1 << 20 + 1] {
      for _ in 0..<50 {
        boundaries.insert(try MultipartBody(ask(sluice, "\(size).bin", "0-0,-1")).boundary)
      }
    }
    #expect(boundaries.count == 100)
    // No part of one comes again.
    #expect(Set(boundaries.flatMap { [$0.prefix(16), $0.suffix(16)] }).count == 200)
  }

  /// What a rule says stands in the response's head, its type in the parts.
  @Test func longFieldsOfRules() throws {
    let site = try TemporarySite()
    for size in [16384, 100_000] { try site.add("\(size).xyz", Pattern.bytes(size)) }
    let value = String(repeating: "v", count: 16_000)
    let sluice = try SluiceProcess(site.path, flags: ["--header", "X-Long: \(value)", "--mime", "xyz=a/b"])
    for size in [16384, 100_000] {
      let response = try ask(sluice, "\(size).xyz", "0-15000,15500-15800,16000-16100")
      #expect(response["X-Long"] == value)
      try response.expectParts([0..<15001, 15500..<15801, 16000..<16101], of: size, type: "a/b")
    }
  }

  @Test func curl() throws {
    let sluice = try SluiceProcess(TemporarySite.common().path)
    let url = try sluice.url("http") + "/1048577.bin"
    #expect(try Curl.run(["-r", "0-1,3-4", url]).outputBytes == Pattern.bytes(5))
    try Curl.get(url, ["-r", "0-1,3000-3001,-5"]).expectParts(
      [0..<2, 3000..<3002, (1 << 20) - 4..<1 << 20 + 1], of: 1 << 20 + 1)
  }

  /// zsync fetches what has changed of a file by many ranges at a time.
  @Test(.enabled(if: TestMachine.has("zsync"), "zsync is missing: apt-get install zsync")) func zsync() throws
  {
    let (site, target) = (try TemporarySite(), try TemporarySite())
    let size = 3 << 20
    try site.add("new.bin", Pattern.bytes(size))
    try Shell.require(["zsyncmake", "-b", "2048", "-u", "new.bin", "new.bin"], workingFolder: site.path)
    // An old file that lacks every tenth block.
    var old = Pattern.bytes(size)
    for start in stride(from: 8192, to: size, by: 20480) {
      old.replaceSubrange(start..<start + 2048, with: repeatElement(0, count: 2048))
    }
    try target.add("old.bin", old)
    let sluice = try SluiceProcess(site.path)
    let result = try Shell.run(
      ["zsync", "-i", "old.bin", "-o", "new.bin", try sluice.url("http") + "/new.bin.zsync"],
      workingFolder: target.path)
    #expect(result.exitStatus == 0, "\(result.text.suffix(500))")
    #expect(readFile(target.path + "/new.bin") == Pattern.bytes(size))
    // It asks for some ten ranges at once, and has come to its end by parts.
    let requests = try #require(sluice.stopForMetrics()["requests"])
    #expect(requests < 60, "\(requests)")
    #expect(result.output.contains("verifying download...checksum matches OK"), "\(result.output)")
  }
}

/// The same where the kernel encrypts.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSMultipartRangeTests {
  @Test(arguments: Transfer.Transport.kernelSending) func everySize(transport: Transfer.Transport) throws {
    try transport.expectPartsOfEverySize()
  }

  @Test(arguments: Transfer.Transport.kernelSending) func theEnd(transport: Transfer.Transport) throws {
    try transport.expectPartsAndTheEnd()
  }

  @Test func slowReader() throws { try Transfer.Transport.kernelTLS.expectSlowReaderGetsAllParts() }

  @Test func finishedBeforeTheEnd() throws { try Transfer.Transport.kernelTLS.expectPartsAreFinished() }

  @Test func cutBetweenParts() throws { try Transfer.Transport.kernelTLS.expectCutBetweenPartsIsTold() }

  @Test func codings() throws { try Transfer.Transport.kernelTLS.expectPartsOfCodings() }
}
