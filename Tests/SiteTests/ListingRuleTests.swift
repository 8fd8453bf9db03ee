import Site
import Testing

@Suite struct ListingRuleTests {
  @Test func theFirstRuleThatSaysItDecides() throws {
    var site = Site(root: "")
    #expect(!site.mayList && !site.lists([]))
    site.rules = [
      try FilePolicyTests.rule("/a/private/") { $0.listing = false },
      try FilePolicyTests.rule("/a/") { $0.listing = true },
      try FilePolicyTests.rule("/a/") { $0.listing = false },
      try FilePolicyTests.rule("**") { $0.cacheControl = "x" },
    ]
    for (path, expected) in [("", false), ("a/", true), ("a/b/", true), ("a/private/", false), ("b/", false)]
    {
      #expect(site.lists(Array(path.utf8)) == expected, "\(path)")
    }
    #expect(site.mayList)
    site.hasListings = true
    for (path, expected) in [("", true), ("a/b/", true), ("a/private/x/", false), ("b/", true)] {
      #expect(site.lists(Array(path.utf8)) == expected, "\(path)")
    }
  }

  @Test func rulesForTheFolder() throws {
    var site = Site(root: "")
    let own = [try Field("Cache-Control", "no-cache"), try Field("X-Own", "1")]
    func policy(_ path: String) -> FilePolicy {
      site.policy(ofListing: Array(path.utf8), type: "text/html", own: own)
    }
    func lines(_ path: String) -> [String] { policy(path).fields.map { "\($0.name): \($0.value)" } }
    #expect(lines("a/") == ["Cache-Control: no-cache", "X-Own: 1"])
    #expect(!policy("").hasLastModified && policy("").hasEntityTag && policy("").mediaType == "text/html")
    site.rules = [
      try FilePolicyTests.rule("/a/") {
        $0.cacheControl = "max-age=5"
        $0.type = "text/x-a"
        $0.changes = [.remove("x-own"), .set(try Field("X-A", "1")), .remove("etag")]
      }
    ]
    #expect(lines("a/") == ["X-A: 1", "Cache-Control: max-age=5"])
    #expect(policy("a/").mediaType == "text/html" && !policy("a/").hasEntityTag)
    #expect(lines("b/") == ["Cache-Control: no-cache", "X-Own: 1"])
    site.hasSecurityFields = true
    #expect(lines("b/").contains("X-Content-Type-Options: nosniff"))
  }
}
