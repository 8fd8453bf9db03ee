import Glibc
import Testing

/// Sites as others have made them, and as browsers and crawlers load them.
@Suite struct RealSiteTests {
  /// Of Debian's package python3-doc. A link to where the files are.
  private static let documentation = "/usr/share/doc/python3/html"
  private static let hasDocumentation =
    unsafe access(documentation + "/index.html", R_OK) == 0 && TestMachine.has("wget")

  /// Where a crawler begins, and how many files it finds from there, at least.
  struct Crawl: Sendable {
    let transport: Transfer.Transport
    let path: String
    let files: Int

    static let all = [
      Crawl(transport: .plain, path: "/", files: 300), Crawl(transport: .userTLS, path: "/c-api/", files: 50),
    ]
  }

  /// Every link leads somewhere, and every file is the one on disk. What is not there, or behind a link that leads out of the
  /// folder, is missing to the crawler, too: Debian has some of these.
  @Test(.enabled(if: hasDocumentation, "python3-doc or wget is not installed"), arguments: Crawl.all)
  func aCrawlerGetsTheFiles(crawl: Crawl) throws {
    let sluice = try crawl.transport.serve(Self.documentation)
    let folder = try TemporaryFolder()
    let trust = crawl.transport == .plain ? [] : try ["--ca-certificate", TestCertificates.ecdsa.certificate]
    let url = try crawl.transport.url(sluice)
    let wget = try Shell.run(
      [
        "wget", "--no-config", "--no-proxy", "--no-verbose", "--mirror", "--no-parent", "--page-requisites",
        "-e",
        "robots=off", "--no-host-directories", "--tries=1", "--timeout=60", "--directory-prefix", folder.path,
      ] + trust + [url + crawl.path], environment: ["LC_ALL": "C"], seconds: 900)

    let names = try Self.files(in: folder.path)
    #expect(names.count >= crawl.files, "\(wget.errorOutput.suffix(2000))")
    for name in names {
      // wget keeps queries in names.
      let original = Self.documentation + "/" + String(name.prefix { $0 != "?" })
      let isSame = readFile(folder.path + "/" + name) == readFile(original)
      #expect(isSame, "\(name)")
    }
    let missing = try Self.missing(wget.errorOutput, url)
    for path in missing { #expect(!Self.isThere(path), "\(path)") }
    // 8: the server has answered with an error.
    #expect(wget.exitStatus == (missing.isEmpty ? 0 : 8), "\(wget.errorOutput.suffix(2000))")
    let metrics = try sluice.stopForMetrics()
    // wget ends TLS without close_notify, which counts as broken.
    #expect(metrics["malformed"] == 0 && (crawl.transport != .plain || metrics["broken"] == 0), "\(metrics)")
  }

  private static func files(in folder: String) throws -> [String] {
    try Shell.require(["find", ".", "-type", "f"], workingFolder: folder).split(separator: "\n").map {
      String($0.dropFirst(2))
    }
  }

  /// The paths of wget's log that were answered with 404. Each other error is none that may be.
  private static func missing(_ log: String, _ url: String) throws -> [String] {
    let lines = log.split(separator: "\n")
    return try zip(lines, lines.dropFirst()).compactMap { line, next in
      guard next.contains(" ERROR ") else { return nil }
      guard next.hasSuffix(" ERROR 404: Not Found."), line.hasPrefix(url), line.hasSuffix(":") else {
        throw TestFailure("\(line) \(next)")
      }
      return String(line.dropFirst(url.count).dropLast())
    }
  }

  /// Whether it is a file in the folder itself, wherever links lead.
  private static func isThere(_ path: String) -> Bool {
    guard let root = real(documentation), let file = real(documentation + path) else { return false }
    return file.hasPrefix(root + "/")
  }

  private static func real(_ path: String) -> String? {
    guard let found = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(found) }
    return unsafe String(cString: found)
  }

  // MARK: An application of one page

  /// A browser loads the page for a path that only the application knows, and its script, in the best coding there is.
  @Test(
    .enabled(if: TestMachine.has("chromium"), "chromium is not installed"),
    arguments: Transfer.Transport.everywhere)
  func aBrowserRunsAnApplication(transport: Transfer.Transport) throws {
    let site = try TemporarySite()
    try site.addFolder("assets")
    try site.add(
      "index.html",
      """
      <!doctype html><title>Shop</title><link rel="stylesheet" href="/assets/main.5d41402a.css">
      <main id="app">nothing yet</main><script type="module" src="/assets/main.3f9a1c2b.js"></script>
      """)
    try site.add("assets/main.5d41402a.css", "main { color: rgb(1, 2, 3) }\n")
    try site.add("assets/text.9e107d9d.json", "{\"greeting\": \"Hello\"}\n")
    try site.add("assets/main.3f9a1c2b.js", Self.script("the original"))
    usleep(20_000)
    // What a browser was sent shows in what it makes of it.
    try site.add("assets/main.3f9a1c2b.js.br", Self.brotli(Self.script("brotli")))
    try Shell.require(["gzip", "-k", site.path + "/assets/text.9e107d9d.json"])
    let sluice = try transport.serve(site.path, flags: ["--fallback", "/index.html", "--immutable"])

    let profile = try TemporaryFolder()
    let url = try transport.url(sluice)
    let chromium = try Shell.run([
      "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
      "--no-first-run",
      "--disable-background-networking", "--ignore-certificate-errors", "--user-data-dir=" + profile.path,
      "--virtual-time-budget=20000", "--dump-dom", url + "/orders/7?page=2",
    ])
    #expect(
      chromium.output.contains("Hello from brotli at /orders/7?page=2, rgb(1, 2, 3)"),
      "\(chromium.output.suffix(1000)) \(chromium.errorOutput.suffix(2000))")

    let script = try Curl.get(url + "/assets/main.3f9a1c2b.js", transport.flags())
    #expect(script["Cache-Control"]?.contains("immutable") == true)
    let page = try Curl.get(url + "/orders/7", transport.flags())
    #expect(page.status == 200 && page["Cache-Control"]?.contains("immutable") != true)
    #expect(try Curl.get(url + "/assets/gone.3f9a1c2b.js", transport.flags()).status == 404)
  }

  private static func script(_ coding: String) -> String {
    """
    const text = await (await fetch("/assets/text.9e107d9d.json")).json();
    const app = document.getElementById("app");
    app.textContent = `${text.greeting} from \(coding) at ${location.pathname}${location.search}, ` +
      getComputedStyle(app).color;

    """
  }

  /// A Brotli stream that holds the text as it is (RFC 7932 §9.2), so that no program is needed to make it.
  private static func brotli(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    // From the lowest bit: a window of 64 KiB (1), not the last meta-block (1), four nibbles (2) of length less one (16),
    // uncompressed (1). Behind the text, an empty last one.
    let head = UInt32(bytes.count - 1) << 4 | 1 << 20
    return (0..<3).map { UInt8(truncatingIfNeeded: head >> ($0 * 8)) } + bytes + [3]
  }
}
