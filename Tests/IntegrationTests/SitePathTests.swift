import Testing

/// Where paths lead that are not a file's own: indexes, clean paths, the page of an application, pages for errors.
@Suite struct SitePathTests {
  static let transports: [Transfer.Transport] = [.plain, .userTLS]

  @Test(arguments: transports) func everyWay(transport: Transfer.Transport) throws {
    try transport.expectSitePaths()
  }

  /// What is true of an error now need not be so later, however long its page may be kept.
  @Test func errorsAreNotKept() throws {
    let site = try TemporarySite()
    for name in ["404.html", "405.html"] { try site.add(name, name + "\n") }
    let sluice = try SluiceProcess(
      site.path,
      flags: [
        "--error-page", "404=/404.html", "--error-page", "405=/405.html", "--cache-control",
        "405.html=no-store",
        "--cache-control", "*.html=public, max-age=31536000, immutable", "--header", "X-A: b",
      ])
    let url = try sluice.url("http")
    for _ in 0..<2 {
      let missing = try Curl.get(url + "/none")
      #expect(missing.status == 404 && missing["Cache-Control"] == nil && missing["X-A"] == "b")
      #expect(try Curl.get(url + "/404.html")["Cache-Control"] == "public, max-age=31536000, immutable")
      #expect(try Curl.get(url + "/404.html", ["-X", "DELETE"])["Cache-Control"] == "no-store")
    }
  }

  /// Whatever the clean name of such a page leads to, and whether or not it has been sent before.
  @Test func pagesForOthersAreMeantByTheirNames() throws {
    let site = try TemporarySite()
    for folder in ["404", "app"] { try site.addFolder(folder) }
    for name in ["index.htm", "index.html", "404.html", "404/index.htm", "app.html", "app/index.html"] {
      try site.add(name, name + "\n")
    }
    let index = ["--clean-urls", "--index", "index.htm,index.html"]
    for (fallback, location) in [("index.html", nil), ("app.html", "/app")] as [(String, String?)] {
      let sluice = try SluiceProcess(
        site.path, flags: index + ["--fallback", fallback, "--error-page", "404=/404.html"])
      let url = try sluice.url("http")
      for _ in 0..<2 {
        #expect(try Curl.get(url + "/users/7").text == fallback + "\n")
        let missing = try Curl.get(url + "/none.css")
        #expect(missing.status == 404 && missing.text == "404.html\n")
        #expect(try Curl.get(url + "/").text == "index.htm\n")
        let asked = try Curl.get(url + "/" + fallback)
        #expect(
          asked["Location"] == location && asked.text == (location == nil ? "index.html\n" : asked.text))
        #expect(try Curl.get(url + "/404.html")["Location"] == "/404")
      }
    }
  }

  /// A file that is named so, or a page that its folder does not lead to, has no other name.
  @Test func indexesThatStandForNothingElse() throws {
    let site = try TemporarySite()
    for folder in ["a", "b"] { try site.addFolder(folder) }
    for name in ["a/index", "a/index.html", "b/index.htm", "b/index.html"] { try site.add(name, name + "\n") }
    let sluice = try SluiceProcess(site.path, flags: ["--clean-urls", "--index", "index.htm,index.html"])
    let url = try sluice.url("http")
    for _ in 0..<2 {
      for (path, text) in [
        ("/a/index", "a/index\n"), ("/a/", "a/index.html\n"), ("/b/index", "b/index.html\n"),
        ("/b/", "b/index.htm\n"),
      ] {
        let response = try Curl.get(url + path)
        #expect(response.status == 200 && response.text == text, "\(path): \(response.fields)")
      }
    }
    // When the other one has gone, its folder leads to it.
    try Shell.require(["rm", site.path + "/b/index.htm"])
    try waitUntil("it is led to") { try Curl.get(url + "/b/index")["Location"] == "/b/" }
  }

  @Test func slashesToo() throws {
    let site = try TemporarySite()
    try site.add("a.txt", "a\n")
    try site.addFolder("sub")
    try site.add("sub/index.html", "sub\n")
    let lenient = try SluiceProcess(site.path)
    let strict = try SluiceProcess(site.path, flags: ["--trailing-slash", "strict"])
    for (sluice, status, location) in [(lenient, 308, "/a.txt?b"), (strict, 404, nil)] as [(_, _, String?)] {
      let response = try Curl.get(sluice.url("http") + "/a.txt/?b")
      #expect(response.status == status && response["Location"] == location)
      #expect(try Curl.get(sluice.url("http") + "/sub")["Location"] == "/sub/")
      #expect(try Curl.get(sluice.url("http") + "/a.txt//").status == status)
      #expect(try Curl.get(sluice.url("http") + "/a.txt/b").status == 404)
    }
  }

  @Test func indexesInTheirOrder() throws {
    let site = try TemporarySite()
    for folder in ["both", "second", "none"] { try site.addFolder(folder) }
    try site.add("both/index.html", "html\n")
    try site.add("both/index.htm", "htm\n")
    try site.add("second/index.htm", "second\n")
    let sluice = try SluiceProcess(site.path, flags: ["--index", "index.html, index.htm"])
    let url = try sluice.url("http")
    #expect(try Curl.get(url + "/both/").text == "html\n")
    #expect(try Curl.get(url + "/second/").text == "second\n")
    #expect(try Curl.get(url + "/second/index.htm").text == "second\n")
    #expect(try Curl.get(url + "/none/").status == 404)
    // The first of them comes and goes.
    try site.add("second/index.html", "first\n")
    try waitUntil("the new index is served") { try Curl.get(url + "/second/").text == "first\n" }
    try Shell.require(["rm", site.path + "/second/index.html"])
    try waitUntil("the old index is served again") { try Curl.get(url + "/second/").text == "second\n" }
    try Shell.require(["rm", site.path + "/second/index.htm"])
    try waitUntil("there is none") { try Curl.get(url + "/second/").status == 404 }
  }

  @Test(
    arguments: [
      ("index", ""), ("index", "a/b"), ("index", ".a"), ("index", "a,,b"), ("fallback", "/"),
      ("fallback", "/../a"),
      ("fallback", "/a//b"), ("error-page", "404"), ("error-page", "404="), ("error-page", "200=/a"),
      ("error-page", "400=/a"), ("error-page", "404=/.a"),
    ])
  func wrongValues(option: String, value: String) throws {
    let result = try SluiceProcess.run(["check", "--\(option)=\(value)"])
    #expect(result.exitStatus == 64)
    #expect(result.errorOutput.contains("--\(option)"), "\(result.text)")
  }
}

