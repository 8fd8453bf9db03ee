import Site
import Testing

/// Redirects that never end, among sites that are asked by their names.
@Suite struct RedirectNetworkTests {
  private func site(_ names: [String], _ redirects: [(String, String)], basePath: String = "") throws -> Site
  {
    var site = Site(root: ".")
    site.names = names.compactMap(HostName.init)
    site.basePath = basePath
    site.rules = try redirects.map { from, to in
      let pattern = try #require(PathPattern(from))
      var rule = PathRule(pattern)
      rule.redirect = try Redirect(to: to, from: pattern)
      return rule
    }
    return site
  }

  @Test func betweenHosts() throws {
    let sites = try [
      site([], []), site(["a.example"], [("/**", "https://www.a.example/*")]),
      site(["www.a.example"], [("/x", "/y"), ("/**", "https://a.example/*")]),
    ]
    let network = RedirectNetwork(sites, schemes: ["https"])
    #expect(
      network.loop(ofRule: 0, site: 1) == ["/x", "https://www.a.example/x", "/y", "https://a.example/y"])
    // It is told once.
    #expect(network.loop(ofRule: 1, site: 2) == nil)
    // Another server listens there.
    #expect(RedirectNetwork(sites, schemes: ["http"]).loop(ofRule: 0, site: 1) == nil)
  }

  @Test func basePathIsNoPartOfPatterns() throws {
    let network = try RedirectNetwork(
      [
        site(
          [], [("/a", "/app/b"), ("/b", "/app/a?x"), ("/c", "/c"), ("/**", "https://other.example/*")],
          basePath: "/app")
      ],
      schemes: ["http"])
    #expect(network.loop(ofRule: 0, site: 0) == ["/app/a", "/app/b", "/app/a?x", "/app/b"])
    for rule in 1...3 { #expect(network.loop(ofRule: rule, site: 0) == nil) }
  }

  @Test func longChainsEnd() throws {
    let steps = (0..<40).map { ("/\($0)", "/\($0 + 1)") }
    #expect(try RedirectNetwork([site([], steps)], schemes: []).loop(ofRule: 0, site: 0) == nil)
  }

  /// Patterns that are for all that another is for.
  @Test(
    arguments: [
      ("/**", ["/", "/a", "*.js", "/a/**", "{/a,b}", "docs/"], []),
      ("/a/**", ["/a/", "/a/b", "/a/*", "/a/b/**/c"], ["/a", "/**", "*.js", "/ab/c"]),
      ("/a/*", ["/a/b", "/a/*.js"], ["/a/**", "/a/b/c"]),
      ("*.{js,css}", ["*.js", "/a/*.css", "b/x.js"], ["*.html", "*.{js,html}", "/a/**"]),
      ("/a?c", ["/abc"], ["/a*c", "/ac"]), ("/a", ["/a"], ["a", "/{a,b}"]),
    ] as [(String, [String], [String])])
  func inclusion(pattern: String, included: [String], others: [String]) throws {
    let one = try #require(PathPattern(pattern))
    for other in included {
      #expect(try #require(PathPattern(other)).probes.allSatisfy(one.matches), "\(other)")
    }
    for other in others {
      #expect(try !#require(PathPattern(other)).probes.allSatisfy(one.matches), "\(other)")
    }
  }
}
