import Glibc
import Testing

/// Folders without an index, listed.
@Suite struct ListingTests {
  private typealias Transport = Transfer.Transport

  @Test(arguments: Transfer.Transport.everywhere) func everyEntryLeadsToItsFile(transport: Transfer.Transport)
    throws
  {
    try transport.expectListings()
  }

  @Test(arguments: Transfer.Transport.everywhere) func largeListings(transport: Transfer.Transport) throws {
    try transport.expectLargeListings()
  }

  private func get(_ sluice: SluiceProcess, _ path: String, _ arguments: [String] = []) throws -> HTTPResponse
  {
    try Curl.get(sluice.url("http") + path, arguments)
  }

  /// What another program makes of the JSON.
  private func query(_ sluice: SluiceProcess, _ path: String, _ filter: String) throws -> String {
    let folder = try TemporaryFolder()
    try writeFile(folder.path + "/json", try get(sluice, path).body)
    return try Shell.require(["jq", "-c", filter, folder.path + "/json"])
  }

  @Test func jsonOfAnyName() throws {
    let site = try TemporarySite()
    for name in [
      "plain.txt", "quote\"back\\slash", "new\nline\ttab\u{1}", "<&'>", "日本語", "\u{202E}rtl", "emoji 🎉",
    ] {
      try site.add(name, "12345")
    }
    try site.addFolder("folder")
    try Shell.require(["touch", "-d", "2001-02-03 04:05:06.7 UTC", site.path + "/plain.txt"])
    try Shell.require(["sh", "-c", "printf x >\"$(printf 'bad\\377\\376')\""], workingFolder: site.path)
    let sluice = try SluiceProcess(site.path, flags: ["--listing"])
    #expect(
      try query(sluice, "/?format=json", "[.[].name]")
        == #"["folder","<&'>","bad��","emoji 🎉","new\nline\ttab\u0001","plain.txt","quote\"back\\slash","日本語","‮rtl"]"#
        .replacing("日本語\",\"\u{202E}rtl", with: "\u{202E}rtl\",\"日本語") + "\n")
    #expect(
      try query(sluice, "/?format=json", ".[]|select(.name==\"plain.txt\")")
        == #"{"name":"plain.txt","type":"file","size":5,"mtime":"2001-02-03T04:05:06Z","path":"plain.txt"}"#
        + "\n")
    #expect(
      try query(sluice, "/?format=json", ".[0]|[.type,.path,has(\"size\")]")
        == "[\"directory\",\"folder/\",false]\n")
    #expect(try query(sluice, "/?format=json", ".[2].path") == "\"bad%FF%FE\"\n")
    #expect(try get(sluice, "/bad%FF%FE").text == "x")
    #expect(try query(sluice, "/folder/?format=json", ".") == "[]\n")
  }

  @Test func whatIsAskedFor() throws {
    let site = try TemporarySite()
    try site.add("b.txt", "1")
    try site.add("a.txt", "22")
    let sluice = try SluiceProcess(site.path, flags: ["--listing"])
    let html = "text/html; charset=utf-8"
    for (path, accept, type, varies) in [
      ("/", "*/*", html, true), ("/", "application/json", "application/json", true),
      ("/", "text/html, application/json;q=0.9", html, true),
      ("/?format=json", "text/html", "application/json", false),
      ("/?format=html", "application/json", html, false), ("/?x=%00&sort=..", "*/*", html, true),
    ] {
      let response = try get(sluice, path, ["-H", "Accept: \(accept)"])
      #expect(response.status == 200 && response["Content-Type"] == type, "\(path), \(accept)")
      #expect(response["Vary"] == (varies ? "Accept" : nil), "\(path), \(accept)")
      #expect(response["Cache-Control"] == "no-cache" && response["Last-Modified"] == nil)
      #expect((response["Content-Security-Policy"] != nil) == (type == html))
      let tag = try #require(response["ETag"])
      #expect(tag.hasPrefix("\""))
      let known = try get(sluice, path, ["-H", "Accept: \(accept)", "-H", "If-None-Match: \(tag)"])
      #expect(known.status == 304 && known["Vary"] == response["Vary"] && known["ETag"] == tag)
      // It has no time that conditions could be about.
      let dated = try get(
        sluice, path, ["-H", "Accept: \(accept)", "-H", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"])
      #expect(dated.status == 200)
      let head = try Curl.run(["-I", "-H", "Accept: \(accept)", sluice.url("http") + path]).output
      #expect(head.contains("Content-Length: \(response.body.count)\r\n") && head.hasSuffix("\r\n\r\n"))
    }
    let sorted = [
      ("sort=name&order=asc", ["a.txt", "b.txt"]), ("sort=name&order=desc", ["b.txt", "a.txt"]),
      ("sort=size", ["b.txt", "a.txt"]), ("order=desc&sort=size", ["a.txt", "b.txt"]),
    ]
    for (query, names) in sorted {
      let text = "[\(names.map { "\"\($0)\"" }.joined(separator: ","))]\n"
      #expect(try self.query(sluice, "/?format=json&\(query)", "[.[].name]") == text)
    }
    // A part of one, as of a file.
    let whole = try get(sluice, "/").body
    let part = try get(sluice, "/", ["-r", "10-19"])
    #expect(part.status == 206 && part.body == Array(whole[10..<20]) && part["Vary"] == "Accept")
    #expect(try get(sluice, "/", ["-X", "POST"]).status == 405)
  }

  /// The folder's own time does not change when a file in it grows.
  @Test func changesAreSeen() throws {
    let site = try TemporarySite()
    try site.addFolder("sub")
    try site.add("sub/a.txt", "1")
    let sluice = try SluiceProcess(site.path, flags: ["--listing", "--workers", "2"])
    let first = try get(sluice, "/sub/?format=json")
    let tag = try #require(first["ETag"])
    try site.add("sub/a.txt", "12345678")
    try waitUntil("the size is new") { try get(sluice, "/sub/?format=json").text.contains("\"size\":8") }
    let changed = try get(sluice, "/sub/?format=json", ["-H", "If-None-Match: \(tag)"])
    #expect(changed.status == 200 && changed["ETag"] != tag)
    // An index takes its place, and gives it back.
    try site.add("sub/index.html", "index\n")
    try waitUntil("the index is sent") { try get(sluice, "/sub/").text == "index\n" }
    try Shell.require(["rm", site.path + "/sub/index.html"])
    try waitUntil("it is listed again") { try get(sluice, "/sub/").text.contains("a.txt") }
    try Shell.require(["rm", "-r", site.path + "/sub"])
    try waitUntil("it is gone") { try get(sluice, "/sub/").status == 404 }
  }

  @Test func whichFolders() throws {
    let site = try TemporarySite()
    for name in ["open", "open/deep", "closed", "indexed", ".hidden", "locked"] { try site.addFolder(name) }
    try site.add("open/a.txt", "a")
    try site.add("closed/a.txt", "a")
    try site.add("indexed/index.html", "index\n")
    try site.addLink("out", to: "/etc")
    try site.add("app.html", "app\n")
    try site.add("missing.html", "missing\n")
    let configuration = try TemporaryFolder()
    try writeFile(
      configuration.path + "/sluice.toml",
      Array(
        """
        error-page = "404=/missing.html"
        [[path]]
        match = "/open/deep/"
        listing = false
        [[path]]
        match = "/open/"
        listing = true
        cache-control = "max-age=7"
        headers = { set = { X-Folder = "yes" }, remove = ["Content-Security-Policy"] }
        """.utf8))
    let some = try SluiceProcess(site.path, flags: ["--config", configuration.path + "/sluice.toml"])
    let listed = try get(some, "/open/")
    #expect(listed.status == 200 && listed.text.contains("<bdi>a.txt</bdi>"))
    #expect(listed["Cache-Control"] == "max-age=7" && listed["X-Folder"] == "yes")
    #expect(listed["Content-Security-Policy"] == nil)
    for path in ["/closed/", "/open/deep/", "/"] {
      let response = try get(some, path)
      #expect(response.status == 404 && response.text == "missing\n", "\(path)")
    }
    let all = try SluiceProcess(
      site.path, flags: ["--listing", "--fallback", "/app.html", "--clean-urls", "--security-headers"])
    for path in ["/closed/", "/open/deep/", "/"] {
      #expect(try get(all, path).text.contains("<table>"), "\(path)")
    }
    #expect(try get(all, "/")["X-Content-Type-Options"] == "nosniff")
    let moved = try get(all, "/open?sort=size")
    #expect(moved.status == 301 && moved["Location"] == "/open/?sort=size")
    #expect(try get(all, "/indexed/").text == "index\n")
    #expect(try get(all, "/none/").text == "app\n")
    #expect(try get(all, "/out/").text == "app\n" && get(all, "/.hidden/").status == 404)
    #expect(try get(all, "/open/a.txt/")["Location"] == "/open/a.txt")
    let root = try get(all, "/").text
    for name in ["out", ".hidden"] { #expect(!root.contains("<bdi>\(name)</bdi>")) }
    let off = try SluiceProcess(site.path)
    #expect(try get(off, "/open/").status == 404 && get(off, "/?format=json").status == 404)
  }

  /// What is not for all who may see a folder is not shown, nor is a folder that is not for the client.
  @Test func notForEverybody() throws {
    let site = try TemporarySite()
    for name in ["inside", "open", "open/inside"] { try site.addFolder(name) }
    for name in ["inside/a.txt", "open/a.txt", "open/b.key"] { try site.add(name, "a") }
    let configuration = try TemporaryFolder()
    try writeFile(
      configuration.path + "/sluice.toml",
      Array(
        """
        listing = true
        [[path]]
        match = "{/inside/,/open/inside/,*.key}"
        deny = ["127.0.0.0/8"]
        """.utf8))
    let sluice = try SluiceProcess(site.path, flags: ["--config", configuration.path + "/sluice.toml"])
    for _ in 0..<2 {
      #expect(try get(sluice, "/inside/").status == 403 && get(sluice, "/open/b.key").status == 403)
      let root = try get(sluice, "/").text
      #expect(root.contains("<a href=\"open/\">") && !root.contains("inside"))
      let open = try get(sluice, "/open/?format=json").text
      #expect(open.contains("a.txt") && !open.contains("inside") && !open.contains("b.key"))
    }
  }

  @Test(.enabled(if: TestMachine.isRoot)) func foldersThatCanNotBeRead() throws {
    let site = try TemporarySite()
    try site.addFolder("locked")
    try site.add("a.txt", "a")
    try Shell.require(["chmod", "755", site.path])
    try Shell.require(["chmod", "000", site.path + "/locked"])
    let sluice = try SluiceProcess(
      site.path, flags: ["--listing"], prefix: ["setpriv", "--reuid", "65534", "--clear-groups"])
    #expect(try get(sluice, "/locked/").status == 403)
    #expect(try get(sluice, "/").text.contains("<a href=\"locked/\">"))
    try Shell.require(["chmod", "311", site.path + "/locked"])
    try waitUntil("what is there is known, but not the names") { try get(sluice, "/locked/").status == 403 }
    try Shell.require(["chmod", "755", site.path + "/locked"])
    try waitUntil("it can be read") { try get(sluice, "/locked/").text.contains("Nothing here") }
  }

  @Test func wrongOptions() throws {
    let configuration = try TemporaryFolder()
    let file = configuration.path + "/sluice.toml"
    try writeFile(file, Array("[[path]]\nmatch = \"/a/\"\nlisting = \"maybe\"\n".utf8))
    let result = try SluiceProcess.run(["check", "--config", file])
    #expect(
      result.exitStatus == 64 && result.text.contains("\(file):3: the value 'maybe' of listing is invalid"))
    #expect(try SluiceProcess.run(["check", "--listing"]).exitStatus == 0)
    #expect(try SluiceProcess.run(["check", "--print", "--listing"]).output.contains("listing = true\n"))
  }

  /// The hash in the policy is that of the style, or browsers would not apply it.
  @Test func theStyleIsAllowed() throws {
    let site = try TemporarySite()
    let sluice = try SluiceProcess(site.path, flags: ["--listing"])
    let page = try get(sluice, "/")
    let start = try #require(page.text.firstRange(of: "<style>")).upperBound
    let end = try #require(page.text.firstRange(of: "</style>")).lowerBound
    let folder = try TemporaryFolder()
    try writeFile(folder.path + "/css", Array(page.text[start..<end].utf8))
    let hash = try Shell.require(
      ["sh", "-c", "openssl dgst -sha256 -binary '\(folder.path)/css' | openssl base64"])
    let policy = try #require(page["Content-Security-Policy"])
    #expect(policy.contains("'sha256-\(hash.split(separator: "\n")[0])'"))
  }

  /// A worker goes on with others while a folder of 100,000 is read, and all of its 12 listings, by many.
  @Test func manyEntries() throws {
    // With a sanitizer, reading so many takes longer than a request may wait.
    let entries = TestMachine.isSanitized ? 20_000 : 100_000
    let last = (entries < 100_000 ? "0" : "") + "\(entries)"
    let site = try TemporarySite()
    try site.add("hot.bin", Pattern.bytes(4096))
    try site.addFolder("many")
    try Shell.require(
      ["sh", "-c", "seq -f 'file-%06.0f.txt' 1 \(entries) | xargs touch -d @1000000000"],
      workingFolder: site.path + "/many")
    let sluice = try SluiceProcess(site.path, flags: ["--listing", "--workers", "1"])
    let url = try sluice.url("http")
    let folder = try TemporaryFolder()
    for variant in [
      "sort=name&order=asc", "sort=name&order=desc", "sort=size&order=desc", "sort=time&order=asc",
    ] {
      for format in ["html", "json"] {
        // Many ask for one, and wait for it together.
        let outputs = (0..<5).map { "\(folder.path)/\($0)" }
        let crowd = try Subprocess(
          ["curl"] + Curl.flags + ["-Z", "--parallel-immediate", "--fail"]
            + outputs.flatMap { ["-o", $0, "\(url)/many/?\(variant)&format=\(format)"] })
        var served = 0
        while crowd.exitStatus == nil {
          #expect(try get(sluice, "/hot.bin").body == Pattern.bytes(4096))
          served += 1
        }
        #expect(served > 0 && crowd.exitStatus == 0, "\(crowd.errorOutput)")
        let contents = outputs.compactMap { readFile($0) }
        let first = try #require(contents.first)
        #expect(contents.count == 5 && contents.allSatisfy { $0 == first && $0.count > 500_000 })
        let text = String(decoding: first, as: UTF8.self)
        if format == "json" {
          #expect(
            text.hasSuffix("{\"type\":\"cut\",\"listed\":10000,\"entries\":\(entries),\"more\":false}\n]\n"))
          #expect(
            text.hasPrefix(
              "[\n{\"name\":\"file-\(variant.contains("name&order=desc") ? last : "000001").txt\""))
        } else {
          #expect(text.contains("Only the first 10,000 of \(entries / 1000),000 entries are shown."))
        }
      }
    }
    #expect(try query(sluice, "/many/?format=json", "length") == "10001\n")
  }
}

