import Glibc
import Testing

/// What `docs/` says is so: its examples run as they are written, and it speaks of the options that there are.
@Suite struct DocumentationTests {
  private static let hasPrograms = ["htpasswd", "brotli", "zstd", "gzip"].allSatisfy(TestMachine.has)
  private let reference = DocumentationPage("docs/configuration.md")

  @Test(
    .enabled(if: DocumentationTests.hasPrograms, "apt-get install apache2-utils brotli zstd"),
    arguments: DocumentationPage.all)
  func examples(page: DocumentationPage) throws {
    let examples = try DocumentedExamples()
    try examples.run(page)
    let fenced = page.blocks.filter { ["toml", "console"].contains($0.language) }
    #expect(examples.count >= fenced.count)
  }

  private func help() throws -> Set<String> {
    let help = try SluiceProcess.run(["serve", "--help"]).output
    return Set(help.matches(of: /--[a-z-]+/).map { String($0.output) })
  }

  /// As flag and as variable, with its default.
  @Test func everyOption() throws {
    let known = try help().filter { !$0.hasPrefix("--no-") && !["--help", "--version"].contains($0) }
    var documented: Set<String> = []
    let printed = try SluiceProcess.run(["check", "--print"]).output
    for row in reference.rows() where row[0].hasPrefix("`--") {
      try #require(row.count == 4, "\(row)")
      let names = row[0].codes.map { String($0.prefix { $0 != " " }) }
      documented.formUnion(names)
      let variables = names.map { "SLUICE_" + $0.dropFirst(2).uppercased().replacing("-", with: "_") }
      #expect(row[1].codes == variables)
      // Flags are off, and what has no default is none.
      let line = printed.split(separator: "\n").first { $0.hasPrefix(names[0].dropFirst(2) + " = ") }
      guard let value = line?.split(separator: " = ").last?.filter({ $0 != "\"" }) else {
        #expect(row[3].hasPrefix("none"), "\(names)")
        continue
      }
      #expect(row[3] == (value == "false" ? "off" : value), "\(names)")
    }
    #expect(documented == known)
  }

  /// No page speaks of an option or a variable that there is not.
  @Test func noOtherOption() throws {
    let check = try ["check", "doctor", "reload", "upgrade"].map {
      try SluiceProcess.run([$0, "--help"]).output
    }
    .joined()
    let options = Set(check.matches(of: /--[a-z-]+/).map { String($0.output) }).union(try help())
      // That of ArgumentParser, and one of curl.
      .union(["--generate-completion-script", "--request-target"])
    let variables = Set(reference.rows().filter { $0.count == 4 }.flatMap { $0[1].codes })
    #expect(!DocumentationPage.all.isEmpty)
    for page in DocumentationPage.all {
      for option in page.text.matches(of: /--[a-z][a-z-]*/).map({ String($0.output) }) {
        #expect(options.contains(option), "\(page.path)")
      }
      for variable in page.text.matches(of: /SLUICE_[A-Z_]+/).map({ String($0.output) }) {
        #expect(variables.contains(variable), "\(page.path)")
      }
    }
  }

  /// Lines of the log are shown as they are printed: with the time, the level, and who says it.
  @Test func linesOfTheLog() throws {
    let form = /\d{4}-\d\d-\d\dT[\d:]{8}[+-]\d{4} [a-z]+ sluice: \[(Server|sluice)\] .+/
    let sluice = try SluiceProcess(TemporarySite.common().path)
    sluice.process.signal(SIGHUP)
    try waitUntil("it is told") { sluice.process.errorOutput.contains("SIGHUP: ") }
    #expect(try sluice.stop() == 0)
    let said = sluice.process.errorOutput.split(separator: "\n").filter { !$0.hasPrefix("listening ") }
    #expect(!said.isEmpty && said.allSatisfy { $0.wholeMatch(of: form) != nil }, "\(said)")
    let shown = /(?:info|notice|warning|error) sluice:\s/
    var count = 0
    for page in DocumentationPage.all {
      for line in page.blocks.flatMap(\.lines) where line.contains(shown) {
        #expect(line.wholeMatch(of: form) != nil, "\(page.path): \(line)")
        count += 1
      }
    }
    #expect(count > 5)
  }

  /// The program says which there are when it is told another one.
  @Test(arguments: ["path", "host"]) func everyKeyOfSections(section: String) throws {
    let folder = try TemporarySite()
    try folder.add("sluice.toml", "[[\(section)]]\nabcdefghijklmn = 1\n")
    let said = try SluiceProcess.run(["check", "--config", folder.path + "/sluice.toml"]).errorOutput
    let keys = try #require(
      said.firstMatch(of: /:2: unknown key 'abcdefghijklmn': use (.*)\n/), "\(said)"
    ).output.1.split(separator: ", ").map(String.init)
    let documented = reference.rows(below: "`[[\(section)]]`").flatMap { $0[0].codes }
    #expect(Set(documented) == Set(keys))
    #expect(documented.count == keys.count)
  }

  @Test func everyCount() throws {
    let site = try TemporarySite.common()
    let counts = try SluiceProcess(site.path).stopForMetrics()
    let documented = DocumentationPage("docs/operations.md").rows(below: "Log").flatMap { $0[0].codes }
    #expect(Set(documented) == Set(counts.keys))
    #expect(documented.count == counts.count)
  }

  @Test func links() throws {
    let pages = DocumentationPage.all
    let readme = DocumentationPage("README.md")
    for page in pages { #expect(readme.text.contains("](\(page.path))"), "\(page.path)") }
    for page in pages + [readme] {
      let folder: String = page.path.split(separator: "/").dropLast().map { $0 + "/" }.joined()
      for link in page.text.matches(of: /\]\(([^)#\s]*)#?([^)\s]*)\)/).map(\.output) {
        if link.1.hasPrefix("https://") { continue }
        let target = link.1.isEmpty ? page : DocumentationPage(folder + link.1)
        #expect(!target.text.isEmpty, "\(page.path): \(link.0)")
        #expect(link.2.isEmpty || target.anchors.contains(String(link.2)), "\(page.path): \(link.0)")
      }
    }
  }
}
