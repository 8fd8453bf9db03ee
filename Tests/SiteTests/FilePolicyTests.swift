import Site
import Testing

@Suite struct FilePolicyTests {
  static func rule(_ pattern: String, _ fill: (inout PathRule) throws -> Void) throws -> PathRule {
    var rule = PathRule(try #require(PathPattern(pattern)))
    try fill(&rule)
    return rule
  }

  static func lines(_ site: Site, _ path: String) -> [String] {
    site.policy(of: Array(path.utf8)).fields.map { "\($0.name): \($0.value)" }
  }

  @Test func theFirstRuleThatSaysItDecides() throws {
    var site = Site(root: "")
    site.rules = [
      try Self.rule("*.html") { $0.cacheControl = "no-cache" },
      try Self.rule("/a/**") {
        $0.cacheControl = "max-age=1"
        $0.type = "text/x-a"
        $0.changes = [.set(try Field("X-A", "1")), .add(try Field("Link", "<a>")), .remove("server")]
      },
      try Self.rule("**") {
        $0.type = "text/x-all"
        $0.changes = [
          .set(try Field("x-a", "2")), .add(try Field("Link", "<b>")), .set(try Field("Server", "x")),
        ]
      },
    ]
    #expect(
      Self.lines(site, "a/index.html") == ["Cache-Control: no-cache", "X-A: 1", "Link: <a>", "Link: <b>"])
    #expect(Self.lines(site, "a/b") == ["X-A: 1", "Link: <a>", "Cache-Control: max-age=1", "Link: <b>"])
    #expect(Self.lines(site, "b") == ["x-a: 2", "Link: <b>", "Server: x"])
    #expect(site.policy(of: Array("a/b".utf8)).mediaType == "text/x-a")
    #expect(site.policy(of: Array("b".utf8)).mediaType == "text/x-all")
    // Said otherwise or removed: not by itself, then.
    for path in ["a/b", "b"] { #expect(!site.policy(of: Array(path.utf8)).hasServer) }
    #expect(site.policy(of: Array("b".utf8)).hasEntityTag)
  }

  /// Where there is no file, the path that is asked for is the one that rules have to fit.
  @Test func responsesWithoutAFile() throws {
    var site = Site(root: "")
    site.hasSecurityFields = true
    site.rules = [
      try Self.rule("/a/") { $0.changes = [.set(try Field("X-A", "1")), .remove("server")] },
      try Self.rule("/a/b") { $0.type = "text/x-a" },
      try Self.rule("**") {
        $0.cacheControl = "no-cache"
        $0.changes = [.remove("x-frame-options")]
      },
    ]
    for (path, rules) in [("a/x", [0, 2]), ("a/b", [0, 2]), ("a", [2]), ("", [2])] {
      #expect(site.fieldRules(for: Array(path.utf8)) == rules, "\(path)")
    }
    let policy = site.policy(ofRules: [0, 2], isPrivate: true)
    let lines = policy.fields.map { "\($0.name): \($0.value)" }
    #expect(lines.starts(with: ["X-A: 1", "Cache-Control: no-cache", "X-Content-Type-Options: nosniff"]))
    #expect(
      !policy.hasServer && !lines.contains { $0.hasPrefix("X-Frame-Options") || $0.hasSuffix(" private") })
    #expect(site.policy(ofRules: [], isPrivate: true).fields.first?.value == "private")
  }

  @Test func nothingIsSaidWithoutRules() {
    let policy = Site(root: "").policy(of: Array("a.html".utf8))
    #expect(policy.fields.isEmpty && policy.hasServer && policy.hasEntityTag && policy.hasLastModified)
  }

  @Test func securityFieldsCanBeSetAndRemoved() throws {
    var site = Site(root: "")
    site.hasSecurityFields = true
    let names = ["X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Content-Security-Policy"]
    for name in names {
      #expect(Self.lines(site, "a").contains { $0.hasPrefix("\(name): ") }, "\(name)")
    }
    site.rules = [
      try Self.rule("**") {
        $0.changes = [.set(try Field("content-security-policy", "x")), .remove("x-frame-options")]
      }
    ]
    let lines = Self.lines(site, "a")
    #expect(lines.first == "content-security-policy: x")
    #expect(lines.count { $0.lowercased().hasPrefix("content-security-policy") } == 1)
    #expect(!lines.contains { $0.hasPrefix("X-Frame-Options") })
  }

  @Test func typesOfTheOperators() {
    var site = Site(root: "")
    site.types = ["html": "text/x-mine", "foo": "a/b"]
    for (path, type) in [("a.HTML", "text/x-mine"), ("a.foo", "a/b"), ("a.css", "text/css; charset=utf-8")] {
      #expect(site.policy(of: Array(path.utf8)).mediaType == type)
    }
  }

