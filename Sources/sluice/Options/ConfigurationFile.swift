import Glibc
import TOMLKit

/// A configuration file: options by the names of their flags (TOML 1.0).
struct ConfigurationFile {
  /// What it says of options.
  private(set) var settings = Settings([:])
  private(set) var paths: [PathSection] = []
  private(set) var problems: [String] = []
  private let path: String
  private var lines = KeyLines("")

  /// Reads a file. What is wrong with it is in `problems`, with file and line.
  init(path: String) {
    self.path = path
    guard let bytes = Self.read(path) else {
      problems = ["\(path): cannot read this file: \(unsafe String(cString: strerror(errno)))"]
      return
    }
    // The parser would take a NUL for the end.
    guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
      problems = ["\(path): this is no text in UTF-8"]
      return
    }
    do {
      lines = KeyLines(text)
      let table = try TOMLTable(string: text)
      // A file does not say where another one is.
      settings = take(table, Settings.names.filter { $0 != "config" }, others: ["path"])
      takePaths(table)
    } catch let error as TOMLParseError {
      problems = ["\(path):\(error.source.begin.line): \(error.description)"]
    } catch {
      problems = ["\(path): \(error)"]
    }
  }

  /// Nil, and `errno`, if it can't be read.
  private static func read(_ path: String) -> [UInt8]? {
    guard let file = unsafe fopen(path, "re") else { return nil }
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = unsafe fread(&part, 1, part.count, file)
      bytes += part[..<count]
      if unsafe ferror(file) != 0 { return nil }
      if count < part.count { return bytes }
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
        let suggestion = Suggestion.text(for: key, of: allowed + others)
        problems.append("\(path):\(line): unknown key '\(key)'\(suggestion)")
        continue
      }
      guard let value = table[key], let texts = Self.texts(of: value) else {
        problems.append(
          "\(path):\(line): '\(key)' must be a text, a number, true or false, or a list of these")
        continue
      }
      settings[key] = Setting(texts: texts, origin: .key(key, file: path, line: line))
    }
    return Settings(settings)
  }

  /// A section `[[path]]`.
  struct PathSection {
    /// What it says of `match`, `cache-control` and `type`.
    let settings: Settings
    /// `headers`: what to do (`set`, `add` or `remove`), a name, and a value where there is one.
    let changes: [(action: String, name: String, value: String)]
    /// Where it begins.
    let origin: Setting.Origin
  }

  private mutating func takePaths(_ table: TOMLTable) {
    guard let value = table["path"] else { return }
    let sections = value.array?.compactMap(\.table) ?? []
    guard !sections.isEmpty, sections.count == value.array?.count else {
      problems.append("\(path):\(lines.line(of: "path")): 'path' must be sections: [[path]]")
      return
    }
    for (number, section) in sections.enumerated() {
      let settings = take(
        section, ["match", "cache-control", "type"], others: ["headers"], section: "path", number: number)
      let line = lines.line(of: "headers", section: "path", number: number)
      paths.append(
        PathSection(
          settings: settings, changes: takeHeaders(section, line),
          origin: .key("[[path]]", file: path, line: lines.line(of: "", section: "path", number: number))))
    }
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
          for value in (said?.table?[name]).flatMap(Self.texts) ?? [] {
            changes.append((action, name, value))
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
    value.string ?? value.bool.map(String.init) ?? value.int.map(String.init)
  }
}

/// In which line of a file each key stands, which the parser does not tell.
struct KeyLines {
  /// By the section's name, its number among those of that name, and the key, which is empty for the section itself.
  private var lines: [[String]: Int] = [:]

  init(_ text: String) {
    var section = ["", "0"]
    var counts: [String: Int] = [:]
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
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

  /// The line of a key in the `number`th section of this name, or of the section if it has no such key.
  func line(of key: String, section: String = "", number: Int = 0) -> Int {
    let place = [section, String(number)]
    return lines[place + [key]] ?? lines[[key, "0", ""]] ?? lines[place + [""]] ?? 1
  }
}

/// What somebody may have meant.
enum Suggestion {
  /// `: did you mean 'port'?`, or nothing if no word is near.
  static func text(for word: String, of words: [String]) -> String {
    let nearest = words.map { (distance(word, $0), $0) }.min { $0.0 < $1.0 }
    guard let (distance, meant) = nearest, distance <= (word.count < 4 ? 1 : max(2, word.count / 3)) else {
      return ""
    }
    return ": did you mean '\(meant)'?"
  }

  /// How many characters have to be changed, added, left out, or swapped with the next one (optimal string alignment). An
  /// underscore is as good as a hyphen.
  private static func distance(_ one: String, _ other: String) -> Int {
    let (one, other) = (Array(one.lowercased().replacing("_", with: "-")), Array(other))
    var rows = [Array(0...other.count)]
    for (index, character) in one.enumerated() {
      var row = [index + 1]
      for (place, wanted) in other.enumerated() {
        var best = min(
          rows[index][place] + (character == wanted ? 0 : 1), rows[index][place + 1] + 1, row[place] + 1)
        if index > 0, place > 0, character == other[place - 1], one[index - 1] == wanted {
          best = min(best, rows[index - 1][place - 1] + 1)
        }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[one.count][other.count]
  }
}

extension Substring {
  func trimmingSpace() -> Substring {
    var rest = drop { $0.isWhitespace }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return rest
  }
}
