import Files
import HTTP
import Testing

@testable import Worker

@Suite struct ListingRendererTests {
  private static func entry(
    _ name: String, isFolder: Bool = false, size: Int64 = 5, time: Int64 = 1_795_769_471
  ) -> FolderEntry {
    FolderEntry(name: Array(name.utf8), isFolder: isFolder, size: size, modifiedSeconds: time)
  }

  private static func render(
    _ entries: [FolderEntry], _ path: String = "docs/", _ variant: ListingVariant = ListingVariant(),
    count: Int? = nil, isComplete: Bool = true, bytes: Int = 1 << 20
  ) -> String {
    let contents = FolderContents(
      path: Array(path.utf8), entries: entries, count: count ?? entries.count, isComplete: isComplete)
    return String(decoding: ListingRenderer(bytes: bytes).render(contents, variant), as: UTF8.self)
  }

  @Test func rows() {
    let page = Self.render([
      Self.entry("sub", isFolder: true), Self.entry("a<b>&\"c'.txt", size: 1_234_567),
      Self.entry("javascript:x y"),
    ])
    #expect(
      page.contains(
        """
        <tr><td><a href="sub/"><svg><use href="#d"/></svg><bdi>sub</bdi></a><td><td>\
        <time datetime="2026-11-27T08:51:11Z">2026-11-27 08:51</time>
        <tr><td><a href="a%3Cb%3E%26%22c%27.txt"><svg><use href="#t"/></svg>\
        <bdi>a&lt;b&gt;&amp;&quot;c&#39;.txt</bdi></a><td title="1,234,567 bytes">1.2 MB<td>
        """))
    #expect(page.contains("<a href=\"javascript%3Ax%20y\">"))
    #expect(page.contains("1 folder · 2 files · 1.2 MB"))
    #expect(page.contains("<title>/docs/</title>") && page.contains("<a href=\"../\">"))
  }

  @Test func anyBytes() {
    let names: [[UInt8]] = [[0x62, 0xFF, 0xFE], [0x61, 0x0A, 0x7F, 0x00], [0xC3, 0xA9]]
    let entries = names.map { FolderEntry(name: $0, isFolder: false, size: 0, modifiedSeconds: 0) }
    let page = Self.render(entries)
    #expect(page.contains("<a href=\"b%FF%FE\">") && page.contains("<bdi>b\u{FFFD}\u{FFFD}</bdi>"))
    #expect(page.contains("<a href=\"a%0A%7F%00\">") && page.contains("<bdi>a␊␡␀</bdi>"))
    #expect(page.contains("<a href=\"%C3%A9\">") && page.contains("<bdi>é</bdi>"))
    let json = Self.render(entries, "", ListingVariant(format: .json))
    #expect(json.contains("\"name\":\"b\u{FFFD}\u{FFFD}\"") && json.contains("\"path\":\"b%FF%FE\""))
    #expect(json.contains("\"name\":\"a\\u000A\u{7F}\\u0000\""))
  }

  @Test func json() {
    let json = Self.render(
      [Self.entry("sub", isFolder: true), Self.entry("a\"\\\n", size: 7)], "", ListingVariant(format: .json))
    #expect(
      json == """
        [
        {"name":"sub","type":"directory","mtime":"2026-11-27T08:51:11Z","path":"sub/"},
        {"name":"a\\"\\\\\\u000A","type":"file","size":7,"mtime":"2026-11-27T08:51:11Z","path":"a%22%5C%0A"}
        ]

        """)
    #expect(Self.render([], "", ListingVariant(format: .json)) == "[\n]\n")
  }

  @Test func whatIsLeftOutIsSaid() {
    let entries = (0..<10).map { Self.entry("file-\($0)") }
    let json = ListingVariant(format: .json)
    #expect(!Self.render(entries, "", json).contains("cut"))
    #expect(
      Self.render(entries, "", json, count: 12).hasSuffix(
        "},\n{\"type\":\"cut\",\"listed\":10,\"entries\":12,\"more\":false}\n]\n"))
    #expect(
      Self.render(entries, "", json, count: 12, isComplete: false).contains("\"entries\":12,\"more\":true}"))
    #expect(Self.render(entries, count: 12_000).contains("Only the first 10 of 12,000 entries are shown."))
    #expect(
      Self.render(entries, count: 12_000, isComplete: false).contains(
        "Only the first 10 of more than 12,000 entries are shown."))
    // By bytes.
    #expect(Self.render(entries, "", json, bytes: 150).contains("\"listed\":2,\"entries\":10,"))
    #expect(Self.render(entries, "", json, bytes: 0).hasPrefix("[\n{\"type\":\"cut\",\"listed\":0,"))
    let page = Self.render(entries, bytes: 500)
    #expect(page.contains("Only the first 3 of 10 entries") && page.hasSuffix("</html>\n"))
    // However long names are.
    let long = FolderEntry(
      name: [UInt8](repeating: 0x22, count: 255), isFolder: false, size: .max, modifiedSeconds: .min)
    for format in ListingVariant.Format.allCases {
      let text = Self.render(
        Array(repeating: long, count: 500), "", ListingVariant(format: format), bytes: 100_000)
      #expect(text.utf8.count < 120_000 && text.utf8.count > 100_000)
    }
  }

  @Test func sortLinks() {
    let page = Self.render(
      [Self.entry("sub", isFolder: true), Self.entry("a")], "a/b/",
      ListingVariant(key: .size, isDescending: true))
    for text in [
      "<th scope=\"col\"><a href=\"?sort=name&amp;order=asc\">Name</a>",
      "<th scope=\"col\" aria-sort=\"descending\"><a href=\"?sort=size&amp;order=asc\">Size</a>",
      "<th scope=\"col\"><a href=\"?sort=time&amp;order=desc\">Modified",
      // The order stays on the way to other folders, and to no file.
      "<a href=\"sub/?sort=size&amp;order=desc\">", "<a href=\"a\">",
      "<a href=\"../?sort=size&amp;order=desc\">",
      "<a href=\"../../?sort=size&amp;order=desc\" aria-label=\"Home\">",
      "<a href=\"./?sort=size&amp;order=desc\" aria-current=\"page\"><bdi>b</bdi></a>",
    ] { #expect(page.contains(text), "\(text)") }
  }

  @Test func trail() {
    let page = Self.render([], "a&b/c/")
    #expect(page.contains("<a href=\"../../\" aria-label=\"Home\">"))
    #expect(page.contains("<a href=\"../\"><bdi>a&amp;b</bdi></a>"))
    #expect(page.contains("<a href=\"./\" aria-current=\"page\"><bdi>c</bdi></a>"))
    #expect(page.contains("Nothing here"))
    let root = Self.render([], "")
    #expect(root.contains("<title>/</title>") && !root.contains("Parent folder"))
    // A path of 2,000 folders does not make a page of megabytes.
    let deep = Self.render([], String(repeating: "d/", count: 2000))
    #expect(deep.utf8.count < 32_000 && deep.contains("…"))
  }

  /// Nothing of a page can run, or comes from elsewhere.
  @Test func selfContained() {
    let page = Self.render([Self.entry("a.png"), Self.entry("b.js")])
    for text in ["<script", "http:", "https:", "url(", "style=", "@import", "<img", "<link"] {
      #expect(!page.contains(text), "\(text)")
    }
  }

  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
      (4_107_542_399, "2100-02-28T23:59:59Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
      (1_735_689_599, "2024-12-31T23:59:59Z"), (.max, "9999-12-31T23:59:59Z"), (.min, "0001-01-01T00:00:00Z"),
    ] as [(Int64, String)])
  func times(seconds: Int64, text: String) {
    #expect(ListingTime(seconds: seconds).exact == text)
  }

  @Test(
    arguments: [
      (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1049, "1.0 kB"), (1050, "1.1 kB"), (9_949, "9.9 kB"),
      (9_950, "10 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"), (999_999, "1.0 MB"), (1_500_000, "1.5 MB"),
      (12_884_901_888, "13 GB"), (.max, "9.2 EB"),
    ] as [(Int64, String)])
  func sizes(bytes: Int64, text: String) {
    #expect(ListingNumber.size(bytes) == text)
  }

  @Test func requests() {
    func variant(_ query: String, _ accept: String = "*/*") -> (ListingVariant, Bool) {
      let bytes = Array("GET /\(query) HTTP/1.1\r\nHost: a\r\nAccept: \(accept)\r\n\r\n".utf8)
      var head = RequestHead()
      let limits = RequestParser.Limits(requestLine: 1000, head: 4000, fields: 10)
      _ = RequestParser.parse(bytes.span, limits: limits, into: &head)
      let request = ListingRequest(head, bytes.span)
      return (request.variant, request.variesByAccept)
    }
    for query in [
      "", "?", "?&&", "?x=y&sort=other", "?sort", "?sort=", "?order=up", "?sort=SIZE", "?format=xml",
    ] {
      #expect(variant(query) == (ListingVariant(), true), "\(query)")
      #expect(variant(query, "application/json") == (ListingVariant(format: .json), true), "\(query)")
    }
    #expect(variant("?sort=size&order=desc").0 == ListingVariant(key: .size, isDescending: true))
    #expect(variant("?x&order=desc&y=1&sort=time").0 == ListingVariant(key: .time, isDescending: true))
    #expect(variant("?format=json") == (ListingVariant(format: .json), false))
    #expect(variant("?format=html", "application/json") == (ListingVariant(), false))
  }
}
