import Glibc
import Testing

/// Files in codings that lie beside others.
@Suite struct PrecompressedTests {
  @Test(arguments: [Transfer.Transport.plain, .userTLS]) func everyCoding(transport: Transfer.Transport)
    throws
  {
    try transport.expectCodings()
  }

  private func coding(_ url: String, _ accepted: String, _ arguments: [String] = []) throws -> HTTPResponse {
    try Curl.get(url, ["-H", "Accept-Encoding: \(accepted)"] + arguments)
  }

  /// A cache must not give to others what was made for who wanted no coding, or another one: RFC 9110 §12.5.5.
  @Test func whoeverAsksFirstIsToldThatItVaries() throws {
    let site = try TemporarySite()
    let questions: [(String, [String])] = [
      ("a.css", []), ("b.css", ["-H", "Accept-Encoding: gzip"]), ("c.css", ["-r", "0-1"]),
      ("e.css", ["-H", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"]), ("large.css", []),
      ("f.css", ["-H", "Accept-Encoding: identity"]),
    ]
    for (name, _) in questions {
      try site.add(name, name == "large.css" ? [UInt8](repeating: 0x20, count: 100_000) : Array("css\n".utf8))
      try site.add(name + ".br", "br\n")
    }
    try site.add("none.css", "css\n")
    let sluice = try SluiceProcess(site.path)
    let url = try sluice.url("http")
    for (name, arguments) in questions {
      let response = try Curl.get("\(url)/\(name)", arguments)
      #expect(response["Vary"] == "Accept-Encoding", "\(name): \(response.fields)")
      #expect(response["Content-Encoding"] == nil)
    }
    for _ in 0..<2 { #expect(try Curl.get(url + "/none.css")["Vary"] == nil) }
  }

  @Test func onlyWhatIsNoOlder() throws {
    let site = try TemporarySite()
    try site.add("a.css", "css\n")
    try site.add("a.css.br", "old\n")
    try Shell.require(["touch", "-d", "2001-01-01 00:00:00.5 UTC", site.path + "/a.css.br"])
    try Shell.require(["touch", "-d", "2001-01-01 00:00:00.6 UTC", site.path + "/a.css"])
    let sluice = try SluiceProcess(site.path)
    let url = try sluice.url("http") + "/a.css"
    for _ in 0..<2 {
      let response = try coding(url, "br")
      #expect(response.text == "css\n" && response["Content-Encoding"] == nil && response["Vary"] == nil)
    }
    // Made anew, it is sent; changed original: not any more; gone: neither.
    try site.add("a.css.br", "new\n")
    try waitUntil("the new one is sent") { try coding(url, "br").text == "new\n" }
    #expect(try coding(url, "gzip")["Vary"] == "Accept-Encoding")
    usleep(20_000)
    try site.add("a.css", "changed\n")
    try waitUntil("the original is sent") { try coding(url, "br").text == "changed\n" }
    usleep(20_000)
    try site.add("a.css.br", "again\n")
    try waitUntil("it is sent again") { try coding(url, "br").text == "again\n" }
    try Shell.require(["rm", site.path + "/a.css.br"])
    try waitUntil("it is gone") { try coding(url, "br").text == "changed\n" }
    #expect(try coding(url, "br")["Vary"] == nil)
  }

  /// None is made of nothing, so one that is empty was not written to its end.
  @Test func emptyOnesArePassedOver() throws {
    let site = try TemporarySite()
    for name in ["a.css", "none.css"] { try site.add(name, name == "a.css" ? "css\n" : "") }
    try site.add("a.css.gz", "")
    try site.add("none.css.gz", "gz\n")
    let sluice = try SluiceProcess(site.path)
    let url = try sluice.url("http")
    for _ in 0..<2 {
      let response = try coding(url + "/a.css", "gzip")
      #expect(response.text == "css\n" && response["Content-Encoding"] == nil)
      #expect(try coding(url + "/none.css", "gzip").text == "gz\n")
    }
    #expect(try sluice.stop() == 0)
  }

  /// Once a file, whichever worker finds it, and of the first some.
  @Test(arguments: Transfer.Transport.everywhere) func oldOnesAreLogged(transport: Transfer.Transport) throws
  {
    let site = try TemporarySite()
    let names = ["a\nb.css"] + (1...20).map { "\($0).css" }
    for name in names {
      try site.add(name + ".gz", "old\n")
      try Shell.require(["touch", "-d", "2001-01-01 UTC", "\(site.path)/\(name).gz"])
      try site.add(name, "css\n")
    }
    try site.addFolder("sub")
    try site.add("sub/new.css", "css\n")
    usleep(20_000)
    try site.add("sub/new.css.gz", "new\n")
    let sluice = try transport.serve(site.path, flags: ["--workers", "2"])
    func lines() -> [Substring] {
      sluice.process.errorOutput.split(separator: "\n").filter { $0.contains("is older than its original") }
    }
    func get(_ path: String) throws -> String {
      try coding(transport.url(sluice) + path, "gzip", transport.flags()).text
    }
    for _ in 0..<8 { #expect(try get("/a%0Ab.css") == "css\n") }
    try waitUntil("the log says so") { lines().count == 1 }
    #expect(lines()[0].contains("/a\\nb.css.gz\" is older"), "\(lines())")
    #expect(try get("/sub/new.css") == "new\n")
    for _ in 0..<2 { for number in 1...20 { #expect(try get("/\(number).css") == "css\n") } }
    try waitUntil("the log says of the first") { lines().count == 16 }
    #expect(lines().last?.hasSuffix("of others, nothing is said") == true)
    let metrics = try sluice.stopForMetrics()
    #expect(
      lines().count == 16
        && Set(lines().compactMap { $0.split(separator: "\"").dropFirst().first }).count == 16)
    #expect(try #require(metrics["stale_codings"]) >= 21)
  }

  /// Programs give it the original's time, cut off to seconds, or to what their system calls know.
  @Test(arguments: ["00", "00.123", "00.123456", "00.123456789"]) func theSameTimeCutOff(second: String)
    throws
  {
    let site = try TemporarySite()
    for (name, second) in [("a.css", "00.123456789"), ("a.css.br", second), ("a.css.gz", "00.123456788")] {
      try site.add(name, name)
      try Shell.require(["touch", "-d", "2001-01-01 00:00:\(second) UTC", site.path + "/" + name])
    }
    let sluice = try SluiceProcess(site.path)
    #expect(try coding(sluice.url("http") + "/a.css", "br").text == "a.css.br")
    #expect(try coding(sluice.url("http") + "/a.css", "gzip").text == "a.css")
  }

  /// A file that is in a coding itself.
  @Test func svgz() throws {
    let site = try TemporarySite()
    try site.add("a.svgz", "gz\n")
    try site.add("a.svgz.gz", "twice\n")
    let sluice = try SluiceProcess(site.path)
    for accepted in ["gzip", "identity"] {
      let response = try coding(sluice.url("http") + "/a.svgz", accepted)
      #expect(response.text == "gz\n" && response["Content-Encoding"] == "gzip")
      #expect(response["Content-Type"] == "image/svg+xml")
    }
  }

  @Test func offAndSome() throws {
    let site = try TemporarySite()
    for (name, text) in [("a.js", "js\n"), ("a.js.br", "br\n"), ("a.js.gz", "gz\n"), ("a.js.zst", "zst\n")] {
      try site.add(name, text)
    }
    for (flag, accepted, text) in [
      ("off", "br, gzip", "js\n"), ("gzip", "br, gzip", "gz\n"), ("gzip,br", "br, gzip, zstd", "gz\n"),
      ("zstd, gzip", "br", "js\n"), ("zstd,br,gzip", "br, gzip, zstd", "zst\n"),
    ] {
      let sluice = try SluiceProcess(site.path, flags: ["--precompressed", flag])
      for _ in 0..<2 {
        #expect(try coding(sluice.url("http") + "/a.js", accepted).text == text, "\(flag)")
      }
    }
    for value in ["deflate", "br,br", "", "br;gzip"] {
      #expect(try SluiceProcess.run(["check", "--precompressed=\(value)"]).exitStatus == 64, "\(value)")
    }
  }
}

/// The same where the kernel encrypts.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSPrecompressedTests {
  @Test(arguments: Transfer.Transport.kernelSending) func everyCoding(transport: Transfer.Transport) throws {
    try transport.expectCodings()
  }
}

extension Transfer.Transport {
  fileprivate func expectCodings() throws {
    let site = try TemporarySite()
    try site.addFolder("docs")
    let large = [UInt8](repeating: 0x62, count: 100_000)
    for (name, text) in [
      ("app.js", "original\n"), ("docs/index.html", "page\n"), ("page.html", "clean\n"),
      ("photo.jpg", "jpg\n"),
      ("large.svg", String(repeating: "a", count: 200_000)),
    ] { try site.add(name, text) }
    usleep(20_000)
    for (name, text) in [
      ("app.js.br", "br\n"), ("app.js.gz", "gzip\n"), ("docs/index.html.gz", "page gz\n"),
      ("page.html.zst", "clean zst\n"),
      ("photo.jpg.gz", "jpg gz\n"),
    ] { try site.add(name, text) }
    try site.add("large.svg.gz", large)
    let sluice = try serve(site.path, flags: ["--clean-urls", "--cache-control", "*.js=max-age=5"])
    let url = try url(sluice)
    func get(_ path: String, _ accepted: String?, _ arguments: [String] = []) throws -> HTTPResponse {
      try Curl.get(
        url + path, flags() + (accepted.map { ["-H", "Accept-Encoding: \($0)"] } ?? []) + arguments)
    }
    for _ in 0..<2 {
      for (path, accepted, text, coding) in [
        ("/app.js", "gzip, deflate, br, zstd", "br\n", "br"), ("/app.js", "gzip", "gzip\n", "gzip"),
        ("/app.js", "zstd", "original\n", nil), ("/app.js", nil, "original\n", nil),
        ("/app.js", "br;q=0", "original\n", nil),
        ("/docs/", "gzip, br", "page gz\n", "gzip"), ("/page", "zstd, gzip", "clean zst\n", "zstd"),
        // Two lines are one list.
        ("/app.js", "zstd\r\nAccept-Encoding: gzip;q=0.5", "gzip\n", "gzip"),
        ("/photo.jpg", "gzip", "jpg\n", nil), ("/app.js.gz", "gzip", "gzip\n", nil),
      ] as [(String, String?, String, String?)] {
        let response = try get(path, accepted)
        #expect(response.status == 200 && response.text == text, "\(path), \(accepted ?? "-")")
        #expect(response["Content-Encoding"] == coding)
        if path == "/app.js" {
          #expect(response["Content-Type"] == "text/javascript; charset=utf-8")
          #expect(response["Cache-Control"] == "max-age=5")
        }
      }
      #expect(try get("/app.js", "gzip")["Vary"] == "Accept-Encoding")
      #expect(try get("/app.js", nil)["Vary"] == "Accept-Encoding")
      #expect(try get("/photo.jpg", "gzip")["Vary"] == nil)
      #expect(try get("/app.js.gz", "gzip")["Content-Type"] == "application/gzip")
      // A validator of its own, and parts of what was chosen.
      let (coded, plain) = (try get("/app.js", "br"), try get("/app.js", nil))
      let tags = [coded["ETag"], plain["ETag"]].compactMap { $0 }
      #expect(tags.count == 2 && tags[0] != tags[1])
      for (accepted, tag, status) in [
        ("br", tags[0], 304), ("br", tags[1], 200), (nil, tags[1], 304), (nil, tags[0], 200),
      ] as [(String?, String, Int)] {
        let response = try get("/app.js", accepted, ["-H", "If-None-Match: \(tag)"])
        #expect(response.status == status && response["Vary"] == "Accept-Encoding")
      }
      for (arguments, status) in [(["-H", "If-Match: \"x\""], 412), (["-r", "1000000-"], 416)] {
        for accepted in ["br", nil] {
          let response = try get("/app.js", accepted, arguments)
          #expect(response.status == status && response["Vary"] == "Accept-Encoding", "\(response.fields)")
        }
        #expect(try get("/photo.jpg", "gzip", arguments)["Vary"] == nil)
      }
      let whole = try get("/large.svg", "gzip")
      #expect(whole.body == large && whole["Content-Encoding"] == "gzip")
      let part = try get("/large.svg", "gzip", ["-r", "99990-"])
      #expect(
        part.status == 206 && part.body == Array(large.suffix(10)) && part["Content-Encoding"] == "gzip")
      #expect(part["Content-Range"] == "bytes 99990-99999/100000")
    }
  }
}
