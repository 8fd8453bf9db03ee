import Glibc
import Testing

/// Paths for those whom a password lets in: the same over every transport.
@Suite struct AuthenticationTests {
  @Test(arguments: Transfer.Transport.everywhere) func everyWay(transport: Transfer.Transport) throws {
    try transport.expectPasswords()
  }

  @Test(arguments: Transfer.Transport.everywhere) func requestsInAPipeline(transport: Transfer.Transport)
    throws
  {
    try transport.expectPipelineWithPasswords()
  }

  /// `secret`, made by mkpasswd; the last one takes longer.
  static let ann = "ann:$2y$05$drILeycgLUeU63XDqwGqDOqflgSDX81mOoSXNR9I/Sufh075r1X9a\n"
  static let slow = "ann:$2b$10$XtKn/oW6.MpIaIohTX9p6.Kj573rw/nYlEr6xcmu3R9yQKHsUBzkK\n"
  /// `pässwörd` and `secret`.
  static let others = """
    jörg:$5$eBhH/.rptfWMfLeM$FJri8MiVpzK92Uk3zhz.fXYleNLAydygxYleEF.41e2
    yes crypt:$y$j9T$8Xp9ydKlSq4Ss1VXzV4Ed0$Kc.hv2HJibcwurC9xxTyHGpyh4P9kuqGTUQGcKgXJRD

    """

  /// A site with an open file and a protected one, and beside it a file with passwords.
  private struct Fixture {
    let site: TemporarySite
    let other: TemporarySite
    var users: String { other.path + "/users" }

    init(_ users: String = AuthenticationTests.ann) throws {
      site = try TemporarySite()
      other = try TemporarySite()
      try site.add("open.txt", "open\n")
      try site.addFolder("private")
      try site.add("private/a.txt", "secret\n")
      try other.add("users", users)
    }

    func serve(_ flags: [String] = ["--auth-over-http", "on"]) throws -> SluiceProcess {
      try SluiceProcess(site.path, flags: ["--auth", "/private/**=\(users)"] + flags)
    }
  }

  private func status(_ sluice: SluiceProcess, _ user: String, path: String = "/private/a.txt") throws -> Int
  {
    try Curl.get(sluice.url("http") + path, ["-u", user]).status
  }

  /// A slash behind the name of a file leads to the file: whether there is one, only those learn who may have it.
  @Test func namesOfFilesAreKeptToo() throws {
    let fixture = try Fixture()
    let sluice = try SluiceProcess(
      fixture.site.path, flags: ["--auth", "/private/*.txt=\(fixture.users)", "--auth-over-http", "on"])
    for path in ["a.txt", "a.txt/", "none.txt", "none.txt/"] {
      #expect(try status(sluice, "ann:wrong", path: "/private/\(path)") == 401, "\(path)")
    }
    #expect(try status(sluice, "ann:secret", path: "/private/a.txt/") == 308)
    #expect(try status(sluice, "ann:secret", path: "/private/none.txt/") == 404)
  }

  @Test func aChangedFileIsSeen() throws {
    let fixture = try Fixture()
    let sluice = try fixture.serve()
    #expect(try status(sluice, "ann:secret") == 200)
    // In place: one user more.
    try fixture.other.add("users", Self.ann + Self.others)
    try waitUntil("a new user may come in") { try status(sluice, "jörg:pässwörd") == 200 }
    #expect(try status(sluice, "ann:secret") == 200 && status(sluice, "yes crypt:secret") == 200)
    // By rename: one less, who was known to be right.
    try fixture.other.add("new", Self.others)
    try Shell.require(["mv", fixture.other.path + "/new", fixture.users])
    try waitUntil("a removed user may not") { try status(sluice, "ann:secret") == 401 }
    #expect(try status(sluice, "jörg:pässwörd") == 200)
    // What is wrong is not taken, and told.
    try fixture.other.add("users", "eve:secret\n")
    try waitUntil("a bad file is told") { sluice.process.errorOutput.contains("\(fixture.users):1: ") }
    try Shell.require(["rm", fixture.users])
    try waitUntil("a missing one is told") { sluice.process.errorOutput.contains("No such file") }
    #expect(try status(sluice, "jörg:pässwörd") == 200 && status(sluice, "eve:secret") == 401)
    try fixture.other.add("users", Self.ann)
    try waitUntil("the next good one is used") { try status(sluice, "ann:secret") == 200 }
    #expect(try status(sluice, "jörg:pässwörd") == 401)
    let told = sluice.process.errorOutput.split(separator: "\n").filter { $0.contains("stays in use") }
    #expect(told.count == 2, "\(told)")
    #expect(!sluice.process.errorOutput.contains("secret"))
  }

