import Site
import Testing

@Suite struct AuthenticationTests {
  static let staff = Authentication(file: "staff", realm: "Staff")
  static let guests = Authentication(file: "guests")

  static func site(_ rules: [(String, Authentication?)], isClean: Bool = false) throws -> Site {
    var site = Site(root: "")
    site.hasCleanPaths = isClean
    site.indexes = ["index.html", "index.htm"]
    site.rules = try rules.map { pattern, authentication in
      var rule = PathRule(try #require(PathPattern(pattern)))
      rule.authentication = authentication.map { .required($0) } ?? .off
      return rule
    }
    return site
  }

  /// The files with passwords that a path asks for.
  static func files(_ path: String, _ site: Site) -> [String] {
    let all = site.authentications
    let set = site.authentications(of: Array(path.utf8), among: all)
    return all.indices.filter { set.contains(AuthenticationSet($0)) }.map { all[$0].file }
  }

  @Test func theFirstRuleThatSaysItDecides() throws {
    var site = try Self.site([
      ("/a/open/**", nil), ("/a/**", Self.staff), ("/b/**", Self.guests), ("**", nil),
    ])
    // One that says something else does not.
    site.rules.insert(PathRule(try #require(PathPattern("**"))), at: 0)
    #expect(
      site.authentications == [Self.staff, Self.guests]
        && Site.passwordFiles(of: [site]) == ["staff", "guests"])
    for (path, files) in [
      ("a/x", ["staff"]), ("a/", ["staff"]), ("a/open/x", []), ("b/x", ["guests"]), ("c", []), ("", []),
    ] { #expect(Self.files(path, site) == files, "\(path)") }
  }

  @Test func whatAPathLeadsToCounts() throws {
    let site = try Self.site([("/a/**", Self.staff), ("/b.html", Self.guests), ("/c/index.htm", Self.staff)])
    for (path, files) in [
      // The redirect to the folder's own name would say that there is one.
      ("a", ["staff"]), ("c/", ["staff"]), ("c", ["staff"]), ("c/index.htm", ["staff"]), ("c/index.html", []),
      // Another coding of the same.
      ("b.html.gz", ["guests"]), ("b.html.br", ["guests"]), ("b.html.zst", ["guests"]), ("b.html.xz", []),
      ("c/index.htm.gz", ["staff"]), ("a.gz", ["staff"]),
      ("b", []), ("b.html/", ["guests"]), ("b.html.gz/", []),
    ] { #expect(Self.files(path, site) == files, "\(path)") }
  }

  @Test func whatIsOpenedInAClosedFolder() throws {
    let site = try Self.site([
      ("/a/open/", nil), ("/a/s.txt", nil), ("*.css", nil), ("/a/", Self.staff), ("/b.html", Self.guests),
      ("**", nil),
    ])
    for (path, files) in [
      ("a/open/", []), ("a/open/x.txt", []), ("a/s.txt", []), ("a/x.css", []), ("a/x.txt", ["staff"]),
      ("a/", ["staff"]),
      ("a/open.txt", ["staff"]),
      // A rule at the end opens nothing that another has closed before.
      ("a", ["staff"]), ("b.html", ["guests"]), ("b.html.gz", ["guests"]), ("b.html/", ["guests"]), ("c", []),
    ] { #expect(Self.files(path, site) == files, "\(path)") }
  }

  @Test func cleanPaths() throws {
    let site = try Self.site(
      [("/b.html", Self.guests), ("/d", Self.staff), ("/e/", Self.staff)], isClean: true)
    for (path, files) in [
      ("b", ["guests"]), ("b.html", ["guests"]), ("b.html.gz", ["guests"]), ("d", ["staff"]),
      ("d.html", ["staff"]),
      ("d.html.gz", ["staff"]), ("e/index.html", ["staff"]), ("e/index", ["staff"]), ("e", ["staff"]),
      ("f", []),
    ] { #expect(Self.files(path, site) == files, "\(path)") }
  }

  @Test func severalAtOnce() throws {
    let site = try Self.site([("/index.html", Self.staff), ("/index.htm", Self.guests)])
    #expect(Self.files("index.html", site) == ["staff"])
    #expect(Self.files("", site) == ["staff", "guests"])
  }

  @Test func challenges() throws {
    #expect(Self.guests?.challenge == #"Basic realm="Restricted", charset="UTF-8""#)
    #expect(
      try #require(Authentication(file: "x", realm: #"a "b" \c"#)).challenge
        == #"Basic realm="a \"b\" \\c", charset="UTF-8""#)
    for realm in ["", "a\r\nSet-Cookie: b", "ä", "\u{7F}", String(repeating: "a", count: 201)] {
      #expect(Authentication(file: "x", realm: realm) == nil)
    }
    #expect(Authentication(file: "") == nil)
  }

  @Test func cachesThatManyShareKeepNothing() throws {
    var site = Site(root: "")
    site.keepsHashedFiles = true
    func cacheControl(_ path: String, isPrivate: Bool = true) -> [String] {
      site.policy(of: Array(path.utf8), isPrivate: isPrivate).fields.map { "\($0.name): \($0.value)" }
    }
    #expect(cacheControl("a", isPrivate: false) == [])
    #expect(cacheControl("a") == ["Cache-Control: private"])
    #expect(cacheControl("main.3f9a1c2b.js") == ["Cache-Control: private, max-age=31536000, immutable"])
    var rule = PathRule(try #require(PathPattern("/a")))
    rule.cacheControl = "no-cache"
    site.rules = [rule]
    #expect(cacheControl("a") == ["Cache-Control: no-cache"])
  }
}
