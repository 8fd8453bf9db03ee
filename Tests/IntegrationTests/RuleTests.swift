import Glibc
import Testing

/// What rules by path put into responses: the same over every transport.
@Suite struct RuleTests {
  @Test(arguments: [Transfer.Transport.plain, .userTLS]) func fieldsOfFiles(transport: Transfer.Transport)
    throws
  {
    try transport.expectFieldsOfRules()
  }

  @Test func aFieldAsLongAsMayBe() throws {
    let site = try TemporarySite()
    try site.add("a.txt", "a\n")
    try site.add("large.txt", [UInt8](repeating: 0x61, count: 100_000))
    let value = String(repeating: "v", count: 16_000)
    let sluice = try SluiceProcess(site.path, flags: ["--header", "X-Long: \(value)"])
    for _ in 0..<2 {
      for name in ["a.txt", "large.txt"] {
        let response = try Curl.get(sluice.url("http") + "/" + name)
        #expect(response.status == 200 && response["X-Long"] == value)
      }
      #expect(try Curl.get(sluice.url("http") + "/a.txt", ["-r", "0-0"])["X-Long"] == value)
    }
    let result = try SluiceProcess.run([
      "check", "--header", "X-Long: \(value)", "--header", "X-More: \(value)",
    ])
    #expect(result.exitStatus == 64 && result.errorOutput.contains("use 16384 or less"), "\(result.text)")
  }

  @Test(
    arguments: [
      ("cache-control", "max-age=60", "'/**=max-age=60' for all files"),
      ("cache-control", "public, max-age=60", "'/**=public, max-age=60' for all files"),
      ("cache-control", "no-cache", "PATTERN=VALUE"), ("cache-control", "{=a", "a pattern"),
      ("cache-control", "*.js=", "directives"), ("cache-control", "*.js=a\r\nb", "directives"),
      ("header", "X-A", "NAME: VALUE"), ("header", "*.js=X-A", "NAME: VALUE"),
      ("header", "X A: b", "no name of a header"), ("header", "Content-Length: 1", "the server's own"),
      ("header", "X-A: a\nb", "control character"), ("header", "X-A: a\r\n\r\nb", "control character"),
      ("mime", "gpx", "ENDING=TYPE"), ("mime", "gpx=gpx", "a media type"), ("mime", "a/b=a/b", "ENDING=TYPE"),
      ("mime", "gpx=a/b\r\nX: y", "a media type"),
    ])
  func wrongRules(option: String, value: String, expected: String) throws {
    let result = try SluiceProcess.run(["check", "--\(option)", value])
    #expect(result.exitStatus == 64)
    #expect(result.errorOutput.contains(expected), "\(result.errorOutput)")
    #expect(
      result.errorOutput.split(separator: "\n").count <= value.split(separator: "\n").count, "\(result.text)")
  }

  @Test func wrongSectionsOfAFile() throws {
    let site = try TemporarySite()
    try site.add(
      "a.toml",
      """
      [[path]]
      cache-control = "no-cache"
      [[path]]
      match = "{"
      [[path]]
      match = "*.js"
      type = "x"
      cash-control = "a"
      headers = { set = { "X A" = "b" }, drop = ["Server"] }
      [[path]]
      match = "a"
      headers = ["X"]
      [[path]]
      match = "b"
      headers = { remove = ["Content-Length"], add = { Link = 1.5 } }
      """)
    let result = try SluiceProcess.run(["check", "--config", site.path + "/a.toml"])
    #expect(result.exitStatus == 64)
    for (line, words) in [
      (1, "match = "), (4, "a pattern"), (7, "a media type"), (8, "did you mean 'cache-control'"),
      (5, "'X A'"),
      (9, "remove = "), (12, "a table"), (13, "the server's own"),
    ] {
      let found = result.errorOutput.split(separator: "\n").contains {
        $0.contains("/a.toml:\(line): ") && $0.contains(words)
      }
      #expect(found, "\(line), \(words): \(result.errorOutput)")
    }
  }
}

/// The same where the kernel encrypts.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSRuleTests {
  @Test(arguments: Transfer.Transport.kernelSending) func fieldsOfFiles(transport: Transfer.Transport) throws
  {
    try transport.expectFieldsOfRules()
  }
}

extension Transfer.Transport {
  fileprivate func expectFieldsOfRules() throws {
    let site = try TemporarySite()
    try site.add("index.html", "home\n")
    try site.addFolder("docs")
    try site.add("docs/a.pdf", "a\n")
    try site.add("docs/large.pdf", [UInt8](repeating: 0x61, count: 100_000))
    try site.add("main.3f9a1c2b.js", "let a\n")
    try site.add("LICENSE", "Apache\n")
    try site.add("a.gpx", "<gpx/>\n")
    let other = try TemporarySite()
    try other.add(
      "sluice.toml",
      """
      immutable = true
      security-headers = true
      cache-control = ["*.html=no-cache"]
      mime = ["gpx=application/gpx+xml"]

      [[path]]
      match = "/docs/*.{html,pdf}"
      cache-control = "max-age=3600"
      headers = { set = { X-Robots-Tag = "none" }, add = { Link = ["</a>", "</b>"] }, remove = ["Server", "x-frame-options"] }

      [[path]]
      match = "LICENSE"
      type = "text/plain; charset=utf-8"
      headers.remove = ["ETag", "Last-Modified"]
      """)
    let sluice = try serve(
      site.path, flags: ["--config", other.path + "/sluice.toml", "--header", "X-All: é = 1"])
    let url = try url(sluice)
    // The tag of a large file that was changed just now does not last.
    usleep(2_200_000)
    // Twice: the second one comes from the cache.
    for _ in 0..<2 {
      let home = try Curl.get(url + "/", flags())
      #expect(home.status == 200 && home["Cache-Control"] == "no-cache" && home["X-All"] == "é = 1")
      #expect(home["X-Content-Type-Options"] == "nosniff" && home["Server"] == "sluice")
      for name in ["docs/a.pdf", "docs/large.pdf"] {
        let file = try Curl.get(url + "/" + name, flags())
        for (arguments, status) in [
          ([], 200), (["-r", "1-2"], 206), (["-H", "If-None-Match: \(file["ETag"] ?? "")"], 304),

          (["--http1.0"], 200),
        ] {
          let response = try Curl.get(url + "/" + name, flags() + arguments)
          #expect(response.status == status)
          #expect(response["Cache-Control"] == "max-age=3600" && response["X-Robots-Tag"] == "none")
          #expect(response.fields.filter { $0.name == "Link" }.map(\.value) == ["</a>", "</b>"])
          #expect(
            response["Server"] == nil && response["X-Frame-Options"] == nil && response["X-All"] == "é = 1")
        }
        #expect(file.body == Array(try #require(readFile(site.path + "/" + name))))
      }
      #expect(
        try Curl.get(url + "/main.3f9a1c2b.js", flags())["Cache-Control"]
          == "public, max-age=31536000, immutable")
      let license = try Curl.get(url + "/LICENSE", flags())
      #expect(license["Content-Type"] == "text/plain; charset=utf-8")
      #expect(
        license["ETag"] == nil && license["Last-Modified"] == nil && license["Accept-Ranges"] == "bytes")
      #expect(try Curl.get(url + "/a.gpx", flags())["Content-Type"] == "application/gpx+xml")
      #expect(try Curl.get(url + "/none", flags())["Cache-Control"] == nil)
    }
  }
}
