import Glibc
import Testing

/// If-Match and the others: 304, 412, and their order (RFC 9110 §13.2.2).
@Suite struct ConditionalRequestTests {
  private static let date = "Sun, 09 Sep 2001 01:46:40 GMT"
  private static let before = "Sun, 09 Sep 2001 01:46:39 GMT"
  private static let after = "Sun, 09 Sep 2001 01:46:41 GMT"

  private let site: TemporarySite
  private let sluice: SluiceProcess
  private let connection: RawConnection
  private let etag: String

  init() throws {
    site = try TemporarySite()
    try site.add("file.txt", "content\n")
    try Shell.require(["touch", "-d", "2001-09-09 01:46:40 UTC", "\(site.path)/file.txt"])
    sluice = try SluiceProcess(site.path)
    connection = try sluice.connect()
    try connection.get("/file.txt")
    etag = try #require(try connection.response()["ETag"])
  }

  private func status(_ fields: String..., method: String = "GET") throws -> Int {
    try connection.get("/file.txt", fields.map { "\($0)\r\n" }.joined(), method: method)
    let response = try connection.response(toHead: method == "HEAD")
    if response.status == 304 {
      #expect(response["ETag"] == etag && response["Last-Modified"] == Self.date && response["Date"] != nil)
      #expect(response.body.isEmpty && response["Content-Type"] == nil)
    }
    return response.status
  }

  @Test func ifNoneMatch() throws {
    for method in ["GET", "HEAD"] {
      #expect(try status("If-None-Match: \(etag)", method: method) == 304)
      #expect(try status("If-None-Match: W/\(etag)", method: method) == 304)
      #expect(try status("If-None-Match: *", method: method) == 304)
      #expect(try status("If-None-Match: \"a\", \(etag),\"b\"", method: method) == 304)
      #expect(try status("If-None-Match: \"a\"", "If-None-Match: \(etag)", method: method) == 304)
      #expect(try status("If-None-Match: \"other\"", method: method) == 200)
    }
  }

  /// Last-Modified is never later than Date, and stays what it was once said to be (RFC 9110 §8.8.2.1).
  @Test func aFileFromTheFuture() throws {
    try site.add("future.txt", "content\n")
    try Shell.require(["touch", "-d", "2200-01-01 00:00:00 UTC", "\(site.path)/future.txt"])
    func response(_ fields: String = "", method: String = "GET") throws -> HTTPResponse {
      try connection.get("/future.txt", fields, method: method)
      return try connection.response(toHead: method == "HEAD")
    }
    let first = try response()
    let modified = try #require(first["Last-Modified"])
    #expect(modified == first["Date"])
    usleep(1_100_000)
    #expect(try response()["Last-Modified"] == modified)
    #expect(try response(method: "HEAD")["Last-Modified"] == modified)
    #expect(try response("If-Modified-Since: \(modified)\r\n").status == 304)
    #expect(try response("If-Unmodified-Since: \(modified)\r\n").status == 200)
  }

  @Test func ifModifiedSince() throws {
    #expect(try status("If-Modified-Since: \(Self.date)") == 304)
    #expect(try status("If-Modified-Since: \(Self.after)") == 304)
    #expect(try status("If-Modified-Since: \(Self.before)") == 200)
    #expect(try status("If-Modified-Since: Sunday, 09-Sep-01 01:46:40 GMT") == 304)
    #expect(try status("If-Modified-Since: Sun Sep  9 01:46:40 2001") == 304)
    #expect(try status("If-Modified-Since: yesterday") == 200)
    #expect(try status("If-Modified-Since: \(Self.date)", method: "HEAD") == 304)
  }

  @Test func ifMatch() throws {
    #expect(try status("If-Match: \(etag)") == 200)
    #expect(try status("If-Match: *") == 200)
    #expect(try status("If-Match: \"a\", \(etag)") == 200)
    #expect(try status("If-Match: \"other\"") == 412)
    #expect(try status("If-Match: W/\(etag)") == 412)
  }

  @Test func ifUnmodifiedSince() throws {
    #expect(try status("If-Unmodified-Since: \(Self.date)") == 200)
    #expect(try status("If-Unmodified-Since: \(Self.after)") == 200)
    #expect(try status("If-Unmodified-Since: \(Self.before)") == 412)
    #expect(try status("If-Unmodified-Since: nonsense") == 200)
  }

  @Test func order() throws {
    // A tag outweighs a date.
    #expect(try status("If-None-Match: \"other\"", "If-Modified-Since: \(Self.date)") == 200)
    #expect(try status("If-None-Match: \(etag)", "If-Modified-Since: \(Self.before)") == 304)
    #expect(try status("If-Match: \(etag)", "If-Unmodified-Since: \(Self.before)") == 200)
    // What has failed comes before what has not changed.
    #expect(try status("If-Match: \"other\"", "If-None-Match: \(etag)") == 412)
    #expect(try status("If-Match: \(etag)", "If-None-Match: \(etag)") == 304)
    #expect(try status("If-Unmodified-Since: \(Self.before)", "If-Modified-Since: \(Self.date)") == 412)
    // And all of that before a range.
    #expect(try status("If-None-Match: \(etag)", "Range: bytes=0-1") == 304)
    #expect(try status("If-Match: \"other\"", "Range: bytes=0-1") == 412)
    #expect(try status("If-None-Match: \"other\"", "Range: bytes=0-1") == 206)
    #expect(try status("If-None-Match: \"other\"", "Range: bytes=99-") == 416)
  }

  @Test func conditionsOnNothing() throws {
    for field in ["If-None-Match: *", "If-Match: *", "If-Modified-Since: \(Self.date)"] {
      try connection.get("/none.txt", "\(field)\r\n")
      #expect(try connection.response().status == 404, "\(field)")
    }
  }

  @Test func curlAsksForWhatIsNewer() throws {
    let url = try sluice.url("http") + "/file.txt"
    #expect(try Curl.get(url, ["-z", Self.date]).status == 304)
    #expect(try Curl.get(url, ["-z", "2000-01-01"]).status == 200)
  }

  @Test func anotherContentHasAnotherTag() throws {
    try site.add("file.txt", "another\n")
    try Shell.require(["touch", "-d", "2001-09-09 01:46:41 UTC", "\(site.path)/file.txt"])
    try waitUntil("the change is seen", seconds: 10) {
      try connection.get("/file.txt", "If-None-Match: \(etag)\r\n")
      let response = try connection.response()
      return response.status == 200 && response["ETag"] != etag
    }
  }
}
