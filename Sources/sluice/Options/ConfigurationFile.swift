import Server
import TOMLKit

/// A configuration file: options by the names of their flags (TOML 1.0).
struct ConfigurationFile {
  /// What it says of options.
  private(set) var settings = Settings([:])
  private(set) var paths: [PathSection] = []
  private(set) var hosts: [HostSection] = []
  private(set) var problems: [String] = []
  /// It has nothing but white space.
  private(set) var isEmpty = false
  private let path: String
  private var lines = KeyLines("")

  /// Reads a file. What is wrong with it is in `problems`, with file and line.
  init(path: String, at occasion: TextFile.Occasion) {
    self.path = path
    do {
      let text = try TextFile.read(path, at: occasion)
      isEmpty = text.allSatisfy(\.isWhitespace)
      lines = KeyLines(text)
      let table = try TOMLTable(string: text)
      // A file does not say where another one is.
      // `host` is a section, but it is a flag's name for the address, too.
      settings = take(
        table, Settings.names.filter { $0 != "config" } + (table["host"]?.string == nil ? [] : ["host"]),
        others: table["host"]?.string == nil ? ["path", "host"] : ["path"])
      paths = takePaths(table)
      if table["host"]?.string == nil { takeHosts(table) }
    } catch let error as TOMLParseError {
      let line = error.source.begin.line
      problems = ["\(path):\(line): \(SyntaxHint.text(error.description, line: lines.text(of: line)))"]
    } catch let error as TextFile.Fault {
      problems = [error.description]
    } catch {
      problems = ["\(path): \(error)"]
    }
  }

  /// Takes what the table says of `allowed`, in the order of the file, which the parser does not keep, and notes what else it says.
  private mutating func take(
    _ table: TOMLTable, _ allowed: [String], others: [String], section: String = "", number: Int = 0
  ) -> Settings {
    var settings: [String: Setting] = [:]
    let keys = table.keys.map { (lines.line(of: $0, section: section, number: number), $0) }
    for (line, key) in keys.sorted(by: <) where !others.contains(key) {
      guard allowed.contains(key) else {
        problems.append("\(path):\(line): \(Self.complaint(key, allowed + others, section: section))")
        continue
      }
      guard let value = table[key], let texts = Self.texts(of: value) else {
        problems.append(
          "\(path):\(line): '\(key)' must be a text in quotes, a number, true or false, or a list of these")
        continue
      }
      settings[Settings.aliases[key] ?? key] = Setting(
        texts: texts, origin: .key(key, file: path, line: line))
    }
    return Settings(settings)
  }

  /// What a `[[path]]` says.
  private static let pathKeys = [
    "match", "cache-control", "type", "redirect", "status", "fallback", "allow", "deny", "auth", "realm",
    "listing",
  ]
  /// Keys of sections that are no options.
  private static let sectionKeys = Dictionary(
    uniqueKeysWithValues: (pathKeys + ["headers"]).filter { !Settings.names.contains($0) }.map {
      ($0, "path")
    }
      + [("names", "host")])

  /// What is said of a key that is none here.
  private static func complaint(_ key: String, _ allowed: [String], section: String) -> String {
    if let meant = Suggestion.ofOtherServers(key) { return "unknown key '\(key)': use \(meant)" }
    let isOption = Settings.names.contains(Settings.aliases[key] ?? key)
    if !section.isEmpty, isOption, !allowed.contains(where: { $0.hasPrefix(key) }) {
      let place = section != "host" && Settings.ofHosts.contains(key) ? "of a whole host" : "of all"
      return
        "'\(key)' is said \(place), not in [[\(section)]]: in TOML, keys belong to the section above them"
    }
    if section.isEmpty, let place = Self.sectionKeys[key] {
      return "'\(key)' is said in a [[\(place)]], not of all"
    }
    let suggestion = Suggestion.text(for: key, of: allowed)
    // A section has few keys; all options are many, and the help has them.
    if suggestion.isEmpty, !section.isEmpty {
      return "unknown key '\(key)': use \(allowed.joined(separator: ", "))"
    }
    return "unknown key '\(key)'\(suggestion)"
  }

  /// A section `[[path]]`.
  struct PathSection {
    /// What it says of all but `headers`.
    let settings: Settings
    /// `headers`: what to do (`set`, `add` or `remove`), a name, and a value where there is one.
    let changes: [(action: String, name: String, value: String)]
    /// Where it begins.
    let origin: Setting.Origin

    /// As a file says it.
    func toml(_ name: String) -> String {
      var lines = "\n[[\(name)]]\n" + settings.toml
      if changes.isEmpty { return lines }
      let actions = ["set", "add"].compactMap { action in
        let fields = changes.filter { $0.action == action }
        let names = fields.map(\.name).unique
        let texts = names.map { name in
          let values = fields.filter { $0.name == name }.map { Settings.toml($0.value) }
          return
            "\(Settings.toml(name)) = \(values.count == 1 ? values[0] : "[\(values.joined(separator: ", "))]")"
        }
        return texts.isEmpty ? nil : "\(action) = { \(texts.joined(separator: ", ")) }"
      }
      let removed = changes.filter { $0.action == "remove" }.map { Settings.toml($0.name) }
      let all = actions + (removed.isEmpty ? [] : ["remove = [\(removed.joined(separator: ", "))]"])
      lines += "headers = { \(all.joined(separator: ", ")) }\n"
      return lines
    }
  }

