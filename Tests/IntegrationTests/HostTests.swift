import Testing

/// Several sites on one port: which one answers, and that none of another's is ever sent.
@Suite struct HostTests {
  @Test(arguments: Transfer.Transport.everywhere) func everyHost(transport: Transfer.Transport) throws {
    try transport.expectHosts()
  }

  @Test func strangers() throws {
    let site = try HostedSite()
    let strict = try site.serve(.plain, more: "strict-hosts = true\n")
    let url = try strict.url("http")
    #expect(try Curl.get(url + "/which.txt").status == 421)
    #expect(try Curl.get(url + "/which.txt", ["-0", "-H", "Host:"]).status == 421)
    #expect(try Curl.get(url + "/which.txt", ["-H", "Host: a.example"]).text == "a\n")
    #expect(try Curl.get(url + "/which.txt", ["-H", "Host: x"]).status == 421)
    #expect(try Curl.get(url + "/which.txt", ["-H", "Host: a.example"]).text == "a\n")
    let lenient = try site.serve(.plain)
    #expect(try Curl.get(lenient.url("http") + "/which.txt", ["-0", "-H", "Host:"]).text == "main\n")
  }

  /// What `serve` would fail of, too.
  @Test func whatIsMissingIsTold() throws {
    let folder = try TemporarySite()
    try folder.add("no.pem", "no certificate\n")
    try folder.add("c.toml", "[[host]]\nnames = [\"a\"]\nroot = \"\(folder.path)/no.root\"\n")
    let result = try SluiceProcess.run([
      "check", "--config", folder.path + "/c.toml", "--cert", folder.path + "/no.pem", "--key",
      folder.path + "/no.key",
    ])
    #expect(result.exitStatus == 64 && result.errorOutput.split(separator: "\n").count == 2, "\(result.text)")
    #expect(result.errorOutput.contains("no.root") && result.errorOutput.contains("no.key"), "\(result.text)")
  }

  @Test(
    arguments: [
      ("[[host]]\nroot = \"/tmp\"\n", "needs names"), ("[[host]]\nnames = [\"a.example\"]\n", "needs root"),
      ("[[host]]\nnames = [\"a.example:80\"]\nroot = \"/tmp\"\n", "is no name of a host"),
      ("[[host]]\nnames = [\"a\"]\nroot = \"/tmp\"\nport = 80\n", "'port' is said of all, not in [[host]]"),
      (
        "[[host]]\nnames = [\"a\"]\nroot = \"/tmp\"\n[[host]]\nnames = [\"A.\"]\nroot = \"/tmp\"\n",
        "has the name 'a', too"
      ),
      ("[[host]]\nnames = [\"a\"]\nroot = \"/tmp\"\nclean-urls = 7\n", "use on or off"),
      (
        "[[host]]\nnames = [\"a\"]\nroot = \"/tmp\"\n[[host.path]]\nallow = [\"x\"]\nmatch = \"/a\"\n",
        "10.0.0.0/8"
      ),
      ("host = [\"a\"]\n", "must be sections: [[host]]"), ("strict-hosts = true\n", "needs hosts"),
      ("[[path]]\nmatch = \"/a\"\nstatus = 301\n", "needs redirect"),
      ("[[path]]\nmatch = \"/a\"\nredirect = \"/b\"\nstatus = 200\n", "a status of 301"),
      ("[[path]]\nmatch = \"/a\"\nredirect = \"//b\"\n", "a path, such as /new/"),
      ("[[path]]\nmatch = \"*.html\"\nredirect = \"/*\"\n", "has to stand for something"),
      ("[[path]]\nmatch = \"/a\"\nallow = []\n", "'allow' is empty"),
      ("[[path]]\nmatch = \"^/a\"\n", "a pattern"),
      ("port = 1\r\n\r\nclean-url = true\r\n", "c.toml:3: unknown key"),
      ("[[path]]\nmatch = \"/a\"\nfallback = \"/../x\"\n", "the path of a file"),
    ])
  func wrongFiles(text: String, expected: String) throws {
    let folder = try TemporarySite()
    try folder.add("c.toml", text)
    let result = try SluiceProcess.run(["check", "--config", folder.path + "/c.toml"])
    #expect(result.exitStatus == 64)
    #expect(result.errorOutput.contains(expected), "\(result.errorOutput)")
    #expect(result.errorOutput.contains("c.toml:") || text.hasPrefix("strict"), "\(result.errorOutput)")
  }

