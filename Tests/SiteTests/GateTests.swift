import Testing

@testable import Site

@Suite struct GateTests {
  private static func rule(
    _ pattern: String, to target: String? = nil, allowing networks: [String] = []
  ) throws -> PathRule {
    let pattern = try #require(PathPattern(pattern))
    var rule = PathRule(pattern)
    rule.redirect = try target.map { try Redirect(to: $0, from: pattern) }
    if !networks.isEmpty {
      rule.access = AccessRule()
      rule.access?.allowed = networks.compactMap(Network.init)
    }
    return rule
  }

  private static func starred(_ gate: Gate, _ path: String) -> String {
    String(decoding: Array(path.utf8)[gate.starred], as: UTF8.self)
  }

  @Test(
    arguments: [
      ("/old/**", "old/a/b.html", "a/b.html"), ("/old/", "old/a", "a"), ("/old/**", "old/", ""),
      ("/old/*.html", "old/a.html", "a"), ("/**", "", ""), ("/**", "x/y", "x/y"), ("/a*b", "axyb", "xy"),
    ])
  func whatTheStarStandsFor(pattern: String, path: String, expected: String) throws {
    var site = Site(root: "")
    site.rules = [try Self.rule(pattern, to: "/new/*")]
    let gate = site.gate(of: Array(path.utf8))
    #expect(gate.redirect != nil)
    #expect(Self.starred(gate, path) == expected)
  }

  /// Whoever names a folder without its slash means what is in it, where somebody shall be kept out.
  @Test(
    arguments: [
      ("/private", "private/report.txt", true), ("private", "a/private/b/c.txt", true),
      ("/private*", "private2/a", true),
      ("/private", "private", true), ("/private", "private/", true), ("/private", "privately", false),
      ("/private", "a/private/b", false), ("*.html", "a.html", true), ("/a/*", "a/b/c", true),
      ("/a/*", "a", true), ("/a/*", "ab", false), ("/private/", "private", true), ("/a.js", "a.js.br", true),
      ("/a.js", "a.js.xz", false), ("/a", "a.html", false),
    ])
  func whatKeepsOutCoversAllBeneath(pattern: String, path: String, isCovered: Bool) throws {
    var site = Site(root: "")
    site.rules = [try Self.rule(pattern, to: "/x", allowing: ["::1"])]
    let gate = site.gate(of: Array(path.utf8))
    #expect(gate.access.isEmpty != isCovered)
    // Another place is given only for what is named.
    let named = try #require(PathPattern(pattern))
    #expect((gate.redirect != nil) == named.matches(Array("/\(path)".utf8)))
  }

  @Test(arguments: ["^/private/", "~* \\.js$", "/a$", "\\.php", "~", ""]) func expressionsAreNoPatterns(
    text: String
  ) {
    #expect(PathPattern(text) == nil)
  }

