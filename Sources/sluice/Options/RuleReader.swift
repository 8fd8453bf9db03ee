import Site

// Rules by path: what --cache-control, --header and --mime say, and the file's [[path]].
extension ConfigurationReader {
  /// Those of options come first.
  mutating func rules() -> [PathRule] {
    var rules: [PathRule] = []
    for (text, origin) in texts("cache-control") {
      guard let (pattern, value) = split(text, origin, "PATTERN=VALUE, such as '*.html=no-cache'") else {
        continue
      }
      var rule = PathRule(pattern)
      rule.cacheControl = cacheControl(value, origin)
      rules.append(rule)
    }
    for (text, origin) in texts("header") {
      if let rule = headerRule(text, origin) { rules.append(rule) }
    }
    for section in paths { if let rule = rule(section) { rules.append(rule) } }
    return rules
  }

  private mutating func headerRule(_ text: String, _ origin: Setting.Origin) -> PathRule? {
    let expected = "[PATTERN=]NAME: VALUE, such as '/docs/**=X-Robots-Tag: none'"
    let colon = text.firstIndex(of: ":") ?? text.endIndex
    // A value may have an equals sign, and a name has none.
    let hasPattern = text[..<colon].contains("=")
    guard let (pattern, field) = split(hasPattern ? text : "**=" + text, origin, expected) else { return nil }
    guard let colon = field.firstIndex(of: ":") else {
      note(text, origin, expected)
      return nil
    }
    var rule = PathRule(pattern)
    let (name, value) = (String(field[..<colon]), String(field[field.index(after: colon)...]))
    rule.changes = change("set", name, value, origin).map { [$0] } ?? []
    return rule
  }

  private mutating func rule(_ section: ConfigurationFile.PathSection) -> PathRule? {
    guard let match = section.settings.all["match"]?.texts.first else {
      problems.append("\(section.origin.place)a [[path]] needs match = \"PATTERN\"")
      return nil
    }
    guard let pattern = PathPattern(match) else {
      note(match, section.settings.all["match"]?.origin ?? section.origin, PathPattern.expected)
      return nil
    }
    var rule = PathRule(pattern)
    if let said = section.settings.all["cache-control"] {
      rule.cacheControl = cacheControl(said.texts.joined(separator: ", "), said.origin)
    }
    if let said = section.settings.all["type"], let type = said.texts.first {
      rule.type = mediaType(type, said.origin)
    }
    rule.changes = section.changes.compactMap { change($0.action, $0.name, $0.value, section.origin) }
    return rule
  }

  private mutating func cacheControl(_ value: String, _ origin: Setting.Origin) -> String? {
    do throws(Field.Fault) {
      let field = try Field("Cache-Control", value)
      if !field.value.isEmpty { return field.value }
    } catch {}
    note(value, origin, "directives, such as 'max-age=3600' or 'no-cache'")
    return nil
  }

  private mutating func change(
    _ action: String, _ name: String, _ value: String, _ origin: Setting.Origin
  ) -> FieldChange? {
    do throws(Field.Fault) {
      switch action {
      case "remove": return try FieldChange.removal(of: name)
      case "add": return .add(try Field(name, value))
      default: return .set(try Field(name, value))
      }
    } catch {
      switch error {
      case .name: problems.append("\(origin.place)'\(name)' is no name of a header")
      case .value: problems.append("\(origin.place)the value of the header \(name) holds a control character")
      case .reserved:
        problems.append("\(origin.place)the header \(name) is the server's own: leave it out")
      }
      return nil
    }
  }

  /// `--error-page`.
  mutating func errorPages() -> [Int: String] {
    var pages: [Int: String] = [:]
    for (text, origin) in texts("error-page") {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, let status = Int(parts[0]), Site.statusesWithPages.contains(status),
        let page = SitePath(text: parts[1])
      else {
        let statuses = Site.statusesWithPages.map(String.init).joined(separator: ", ")
        note(text, origin, "STATUS=PATH, such as '404=/404.html'; the status may be \(statuses)")
        continue
      }
      pages[status] = page.path
    }
    return pages
  }

  /// `--mime`.
  mutating func types() -> [String: String] {
    var types: [String: String] = [:]
    for (text, origin) in texts("mime") {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, !parts[0].contains("/") else {
        note(text, origin, "ENDING=TYPE, such as 'gpx=application/gpx+xml'")
        continue
      }
      let ending = parts[0].lowercased()
      types[ending.hasPrefix(".") ? String(ending.dropFirst()) : ending] = mediaType(parts[1], origin)
    }
    return types
  }

  private mutating func mediaType(_ text: String, _ origin: Setting.Origin) -> String? {
    guard let type = MediaType.valid(text) else {
      note(text, origin, "a media type, such as 'text/plain; charset=utf-8'")
      return nil
    }
    return type
  }

  /// `PATTERN=REST`.
  private mutating func split(
    _ text: String, _ origin: Setting.Origin, _ expected: String
  ) -> (PathPattern, String)? {
    guard let equals = text.firstIndex(of: "=") else {
      note(text, origin, expected)
      return nil
    }
    guard let pattern = PathPattern(String(text[..<equals])) else {
      note(String(text[..<equals]), origin, PathPattern.expected)
      return nil
    }
    return (pattern, String(text[text.index(after: equals)...]))
  }

  private mutating func note(_ text: String, _ origin: Setting.Origin, _ expected: String) {
    problems.append("\(origin.place)the value '\(text)' of \(origin.name) is invalid: use \(expected)")
  }
}

extension PathPattern {
  static var expected: String { "a pattern, such as '/assets/**' or '*.{js,css}'" }
}
