import Glibc
import Testing

/// What rules by path put into responses: the same over every transport.
@Suite struct RuleTests {
  @Test(arguments: [Transfer.Transport.plain, .userTLS]) func fieldsOfFiles(transport: Transfer.Transport)
    throws
  {
    try transport.expectFieldsOfRules()
  }

  /// What rules say of fields holds whatever the status, as with nginx's `always`: those for the file's path, or, where none is sent,
  /// for the path that was asked for.
  @Test func fieldsOfAllResponses() throws {
    let sites = try FieldSite()
    let sluice = try SluiceProcess(sites.site.path, flags: ["--config", sites.configuration])
    let url = try sluice.url("http")
    let ann = ["-u", "ann:secret"]
    for _ in 0..<2 {
      for (path, arguments, status) in [
        ("/docs/", [], 200), ("/docs/a.txt", ["-r", "0-0"], 206),
        ("/docs/a.txt", ["-H", "If-None-Match: *"], 304), ("/docs/sub", [], 301), ("/docs/old", [], 302),
        ("/docs/index.html", [], 308), ("/docs/a.txt/", [], 308), ("/docs/a.txt", ["-X", "OPTIONS"], 204),
        ("/docs/locked/a.txt", ann, 200), ("/docs/locked/a.txt", [], 401), ("/docs/closed/a", [], 403),
        ("/docs/none", [], 404), ("/docs/.none", [], 404), ("/docs/locked/none", ann, 404),
        ("/docs/a.txt", ["-X", "PUT"], 405), ("/docs/a.txt", ["-H", "If-Match: \"x\""], 412),
        ("/docs/a.txt", ["-r", "99-"], 416), ("/docs/a.txt", ["-H", "Expect: a"], 417),
        ("/docs/a.txt", ["-X", "FROB"], 501), ("//docs/%6Eone", [], 404),
        ("/docs/a.txt", ["-H", "Host: foe.example"], 421),
      ] {
        let response = try Curl.get(url + path, arguments)
        FieldSite.expectFields(of: response, status, isDocs: true, "\(path) \(arguments)")
      }
      for (path, arguments, status) in [
        ("/none", [], 404), ("/docs", [], 301), ("/old", [], 301), ("/%zz", [], 400), ("/.none", [], 404),
        ("/", ["-X", "PUT"], 405), ("/", ["-H", "Host: foe.example"], 421),
      ] {
        let response = try Curl.get(url + path, arguments)
        FieldSite.expectFields(of: response, status, isDocs: false, "\(path) \(arguments)")
      }
      // Beneath a base path, rules are for what is beneath.
      for (path, status, isDocs) in [
        ("/app/docs/none", 404, true), ("/%61pp/docs/sub", 301, true), ("/docs/none", 404, false),
        ("/app", 301, false),
      ] {
        let response = try Curl.get(url + path, ["-H", "Host: base.example"])
        FieldSite.expectFields(of: response, status, isDocs: isDocs, path)
      }
    }
  }

  /// So many kinds of paths that not all are remembered.
  @Test func fieldsOfManyKindsOfPaths() throws {
    let site = try TemporarySite()
    let rules = (0..<9).map {
      "[[path]]\nmatch = \"**\($0)**\"\nheaders = { set = { X-\($0) = \"x\" } }\n"
    }
    try site.add("c.toml", rules.joined())
    let sluice = try SluiceProcess(site.path, flags: ["--config", site.path + "/c.toml"])
    let connection = try sluice.connect()
    for number in 0..<600 {
      let digits = (0..<9).filter { number >> $0 & 1 == 1 }
      try connection.get("/n" + digits.map(String.init).joined())
      let response = try connection.response()
      let names = response.fields.filter { $0.value == "x" }.map(\.name)
      #expect(response.status == 404 && names == digits.map { "X-\($0)" })
    }
  }

