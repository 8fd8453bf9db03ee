import Glibc
import Testing

/// From a request's path to a file: names, folders, and what must not be reached.
@Suite struct PathTests {
  private let outside: TemporarySite
  private let site: TemporarySite
  private let sluice: SluiceProcess

  init() throws {
    outside = try TemporarySite()
    try outside.add("secret.txt", "secret\n")
    try outside.addFolder("root")
    site = try TemporarySite()
    try site.addFolder("folder")
    try site.addFolder("folder/deep")
    try site.addFolder("bare")
    try site.addFolder("a b")
    try site.addFolder(".well-known")
    try site.addFolder(".git")
    try site.addFolder("folder/.hidden")
    for name in [
      "index.html", "folder/index.html", "folder/deep/file.txt", "a b/c d.txt", "größe.txt", "日本語.txt",
      "%41.txt",
      "a+b.txt", "a&b=c;d.txt", "x?y.txt", "#1.txt", ".htaccess", ".git/config", "folder/.hidden/file.txt",
      "folder/.env", ".well-known/security.txt", "...", "a..b", "tab\tname.txt", "back\\slash.txt", "x~",
    ] {
      try site.add(name, "\(name)\n")
    }
    sluice = try SluiceProcess(site.path)
  }

  private func get(_ path: String) throws -> HTTPResponse {
    let connection = try sluice.connect()
    try connection.get(path)
    return try connection.response()
  }

  @Test func indexOfAFolder() throws {
    #expect(try get("/").text == "index.html\n")
    #expect(try get("/?query").text == "index.html\n")
    #expect(try get("/folder/").text == "folder/index.html\n")
    #expect(try get("/folder/")["Content-Type"] == "text/html; charset=utf-8")
    #expect(try get("/folder/index.html").text == "folder/index.html\n")
    // No index, no list of files.
    #expect(try get("/bare/").status == 404)
  }

  @Test func folderWithoutSlashRedirects() throws {
    for (path, location) in [
      ("/folder", "/folder/"), ("/folder?a=1&b=/c", "/folder/?a=1&b=/c"), ("/bare", "/bare/"),
      ("/folder/deep", "/folder/deep/"), ("/a%20b", "/a%20b/"), ("/a%20b?%20", "/a%20b/?%20"),
      ("//folder", "/folder/"), ("///folder?x", "/folder/?x"), ("/%2Ffolder", "/folder/"),
      ("/folder/../folder", "/folder/"),
    ] {
      let response = try get(path)
      #expect(response.status == 301, "\(path)")
      #expect(response["Location"] == location, "\(path)")
    }
    let followed = try Curl.run(["-L", sluice.url("http") + "/folder"])
    #expect(followed.output == "folder/index.html\n")
  }

  @Test func locationNeverNamesAnotherHostNorBreaksTheHead() throws {
    try site.addFolder("evil.example")
    try site.addFolder("line\r\nX-Injected: yes")
    #expect(try get("//evil.example")["Location"] == "/evil.example/")
    #expect(try get("/%2F%2Fevil.example")["Location"] == "/evil.example/")
    #expect(try get("/.//evil.example")["Location"] == "/evil.example/")
    let response = try get("/line%0D%0AX-Injected:%20yes")
    #expect(response["X-Injected"] == nil)
    #expect(response["Location"] == "/line%0D%0AX-Injected:%20yes/")
  }

  @Test func percentEncodedNames() throws {
    for (path, name) in [
      ("/a%20b/c%20d.txt", "a b/c d.txt"), ("/gr%C3%B6%C3%9Fe.txt", "größe.txt"),
      ("/%E6%97%A5%E6%9C%AC%E8%AA%9E.txt", "日本語.txt"), ("/%69ndex.html", "index.html"),
      ("/folder%2Fdeep%2ffile.txt", "folder/deep/file.txt"), ("/a+b.txt", "a+b.txt"),
      ("/a&b=c;d.txt", "a&b=c;d.txt"),
      ("/x%3Fy.txt", "x?y.txt"), ("/%231.txt", "#1.txt"), ("/a..b", "a..b"),
      ("/tab%09name.txt", "tab\tname.txt"),
      ("/back%5Cslash.txt", "back\\slash.txt"), ("/x~", "x~"), ("/x%7e?q", "x~"),
    ] {
      #expect(try get(path).text == "\(name)\n", "\(path)")
    }
    // Decoded once, not twice.
    #expect(try get("/%2541.txt").text == "%41.txt\n")
    #expect(try get("/%252e%252e/secret.txt").status == 404)
  }

  @Test func brokenEscapes() throws {
    for path in ["/%", "/%4", "/%4g", "/%zz", "/a%", "/%%41", "/%00", "/index.html%00", "/folder/%00/x"] {
      #expect(try get(path).status == 400, "\(path)")
    }
  }

