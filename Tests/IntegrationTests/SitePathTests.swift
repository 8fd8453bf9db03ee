import Testing

/// Where paths lead that are not a file's own: indexes, clean paths, the page of an application, pages for errors.
@Suite struct SitePathTests {
  static let transports: [Transfer.Transport] = [.plain, .userTLS]

  @Test(arguments: transports) func everyWay(transport: Transfer.Transport) throws {
    try transport.expectSitePaths()
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
  @Test(arguments: Transfer.Transport.kernel) func everyWay(transport: Transfer.Transport) throws {
    try transport.expectSitePaths()
  }
}

extension Transfer.Transport {
  fileprivate func expectSitePaths() throws {
    let site = try TemporarySite()
    for folder in ["docs", "both", "empty"] { try site.addFolder(folder) }
    for name in ["index", "about", "docs/index", "docs/a b", "both"] {
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
        ("/both/", "folder\n"), ("/plain", "no ending\n"), ("/plain.html", "an ending\n"),
        // What looks like a page of the application.
        ("/users/7", "index\n"), ("/empty/", "index\n"), ("/about/", "index\n"),
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
        ("/docs", 301, "/docs/"),
        ("/both", 301, "/both/"), ("//docs/index.html", 308, "/docs/"), ("/x/../about.html", 308, "/about"),
      ] {
        let response = try Curl.get(url + path, flags() + ["--path-as-is"])
        #expect(response.status == status && response["Location"] == location, "\(path): \(response.fields)")
      }
      // `both.html` has a folder of its name, so it is asked for by its own.
      #expect(try Curl.get(url + "/both.html", flags()).text == "both\n")
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