  /// Over HTTP, too, where there is nothing but the way to HTTPS.
  @Test func fieldsOfTheWayToHTTPS() throws {
    let site = try TemporarySite()
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa),
      flags: [
        "--https-redirect", "--hsts", "100", "--security-headers", "--header", "/a/**=X-A: 1", "--header",
        "X-Frame-Options: DENY",
      ])
    for (path, value) in [("/a/b", "1"), ("/%61/b", "1"), ("/b", nil)] as [(String, String?)] {
      let response = try Curl.get(sluice.url("http") + path)
      #expect(response.status == 308 && response["X-A"] == value, "\(path)")
      #expect(response["X-Frame-Options"] == "DENY" && response["Strict-Transport-Security"] == nil)
    }
    let response = try Curl.get(sluice.url("https") + "/a/none", Curl.trusting(TestCertificates.ecdsa))
    #expect(response.status == 404 && response["X-A"] == "1")
    #expect(response["Strict-Transport-Security"] == "max-age=100")
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
      // Together with the longest Location.
      let connection = try sluice.connect()
      let text = String(repeating: "ä", count: 2000)
      try connection.get("/\(text)?\(text)")
      let moved = try connection.response()
      #expect(moved.status == 301 && moved["X-Long"] == value && moved["Location"]?.utf8.count == 24_002)
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

/// A site with rules for a folder, and all that may become of a request beneath it.
private struct FieldSite {
  let site: TemporarySite
  private let other: TemporarySite
  var configuration: String { other.path + "/c.toml" }

  init() throws {
    site = try TemporarySite()
    other = try TemporarySite()
    for folder in ["docs", "docs/sub", "docs/locked", "docs/closed"] { try site.addFolder(folder) }
    for name in ["docs/index.html", "docs/a.txt", "docs/locked/a.txt"] { try site.add(name, name + "\n") }
    try other.add("users", AuthenticationTests.ann)
    try other.add(
      "c.toml",
      """
      security-headers = true
      clean-urls = true
      strict-hosts = true
      hsts = "100"
      auth-over-http = "on"
      auth = ["/docs/locked/=\(other.path)/users"]
      header = ["X-All: 1"]
      redirect = ["/docs/old=/new:302", "/old=/new"]

      [[path]]
      match = "/docs/closed/"
      deny = ["all"]

      [[path]]
      match = "/docs/"
      cache-control = "max-age=60"
      headers.set = { X-Docs = "d", Referrer-Policy = "no-referrer" }
      headers.add = { Link = ["</a>", "</b>"] }
      headers.remove = ["Server", "X-Frame-Options"]

      [[host]]
      names = ["127.0.0.1"]
      root = "\(site.path)"

      [[host]]
      names = ["base.example"]
      root = "\(site.path)"
      base-path = "/app"
      """)
  }

  static func expectFields(of response: HTTPResponse, _ status: Int, isDocs: Bool, _ what: String) {
    #expect(response.status == status, "\(what): \(response.statusLine)")
    let links = response.fields.filter { $0.name == "Link" }.map(\.value)
    #expect(response["X-All"] == "1" && response["X-Content-Type-Options"] == "nosniff", "\(what)")
    #expect(response["X-Docs"] == (isDocs ? "d" : nil), "\(what)")
    #expect(links == (isDocs ? ["</a>", "</b>"] : []), "\(what)")
    #expect(response["Server"] == (isDocs ? nil : "sluice"), "\(what)")
    #expect(response["X-Frame-Options"] == (isDocs ? nil : "SAMEORIGIN"), "\(what)")
    #expect(
      response["Referrer-Policy"] == (isDocs ? "no-referrer" : "strict-origin-when-cross-origin"), "\(what)")
    #expect(response["Strict-Transport-Security"] == nil, "\(what)")
    // An error is not kept for as long as a file.
    let isKept = response["Cache-Control"] == "max-age=60"
    #expect(isKept == (isDocs && status < 400), "\(what): \(response.fields)")
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
