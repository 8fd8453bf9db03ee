import Testing

/// What is decided before a file is looked for: who may have it, where else it is, over what it is to be asked for.
@Suite struct GateTests {
  @Test(arguments: Transfer.Transport.everywhere) func redirects(transport: Transfer.Transport) throws {
    try transport.expectRedirects()
  }

  @Test(arguments: Transfer.Transport.everywhere) func networks(transport: Transfer.Transport) throws {
    try transport.expectNetworks()
  }

  @Test(arguments: Transfer.Transport.everywhere) func sharing(transport: Transfer.Transport) throws {
    try transport.expectSharing()
  }

  /// A star of the target that stands for an address of somewhere else leads nowhere else.
  @Test func redirectsStayHere() throws {
    let site = try TemporarySite()
    let sluice = try SluiceProcess(
      site.path, flags: ["--redirect", "/r/**=/*", "--redirect", "/en**=/*", "--redirect", "/s/*=/new/*?x"])
    let url = try sluice.url("http")
    for (path, location) in [
      ("/en/evil.example", "/evil.example"), ("/en//evil.example", "/evil.example"),
      ("/en%2fevil.example", "/evil.example"),
      ("/en/x/..", "/"), ("/en/%5c/evil.example", "/%5C/evil.example"), ("/enevil.example", "/evil.example"),
      ("/r//evil.example/", "/evil.example/"), ("/r/%2Fevil.example", "/evil.example"),
      ("/r/%5Cevil.example", "/%5Cevil.example"), ("/r/%0D%0AX-A:%20b", "/%0D%0AX-A:%20b"), ("/r/", "/"),
      ("/r/https://evil.example", "/https:/evil.example"), ("/s/%3Fa?b", "/new/%3Fa?x&b"),
      ("/s/%C3%A4", "/new/%C3%A4?x"),
    ] {
      let response = try Curl.get(url + path)
      #expect(response.status == 301 && response["Location"] == location, "\(path): \(response.fields)")
      #expect(response["X-A"] == nil)
    }
  }