  @Test func dotsStayBelowTheRoot() throws {
    try writeFile("\(outside.path)/root/inside.txt", Array("inside\n".utf8))
    let own = try SluiceProcess(outside.path + "/root")
    let up = ["..", "%2e%2e", "%2E.", ".%2e", "%2e%2E"]
    var paths = up.flatMap { ["/\($0)/secret.txt", "/x/\($0)/\($0)/secret.txt", "//\($0)/secret.txt"] }
    paths += [
      "/..", "/../", "/..%2fsecret.txt", "/%2e%2e%2fsecret.txt", "/.%2e%2Fsecret.txt", "/./../secret.txt",
    ]
    paths += ["/..%5csecret.txt", "/..\\secret.txt", "/%c0%ae%c0%ae/secret.txt", "/..;/secret.txt"]
    paths += [
      "/%252e%252e/secret.txt", "/..%00/secret.txt", "/" + String(repeating: "../", count: 50) + "etc/passwd",
    ]
    for path in paths {
      let connection = try own.connect()
      try connection.get(path)
      let response = try connection.response()
      #expect([400, 404].contains(response.status), "\(path): \(response.status)")
      #expect(!response.text.contains("secret\n") && !response.text.contains("root:"), "\(path)")
    }
    let connection = try own.connect()
    try connection.get("/x/../inside.txt")
    #expect(try connection.response().text == "inside\n")
  }

  @Test func dotSegmentsWithin() throws {
    for path in ["/folder/../index.html", "/./index.html", "/folder/deep/../../index.html", "//index.html"] {
      #expect(try get(path).text == "index.html\n", "\(path)")
    }
    #expect(try get("/folder/deep/..").text == "folder/index.html\n")
    #expect(try get("/folder/.").text == "folder/index.html\n")
  }

  @Test func dotFilesAreNotServed() throws {
    for path in [
      "/.htaccess", "/.git/config", "/.git/", "/.git", "/folder/.hidden/file.txt", "/folder/.env",
      "/%2Ehtaccess",
      "/...", "/.well-known/../.git/config", "/folder/.well-known/x", "/.none", "/.well-known/.hidden",
    ] {
      #expect(try get(path).status == 404, "\(path)")
    }
  }

  @Test func wellKnownIsServed() throws {
    #expect(try get("/.well-known/security.txt").text == ".well-known/security.txt\n")
    #expect(try get("/%2ewell-known/security.txt").status == 200)
  }

  @Test func linksLeadNowhereOutside() throws {
    try site.addLink("absolute", to: "\(outside.path)/secret.txt")
    try site.addLink("relative", to: "../\(outside.path.split(separator: "/").last ?? "")/secret.txt")
    try site.addLink("out", to: outside.path)
    try site.addLink("up", to: "..")
    try site.addLink("root", to: "/")
    try site.addLink("proc", to: "/proc/self/root")
    try site.addLink("circle", to: "circle")
    try site.addLink("nowhere", to: "none")
    for path in [
      "/absolute", "/relative", "/out/secret.txt", "/out",
      "/up/\(outside.path.split(separator: "/").last ?? "")/secret.txt",
      "/root/etc/passwd", "/proc/etc/passwd", "/circle", "/nowhere",
    ] {
      let response = try get(path)
      #expect(response.status == 404, "\(path)")
      #expect(!response.text.contains("secret\n"), "\(path)")
    }
  }

  @Test func linksWithinAreFollowed() throws {
    try site.addLink("link.txt", to: "folder/deep/file.txt")
    try site.addLink("linked", to: "folder")
    try site.addLink("folder/up.html", to: "../index.html")
    #expect(try get("/link.txt").text == "folder/deep/file.txt\n")
    #expect(try get("/linked/deep/file.txt").text == "folder/deep/file.txt\n")
    #expect(try get("/folder/up.html").text == "index.html\n")
  }

  @Test func specialFilesNeverBlock() throws {
    try site.addFIFO("pipe")
    try site.addLink("device", to: "/dev/zero")
    let start = now()
    #expect(try get("/pipe").status == 404)
    #expect(try get("/device").status == 404)
    try site.addSocket("socket")
    #expect(try get("/socket").status == 404)
    #expect(try get("/").status == 200)
    #expect(now() - start < 20)
  }

  /// A reader, even for a moment, would let the writer go on and lose what it writes.
  @Test func theWriterOfAFIFOIsNotDisturbed() throws {
    try site.addFIFO("queue")
    let writer = try Subprocess(["sh", "-c", "echo text > \(site.path)/queue"])
    let end = now() + 0.5
    while now() < end { #expect(try get("/queue").status == 404) }
    #expect(writer.exitStatus == nil)
    #expect(readFile("\(site.path)/queue") == Array("text\n".utf8))
    #expect(try writer.wait() == 0)
  }

  @Test(.enabled(if: TestMachine.isRoot, "only root makes device nodes")) func deviceNodes() throws {
    guard try Shell.run(["mknod", "\(site.path)/zero", "c", "1", "5"]).exitStatus == 0 else { return }
    #expect(try get("/zero").status == 404)
  }

  @Test func longPaths() throws {
    #expect(try get("/" + String(repeating: "a", count: 300)).status == 404)
    #expect(try get("/" + String(repeating: "a/", count: 3000)).status == 404)
    #expect(try get("/index.html?" + String(repeating: "q", count: 8000)).status == 200)
  }
}