  @Test func theFirstRuleDecides() throws {
    var site = Site(root: "")
    #expect(!site.hasGates)
    site.rules = [
      try Self.rule("/a/b/**", allowing: ["::1"]), try Self.rule("/a/**", to: "/x", allowing: ["::2"]),
      try Self.rule("/a/**", to: "/y"),
    ]
    #expect(site.hasGates)
    let inner = site.gate(of: Array("a/b/c".utf8))
    #expect(
      inner.access.map(\.allowed) == [[try #require(Network("::1"))]]
        && inner.redirect?.prefix == Array("/x".utf8))
    #expect(site.gate(of: Array("a/c".utf8)).access.map(\.allowed) == [[try #require(Network("::2"))]])
    #expect(site.gate(of: Array("b".utf8)) == Gate())
  }

  @Test(
    arguments: [
      ("//evil.example/", "/a", Redirect.Fault.target), ("evil.example", "/a", .target), ("", "/a", .target),
      ("/a b", "/a", .target), ("/a\r\nX: y", "/a", .target), ("/ä", "/a", .target),
      ("/\\evil.example", "/a", .target),
      ("javascript:alert(1)", "/a", .target), ("https://", "/a", .target), ("/*/x", "/a/**", .target),
      ("https://example.com*", "/a/**", .target), ("https://*/x", "/a/**", .target),
      ("/new/*", "/a", .star), ("/new/*", "/*/a/**", .star), ("/new/*", "*.html", .star),
      ("/new/*/*", "/a/**", .star), ("/new#*", "/a/**", .target),
      // Browsers take what comes next for the host.
      ("https:///*", "/a/**", .target), ("https://?/*", "/a/**", .target), ("http://a@/*", "/a/**", .target),
      ("https:///evil.example", "/a", .target), ("https://:80/", "/a", .target),
      ("/new/*", "/{a,b}/*", .star), ("/new/*", "/a?/*", .star),
    ])
  func noRedirects(target: String, pattern: String, fault: Redirect.Fault) throws {
    let pattern = try #require(PathPattern(pattern))
    #expect(throws: fault) { try Redirect(to: target, from: pattern) }
  }

  /// What keeps a page out keeps it out by all of its names.
  @Test(
    arguments: [
      ("/a.html", ["a.html", "a.html/", "a.html.gz"]),
      ("/a", ["a", "a/", "a.html", "a.html/", "a.html.gz", "a/b", "a/index", "a/index.html"]),
      ("/a/", ["a", "a/", "a.html", "a.html/", "a.html.gz", "a/b", "a/index", "a/index.html"]),
      ("/a/index", ["a/index", "a/index.html"]), ("/a/index.html", ["a/index.html"]),
      ("/index.html", ["index.html"]), ("/b", []),
    ] as [(String, Set<String>)])
  func namesOfPages(pattern: String, covered: Set<String>) throws {
    var site = Site(root: "")
    site.hasCleanPaths = true
    site.rules = [try Self.rule(pattern, allowing: ["::1"])]
    let paths = [
      "", "a", "a/", "a.html", "a.html/", "a.html.gz", "a/b", "a/index", "a/index.html", "ab", "index.html",
    ]
    #expect(Set(paths.filter { !site.access(of: Array($0.utf8)).isEmpty }) == covered)
  }

  /// The rule for the path itself counts more than those behind it for what it may lead to.
  @Test func whatIsOpenedInAClosedFolder() throws {
    var site = Site(root: "")
    site.rules = [
      try Self.rule("/a/*.tar.gz", allowing: ["::1"]), try Self.rule("/b/x.txt", allowing: ["::1"]),
      try Self.rule("/a/", allowing: ["::2"]), try Self.rule("*.gz", allowing: ["::3"]),
    ]
    for (path, networks) in [
      ("a/x.tar.gz", ["::1"]), ("a/x.tar", ["::2"]), ("a/x.gz", ["::2"]), ("b/x.txt.gz", ["::3", "::1"]),
      ("b/x.txt/", ["::1"]), ("c", []),
    ] {
      let found = Set(site.access(of: Array(path.utf8)).flatMap(\.allowed))
      #expect(found == Set(networks.compactMap(Network.init)), "\(path)")
    }
  }

  /// A rule holds for what lies beneath what it names only where it keeps somebody out.
  @Test func whatOpensOpensNoMoreThanItNames() throws {
    var site = Site(root: "")
    site.rules = [
      try Self.rule("/*", allowing: ["0.0.0.0/0"]), try Self.rule("/b/open/", allowing: ["::4"]),
      try Self.rule("/b", allowing: ["::3"]), try Self.rule("/**", allowing: ["::1"]),
    ]
    for (path, networks) in [
      ("x.txt", ["0.0.0.0/0"]), ("a/x.txt", ["0.0.0.0/0", "::1"]), ("b/open/x", ["0.0.0.0/0", "::4"]),
      ("b/x", ["0.0.0.0/0", "::3", "::1"]),
    ] {
      let found = Set(site.access(of: Array(path.utf8)).flatMap(\.allowed))
      #expect(found == Set(networks.compactMap(Network.init)), "\(path)")
    }
  }

  @Test(
    arguments: [
      ("/b", "/b", Redirect.Query.takesOver, ""), ("/b?", "/b", .drops, ""), ("/b?x", "/b?x", .addsTo, ""),
      ("/b#c?d", "/b", .takesOver, "#c?d"), ("/b?#c", "/b", .drops, "#c"), ("/b?x#c", "/b?x", .addsTo, "#c"),
      ("https://a.example/?x=?", "https://a.example/?x=?", .addsTo, ""),
    ])
  func queriesOfRedirects(target: String, prefix: String, query: Redirect.Query, fragment: String) throws {
    let redirect = try Redirect(to: target, from: try #require(PathPattern("/a")))
    #expect(redirect.prefix == Array(prefix.utf8) && redirect.query == query)
    #expect(redirect.fragment == Array(fragment.utf8))
  }

  @Test func statusesOfRedirects() throws {
    let pattern = try #require(PathPattern("/a"))
    for status in Redirect.statuses {
      #expect(try Redirect(to: "/b", from: pattern, status: status).status == status)
    }
    for status in [0, 200, 300, 304, 306, 309] {
      #expect(throws: Redirect.Fault.status) { try Redirect(to: "/b", from: pattern, status: status) }
    }
  }

  @Test(
    arguments: [
      ("https://example.com", true), ("http://localhost:3000", true), ("https://[::1]:8443", false),
      ("example.com", false),
      ("https://example.com/", false), ("https://Example.com", false), ("https://*.example.com", false),
      ("null", false),
      ("https://example.com:x", false), ("https://a b", false), ("https://", false),
    ])
  func origins(text: String, isOne: Bool) {
    #expect((Sharing.origin(text) != nil) == isOne)
  }
}