  /// Many wrong passwords at once: so many are checked as may wait, the others are told to come again, and neither holds up
  /// who asks the same worker for something else.
  @Test func aFloodOfPasswordsHoldsUpNobodyElse() throws {
    let fixture = try Fixture(Self.slow)
    let sluice = try fixture.serve()
    let bystander = try sluice.connect()
    let clients = try (0..<80).map { _ in try sluice.connect() }
    for (number, client) in clients.enumerated() {
      // user NN:wrong
      let password = Shell.base64("user \(number):wrong")
      try client.get("/private/a.txt", "Authorization: Basic \(password)\r\nConnection: close\r\n")
    }
    try bystander.get("/open.txt", "Connection: close\r\n")
    #expect(try HTTPResponse.all(in: bystander.rest().bytes).map(\.status) == [200])
    #expect(clients.contains { $0.isSilent(seconds: 0) })
    var counts: [Int: Int] = [:]
    for client in clients {
      for response in try HTTPResponse.all(in: client.rest().bytes) {
        counts[response.status, default: 0] += 1
        #expect((response["Retry-After"] == "1") == (response.status == 429))
        #expect((response["WWW-Authenticate"] != nil) == (response.status == 401))
      }
    }
    let (wrong, refused) = (counts[401] ?? 0, counts[429] ?? 0)
    #expect(wrong + refused == 80 && wrong >= 32 && refused > 0, "\(counts)")
    #expect(try status(sluice, "ann:secret") == 200)
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["password_checks"] == wrong + 1 && metrics["passwords_wrong"] == wrong, "\(metrics)")
    #expect(metrics["password_overloads"] == refused && metrics["password_timeouts"] == 0, "\(metrics)")
  }

  @Test func whoGoesAwayWhileAPasswordIsChecked() throws {
    let fixture = try Fixture(Self.slow)
    let sluice = try fixture.serve()
    for _ in 0..<4 {
      let client = try sluice.connect()
      try client.get("/private/a.txt", "Authorization: Basic \(Shell.base64("ann:secret"))\r\n")
      client.resetOnClose()
    }
    #expect(try status(sluice, "ann:secret") == 200)
    // It stops while one waits, who gets an answer.
    let last = try sluice.connect()
    try last.get("/private/a.txt", "Authorization: Basic \(Shell.base64("ann:Secret"))\r\n")
    usleep(20_000)
    sluice.signal(SIGTERM)
    #expect(try HTTPResponse.all(in: last.rest().bytes).map(\.status) == [401])
    #expect(try sluice.process.wait() == 0)
  }

  @Test func passwordsAreNotAskedForInTheClear() throws {
    let fixture = try Fixture()
    let sluice = try SluiceProcess(
      fixture.site.path, .both(try TestCertificates.ecdsa), flags: ["--auth", "/private/**=\(fixture.users)"])
    for path in ["/private/a.txt", "/private/none", "/private", "//private/a.txt"] {
      for arguments in [[], ["-u", "ann:secret"]] {
        let response = try Curl.get(sluice.url("http") + path, arguments)
        #expect(
          response.status == 403 && response.text == "403 Forbidden: ask for this over HTTPS", "\(path)")
        #expect(response["WWW-Authenticate"] == nil)
      }
    }
    #expect(try Curl.get(sluice.url("http") + "/open.txt").status == 200)
    let flags = try Curl.trusting(TestCertificates.ecdsa)
    let url = try sluice.url("https") + "/private/a.txt"
    #expect(try Curl.get(url, flags).status == 401)
    #expect(try Curl.get(url, flags + ["-u", "ann:secret"]).text == "secret\n")
    // What is known now is for HTTPS still.
    #expect(try Curl.get(sluice.url("http") + "/private/a.txt", ["-u", "ann:secret"]).status == 403)
  }

  @Test func pagesThatAreProtected() throws {
    let fixture = try Fixture()
    for folder in ["pages", "app"] { try fixture.site.addFolder(folder) }
    for name in ["pages/401.html", "pages/404.html", "pages/405.html", "app/index.html"] {
      try fixture.site.add(name, name + "\n")
    }
    let sluice = try fixture.serve([
      "--auth-over-http", "on", "--auth", "/pages/**=\(fixture.users)", "--auth", "/app/**=\(fixture.users)",
      "--error-page", "401=/pages/401.html", "--error-page", "404=/pages/404.html", "--error-page",
      "405=/pages/405.html", "--fallback", "/app/index.html", "--cache-control", "/pages/**=max-age=60",
    ])
    let url = try sluice.url("http")
    for _ in 0..<2 {
      // The page that asks for a password is for who has none; no cache keeps it.
      let asked = try Curl.get(url + "/private/a.txt")
      #expect(asked.status == 401 && asked.text == "pages/401.html\n")
      #expect(asked["WWW-Authenticate"] == "Basic realm=\"Restricted\", charset=\"UTF-8\"")
      #expect(asked.fields.contains { $0.name == "Cache-Control" && $0.value == "no-store" })
      // Others are for who may see them.
      #expect(try Curl.get(url + "/none.txt").text == "404 Not Found")
      #expect(try Curl.get(url + "/open.txt", ["-X", "PUT"]).text == "405 Method Not Allowed")
      let missing = try Curl.get(url + "/private/none.txt", ["-u", "ann:secret"])
      #expect(missing.status == 404 && missing.text == "pages/404.html\n")
      // What is sent in the end counts, too.
      #expect(try Curl.get(url + "/some/page").status == 401)
      #expect(try Curl.get(url + "/some/page", ["-u", "ann:secret"]).text == "app/index.html\n")
    }
  }

  @Test func severalFilesAndRealms() throws {
    let fixture = try Fixture()
    try fixture.other.add("guests", Self.others)
    try fixture.other.add(
      "sluice.toml",
      """
      [[path]]
      match = "/private/open/"
      auth = "off"
      [[path]]
      match = "/private/**"
      auth = "\(fixture.users)"
      realm = "Staff \\"only\\""
      [[path]]
      match = "*.txt"
      auth = "\(fixture.other.path)/guests"
      """)
    try fixture.site.addFolder("private/open")
    try fixture.site.add("private/open/a.txt", "a\n")
    let sluice = try SluiceProcess(
      fixture.site.path,
      flags: ["--config", fixture.other.path + "/sluice.toml", "--auth-over-http", "on"])
    #expect(try Curl.get(sluice.url("http") + "/private/open/a.txt").status == 200)
    // Anybody may know that this folder has no index.
    #expect(try Curl.get(sluice.url("http") + "/private/open/").status == 404)
    // What is asked for in a way that no URI has is led to the right one when it may be known.
    let unescaped = try sluice.connect()
    try unescaped.get("/private/\u{F6}.txt")
    #expect(try unescaped.response().status == 401)
    #expect(
      try Curl.get(sluice.url("http") + "/private/a.txt")["WWW-Authenticate"]
        == #"Basic realm="Staff \"only\"", charset="UTF-8""#)
    for (user, staff, guests) in [("ann:secret", 200, 401), ("jörg:pässwörd", 401, 200)] {
      for _ in 0..<2 {
        #expect(try status(sluice, user) == staff)
        #expect(try status(sluice, user, path: "/open.txt") == guests)
      }
    }
  }

  @Test func whatKeepsItFromStarting() throws {
    let fixture = try Fixture(Self.ann + "bob:secret\n")
    try fixture.site.add("users", Self.ann)
    try fixture.site.add(".users", Self.ann)
    func refusal(_ auth: String, _ flags: [String] = ["--auth-over-http", "on"]) throws -> (Int32, String) {
      let arguments = [fixture.site.path, "--port", "0", "--auth", auth] + flags
      let result = try SluiceProcess.run(arguments)
      let check = try SluiceProcess.run(["check"] + arguments)
      #expect(check.exitStatus == 64)
      let line = result.errorOutput.prefix { $0 != "\n" }
      #expect(line.hasPrefix(check.errorOutput.prefix { $0 != "\n" }), "\(check.text)")
      #expect(result.errorOutput.split(separator: "\n").count == 1)
      return (result.exitStatus, result.errorOutput)
    }
    for (auth, status, words) in [
      ("/a=\(fixture.users)", 1, "\(fixture.users):2: the password of 'bob' is kept unsafely"),
      ("/a=/no/such/file", 1, "/no/such/file: cannot read this file with passwords: No such file"),
      ("/a=\(fixture.site.path)/users", 1, "lies in the served folder: move it out of there"),
      ("/a=", 64, "'' of --auth is invalid: use the path of a file that htpasswd has made, or off"),
      ("/a", 64, "use PATTERN=FILE"), ("{=x", 64, "a pattern"),
    ] {
      let (found, text) = try refusal(auth)
      #expect(found == status && text.contains(words), "\(auth): \(text)")
    }
    let (found, text) = try refusal("/a=\(fixture.site.path)/.users", [])
    #expect(found == 64 && text.contains("--auth-over-http on"), "\(text)")
    // A hidden one can't be asked for.
    #expect(
      try SluiceProcess.run([
        "check", fixture.site.path, "--auth-over-http", "on", "--auth", "/a=\(fixture.site.path)/.users",
      ]).exitStatus == 0)
    try fixture.other.add(
      "sluice.toml",
      "[[path]]\nmatch = \"a\"\nrealm = \"x\"\n[[path]]\nmatch = \"b\"\nauth = \"x\"\nrealm = \"é\"\n")
    let result = try SluiceProcess.run(["check", "--config", fixture.other.path + "/sluice.toml"])
    for words in [":3: realm says what a password is for", ":7: the value 'é' of realm is invalid"] {
      #expect(result.errorOutput.contains(words), "\(result.text)")
    }
  }
}