/// Folders on disks that are slow or hang.
@Suite(.serialized, .enabled(if: SlowDisk.isAvailable, Comment(rawValue: SlowDisk.lacksFUSE)))
struct SlowFolderTests {
  @Test(arguments: Transfer.Transport.everywhere) func hotFilesGoOn(transport: Transfer.Transport) throws {
    try transport.expectSlowFoldersKeepNobody()
  }
}

/// The same where the kernel encrypts.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSListingTests {
  @Test(arguments: Transfer.Transport.kernelSending) func everyEntryLeadsToItsFile(
    transport: Transfer.Transport
  )
    throws
  {
    try transport.expectListings()
  }

  @Test(arguments: Transfer.Transport.kernelSending) func largeListings(transport: Transfer.Transport) throws
  {
    try transport.expectLargeListings()
  }
}

extension Transfer.Transport {
  /// The references in the rows of a page, as they stand there.
  private func references(_ page: String) -> [String] {
    page.split(separator: "<tr><td><a href=\"").dropFirst().map { String($0.prefix { $0 != "\"" }) }
  }

  /// Every name is listed, and leads to what it stands for.
  fileprivate func expectListings() throws {
    let site = try TemporarySite()
    try site.addFolder("sub folder")
    try site.addFolder("sub folder/deep")
    let names = [
      "plain.txt", "a b", "a+b%20c", "<b>&amp;\"'.html", "new\nline", "question?.txt", "hash#.txt",
      "javascript:alert(1)",
      "עברית.txt", "\u{202E}override", "app.js", "app.js.br", "semi;colon", "back\\slash", "~tilde",
      "index.htm",
      String(repeating: "x", count: 255), String(repeating: "é", count: 127),
    ]
    var contents: [String: [UInt8]] = [:]
    for folder in ["", "sub folder/"] {
      for (index, name) in names.enumerated() {
        contents[folder + name] = Pattern.bytes(100 + 997 * index, from: index)
        try site.add(folder + name, contents[folder + name] ?? [])
      }
      try site.add(folder + ".hidden", "h")
      try site.addFIFO(folder + "fifo")
      try site.addSocket(folder + "s")
      try site.addLink(folder + "out", to: "/etc/passwd")
      try site.addLink(folder + "broken", to: "nowhere")
    }
    try site.addLink("link", to: "plain.txt")
    contents["link"] = contents["plain.txt"]
    let sluice = try serve(site.path, flags: ["--listing"])
    let url = try url(sluice)
    for (folder, count, folders) in [
      ("", names.count + 2, ["sub%20folder/"]), ("sub%20folder/", names.count + 2, ["../", "deep/"]),
    ] {
      for _ in 0..<2 {
        let page = try Curl.get("\(url)/\(folder)", flags())
        #expect(page.status == 200 && page["Content-Type"] == "text/html; charset=utf-8")
        let found = references(page.text)
        #expect(found.count == count && folders.allSatisfy(found.contains), "\(found)")
        for reference in found where !folders.contains(reference) {
          let file = try Curl.get("\(url)/\(folder)\(reference)", flags())
          let path = folder.replacing("%20", with: " ") + Self.decoded(reference)
          #expect(file.status == 200 && file.body == contents[path], "\(reference)")
        }
        let tag = try #require(page["ETag"])
        let known = try Curl.get("\(url)/\(folder)", flags() + ["-H", "If-None-Match: \(tag)"])
        #expect(known.status == 304 && known.body.isEmpty)
        let json = try Curl.get("\(url)/\(folder)", flags() + ["-H", "Accept: application/json"])
        #expect(json["Content-Type"] == "application/json" && json.text.hasPrefix("[\n{\"name\":\""))
        #expect(json.text.split(separator: "\n").count == count + (folder.isEmpty ? 2 : 1))
      }
    }
    #expect(try references(Curl.get("\(url)/sub%20folder/deep/", flags()).text) == ["../"])
  }

