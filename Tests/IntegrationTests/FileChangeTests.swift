import Glibc
import Testing

/// Files that change while they are served are seen anew within about a second.
@Suite struct FileChangeTests {
  private let site: TemporarySite
  private let sluice: SluiceProcess

  init() throws {
    site = try TemporarySite()
    sluice = try SluiceProcess(site.path)
  }

  /// Waits until a request is answered in this way, and says how long that took.
  private func time(_ path: String, until isAsExpected: (HTTPResponse) -> Bool) throws -> Double {
    let start = now()
    let connection = try sluice.connect()
    try waitUntil("\(path) is seen anew", seconds: 10) {
      try connection.get(path)
      return isAsExpected(try connection.response())
    }
    return now() - start
  }

  private func read(_ path: String) throws -> HTTPResponse {
    let connection = try sluice.connect()
    try connection.get(path)
    return try connection.response()
  }

  /// From memory and from an open file.
  @Test(arguments: [100, 100_000]) func editedInPlace(size: Int) throws {
    try site.add("file.bin", Pattern.bytes(size))
    #expect(try read("/file.bin").body == Pattern.bytes(size))
    let content = Pattern.bytes(size + 1, from: 7)
    try site.add("file.bin", content)
    let seconds = try time("/file.bin") { $0.body == content }
    #expect(seconds < 3)
  }

  @Test(arguments: [100, 100_000]) func replaced(size: Int) throws {
    try site.add("file.bin", Pattern.bytes(size))
    let first = try read("/file.bin")
    // The same size, so that only the file tells.
    try site.add("new.tmp", Pattern.bytes(size, from: 99))
    try Shell.require(["touch", "-d", "2001-09-09 01:46:40 UTC", "\(site.path)/new.tmp"])
    #expect(unsafe rename("\(site.path)/new.tmp", "\(site.path)/file.bin") == 0)
    let seconds = try time("/file.bin") { $0.body == Pattern.bytes(size, from: 99) }
    #expect(seconds < 3)
    #expect(try read("/file.bin")["ETag"] != first["ETag"])
  }

  /// The file is still the same one, but it is not beneath the root any more.
  @Test(arguments: [100, 100_000]) func folderReplacedByALinkThatLeadsOut(size: Int) throws {
    let outside = try TemporarySite()
    try site.addFolder("folder")
    try site.add("folder/file.bin", Pattern.bytes(size))
    #expect(try read("/folder/file.bin").status == 200)
    #expect(unsafe rename("\(site.path)/folder", "\(outside.path)/folder") == 0)
    try site.addLink("folder", to: "\(outside.path)/folder")
    #expect(try time("/folder/file.bin") { $0.status == 404 } < 3)
  }

  @Test func removedAndMade() throws {
    #expect(try read("/late.txt").status == 404)
    try site.add("late.txt", "late\n")
    #expect(try time("/late.txt") { $0.text == "late\n" } < 3)
    #expect(unsafe unlink("\(site.path)/late.txt") == 0)
    #expect(try time("/late.txt") { $0.status == 404 } < 3)
    try site.addFolder("late.txt")
    #expect(try time("/late.txt") { $0.status == 301 } < 3)
  }

  @Test func fileThatBecomesALinkThatLeadsOut() throws {
    let outside = try TemporarySite()
    try outside.add("secret.txt", "secret\n")
    try site.add("file.txt", "file\n")
    #expect(try read("/file.txt").text == "file\n")
    #expect(unsafe unlink("\(site.path)/file.txt") == 0)
    try site.addLink("file.txt", to: "\(outside.path)/secret.txt")
    let connection = try sluice.connect()
    try waitUntil("the link is refused", seconds: 10) {
      try connection.get("/file.txt")
      let response = try connection.response()
      #expect(!response.text.contains("secret"))
      return response.status == 404
    }
  }

  @Test func indexThatAppears() throws {
    #expect(try read("/").status == 404)
    try site.add("index.html", "home\n")
    #expect(try time("/") { $0.text == "home\n" } < 3)
  }

  @Test func growingFileIsNeverMoreThanItsLength() throws {
    let log = "\(site.path)/growing.log"
    try site.add("growing.log", Pattern.bytes(50_000))
    let writer = try Subprocess(["sh", "-c", "while :; do printf 0123456789 >>\"$0\"; done", log])
    let connection = try sluice.connect()
    for _ in 0..<200 {
      try connection.get("/growing.log")
      let response = try connection.response()
      #expect(response.status == 200 && response.body.count == response.contentLength)
    }
    writer.signal(SIGKILL)
  }

  @Test func manyFilesPassThroughTheCache() throws {
    // More than the cache holds.
    for index in 0..<1500 { try site.add("\(index).txt", "file \(index)\n") }
    let connection = try sluice.connect()
    for round in 0..<2 {
      for index in 0..<1500 {
        try connection.get("/\(index).txt")
        #expect(try connection.response().text == "file \(index)\n", "\(round)")
      }
    }
  }
}
