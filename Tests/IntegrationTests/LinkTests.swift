import Glibc
import Testing

/// Symbolic links in the folder.
@Suite struct LinkTests {
  @Test(arguments: Transfer.Transport.everywhere) func everyLink(transport: Transfer.Transport) throws {
    try transport.expectLinks()
  }

  /// As a deploy switches it, with absolute links through the link that is switched.
  @Test(arguments: Transfer.Transport.everywhere) func currentIsSwitched(transport: Transfer.Transport) throws
  {
    let folder = try TemporaryFolder()
    for name in ["one", "two"] {
      try Shell.require(["mkdir", "-p", "\(folder.path)/\(name)/files"])
      try writeFile("\(folder.path)/\(name)/files/a.html", Array("\(name)\n".utf8))
      for (link, target) in [("written", "current/files"), ("real", "\(name)/files")] {
        try Shell.require(["ln", "-s", "\(folder.path)/\(target)", "\(folder.path)/\(name)/\(link)"])
      }
    }
    try Shell.require(["ln", "-s", "one", "\(folder.path)/current"])
    let sluice = try transport.serve(folder.path + "/current", flags: ["--workers", "2"])
    func text(_ path: String) throws -> String {
      try Curl.get(transport.url(sluice) + path, transport.flags()).text
    }
    for path in ["/written/a.html", "/real/a.html"] { #expect(try text(path) == "one\n") }
    try Shell.require(["ln", "-sfn", "two", "\(folder.path)/current"])
    for path in ["/written/a.html", "/real/a.html"] {
      try waitUntil("\(path) is of the second release") {
        let found = try text(path)
        // No request in between fails.
        #expect(found == "one\n" || found == "two\n")
        return found == "two\n"
      }
    }
  }

  @Test func wrongValues() throws {
    let result = try SluiceProcess.run(["check", "--symlinks", "all"])
    #expect(result.exitStatus == 64 && result.errorOutput.contains("use beneath or none"), "\(result.text)")
  }
}

/// The same where the kernel encrypts.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSLinkTests {
  @Test(arguments: Transfer.Transport.kernelSending) func everyLink(transport: Transfer.Transport) throws {
    try transport.expectLinks()
  }
}

extension Transfer.Transport {
  fileprivate func expectLinks() throws {
    let site = try TemporarySite()
    try site.addFolder("releases")
    try site.addFolder("releases/2")
    try site.add("releases/2/a.html", "two\n")
    try site.add("releases/2/index.html", "index\n")
    let large = [UInt8](repeating: 0x61, count: 100_000)
    try site.add("releases/2/large.bin", large)
    try site.add("releases/2/large.bin.gz", "not looked for\n")
    try site.addLink("a.html", to: "\(site.path)/releases/2/a.html")
    try site.addLink("large.bin", to: "\(site.path)/releases/2/large.bin")
    try site.addLink("current", to: "\(site.path)/releases/2")
    try site.addLink("chain.html", to: "current/a.html")
    try site.addLink("relative.html", to: "releases/2/a.html")
    try site.addLink("out", to: "/etc/hostname")
    let (beneath, none) = (try serve(site.path), try serve(site.path, flags: ["--symlinks", "none"]))
    for _ in 0..<2 {
      for (path, text) in [
        ("/a.html", "two\n"), ("/current/a.html", "two\n"), ("/current/", "index\n"),
        ("/chain.html", "two\n"),
        ("/relative.html", "two\n"),
      ] {
        let response = try Curl.get(url(beneath) + path, flags())
        #expect(response.status == 200 && response.text == text, "\(path)")
        #expect(try Curl.get(url(none) + path, flags()).status == 404, "\(path)")
      }
      let file = try Curl.get(url(beneath) + "/large.bin", flags())
      #expect(file.body == large && file["ETag"] != nil)
      #expect(try Curl.get(url(beneath) + "/current", flags())["Location"] == "/current/")
      for sluice in [beneath, none] {
        #expect(try Curl.get(url(sluice) + "/out", flags()).status == 404)
        #expect(try Curl.get(url(sluice) + "/releases/2/a.html", flags()).text == "two\n")
      }
    }
  }
}