  private static func decoded(_ text: String) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%") {
        bytes.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// What is no small file's size leaves as large files do: whole, in parts, and to slow clients.
  fileprivate func expectLargeListings() throws {
    let site = try TemporarySite()
    try site.addFolder("many")
    let names = (1...5000).map { "a-name-that-is-not-short-\(String($0 + 100_000).dropFirst()).txt" }
    for name in names { try site.add("many/" + name, "") }
    let sluice = try serve(site.path, flags: ["--listing", "--workers", "1"])
    let url = try url(sluice) + "/many/"
    let page = try Curl.get(url, flags())
    #expect(page.status == 200 && page.body.count > 500_000 && page["Vary"] == "Accept")
    #expect(references(page.text).count == 5001 && page.text.hasSuffix("</html>\n"))
    #expect(try Curl.get(url, flags()).body == page.body)
    #expect(try Curl.get(url, flags() + ["--limit-rate", "1M"]).body == page.body)
    let tag = try #require(page["ETag"])
    #expect(tag.hasPrefix("\""))
    let part = try Curl.get(url, flags() + ["-r", "400000-", "-H", "If-Range: \(tag)"])
    #expect(part.status == 206 && part.body == Array(page.body[400_000...]))
    // Made anew, it is the same.
    usleep(1_500_000)
    #expect(try Curl.get(url, flags() + ["-H", "If-None-Match: \(tag)"]).status == 304)
    let head = try Curl.run(flags() + ["-I", url]).output
    #expect(head.contains("Content-Length: \(page.body.count)\r\n"))
    let json = try Curl.get(url + "?format=json&order=desc", flags())
    #expect(
      json.text.hasPrefix("[\n{\"name\":\"a-name-that-is-not-short-05000.txt\",\"type\":\"file\",\"size\":0,")
    )
    #expect(json.text.split(separator: "\n").count == 5002)
    // One that is being sent stays whole while another takes its place.
    let slow = try Subprocess(["curl"] + Curl.flags + flags() + ["--limit-rate", "300K", url])
    try waitUntil("it has begun") { slow.outputBytes.count > 0 || slow.exitStatus != nil }
    for name in names where name.hasSuffix("1.txt") {
      #expect(unsafe unlink("\(site.path)/many/\(name)") == 0)
    }
    try waitUntil("it is another") { try references(Curl.get(url, flags()).text).count == 4501 }
    #expect(try slow.wait() == 0 && slow.outputBytes == page.body)
  }

  fileprivate func expectSlowFoldersKeepNobody() throws {
    let server = try SlowDiskServer(self, ["a.bin": 100, "b.bin": 5000], flags: ["--listing"])
    // What hangs beneath a folder keeps nobody who lists that one.
    try server.disk.hold(.any)
    let hanging = try server.ask("/slow/")
    try server.disk.waitUntilHeld()
    let root = try server.ask("/").response()
    #expect(root.status == 200 && root.text.contains("<a href=\"slow/\">"))
    try server.expectHotFilesAreServed()
    try server.disk.release()
    #expect(try references(hanging.response().text) == ["../", "a.bin", "b.bin"])
    // Slow at every step.
    try server.disk.setValidity(seconds: 0)
    try server.disk.addFolder("sub")
    try server.disk.add("sub/c.bin", size: 7)
    try server.disk.delay(.any, milliseconds: 100)
    for _ in 0..<2 {
      let slow = try server.ask("/slow/sub/?format=json").response()
      #expect(slow.status == 200 && slow.text.contains("\"name\":\"c.bin\",\"type\":\"file\",\"size\":7,"))
    }
    try server.disk.release()
    // It fails.
    try server.disk.addFolder("failing")
    try server.disk.fail(.readdir, "failing")
    #expect(try server.ask("/slow/failing/").response().status == 500)
    try server.disk.release()
    // Given up in time, and told.
    try server.disk.hold(.readdir)
    try server.disk.addFolder("hung")
    let hung = try server.ask("/slow/hung/")
    try server.disk.waitUntilHeld()
    #expect(try hung.response().status == 503)
    try server.expectHotFilesAreServed(small: 20, large: 1)
    try server.disk.release()
    try waitUntil("it goes on") { try server.ask("/slow/sub/").response().status == 200 }
  }
}