  /// As nginx's rewrite has it.
  @Test func queriesGoAlong() throws {
    let site = try TemporarySite()
    let targets = ["/n", "/n?x=1", "/n?", "/n#f", "/n?x=1#f", "/n?#f", "https://example.com/?x="]
    let flags = targets.enumerated().flatMap { ["--redirect", "/\($0)=\($1)"] }
    let sluice = try SluiceProcess(
      site.path, flags: flags + ["--redirect", "/s/**=/*?y#z", "--redirect", "/q/**=/n?q=*&l=x"])
    for (path, location) in [
      ("/0", "/n"), ("/0?", "/n?"), ("/0?a=b&c", "/n?a=b&c"), ("/1", "/n?x=1"), ("/1?", "/n?x=1"),
      ("/1?a=b", "/n?x=1&a=b"), ("/2", "/n"), ("/2?a=b", "/n"), ("/3?a=b", "/n?a=b#f"),
      ("/4?a=b", "/n?x=1&a=b#f"), ("/5?a=b", "/n#f"), ("/6?a", "https://example.com/?x=&a"),
      ("/s/t/u?a", "/t/u?y&a#z"),
      // What the star stands for is one value.
      ("/q/a/b%26admin=1%23x%3b%2b%20", "/n?q=a/b%26admin%3D1%23x%3B%2B%20&l=x"), ("/q/a?b", "/n?q=a&l=x&b"),
    ] { #expect(try Curl.get(sluice.url("http") + path)["Location"] == location, "\(path)") }
  }

  /// A page that is not for everybody is that by whatever name, as the page for a status, and in listings.
  @Test func pagesByAllTheirNames() throws {
    let site = try TemporarySite()
    for folder in ["two", "three", "four", "five"] { try site.addFolder(folder) }
    for name in ["open", "one", "two", "three", "three/part", "four/index", "five/page"] {
      try site.add(name + ".html", name + "\n")
    }
    try site.add("one.html.gz", "one\n")
    try site.add("app.js", "js\n")
    let rules = ["/one.html", "/two/", "/three", "/four/index.html", "/five/*.html"].map {
      "[[path]]\nmatch = \"\($0)\"\ndeny = [\"127.0.0.1\"]\n"
    }
    let pages = "error-page = [\"404=/one.html\", \"403=/two.html\"]\n"
    try site.add("c.toml", "clean-urls = true\nlisting = true\n" + pages + rules.joined())
    let sluice = try SluiceProcess(site.path, flags: ["--config", site.path + "/c.toml"])
    let url = try sluice.url("http")
    for _ in 0..<2 {
      for path in [
        "/one", "/one.html", "/one.html.gz", "/one/", "/one.html/", "/%6Fne", "//one", "/two", "/two.html",
        "/two/", "/two/none", "/three", "/three.html", "/three/", "/three/part", "/three/part.html",
        "/three/none", "/four/", "/four/index", "/four/index.html", "/five/page", "/five/page.html",
        "/five/page/",
      ] {
        for more in [[], ["-H", "Accept-Encoding: gzip"], ["-H", "If-None-Match: *"], ["-r", "0-0"]] {
          let response = try Curl.get(url + path, more)
          #expect(response.status == 403 && response["Location"] == nil, "\(path): \(response.fields)")
          #expect(response.text == "two\n", "the page for who is refused")
        }
      }
      for (path, status) in [
        ("/open", 200), ("/app.js", 200), ("/open.html", 308), ("/four", 301), ("/five/", 200),
        ("/none", 404),
      ] {
        let response = try Curl.get(url + path)
        #expect(response.status == status && response.text != "one\n", "\(path)")
      }
      let listing = try Curl.get(url + "/?format=json").text
      for name in ["open.html", "app.js", "four", "five"] {
        #expect(listing.contains("\"name\":\"\(name)\""), "\(name)")
      }
      for name in ["one", "two", "three"] { #expect(!listing.contains("\"name\":\"\(name)"), "\(name)") }
      #expect(try !Curl.get(url + "/five/?format=json").text.contains("page"))
    }
  }

  /// There is no path to lead to: RFC 9110 §9.3.7.
  @Test func optionsOfTheServer() throws {
    let site = try TemporarySite()
    let sluice = try SluiceProcess(site.path, .both(TestCertificates.ecdsa), flags: ["--https-redirect"])
    let connection = try sluice.connect()
    try connection.get("*", method: "OPTIONS")
    let response = try connection.response()
    #expect(
      response.status == 204 && response["Allow"] == "GET, HEAD, OPTIONS" && response["Location"] == nil)
    try connection.get("/", method: "OPTIONS")
    #expect(try connection.response().status == 308)
  }

  @Test func overHTTPThereIsTheWayToHTTPS() throws {
    let site = try TemporarySite()
    try site.add("a.txt", "a\n")
    try site.addFolder(".well-known")
    try site.addFolder(".well-known/acme-challenge")
    try site.add(".well-known/acme-challenge/token", "token\n")
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa),
      flags: ["--https-redirect", "--hsts", "31536000;includeSubDomains"])
    let (plain, secure) = (try sluice.url("http"), try sluice.url("https"))
    let port = try sluice.securePort
    for (arguments, location) in [
      ([plain + "/a.txt?b=c%20d"], "https://127.0.0.1:\(port)/a.txt?b=c%20d"),
      (["-H", "Host: example.com:8080", plain + "/none"], "https://example.com:\(port)/none"),
      (["-X", "POST", plain + "/a.txt"], "https://127.0.0.1:\(port)/a.txt"),
      (["-X", "GET", "-d", "x", plain + "/a.txt"], "https://127.0.0.1:\(port)/a.txt"),
      (["-H", "Host: [::1]:80", plain + "/../a"], "https://[::1]:\(port)/../a"),
      (
        [plain + "/.well-known/acme-challenge/../../a.txt"],
        "https://127.0.0.1:\(port)/.well-known/acme-challenge/../../a.txt"
      ),
      (
        [plain + "/.well-known/acme-challenge/%2e%2e/%2e%2e/a.txt"],
        "https://127.0.0.1:\(port)/.well-known/acme-challenge/%2e%2e/%2e%2e/a.txt"
      ),
      ([plain + "/.well-known/acme-challenge/"], "https://127.0.0.1:\(port)/.well-known/acme-challenge/"),
      ([plain + "/.well-known/acme-challenge"], "https://127.0.0.1:\(port)/.well-known/acme-challenge"),
    ] {
      let response = try Curl.get(arguments[arguments.count - 1], Array(arguments.dropLast()))
      #expect(response.status == 308 && response["Location"] == location, "\(arguments): \(response.fields)")
      #expect(response["Strict-Transport-Security"] == nil)
    }
    let challenge = try Curl.get(plain + "/.well-known/acme-challenge/token")
    #expect(challenge.text == "token\n" && challenge["Strict-Transport-Security"] == nil)
    // Without a host nobody can be told where to go.
    #expect(try Curl.get(plain + "/a.txt", ["-0", "-H", "Host:"]).status == 400)
    let trusting = try Curl.trusting(TestCertificates.ecdsa)
    for path in ["/a.txt", "/none"] {
      let response = try Curl.get(secure + path, trusting)
      #expect(response["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains", "\(path)")
    }
    #expect(
      try Curl.get(secure + "/a.txt", trusting + ["-H", "If-None-Match: *"])["Strict-Transport-Security"]
        != nil)
    // A host's base path is none of the challenge's.
    let based = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa), flags: ["--https-redirect", "--base-path", "/app"])
    #expect(try Curl.get(based.url("http") + "/.well-known/acme-challenge/token").text == "token\n")
    #expect(try Curl.get(based.url("http") + "/.well-known/other").status == 308)
    let behindAnother = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa), flags: ["--https-redirect", "--public-https-port", "443"])
    #expect(try Curl.get(behindAnother.url("http") + "/a")["Location"] == "https://127.0.0.1/a")
  }

  /// RFC 6797 §7.2: not over plaintext, which may serve the same files.
  @Test func strictTransportIsSaidOverHTTPSOnly() throws {
    let site = try TemporarySite()
    try site.add("a.txt", "a\n")
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa),
      flags: ["--hsts", "max-age=63072000; includeSubDomains; preload"])
    let trusting = try Curl.trusting(TestCertificates.ecdsa)
    for _ in 0..<3 {
      let secure = try Curl.get(sluice.url("https") + "/a.txt", trusting)
      #expect(secure["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains; preload")
      let plain = try Curl.get(sluice.url("http") + "/a.txt")
      #expect(plain.text == "a\n" && plain["Strict-Transport-Security"] == nil)
    }
  }

  @Test(
    arguments: [
      ("redirect", "/a", "FROM=TO"), ("redirect", "/a=b", "a path, such as"),
      ("redirect", "/a=/b*", "has to stand for"),
      ("cors", "example.com", "origins such as"), ("cors", "*,https://a.example", "origins such as"),
      ("hsts", "a", "seconds"),
      ("hsts", "100;preload", "a year"), ("hsts", "100;x", "seconds"), ("base-path", "app", "such as /app"),
      ("base-path", "/a b", "such as /app"), ("base-path", "/", "such as /app"),
      ("trailing-slash", "never", "auto or strict"),
      ("public-https-port", "x", "65535"),
    ])
  func wrongValues(option: String, value: String, expected: String) throws {
    let result = try SluiceProcess.run(["check", "--\(option)=\(value)"])
    #expect(result.exitStatus == 64)
    #expect(result.errorOutput.contains("--\(option)") || expected.hasPrefix("has"), "\(result.text)")
    #expect(result.errorOutput.contains(expected), "\(result.text)")
  }

  @Test func redirectionToHTTPSNeedsBoth() throws {
    let result = try SluiceProcess.run(["check", "--https-redirect"])
    #expect(
      result.exitStatus == 64 && result.errorOutput.contains("needs both HTTP and HTTPS"), "\(result.text)")
  }
}