  /// What a configuration comes to is a configuration that comes to the same.
  @Test func printedAndRead() throws {
    let site = try HostedSite()
    let folder = try TemporarySite()
    let first = try SluiceProcess.run(["check", "--print", "--config", site.configuration])
    #expect(first.exitStatus == 0 && first.output.contains("[[host.path]]"), "\(first.text)")
    try folder.add("again.toml", first.output)
    let second = try SluiceProcess.run(["check", "--print", "--config", folder.path + "/again.toml"])
    #expect(second.exitStatus == 0 && second.output == first.output, "\(second.text)")
  }
}

/// The same where the kernel encrypts.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSHostTests {
  @Test(arguments: Transfer.Transport.kernelSending) func everyHost(transport: Transfer.Transport) throws {
    try transport.expectHosts()
  }
}

/// Three roots, each with files of the same names, and a configuration for them.
private struct HostedSite {
  let main: TemporarySite
  let hosts: [TemporarySite]
  private let folder: TemporarySite
  var configuration: String { folder.path + "/sluice.toml" }

  private static let names = ["a", "b"]

  init() throws {
    main = try Self.site("main")
    hosts = try Self.names.map(Self.site)
    folder = try TemporarySite()
    try folder.add("sluice.toml", text)
  }

  private static func site(_ name: String) throws -> TemporarySite {
    let site = try TemporarySite()
    try site.add("which.txt", name + "\n")
    try site.add("own.txt", name + "\n")
    try site.add("which.txt.gz", name + " in gzip\n")
    try site.add("large.bin", [UInt8](repeating: name.utf8.first ?? 0, count: 200_000))
    try site.add("\(name).html", "<p>\(name)\n")
    try site.add("404.html", name + " has none\n")
    try site.addFolder("sub")
    try site.add("sub/index.html", name + "'s folder\n")
    return site
  }

  private var text: String {
    """
    cache-control = ["*.txt=max-age=7"]
    error-page = ["404=/404.html"]

    [[path]]
    match = "/shared/**"
    redirect = "/everywhere/*"

    [[host]]
    names = ["a.example", "*.a.example"]
    root = "\(hosts[0].path)"
    clean-urls = true

    [[host.path]]
    match = "*.txt"
    headers = { set = { X-Host = "a" } }

    [[host.path]]
    match = "/own.txt"
    cache-control = "no-cache"

    [[host]]
    names = ["b.example"]
    root = "\(hosts[1].path)"
    base-path = "/app"
    cache-control = ["*.txt=no-store"]

    """
  }

  func serve(_ transport: Transfer.Transport, more: String = "") throws -> SluiceProcess {
    try folder.add("sluice.toml", more + text)
    return try transport.serve(main.path, flags: ["--config", configuration])
  }
}

