import Glibc
import Testing

/// Times of files that say nothing, or that clients can't be told as they are.
@Suite struct FileTimeTests {
  private let site: TemporarySite

  init() throws {
    site = try TemporarySite()
    try site.add("small.txt", "content\n")
    try site.add("large.bin", Pattern.bytes(100_000))
    // Large files' tags are weak until their change is some time ago.
    usleep(2_200_000)
  }

  private func setTimes(_ time: String) throws {
    for name in ["small.txt", "large.bin"] {
      try Shell.require(["touch", "-m", "-d", time, "\(site.path)/\(name)"])
    }
  }

  /// The time of change is the kernel's own here, so that there are tags.
  @Test(arguments: Transfer.Transport.everywhere, ["@0", "@1", "@1.5"])
  func noTimeAtAll(transport: Transfer.Transport, time: String) throws {
    try setTimes(time)
    usleep(2_200_000)
    let sluice = try transport.serve(site.path)
    func get(_ path: String, _ arguments: [String] = []) throws -> HTTPResponse {
      try Curl.get(transport.url(sluice) + path, transport.flags() + arguments)
    }
    for (path, size) in [("/small.txt", 8), ("/large.bin", 100_000)] {
      let whole = try get(path)
      let tag = try #require(whole["ETag"])
      #expect(whole.status == 200 && whole["Last-Modified"] == nil && !tag.hasPrefix("W/"))
      for date in [
        "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:01 GMT", "Sun, 06 Nov 2005 08:49:37 GMT",
      ] {
        for field in ["If-Modified-Since", "If-Unmodified-Since"] {
          #expect(try get(path, ["-H", "\(field): \(date)"]).status == 200, "\(field), \(date)")
        }
        let part = try get(path, ["-r", "2-3", "-H", "If-Range: \(date)"])
        #expect(part.status == 200 && part.body.count == size)
      }
      #expect(try get(path, ["-r", "2-3", "-H", "If-Range: \(tag)"]).status == 206)
      let same = try get(path, ["-H", "If-None-Match: \(tag)"])
      #expect(same.status == 304 && same["Last-Modified"] == nil && same["ETag"] == tag)
    }
  }

  /// `touch` takes what the file system can hold, or the nearest.
  @Test func timesBefore1970() throws {
    try setTimes("1969-12-31 23:59:58.5 UTC")
    let sluice = try SluiceProcess(site.path)
    for path in ["/small.txt", "/large.bin"] {
      let url = try sluice.url("http") + path
      let modified = try Curl.get(url)["Last-Modified"]
      #expect(modified == "Wed, 31 Dec 1969 23:59:58 GMT")
      for (date, status) in [("23:59:57", 200), ("23:59:58", 304), ("23:59:59", 304)] {
        let field = "If-Modified-Since: Wed, 31 Dec 1969 \(date) GMT"
        #expect(try Curl.get(url, ["-H", field]).status == status, "\(field)")
      }
    }
  }

  /// Said as the time of the first look.
  @Test(arguments: ["2200-01-01 UTC", "2263-01-01 UTC", "2400-01-01 UTC", "12000-01-01 UTC"])
  func timesInTheFuture(time: String) throws {
    try setTimes(time)
    let sluice = try SluiceProcess(site.path)
    for path in ["/small.txt", "/large.bin"] {
      let response = try Curl.get(sluice.url("http") + path)
      #expect(response["Last-Modified"] != nil && response["Last-Modified"] == response["Date"])
    }
  }
}

/// Images whose files have no time of change of their own. The times are those of a file system in the test's hands.
@Suite(.serialized, .enabled(if: SlowDisk.isAvailable, Comment(rawValue: SlowDisk.lacksFUSE)))
struct ImageTimeTests {
  @Test(arguments: Transfer.Transport.everywhere, [0, 1, 1_000_000_000])
  func timesOfAnImage(transport: Transfer.Transport, seconds: Int) throws {
    let site = try TemporarySite()
    try site.addFolder("image")
    let disk = try SlowDisk(at: "\(site.path)/image")
    defer { disk.end() }
    try disk.setTimes(seconds: seconds)
    try disk.add("small.bin", size: 4_096)
    try disk.add("large.bin", size: 100_000)
    let sluice = try transport.serve(site.path)
    func get(_ path: String, _ arguments: [String] = []) throws -> HTTPResponse {
      try Curl.get(transport.url(sluice) + path, transport.flags() + arguments)
    }
    let date = "Sun, 09 Sep 2001 01:46:40 GMT"
    let saysSomething = seconds > 1
    for (path, size) in [("/image/small.bin", 4_096), ("/image/large.bin", 100_000)] {
      let whole = try get(path)
      #expect(whole.status == 200 && Pattern.matches(whole.body) && whole.body.count == size)
      #expect(whole["Last-Modified"] == (saysSomething ? date : nil))
      #expect(try get(path, ["-H", "If-Modified-Since: \(date)"]).status == (saysSomething ? 304 : 200))
      #expect(try get(path, ["-r", "0-9"]).status == 206)
      // The content of small files is known.
      guard size > 16_384 else {
        #expect(whole["ETag"]?.hasPrefix("\"") == true)
        continue
      }
      guard saysSomething else {
        #expect(whole["ETag"] == nil)
        #expect(try get(path, ["-H", "If-Match: \"a\""]).status == 412)
        #expect(try get(path, ["-r", "0-9", "-H", "If-Range: \(date)"]).status == 200)
        continue
      }
      let tag = try #require(whole["ETag"])
      #expect(tag.hasPrefix("W/"))
      #expect(try get(path, ["-H", "If-None-Match: \(tag)"]).status == 304)
      #expect(try get(path, ["-r", "0-9", "-H", "If-Range: \(tag.dropFirst(2))"]).body.count == size)
    }
  }
}