/// The same where the kernel encrypts.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSAuthenticationTests {
  @Test(arguments: Transfer.Transport.kernelSending) func everyWay(transport: Transfer.Transport) throws {
    try transport.expectPasswords()
  }

  @Test(arguments: Transfer.Transport.kernelSending) func requestsInAPipeline(transport: Transfer.Transport)
    throws
  {
    try transport.expectPipelineWithPasswords()
  }
}

extension Shell {
  fileprivate static func base64(_ text: String) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    let bytes = Array(text.utf8)
    var result = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let part = (start..<start + 3).map { $0 < bytes.count ? Int(bytes[$0]) : 0 }
      let bits = part[0] << 16 | part[1] << 8 | part[2]
      let digits = [18, 12, 6, 0].map { alphabet[bits >> $0 & 0x3F] }
      result += String(digits.prefix(min(3, bytes.count - start) + 1))
    }
    return result + String(repeating: "=", count: (3 - bytes.count % 3) % 3)
  }
}

extension Transfer.Transport {
  private func passwordFlags(_ users: String) -> [String] {
    ["--auth", "/private/open/**=off", "--auth", "/private/**=\(users)", "--auth", "/about.html=\(users)"]
      + (self == .plain ? ["--auth-over-http", "on"] : [])
  }

  fileprivate func expectPasswords() throws {
    let (site, other) = (try TemporarySite(), try TemporarySite())
    try other.add("users", AuthenticationTests.ann + AuthenticationTests.others)
    for folder in ["private", "private/sub", "private/open"] { try site.addFolder(folder) }
    let names = ["open.txt", "about.html", "private/index.html", "private/a.txt", "private/open/b.txt"]
    for name in names { try site.add(name, name + "\n") }
    try site.add("private/large.bin", Pattern.bytes(100_000))
    try site.add("about.html.gz", "a coding\n")
    let sluice = try serve(site.path, flags: ["--clean-urls"] + passwordFlags(other.path + "/users"))
    let (url, flags) = (try url(sluice), try flags())
    // The tag of a large file that was changed just now does not last.
    usleep(2_200_000)
    let paths = [
      ("/private/a.txt", 200), ("/%70rivate/a.txt", 200), ("//private//a.txt", 200),
      ("/x/../private/a.txt", 200),
      ("/private/./a.txt", 200), ("/private/open/../a.txt", 200), ("/private/a.txt?b=c", 200),
      ("/private/none.txt", 404), ("/private/none/deeper", 404), ("/private", 301), ("/private/sub", 301),
      ("/private/sub/", 404), ("/private/", 200), ("/private/index", 308), ("/private/index.html", 308),
      ("/private/large.bin", 200), ("/about", 200), ("/about.html", 308), ("/about.html.gz", 200),
      ("/%61bout", 200), ("/private/%61.txt%2e", 404),
    ]
    let wrong = [
      [], ["-H", "If-None-Match: *"], ["-r", "0-0"], ["-u", "ann:Secret"], ["-u", "eve:secret"],
    ]
    // Twice: the second time, all is known.
    for round in 0..<2 {
      for (path, status) in paths {
        for more in round == 0 ? wrong : [[]] {
          let refused = try Curl.get(url + path, flags + more)
          #expect(refused.status == 401 && refused.text == "401 Unauthorized", "\(path) \(more)")
          #expect(refused["WWW-Authenticate"] == "Basic realm=\"Restricted\", charset=\"UTF-8\"")
          #expect(refused["Location"] == nil && refused["ETag"] == nil)
        }
        let response = try Curl.get(url + path, flags + ["-u", "ann:secret"])
        #expect(response.status == status, "\(path): \(response.statusLine)")
        #expect(response["Cache-Control"] == "private", "\(path)")
      }
      for path in ["/open.txt", "/private/open/b.txt"] {
        for more in [[], ["-u", "ann:secret"], ["-u", "eve:secret"]] {
          let response = try Curl.get(url + path, flags + more)
          #expect(response.status == 200 && response["Cache-Control"] == nil, "\(path) \(more)")
        }
      }
      let known = flags + ["-u", "ann:secret"]
      #expect(try Curl.get(url + "/private/large.bin", known).body == Pattern.bytes(100_000))
      #expect(
        try Curl.get(url + "/private/large.bin", known + ["-r", "5-9"]).body == Pattern.bytes(5, from: 5))
      #expect(try Curl.get(url + "/private/a.txt", known + ["-H", "If-None-Match: *"]).status == 304)
      let coded = try Curl.get(url + "/about", known + ["-H", "Accept-Encoding: gzip"])
      #expect(coded["Content-Encoding"] == "gzip" && coded.text == "a coding\n")
      #expect(coded["Cache-Control"] == "private")
      #expect(try Curl.get(url + "/about", flags + ["-H", "Accept-Encoding: gzip"]).status == 401)
      for user in ["jörg:pässwörd", "yes crypt:secret"] {
        #expect(try Curl.get(url + "/private/a.txt", flags + ["-u", user]).status == 200, "\(user)")
      }
      // No colon, a control character, another scheme, two of them.
      for fields in [
        ["Basic YW5u"], ["Basic YW5uOnNlY3JldAo="], ["Bearer YW5uOnNlY3JldA=="], ["Basic YW5uOnNlY3JldA"],
        ["Basic YW5uOnNlY3JldA==", "Basic YW5uOnNlY3JldA=="],
        ["Basic \(String(repeating: "YW5u", count: 1000))"],
      ] {
        let more = fields.flatMap { ["-H", "Authorization: \($0)"] }
        #expect(try Curl.get(url + "/private/a.txt", flags + more).status == 401, "\(fields)")
      }
    }
    for (user, status) in [("ann:secret", "200"), ("ann:Secret", "401")] {
      let head = try Curl.run(flags + ["-sI", "-u", user, url + "/private/a.txt"]).output
      #expect(head.hasPrefix("HTTP/1.1 \(status)") && head.hasSuffix("\r\n\r\n"), "\(head)")
      #expect(head.contains("WWW-Authenticate: Basic ") == (status == "401"))
    }
  }

  fileprivate func expectPipelineWithPasswords() throws {
    let (site, other) = (try TemporarySite(), try TemporarySite())
    try other.add("users", AuthenticationTests.ann)
    try site.addFolder("private")
    for name in ["private/a.txt", "open.txt"] { try site.add(name, name + "\n") }
    let sluice = try serve(site.path, flags: passwordFlags(other.path + "/users"))
    let client = try TransportClient(self, sluice)
    let right = "Authorization: Basic \(Shell.base64("ann:secret"))\r\n"
    let wrong = "Authorization: Basic \(Shell.base64("ann:wrong"))\r\n"
    var requests = ""
    for (path, fields) in [
      ("/private/a.txt", right), ("/open.txt", ""), ("/private/a.txt", wrong), ("/private/a.txt", ""),
      ("/private/a.txt", right), ("/private/none.txt", right), ("/open.txt", wrong),
      ("/private/a.txt", right + "Content-Length: 3\r\n"),
      ("/private/a.txt", wrong + "Connection: close\r\n"),
    ] {
      requests += "GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n"
      if fields.contains("Content-Length") { requests += "abc" }
    }
    try client.send(requests)
    let responses = try client.responses()
    #expect(responses.map(\.status) == [200, 200, 401, 401, 200, 404, 200, 200, 401])
    #expect(responses[0].text == "private/a.txt\n" && responses[7].text == "private/a.txt\n")
  }
}