extension Transfer.Transport {
  fileprivate func expectHosts() throws {
    let site = try HostedSite()
    let sluice = try site.serve(self)
    let url = try url(sluice)
    func get(_ host: String, _ path: String, _ more: [String] = []) throws -> HTTPResponse {
      try Curl.get(url + path, flags() + ["-H", "Host: \(host)"] + more)
    }
    // Twice: the second time they are known.
    for _ in 0..<2 {
      for (host, name) in [
        ("a.example", "a"), ("A.EXAMPLE:8443", "a"), ("a.example.", "a"), ("deep.down.a.example", "a"),
        ("other", "main"),
        ("xa.example", "main"), ("[::1]:80", "main"),
      ] {
        let small = try get(host, "/which.txt")
        #expect(small.text == name + "\n" && small["Cache-Control"] == "max-age=7", "\(host)")
        #expect(small["X-Host"] == (name == "a" ? "a" : nil))
        let own = try get(host, "/own.txt")
        #expect(
          own["Cache-Control"] == (name == "a" ? "no-cache" : "max-age=7"), "the host's rules come first")
        let coded = try get(host, "/which.txt", ["-H", "Accept-Encoding: gzip"])
        #expect(coded.text == name + " in gzip\n", "\(host)")
        #expect(try get(host, "/large.bin").body == [UInt8](repeating: name.utf8.first ?? 0, count: 200_000))
        #expect(try get(host, "/sub/").text == name + "'s folder\n")
        #expect(try get(host, "/sub")["Location"] == "/sub/")
        let missing = try get(host, "/none.txt")
        #expect(missing.status == 404 && missing.text == name + " has none\n")
        #expect(try get(host, "/shared/x?y")["Location"] == "/everywhere/x?y")
        // The other's alone.
        #expect(try get(host, name == "a" ? "/main.html" : "/a.html").status == 404)
      }
      #expect(try get("a.example", "/a").text == "<p>a\n" && get("other", "/main").status == 404)
      #expect(try get("b.example", "/app/which.txt").text == "b\n")
      #expect(try get("b.example", "/app/which.txt")["Cache-Control"] == "no-store")
      #expect(try get("b.example", "/app/large.bin").body.count == 200_000)
      #expect(try get("b.example", "/app?x")["Location"] == "/app/?x")
      #expect(try get("b.example", "/app/sub")["Location"] == "/app/sub/")
      for path in [
        "/which.txt", "/", "/appx/which.txt", "/application", "/app/../which.txt", "/app/..",
        "/%61p/which.txt",
      ] {
        let response = try get("b.example", path)
        #expect(response.status == 404 && response.text == "b has none\n", "\(path)")
      }
      #expect(try get("b.example", "/app/../../which.txt").status == 400)
      // What the path comes to is what counts.
      for path in [
        "/%61pp/which.txt", "//app/which.txt", "/app//which.txt", "/x/../app/which.txt",
        "/app/../app/which.txt", "/./%61%70p%2fwhich.txt",
      ] {
        let response = try get("b.example", path)
        #expect(response.text == "b\n" && response["Cache-Control"] == "no-store", "\(path)")
        #expect(try get("b.example", path + "/")["Location"] == "/app/which.txt", "\(path)")
      }
      for (path, location) in [
        ("/%61pp?x", "/app/?x"), ("//app", "/app/"), ("//app/sub", "/app/sub/"),
        ("/%61pp/shared/x", "/everywhere/x"),
      ] { #expect(try get("b.example", path)["Location"] == location, "\(path)") }
      #expect(try get("b.example", "/%61pp/.hidden").status == 404)
      #expect(try get("b.example", "/app/shared/x")["Location"] == "/everywhere/x")
    }
    // With content, which is passed over first.
    #expect(try get("a.example", "/which.txt", ["-X", "GET", "-d", "content"]).text == "a\n")
    // Requests for several hosts on one connection, and the absolute form, which wins.
    let requests = [
      ("/which.txt", "a.example", "a"), ("/which.txt", "other", "main"), ("/app/which.txt", "b.example", "b"),
      ("http://a.example/which.txt", "other", "a"), ("http://b.example:80/app/which.txt", "a.example", "b"),
      ("https://other/which.txt", "a.example", "main"), ("/which.txt", "a.example", "a"),
    ]
    let client = try TransportClient(self, sluice)
    for (target, host, _) in requests { try client.send("GET \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n") }
    try client.get("/which.txt")
    let responses = try HTTPResponse.all(in: client.rest().bytes)
    #expect(responses.map(\.text) == (requests.map(\.2) + ["main"]).map { $0 + "\n" })
  }
}