/// The same where the kernel encrypts.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSSitePathTests {
  @Test(arguments: Transfer.Transport.kernelSending) func everyWay(transport: Transfer.Transport) throws {
    try transport.expectSitePaths()
  }
}

extension Transfer.Transport {
  fileprivate func expectSitePaths() throws {
    let site = try TemporarySite()
    for folder in ["docs", "both", "empty", "guide"] { try site.addFolder(folder) }
    for name in ["index", "about", "docs/index", "docs/a b", "both", "guide", "guide/part"] {
      try site.add(name + ".html", name + "\n")
    }
    try site.add("both/index.html", "folder\n")
    try site.add("plain", "no ending\n")
    try site.add("plain.html", "an ending\n")
    try site.add("404.html", "not here\n")
    try site.add("large.html", [UInt8](repeating: 0x61, count: 100_000))
    let sluice = try serve(
      site.path,
      flags: [
        "--clean-urls", "--fallback", "index.html", "--error-page", "404=/404.html", "--error-page",
        "405=large.html", "--error-page", "501=/missing.html", "--cache-control", "404.html=no-store",
      ])
    let url = try url(sluice)
    // Twice: the second time it is known.
    for _ in 0..<2 {
      for (path, text) in [
        ("/", "index\n"), ("/about", "about\n"), ("/docs/", "docs/index\n"), ("/docs/a%20b", "docs/a b\n"),
        ("/both", "both\n"), ("/both/", "folder\n"), ("/guide", "guide\n"), ("/guide/part", "guide/part\n"),
        ("/plain", "no ending\n"), ("/plain.html", "an ending\n"),
        // What looks like a page of the application.
        ("/users/7", "index\n"), ("/empty/", "index\n"), ("/users/7/", "index\n"),
      ] {
        let response = try Curl.get(url + path, flags())
        #expect(response.status == 200 && response.text == text, "\(path)")
        #expect(
          response["Content-Type"]
            == (path == "/plain" ? "application/octet-stream" : "text/html; charset=utf-8"))
      }
      for (path, status, location) in [
        ("/about.html", 308, "/about"), ("/about.html?a=b", 308, "/about?a=b"), ("/index.html", 308, "/"),
        ("/docs/index.html", 308, "/docs/"), ("/docs/a%20b.html", 308, "/docs/a%20b"),
        ("/index", 308, "/"), ("/index?a=b", 308, "/?a=b"), ("/docs/index", 308, "/docs/"),
        ("//docs/%69ndex", 308, "/docs/"), ("/docs/index/", 308, "/docs/index"),
        ("/both/index", 308, "/both/"),
        ("/docs", 301, "/docs/"), ("/about/", 308, "/about"), ("/about/?a=b", 308, "/about?a=b"),
        ("/both.html", 308, "/both"), ("/guide.html", 308, "/guide"), ("/guide/", 308, "/guide"),
        ("//docs/index.html", 308, "/docs/"), ("/x/../about.html", 308, "/about"),
      ] {
        let response = try Curl.get(url + path, flags() + ["--path-as-is"])
        #expect(response.status == status && response["Location"] == location, "\(path): \(response.fields)")
      }
      for path in ["/none.css", "/docs/none.html", "/.hidden"] {
        let response = try Curl.get(url + path, flags())
        #expect(response.status == 404 && response.text == "not here\n", "\(path)")
        #expect(
          response["Content-Type"] == "text/html; charset=utf-8" && response["Cache-Control"] == "no-store")
        #expect(
          response["ETag"] == nil && response["Last-Modified"] == nil && response["Accept-Ranges"] == nil)
        // Neither a part of it, nor news of it.
        for field in ["Range: bytes=0-1", "If-None-Match: *"] {
          let other = try Curl.get(url + path, flags() + ["-H", field])
          #expect(other.status == 404 && other.text == "not here\n", "\(path), \(field)")
        }
      }
      let large = try Curl.get(url + "/about", flags() + ["-X", "DELETE"])
      #expect(large.status == 405 && large.body.count == 100_000 && large["Allow"] != nil)
      // Without such a page, a line of text.
      let unknown = try Curl.get(url + "/about", flags() + ["-X", "FROB"])
      #expect(unknown.status == 501 && unknown.text.hasPrefix("501"))
    }
    let head = try Curl.run(flags() + ["-sI", url + "/none.css"])
    #expect(
      head.output.hasPrefix("HTTP/1.1 404") && head.output.contains("Content-Length: 9\r\n"), "\(head.output)"
    )
  }
}
