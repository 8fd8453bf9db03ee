/// What is to be done about a line that is no TOML. The parser says where it stumbles, in words for who knows TOML.
enum SyntaxHint {
  /// What the parser says, behind what to do, if that can be told.
  static func text(_ fault: String, line: Substring) -> String {
    hint(fault, line).map { "\($0) (\(fault))" } ?? fault
  }

  private static func hint(_ fault: String, _ line: Substring) -> String? {
    if let name = fault.firstMatch(of: /cannot redefine existing .*'([^']+)'/)?.output.1 {
      return line.hasPrefix("[") && ["path", "host"].contains(name)
        ? "each section has two brackets: [[\(name)]]"
        : "'\(name)' is said twice: leave one out; what may be said several times takes a list"
    }
    if line.contains(where: "\u{201C}\u{201D}\u{201E}\u{2018}\u{2019}\u{00AB}\u{00BB}".contains) {
      return "quotes have to be straight ones"
    }
    if fault.contains("escape sequence") {
      return "a backslash begins an escape: put a text with backslashes in single quotes"
    }
    if fault.contains("unescaped control characters") { return "a quote is missing at the end of the line" }
    guard let equals = line.firstIndex(of: "=") else {
      return line.hasPrefix("[")
        ? nil : "use KEY = VALUE in each line, [[path]] or [[host]] for a section: TOML"
    }
    if line.hasSuffix(";") { return "leave out the semicolon" }
    let key = line[..<equals].trimmingSpace()
    let value = line[line.index(after: equals)...].prefix { $0 != "#" }.trimmingSpace()
    return hint(key: key, value: value)
  }

  private static func hint(key: Substring, value: Substring) -> String? {
    guard let first = value.first, key.wholeMatch(of: /[A-Za-z0-9_-]+/) != nil else { return nil }
    if let isOn = Bool(text: String(value)) { return "use \(key) = \(isOn)" }
    return "\"'[{".contains(first) || value.contains("\"")
      ? nil : "texts stand in quotes: \(key) = \"\(value)\""
  }
}