  @Test(
    arguments: [
      // Vite, webpack, esbuild, Parcel, Next.js, Angular, Hugo.
      "index-DiwrgTda.css", "main.3f9a1c2b.js", "main.3f9a1c2b.js.map", "chunk-KZP7YZ4Q.js",
      "app.4b1e8f3a9c.css",
      "assets/logo-BGRyA9pk.svg", "static/media/font.7ce67ba25d9d2d8b.woff2",
      "_next/webpack-8074fabf81051fbd.js",
      "main.min.a64ba5b0e4d9a0d3e0a5a1c7bbbbbbbb.css", "polyfills-5CFQRCPP.js", "vendor-react-D1x_9aQz.js",
      "main.3f9a1c2b.chunk.js", "2.8a7b6c5d.chunk.css.map", "app-3f9a1c2b.min.js",
    ])
  func hashedNames(path: String) {
    var site = Site(root: "")
    #expect(Self.lines(site, path).isEmpty)
    site.keepsHashedFiles = true
    #expect(Self.lines(site, path) == ["Cache-Control: public, max-age=31536000, immutable"])
  }

  @Test(
    arguments: [
      "index.html", "main.js", "main.chunk.js", "app.bundle.js", "index-BX-3kf_9.js", "my-iPhone-4.png",
      "jquery-3.7.1.min.js", "bootstrap-datepicker.js", "report-20240101.pdf",
      "photo-20240101.jpg",
      "README-Overview.svg", "index-DiwrgTda.html", "DiwrgTda.css", "3f9a1c2b.js", "a-b1c2d3.js",
      "archive-3f9a1c2b.zip",
      // Sizes, dates, numbers behind words, and words within words.
      "hero-1920x1080.jpg", "banner-1200x630.png", "icon-1024x1024.png", "IMG-20240101WA0003.jpg",
      "x-DSC01234.jpg",
      "team-photo2024.jpg", "logo-final2024.png", "a-windows11.png", "iphone-15promax.png",
      "chapter-section12.svg", "app-release2.js", "foo.v20260101.js", "x-mp3player.js", "style-decade12.css",
      "fa-regular400.woff2", "phone-iPhone15.png", "logo-JavaScript.svg", "logo-LinkedIn.svg",
      "jquery.dataTables.min.js", "jquery.easyPieChart.js", "hello.HelloWorld.js", "Inter-ExtraLight.woff2",
      "OpenSans-SemiBold.woff2", "KaTeX_Main-BoldItalic.woff2", "logo-PostgreSQL.png",
      "main.3f9a1c2b", ".3f9a1c2b", "font-awesome.css", "apple-touch-icon-precomposed.png",
    ])
  func namesThatSayNothing(path: String) {
    var site = Site(root: "")
    site.keepsHashedFiles = true
    #expect(Self.lines(site, path).isEmpty)
  }

  @Test func hashedNamesGiveWayToRules() throws {
    var site = Site(root: "")
    site.keepsHashedFiles = true
    site.rules = [try Self.rule("*.js") { $0.cacheControl = "no-store" }]
    #expect(Self.lines(site, "main.3f9a1c2b.js") == ["Cache-Control: no-store"])
  }

  @Test(arguments: [
    ("X-A", "b\r\nSet-Cookie: a"), ("X-A", "a\nb"), ("X-A", "a\u{0}"), ("X-A", "\u{7F}"), ("X-A", "a\rb"),
  ])
  func valuesThatWouldMakeOthers(name: String, value: String) {
    #expect(throws: Field.Fault.value) { try Field(name, value) }
  }

  @Test(arguments: ["", "X A", "X:A", "X\r\nA", "é", "(", "X-A "])
  func namesThatAreNone(name: String) {
    #expect(throws: Field.Fault.name) { try Field(name, "a") }
    #expect(throws: Field.Fault.name) { try FieldChange.removal(of: name) }
  }

  @Test(arguments: ["Content-Length", "transfer-encoding", "CONNECTION", "Date", "ETag", "Content-Type"])
  func whatTheServerSaysByItself(name: String) {
    #expect(throws: Field.Fault.reserved) { try Field(name, "a") }
  }

  @Test func aValueMayHoldWhatRFC9110Allows() throws {
    #expect(try Field("X-A", "  a\tb é \"c\" \t").value == "a\tb é \"c\"")
    #expect(try Field("X-A", "").value == "")
  }

  /// What an error may have of a field: nothing by which it is kept.
  @Test(
    arguments: [
      ("Cache-Control", "max-age=60", nil), ("Cache-Control", "public, max-age=60, immutable", nil),
      ("Cache-Control", "no-store", "no-store"),
      ("Cache-Control", "no-store, max-age=0", "no-store, max-age=0"),
      ("cache-control", "Private, Max-Age=60", "Private"),
      ("Cache-Control", "max-age=0, s-maxage=9", "max-age=0"),
      ("Cache-Control", "no-cache, stale-if-error=60", "no-cache"),
      ("Cache-Control", "max-age=00", "max-age=00"),
      ("Cache-Control", "private=\"a, public, b\", max-age=9", nil), ("Cache-Control", "max-age", nil),
      ("CDN-Cache-Control", "max-age=60", nil), ("CDN-Cache-Control", "no-store", "no-store"),
      ("Surrogate-Control", "no-store", nil), ("Expires", "0", nil), ("X-A", "public", "public"),
    ] as [(String, String, String?)])
  func errorsAreNotKept(name: String, value: String, left: String?) throws {
    let field = try Field(name, value).ofError
    #expect(field?.value == left && field?.name == left.map { _ in name })
  }

  /// The server says these itself.
  @Test(arguments: ["Location", "allow", "WWW-Authenticate", "ETag"]) func reserved(name: String) {
    #expect(throws: Field.Fault.reserved) { try Field(name, "x") }
  }
}
