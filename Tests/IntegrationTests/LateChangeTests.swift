import Glibc
import Testing

/// Changes that come when nobody asks, and changes of what was quiet for long.
@Suite struct LateChangeTests {
  /// How a name can come to mean something else.
  enum Change: CaseIterable {
    case renamedAway, linkSwitched, folderLinkSwitched, replaced
  }

  /// The kernel has forgotten what it knew of the name: only the disk can tell, and it has to, before anything is served.
  @Test(arguments: Change.allCases, [900, 17_000]) func firstRequestAfterAChange(change: Change, size: Int)
    throws
  {
    let site = try TemporarySite()
    let (old, new) = (Pattern.bytes(size), Pattern.bytes(size, from: 9))
    for (release, content) in [("1", old), ("2", new)] {
      try site.addFolder(release)
      try site.add("\(release)/file.bin", content)
    }
    try site.addLink("current", to: "1")
    try site.addLink("file.bin", to: "1/file.bin")
    let sluice = try SluiceProcess(site.path, flags: ["--workers", "2"])
    let path = change == .folderLinkSwitched ? "/current/file.bin" : "/file.bin"
    for _ in 0..<8 {
      let connection = try sluice.connect()
      try connection.get(path)
      #expect(try connection.response().body == old)
    }
    func switchLink(_ name: String, to target: String) throws {
      try site.addLink("\(name).new", to: target)
      #expect(unsafe rename("\(site.path)/\(name).new", "\(site.path)/\(name)") == 0)
    }
    switch change {
    case .renamedAway: #expect(unsafe rename("\(site.path)/file.bin", "\(site.path)/gone.bin") == 0)
    case .linkSwitched: try switchLink("file.bin", to: "2/file.bin")
    case .folderLinkSwitched: try switchLink("current", to: "2")
    case .replaced:
      #expect(unsafe unlink("\(site.path)/file.bin") == 0)
      try site.add("file.bin", new)
    }
    usleep(1_200_000)
    for _ in 0..<8 {
      let connection = try sluice.connect()
      try connection.get(path)
      let response = try connection.response()
      #expect(response.status == (change == .renamedAway ? 404 : 200))
      #expect(change == .renamedAway || response.body == new)
    }
  }

  /// What is sent of a large file is what is on the disk at that moment: its tag must be, too.
  @Test func aQuietLargeFileIsRewrittenInPlace() throws {
    let site = try TemporarySite()
    let (old, new) = (Pattern.bytes(300_000), Pattern.bytes(300_000, from: 9))
    try site.add("file.bin", old)
    let sluice = try SluiceProcess(site.path)
    let connection = try sluice.connect()
    func get(_ fields: String = "") throws -> HTTPResponse {
      try connection.get("/file.bin", fields)
      return try connection.response()
    }
    // Until its time of change tells it from all later states.
    try waitUntil("the tag is strong", seconds: 10) { try get()["ETag"]?.hasPrefix("\"") == true }
    let tag = try #require(try get()["ETag"])
    try site.add("file.bin", new)
    for _ in 0..<20 {
      let whole = try get()
      #expect(whole.body == new && whole["ETag"] != tag)
      let part = try get("Range: bytes=0-9\r\nIf-Range: \(tag)\r\n")
      #expect(part.status == 200 && part.body == new)
    }
  }
}
