import Site
import Testing

@Suite struct MediaTypeTests {
  static func type(_ path: String) -> String {
    Site(root: "").policy(of: Array(path.utf8)).mediaType
  }

  @Test(
    arguments: [
      ("index.html", "text/html; charset=utf-8"), ("a/b.css", "text/css; charset=utf-8"),
      ("a.js", "text/javascript; charset=utf-8"), ("a.mjs", "text/javascript; charset=utf-8"),
      ("a.json", "application/json"), ("a.wasm", "application/wasm"), ("a.svg", "image/svg+xml"),
      ("a.png", "image/png"), ("a.jpeg", "image/jpeg"), ("a.webp", "image/webp"), ("a.woff2", "font/woff2"),
      ("a.txt", "text/plain; charset=utf-8"), ("a.pdf", "application/pdf"), ("a.mp4", "video/mp4"),
      ("site.webmanifest", "application/manifest+json"), ("a.7z", "application/x-7z-compressed"),
      ("a.c", "text/x-c; charset=utf-8"), ("a.gltf", "model/gltf+json"), ("a.glb", "model/gltf-binary"),
      ("a.eot", "application/vnd.ms-fontobject"), ("a.m4s", "video/iso.segment"),
      ("a.rpm", "application/x-rpm"),
      ("a.kmz", "application/vnd.google-earth.kmz"), ("a.mkv", "video/matroska"), ("a.jxl", "image/jxl"),
      ("a.ndjson", "application/x-ndjson"), ("a.geojson", "application/geo+json"),
      ("a.xsl", "text/xml; charset=utf-8"),
      // The case of letters makes no difference, and only the last ending counts.
      ("A.HTML", "text/html; charset=utf-8"), ("a.JpG", "image/jpeg"), ("a.tar.gz", "application/gzip"),
      ("a.gz.txt", "text/plain; charset=utf-8"), ("a..png", "image/png"), (".png", "image/png"),
      ("a.b/c.png", "image/png"), ("é.png", "image/png"),
    ])
  func knownEndings(path: String, type: String) {
    #expect(Self.type(path) == type)
  }

  @Test(arguments: [
    "", "a", ".", "a.", "..", "png", "a.unknown", "a.html.", "a.html~", "a.html ", "a.htmlx", "a.ht",
    "a.png/b",
    "a.png/", "/", "a.é", "a.pn\u{0}", "a.p[g", "a.\(String(repeating: "x", count: 5_000))",
    "a.html\(String(repeating: "x", count: 100))",
  ])
  func anythingElseIsBytes(path: String) {
    #expect(Self.type(path) == "application/octet-stream")
  }

  /// A browser that guesses is a browser that is led to run what was meant to be shown.
  @Test(arguments: ["a.html", "a.txt", "a.css", "a.js", "a.csv", "a.md", "a.swift"])
  func textSaysWhatItsBytesMean(path: String) {
    #expect(Self.type(path).hasSuffix("; charset=utf-8"))
  }

  @Test(
    arguments: [
      ("text/plain", "text/plain; charset=utf-8"), ("TEXT/x-c", "TEXT/x-c; charset=utf-8"),
      ("text/html;charset=latin1", "text/html;charset=latin1"), ("application/json", "application/json"),
      ("image/svg+xml", "image/svg+xml"), ("texts/a", "texts/a"),
    ])
  func textHasACharset(type: String, expected: String) {
    #expect(MediaType.withCharset(type) == expected)
  }

  @Test(arguments: [("HTML", "html"), (".Html", "html"), ("tar.gz", "tar.gz"), ("", "")])
  func endings(text: String, ending: String) {
    #expect(MediaType.ending(text) == ending)
  }

  /// It stands in heads, whose room is bounded.
  @Test func longTypesAreNone() {
    let longest = "text/" + String(repeating: "a", count: 507)
    #expect(MediaType.valid(longest) == longest)
    #expect(MediaType.valid(longest + "a") == nil)
  }
}