/// The same where the kernel encrypts.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSGateTests {
  @Test(arguments: Transfer.Transport.kernelSending) func everyGate(transport: Transfer.Transport) throws {
    try transport.expectRedirects()
    try transport.expectNetworks()
    try transport.expectSharing()
  }
}

extension Transfer.Transport {
  fileprivate func expectRedirects() throws {
    let site = try TemporarySite()
    for name in ["old.txt", "index.html", "kept.html"] { try site.add(name, name + "\n") }
    try site.add(
      "c.toml",
      """
      error-page = ["404=/kept.html"]
      [[path]]
      match = "/gone/**"
      redirect = "https://example.com/here/*"
      status = 307
      """)
    let sluice = try serve(
      site.path,
      flags: [
        "--config", site.path + "/c.toml", "--redirect", "/old.txt=/new.txt", "--redirect",
        "/index.html=/:308",
        "--redirect", "/blog/*.html=/posts/*:302", "--redirect", "/kept.html=/elsewhere",
      ])
    let url = try url(sluice)
    for _ in 0..<2 {
      for (path, status, location) in [
        ("/old.txt", 301, "/new.txt"), ("/old.txt?a=b", 301, "/new.txt?a=b"), ("/%6Fld.txt", 301, "/new.txt"),
        ("//old.txt", 301, "/new.txt"), ("/index.html", 308, "/"), ("/blog/a.html", 302, "/posts/a"),
        ("/gone/a/b?c", 307, "https://example.com/here/a/b?c"), ("/kept.html", 301, "/elsewhere"),
      ] {
        let response = try Curl.get(url + path, flags())
        #expect(response.status == status && response["Location"] == location, "\(path): \(response.fields)")
        let head = try Curl.run(flags() + ["-sI", "--path-as-is", url + path]).output
        #expect(head.contains("Location: \(location)\r\n"), "HEAD \(path): \(head)")
      }
      // What it leads to is no loop, and a page for a status is sent wherever it is.
      #expect(try Curl.get(url + "/", flags()).text == "index.html\n")
      let missing = try Curl.get(url + "/none", flags())
      #expect(missing.status == 404 && missing.text == "kept.html\n")
    }
  }