  /// A section `[[host]]`.
  struct HostSection {
    /// `names`, and options of sites.
    let settings: Settings
    /// Its `[[host.path]]`.
    let paths: [PathSection]
    /// Where it begins.
    let origin: Setting.Origin
  }

  private mutating func takeHosts(_ table: TOMLTable) {
    var pathCount = 0
    for (number, section) in sections(of: table, "host", "host").enumerated() {
      let settings = take(
        section, ["names"] + Settings.ofHosts, others: ["path"], section: "host", number: number)
      let paths = takePaths(section, "host.path", from: pathCount)
      pathCount += paths.count
      hosts.append(HostSection(settings: settings, paths: paths, origin: origin("host", number)))
    }
  }

  private mutating func takePaths(
    _ table: TOMLTable, _ name: String = "path", from first: Int = 0
  ) -> [PathSection] {
    sections(of: table, "path", name).enumerated().map { index, section in
      let number = first + index
      let settings = take(section, Self.pathKeys, others: ["headers"], section: name, number: number)
      let line = lines.line(of: "headers", section: name, number: number)
      return PathSection(
        settings: settings, changes: takeHeaders(section, line), origin: origin(name, number))
    }
  }

  private func origin(_ section: String, _ number: Int) -> Setting.Origin {
    .key("[[\(section)]]", file: path, line: lines.line(of: "", section: section, number: number))
  }

  /// The tables of an array of tables, whose header is `[[name]]`.
  private mutating func sections(of table: TOMLTable, _ key: String, _ name: String) -> [TOMLTable] {
    guard let value = table[key] else { return [] }
    let sections = value.array?.compactMap(\.table) ?? []
    if sections.isEmpty || sections.count != value.array?.count {
      problems.append("\(path):\(lines.line(of: key)): '\(key)' must be sections: [[\(name)]]")
      return []
    }
    return sections
  }

  private mutating func takeHeaders(
    _ section: TOMLTable, _ line: Int
  ) -> [(action: String, name: String, value: String)] {
    var changes: [(action: String, name: String, value: String)] = []
    guard let headers = section["headers"] else { return [] }
    for action in headers.table?.keys ?? [] {
      let said = headers.table?[action]
      switch action {
      case "remove" where said.flatMap(Self.texts) != nil:
        changes += (said.flatMap(Self.texts) ?? []).map { (action, $0, "") }
      case "set" where said?.table != nil, "add" where said?.table != nil:
        for name in said?.table?.keys ?? [] {
          let values = (said?.table?[name]).flatMap(Self.texts)
          changes += (values ?? []).map { (action, name, $0) }
          if values == nil {
            problems.append("\(path):\(line): the value of the header \(name) must be a text")
          }
        }
      default:
        problems.append(
          "\(path):\(line): 'headers' has set = { Name = \"value\" }, add = { … } and remove = [\"Name\"]")
      }
    }
    if headers.table == nil {
      problems.append("\(path):\(line): 'headers' must be a table: { set = { Name = \"value\" } }")
    }
    return changes
  }

  private static func texts(of value: any TOMLValueConvertible) -> [String]? {
    if let array = value.array {
      let texts = array.compactMap { text(of: $0) }
      return texts.count == array.count ? texts : nil
    }
    return text(of: value).map { [$0] }
  }

  private static func text(of value: any TOMLValueConvertible) -> String? {
    value.string ?? value.bool.map { String($0) } ?? value.int.map { String($0) }
      ?? value.double.map { String($0) }
  }
}

/// In which line of a file each key stands, which the parser does not tell.
struct KeyLines {
  /// By the section's name, its number among those of that name, and the key, which is empty for the section itself.
  private var lines: [[String]: Int] = [:]
  private let texts: [Substring]

  init(_ text: String) {
    var section = ["", "0"]
    var counts: [String: Int] = [:]
    texts = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in texts.enumerated() {
      let line = line.trimmingSpace()
      if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
        let name = Self.name(line[..<end].drop { $0 == "[" })
        section = [name, String(counts[name, default: 0])]
        counts[name, default: 0] += 1
        lines[section + [""]] = lines[section + [""]] ?? index + 1
      } else if let equals = line.firstIndex(of: "=") {
        let key = section + [Self.name(line[..<equals])]
        lines[key] = lines[key] ?? index + 1
      }
    }
  }

  private static func name(_ text: Substring) -> String {
    let name = text.trimmingSpace()
    return String(name.hasPrefix("\"") && name.hasSuffix("\"") ? name.dropFirst().dropLast() : name)
  }

  /// What stands in a line.
  func text(of line: Int) -> Substring {
    texts.indices.contains(line - 1) ? texts[line - 1].trimmingSpace() : ""
  }

  /// The line of a key in the `number`th section of this name, or of the section if it has no such key.
  func line(of key: String, section: String = "", number: Int = 0) -> Int {
    let place = [section, String(number)]
    return lines[place + [key]] ?? lines[[key, "0", ""]] ?? lines[place + [""]] ?? 1
  }
}

extension Substring {
  func trimmingSpace() -> Substring {
    var rest = drop { $0.isWhitespace }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return rest
  }
}
