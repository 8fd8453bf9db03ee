import Site
import Testing

@Suite struct PathPatternTests {
  static func matches(_ pattern: String, _ path: String) throws -> Bool {
    try #require(PathPattern(pattern), "\(pattern)").matches(Array(path.utf8))
  }

  @Test(
    arguments: [
      // The whole path.
      ("/a", ["/a"], ["/", "/a/", "/ab", "/b", "/x/a"]),
      ("/", ["/", "/a", "/a/b"], []),
      ("/assets/", ["/assets/", "/assets/a", "/assets/a/b.js"], ["/assets", "/x/assets/a"]),
      ("/assets/**", ["/assets/", "/assets/a", "/assets/a/b.js"], ["/assets", "/assetsx/a"]),
      ("/assets/*", ["/assets/", "/assets/a"], ["/assets/a/b", "/assets"]),
      ("/*.js", ["/a.js", "/.js"], ["/a/b.js", "/a.jsx", "/a.mjs/"]),
      ("/**/b.js", ["/a/b.js", "/a/c/b.js", "//b.js"], ["/ab.js"]),
      ("/a?c", ["/abc", "/a%c"], ["/ac", "/a/c", "/abbc"]),
      ("**", ["/", "/a", "/a/b.c"], []),
      // The end of it.
      ("*.js", ["/a.js", "/a/b.js", "/a/b/.js"], ["/a.json", "/a.js/b"]),
      ("robots.txt", ["/robots.txt", "/a/robots.txt"], ["/xrobots.txt", "/robots.txt/a"]),
      ("docs/", ["/docs/a", "/x/docs/a/b"], ["/docs", "/xdocs/a"]),
      ("a/*.js", ["/a/b.js", "/x/a/b.js"], ["/xa/b.js", "/a/b/c.js"]),
      // Braces.
      ("*.{js,css}", ["/a.js", "/a/b.css"], ["/a.html", "/a.js,css", "/a.{js,css}"]),
      ("/{a,b}/{c,d}", ["/a/c", "/a/d", "/b/c", "/b/d"], ["/a/b", "/c/a"]),
      ("/a{,b}", ["/a", "/ab"], ["/abb"]),
      // Bytes are what they seem.
      ("/é*", ["/é", "/éa"], ["/e"]), ("/[a]", ["/[a]"], ["/a"]), ("/a.b", ["/a.b"], ["/axb"]),
      ("/A", ["/A"], ["/a"]),
    ] as [(String, [String], [String])])
  func matches(pattern: String, fits: [String], others: [String]) throws {
    for path in fits { #expect(try Self.matches(pattern, path), "\(path)") }
    for path in others { #expect(try !Self.matches(pattern, path), "\(path)") }
  }

  @Test(arguments: [
    "", "{", "}", "a{b", "a}b", "{a,{b,c}}", "}{", "a\u{0}", String(repeating: "{a,b}", count: 9),
  ])
  func whatIsNoPattern(text: String) {
    #expect(PathPattern(text) == nil)
  }

  /// A path itself, and what lies beneath it, in one go over it, however many folders it has.
  @Test(
    arguments: [
      ("/a", ["/a", "/a/", "/a/b", "/a//b"], ["/", "/ab", "/b/a"]),
      ("/a*", ["/a", "/ab/c"], ["/b/a", "/"]), ("/*", ["/", "/a", "/a/b"], []),
      ("*.bak", ["/x.bak", "/x.bak/y", "/a/x.bak/y/z", "/x.bak.bak"], ["/x.bakx/y", "/a/bak"]),
      ("/**/*a", ["/b/a", "/b/xa/y", "/c/d/a/e"], ["/a", "/b/ax/y"]),
      ("/a/*/b", ["/a/x/b", "/a/x/b/c"], ["/a/x/c", "/a/b"]), ("/a?", ["/ab", "/ab/c"], ["/a", "/a/b"]),
      ("/{a,b}/", ["/a/", "/b/c"], ["/a", "/c/a/"]),
    ] as [(String, [String], [String])])
  func covers(text: String, covered: [String], others: [String]) throws {
    let pattern = try #require(PathPattern(text))
    for path in covered { #expect(pattern.covers(Array(path.utf8)), "\(path)") }
    for path in others { #expect(!pattern.covers(Array(path.utf8)), "\(path)") }
    let long = "/" + String(repeating: "q/", count: 2_000)
    for _ in 0..<20 { #expect(pattern.covers(Array(long.utf8)) == (text == "/*")) }
  }

  /// A pattern of many stars takes no longer than the product of the lengths.
  @Test func manyStars() throws {
    let path = "/" + String(repeating: "a", count: 2_000)
    #expect(try !Self.matches("/" + String(repeating: "*a", count: 200) + "b", path))
    #expect(try !Self.matches("/" + String(repeating: "**a", count: 200) + "b", path))
    #expect(try Self.matches("/" + String(repeating: "*a", count: 200), path))
  }

  /// Held against what is meant, said in the simplest way, for many small patterns and paths.
  @Test func allSmallOnes() throws {
    func all(_ letters: String, _ longest: Int) -> [String] {
      var texts = [""]
      var last = [""]
      for _ in 0..<longest {
        last = last.flatMap { text in letters.map { text + String($0) } }
        texts += last
      }
      return texts
    }
    func fits(_ pattern: Substring, _ path: Substring) -> Bool {
      guard let first = pattern.first else { return path.isEmpty }
      if first == "*" {
        let isPath = pattern.dropFirst().first == "*"
        let rest = pattern.dropFirst(isPath ? 2 : 1)
        if fits(rest, path) { return true }
        guard let byte = path.first, isPath || byte != "/" else { return false }
        return fits(pattern, path.dropFirst())
      }
      guard let byte = path.first, first == byte || first == "?" && byte != "/" else { return false }
      return fits(pattern.dropFirst(), path.dropFirst())
    }
    for pattern in all("a/*?", 5) where pattern.hasPrefix("/") && !pattern.hasSuffix("/") {
      for path in all("ab/", 4) where path.hasPrefix("/") {
        let meant = fits(pattern[...], path[...])
        if try Self.matches(pattern, path) != meant { Issue.record("\(pattern) and \(path): \(meant)") }
      }
    }
  }
}
