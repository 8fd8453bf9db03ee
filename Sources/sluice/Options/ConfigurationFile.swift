import Glibc
import TOMLKit

/// A configuration file: options by the names of their flags (TOML 1.0).
struct ConfigurationFile {
  private(set) var settings = Settings([:])
  private(set) var problems: [String] = []

  /// Reads a file. What is wrong with it is in `problems`, with file and line.
  init(path: String) {
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
      let lines = KeyLines(text)
      settings = take(try TOMLTable(string: text), path, lines)
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

  private mutating func take(_ table: TOMLTable, _ path: String, _ lines: KeyLines) -> Settings {
    var settings: [String: Setting] = [:]
    // A file does not say where another one is, nor what stands first on the command line under another name.
    let allowed = Settings.names.filter { $0 != "config" }
    // In the order of the file, which the parser does not keep.
    for (line, key) in table.keys.map({ (lines.line(of: $0), $0) }).sorted(by: <) {
      guard allowed.contains(key) else {
        problems.append("\(path):\(line): unknown key '\(key)'\(Suggestion.text(for: key, of: allowed))")
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

  private static func texts(of value: any TOMLValueConvertible) -> [String]? {
    if let array = value.array {
      var texts: [String] = []
      for element in array {
        guard let text = text(of: element) else { return nil }
        texts.append(text)
      }
      return texts
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
