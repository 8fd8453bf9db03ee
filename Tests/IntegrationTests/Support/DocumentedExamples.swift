import Glibc
import Testing

/// A page of the documentation, by its path in the repository.
struct DocumentationPage: CustomTestStringConvertible {
  let path: String
  let text: String

  var testDescription: String { path }

  static let repository = String(#filePath.split(separator: "/Tests/")[0])
  /// All in `docs/`.
  static let all: [DocumentationPage] = {
    let names = (try? Shell.require(["ls", repository + "/docs"])) ?? ""
    return names.split(separator: "\n").filter { $0.hasSuffix(".md") }.map { DocumentationPage("docs/\($0)") }
  }()

  /// Empty if there is none.
  init(_ path: String) {
    self.path = path
    text = String(decoding: readFile("\(Self.repository)/\(path)") ?? [], as: UTF8.self)
  }

  private var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

  /// What is fenced: the language, and lines.
  var blocks: [(language: String, lines: [String])] {
    var blocks: [(language: String, lines: [String])] = []
    var isOpen = false
    for line in lines {
      if line.hasPrefix("```") {
        if !isOpen { blocks.append((String(line.dropFirst(3)), [])) }
        isOpen.toggle()
      } else if isOpen {
        blocks[blocks.count - 1].lines.append(String(line))
      }
    }
    return blocks
  }

  /// The cells of all rows of tables that begin with code, or of those below one heading.
  func rows(below heading: String? = nil) -> [[String]] {
    var isBelow = heading == nil
    var rows: [[String]] = []
    for line in lines {
      if let heading, line.hasPrefix("## ") { isBelow = line == "## " + heading }
      if isBelow, line.hasPrefix("| `") {
        rows.append(line.dropFirst(2).dropLast(2).split(separator: " | ").map(String.init))
      }
    }
    return rows
  }

  /// The names of all headings, as links have them.
  var anchors: Set<String> {
    Set(
      lines.filter { $0.hasPrefix("#") }.map { line in
        String(
          line.drop { $0 == "#" || $0 == " " }.lowercased().filter {
            $0.isLetter || $0.isNumber || $0 == " " || $0 == "-"
          }.map { $0 == " " ? "-" : $0 })
      })
  }
}

extension String {
  /// What is set as code in it: `code`.
  var codes: [String] { matches(of: /`([^`]+)`/).map { String($0.output.1) } }
}

/// Runs the examples of a page, one after the other, with its folders (/srv, /etc/sluice) beneath a temporary one.
///
/// * `toml`: a configuration, in which nothing is wrong. What is behind it sees a server with it.
/// * `sh`: the same for a line that begins with `sluice`; other lines are for people.
/// * `console`: lines that begin with `$` are run by a shell. The lines behind are all in what is printed; where there are none, it succeeds.
final class DocumentedExamples {
  private let folder: TemporarySite
  /// Those of a server with the last configuration.
  private var arguments: [String] = []
  private var hasHTTPS = false
  private var sluice: SluiceProcess?
  /// How many commands were run, and configurations were looked at.
  private(set) var count = 0

  /// Makes the files that examples speak of.
  init() throws {
    folder = try TemporarySite()
    for (name, text) in Self.files {
      let path = "\(folder.path)/\(name)"
      try Shell.require(["mkdir", "-p", String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])])
      try folder.add(name, text)
    }
    try folder.addLink("srv/www/start.html", to: folder.path + "/srv/www/guide/start.html")
    try folder.addLink("srv/www/passwd", to: "/etc/passwd")
    try Shell.require(
      ["find", "srv", "-exec", "touch", "-h", "-d", "2026-01-02 03:04:05 UTC", "{}", "+"],
      workingFolder: folder.path)
    try Shell.require(["touch", "-d", "@1", folder.path + "/srv/www/nix.txt"])
    try Shell.require(["mkdir", "-p", folder.path + "/etc/sluice"])
    let pair = try TestCertificates.ecdsa
    for (certificate, key) in [("fullchain", "privkey"), ("blog", "blog-key")] {
      try Shell.require(["cp", pair.certificate, folder.path + "/etc/sluice/\(certificate).pem"])
      try Shell.require(["cp", pair.key, folder.path + "/etc/sluice/\(key).pem"])
    }
  }

  func run(_ page: DocumentationPage) throws {
    for block in page.blocks {
      switch block.language {
      case "toml": try configure(block.lines.joined(separator: "\n") + "\n")
      case "sh":
        for line in block.lines where line.hasPrefix("sluice ") { try take(line) }
      case "console": try converse(block.lines)
      default: break
      }
    }
  }

  /// An example with our folders for those in it.
  private func mapped(_ text: String) -> String {
    text.replacing("/srv/", with: folder.path + "/srv/")
      .replacing("/etc/sluice/", with: folder.path + "/etc/sluice/")
  }

  private func configure(_ text: String) throws {
    try folder.add("etc/sluice/sluice.toml", mapped(text))
    // Ports are any that are free: what clients are told is what the file says.
    let port = text.firstMatch(of: /(?m)^tls-port = (\d+)$/)?.output.1 ?? "8443"
    hasHTTPS = text.contains("privkey.pem")
    try use(
      ["--config", folder.path + "/etc/sluice/sluice.toml"], port: String(port), text)
  }

  private func take(_ line: String) throws {
    let words = try Shell.require(["sh", "-c", "sluice() { printf '%s\\n' \"$@\"; }; \(mapped(line))"])
    hasHTTPS = line.contains("privkey.pem")
    try use(words.split(separator: "\n").map(String.init), port: "8443", line)
  }

  private func use(_ said: [String], port: String, _ text: String) throws {
    count += 1
    let result = try SluiceProcess.run(["check"] + said)
    #expect(result.exitStatus == 0 && result.text.isEmpty, "\(result.text)\n\(text)")
    try sluice?.stop()
    sluice = nil
    arguments =
      said + [
        "--address", "127.0.0.1", "--port", "0", "--tls-port", "0", "--public-https-port", port, "--workers",
        "1",
      ]
  }

  private func converse(_ lines: [String]) throws {
    if sluice == nil, !arguments.isEmpty {
      sluice = try SluiceProcess(arguments: arguments, listeners: hasHTTPS ? 2 : 1)
    }
    var commands: [(command: String, expected: [String])] = []
    for line in lines where !line.isEmpty {
      if line.hasPrefix("$ ") {
        commands.append((String(line.dropFirst(2)), []))
      } else if commands.isEmpty {
        throw TestFailure("a console begins with '$ ', not with \(line)")
      } else {
        commands[commands.count - 1].expected.append(line)
      }
    }
    for (command, expected) in commands {
      count += 1
      let result = try Shell.run(["sh", "-c", try prelude + mapped(command)])
      let printed = result.text.replacing(folder.path, with: "").split(whereSeparator: \.isNewline)
      for line in expected where !printed.contains(line[...]) {
        Issue.record("'\(line)' is not in what this gives: \(command)\n\(result.text)")
      }
      if expected.isEmpty { #expect(result.exitStatus == 0, "\(command)\n\(result.text)") }
    }
  }

  /// `sluice` is the one that is tested, and curl goes to its ports, whatever hosts and ports it is given.
  private var prelude: String {
    get throws {
      var targets = ""
      if let sluice {
        for port in [80, 8080] { targets += " --connect-to :\(port):127.0.0.1:\(try sluice.plainPort)" }
        for port in hasHTTPS ? [443, 8443] : [] {
          targets += " --connect-to :\(port):127.0.0.1:\(try sluice.securePort)"
        }
      }
      return """
        sluice() { '\(SluiceProcess.binary)' "$@"; }
        curl() { command curl --silent --insecure --max-time 30\(targets) "$@"; }

        """
    }
  }

  /// What there is beneath /srv.
  private static let files = [
    "srv/www/index.html": "home\n", "srv/www/about.html": "about\n", "srv/www/LICENSE": "licence\n",
    "srv/www/app.js": "console.log(\"hello\")\n", "srv/www/docs/index.html": "docs\n",
    "srv/www/docs/manual.pdf": "manual\n", "srv/www/guide/index.html": "guide\n",
    "srv/www/guide/start.html": "start\n", "srv/www/private/report.txt": "report\n",
    "srv/www/private/open/leaflet.txt": "leaflet\n", "srv/www/internal/plan.txt": "plan\n",
    "srv/www/größe.txt": "size\n", "srv/www/nix.txt": "nix\n", "srv/www/.git/config": "secret\n",
    "srv/www/.well-known/security.txt": "contact\n",
    "srv/www/.well-known/acme-challenge/token": "challenge\n",
    "srv/docs/index.html": "documentation\n", "srv/docs/404.html": "not here\n",
    "srv/docs/guide/index.html": "guide\n", "srv/docs/guide/install.html": "install\n",
    "srv/docs/assets/site.css": "a{}\n", "srv/app/index.html": "application\n",
    "srv/app/assets/index-DiwrgTda.js": "console.log(\"application\")\n", "srv/app/media/film.mp4": "film\n",
    "srv/mirror/100 %.txt": "percent\n", "srv/mirror/dists/Release": "release\n",
    "srv/mirror/incoming/new.deb": "new\n",
    "srv/mirror/pool/hello_1.0_amd64.deb": String(repeating: "x", count: 102_400),
    "srv/example/index.html": "example\n", "srv/example/about.html": "about example\n",
    "srv/example/404.html": "not here\n", "srv/example/assets/site.css": "a{}\n",
    "srv/example/internal/plan.txt": "plan\n",
  ]
}