  fileprivate func expectNetworks() throws {
    let site = try TemporarySite()
    for folder in ["secret", "open", "closed"] { try site.addFolder(folder) }
    for name in [
      "secret/index.html", "secret/a.html", "secret/a.html.gz", "open/a.html", "shared.html", "403.html",
      "closed/a.html", "open/a.js", "open/a.js.gz", "open/a.txt",
    ] {
      try site.add(name, name + "\n")
    }
    try site.addLink("open/link.html", to: "../secret/a.html")
    try site.add(
      "c.toml",
      """
      clean-urls = true
      fallback = "/shared.html"
      error-page = ["403=/403.html"]
      [[path]]
      match = "/secret/"
      deny = ["127.0.0.0/8"]
      [[path]]
      match = "/closed"
      deny = ["all"]
      [[path]]
      match = "*.js"
      deny = ["all"]
      [[path]]
      match = "/open/*.txt"
      deny = ["all"]
      [[path]]
      match = "/shared"
      allow = ["192.0.2.0/24"]
      [[path]]
      match = "/open/**"
      allow = ["127.0.0.1", "::1"]
      """)
    let sluice = try serve(site.path, flags: ["--config", site.path + "/c.toml"])
    let url = try url(sluice)
    for _ in 0..<2 {
      for path in [
        "/secret/", "/secret", "/secret/a", "/secret/a.html", "/secret/%61", "//secret/a.html",
        "/open/../secret/a",
        "/secret/index.html", "/secret/none", "/secret/a.html.gz", "/closed", "/closed/", "/closed/a",
        "/open/a.js", "/open/a.js.gz",
        "/shared", "/shared.html", "/secret/a/",
        // Whether or not there is such a file.
        "/open/a.txt", "/open/a.txt/", "/open/none.txt", "/open/none.txt/",
      ] {
        for more in [[], ["-H", "Accept-Encoding: gzip"], ["-H", "If-None-Match: *"], ["-r", "0-1"]] {
          let response = try Curl.get(url + path, flags() + more)
          #expect(response.status == 403 && response.text == "403.html\n", "\(path) \(more)")
        }
      }
      #expect(try Curl.get(url + "/open/a", flags()).text == "open/a.html\n")
      // A name of its own, for everybody: links are what the operator makes of them.
      #expect(try Curl.get(url + "/open/link", flags()).text == "secret/a.html\n")
      // The page of the application is not for everybody, whatever it is sent for.
      #expect(try Curl.get(url + "/some/page", flags()).status == 403)
    }
  }

  fileprivate func expectSharing() throws {
    let site = try TemporarySite()
    try site.add("a.txt", "a\n")
    try site.add("large.bin", [UInt8](repeating: 1, count: 200_000))
    let friend = "https://friend.example"
    let some = try serve(site.path, flags: ["--cors", "\(friend),http://localhost:3000"])
    let all = try serve(site.path, flags: ["--cors", "*"])
    for _ in 0..<2 {
      for path in ["/a.txt", "/large.bin", "/none"] {
        let (some, all) = (try url(some) + path, try url(all) + path)
        for (origin, allowed) in [
          (friend, friend), ("https://foe.example", nil), ("null", nil), (friend + ".x", nil),
        ] {
          let response = try Curl.get(some, flags() + ["-H", "Origin: \(origin)"])
          #expect(response["Access-Control-Allow-Origin"] == allowed, "\(path) for \(origin)")
          #expect(response["Vary"] == "Origin")
          #expect(
            try Curl.get(all, flags() + ["-H", "Origin: \(origin)"])["Access-Control-Allow-Origin"] == "*")
        }
        let plain = try Curl.get(some, flags())
        #expect(plain["Access-Control-Allow-Origin"] == nil && plain["Vary"] == "Origin")
        if path != "/none" {
          let part = try Curl.get(some, flags() + ["-H", "Origin: \(friend)", "-r", "0-0"])
          #expect(part.status == 206 && part["Access-Control-Allow-Origin"] == friend)
        }
      }
      let ask = ["-X", "OPTIONS", "-H", "Access-Control-Request-Method: GET", "-H"]
      let preflight = try Curl.get(url(some) + "/a.txt", flags() + ask + ["Origin: \(friend)"])
      #expect(preflight.status == 204 && preflight["Access-Control-Allow-Origin"] == friend)
      #expect(preflight["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS")
      #expect(preflight["Access-Control-Allow-Headers"] != nil && preflight["Vary"] == "Origin")
      let refused = try Curl.get(url(some) + "/a.txt", flags() + ask + ["Origin: https://foe.example"])
      #expect(refused.status == 204 && refused["Access-Control-Allow-Origin"] == nil)
      #expect(refused["Access-Control-Allow-Methods"] == nil)
      #expect(
        try Curl.get(url(all) + "/a.txt", flags() + ask + ["Origin: null"])["Access-Control-Allow-Origin"]
          == "*")
    }
  }
}
