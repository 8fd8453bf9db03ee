import Site

/// A rule, and where it stands.
typealias SaidRule = (rule: PathRule, origin: Setting.Origin)

// Rules by path: what --cache-control, --header and --mime say, and the file's [[path]].
extension ConfigurationReader {
  /// Of Cache-Control: RFC 9111 §5.2.2, RFC 8246 §2, RFC 5861.
  private static let directives: Set<String> = [
    "immutable", "max-age", "must-revalidate", "must-understand", "no-cache", "no-store", "no-transform",
    "private",
    "proxy-revalidate", "public", "s-maxage", "stale-if-error", "stale-while-revalidate",
  ]

  /// Those of options come first.
  mutating func rules() -> [SaidRule] {
    var rules: [SaidRule] = []
    for (text, origin) in texts("cache-control") {
      let expected = "PATTERN=VALUE, such as '*.html=no-cache', or '/**=\(text)' for all files"
      // A value without a pattern, as others have it.
      let first = text.prefix { $0 != "=" && $0 != "," }.lowercased()
      guard !Self.directives.contains(first) else {
        note(text, origin, expected)
        continue
      }
      guard let (pattern, value) = split(text, origin, "PATTERN=VALUE, such as '*.html=no-cache'") else {
        continue
      }
      var rule = PathRule(pattern)
      rule.cacheControl = cacheControl(value, origin)
      rules.append((rule, origin))
    }
    for (text, origin) in texts("header") {
      if let rule = headerRule(text, origin) { rules.append((rule, origin)) }
    }
    for (text, origin) in texts("redirect") {
      if let rule = redirectRule(text, origin) { rules.append((rule, origin)) }
    }
    for (text, origin) in texts("auth") {
      guard
        let (pattern, value) = split(text, origin, "PATTERN=FILE, such as '/private/**=/etc/sluice/users'")
      else { continue }
      var rule = PathRule(pattern)
      rule.authentication = authentication(value, realm: nil, origin)
      rules.append((rule, origin))
    }
    for section in paths {
      if let rule = rule(section) {
        rules.append((rule, section.settings.all["match"]?.origin ?? section.origin))
      }
    }
    warnOfRules(rules)
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

  /// `FROM=TO[:STATUS]`.
  private mutating func redirectRule(_ text: String, _ origin: Setting.Origin) -> PathRule? {
    let expected = "FROM=TO[:STATUS], such as '/old/**=/new/*' or '/blog=https://blog.example.com/:302'"
    guard let (pattern, target) = split(text, origin, expected) else { return nil }
    let end = target.suffix(4)
    let status = end.first == ":" ? Int(end.dropFirst()) : nil
    // Behind a URL, other numbers may be a port.
    let isStatus = status.map { Redirect.statuses.contains($0) || target.hasPrefix("/") } ?? false
    var rule = PathRule(pattern)
    rule.redirect = redirect(
      isStatus ? String(target.dropLast(4)) : target, from: pattern, isStatus ? status : nil, origin)
    return rule
  }

  private mutating func redirect(
    _ target: String, from pattern: PathPattern, _ status: Int?, _ origin: Setting.Origin
  ) -> Redirect? {
    if target.utf8.contains(UInt8(ascii: "$")), target.contains(/\$[A-Za-z0-9]/) {
      warnings.append(
        "\(origin.place)'\(target)' is sent as it is: there are no variables: use '*' for what '*' has matched"
      )
    }
    do throws(Redirect.Fault) {
      return try Redirect(to: target, from: pattern, status: status ?? 301)
    } catch {
      switch error {
      case .target: note(target, origin, "a path, such as /new/, or a URL of https or http, with escapes")
      case .star:
        problems.append(
          """
          \(origin.place)the star of '\(target)' has to stand for something: use a pattern with a slash first, one star, and \
          nothing else that varies, such as '/old/**'
          """)
      case .status: note("\(status ?? 0)", origin, "a status of 301, 302, 303, 307 or 308")
      }
      return nil
    }
  }

  private mutating func networks(_ said: Setting?) -> [Network] {
    (said?.texts ?? []).compactMap { text in
      if let network = Network(text) { return network }
      note(
        text, said?.origin ?? .standard(""), "addresses, such as 192.0.2.1, 10.0.0.0/8, 2001:db8::/32 or all")
      return nil
    }
  }

  /// What a section says of keys that take one value.
  private mutating func areSingle(_ section: ConfigurationFile.PathSection) -> Bool {
    let wrong = ["match", "type", "listing", "redirect", "status", "fallback", "auth", "realm"].compactMap {
      section.settings.all[$0]
    }.filter { $0.texts.count != 1 }
    for said in wrong {
      let advice = said.origin.name == "match" ? "braces, such as '{/a,/b}', or a section for each" : "one"
      problems.append("\(said.origin.place)\(said.origin.name) takes one value, not a list: use \(advice)")
    }
    return wrong.isEmpty
  }

  private mutating func rule(_ section: ConfigurationFile.PathSection) -> PathRule? {
    guard areSingle(section) else { return nil }
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
    if let said = section.settings.all["listing"], let text = said.texts.first {
      rule.listing = Bool(text: text)
      if rule.listing == nil { note(text, said.origin, Bool.expected) }
    }
    if let said = section.settings.all["redirect"], let target = said.texts.first {
      let status = section.settings.all["status"]
      let number = status.map { Int($0.texts.first ?? "") ?? 0 }
      rule.redirect = redirect(target, from: pattern, number, status?.origin ?? said.origin)
    } else if let said = section.settings.all["status"] {
      problems.append("\(said.origin.place)a status needs redirect = \"PATH\"")
    }
    if let said = section.settings.all["fallback"] {
      rule.fallback = SitePath(text: said.texts.first ?? "")?.path
      if rule.fallback == nil { note(said.texts.first ?? "", said.origin, SitePath.expected) }
    }
    if section.settings.all["allow"] != nil || section.settings.all["deny"] != nil {
      var access = AccessRule()
      for key in ["allow", "deny"] {
        guard let said = section.settings.all[key], said.texts.isEmpty else { continue }
        problems.append("\(said.origin.place)'\(key)' is empty: name networks, or all, or leave it out")
      }
      access.allowed = networks(section.settings.all["allow"])
      access.denied = networks(section.settings.all["deny"])
      rule.access = access
    }
    let realm = section.settings.all["realm"]
    if let said = section.settings.all["auth"] {
      rule.authentication = authentication(said.texts[0], realm: realm, said.origin)
    } else if let realm {
      problems.append("\(realm.origin.place)realm says what a password is for: it needs auth = \"FILE\"")
    }
    rule.changes = section.changes.compactMap { change($0.action, $0.name, $0.value, section.origin) }
    return rule
  }

  private mutating func authentication(
    _ file: String, realm: Setting?, _ origin: Setting.Origin
  ) -> AuthenticationRule? {
    if file == "off" { return .off }
    let name = realm?.texts.joined(separator: " ") ?? Authentication.defaultRealm
    guard Authentication(file: "-", realm: name) != nil else {
      note(name, realm?.origin ?? origin, "1 to 200 printable characters of ASCII")
      return nil
    }
    guard let authentication = Authentication(file: file, realm: name) else {
      note(file, origin, "the path of a file that htpasswd has made, or off")
      return nil
    }
    return .required(authentication)
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
      case .name:
        problems.append(
          "\(origin.place)'\(name)' is no name of a header: use NAME: VALUE for all files, PATTERN=NAME: VALUE for some"
        )
      case .value:
        problems.append(
          "\(origin.place)the value of the header \(name) holds a control character: use one line")
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
      if let first = pages[status] {
        warnings.append(
          "\(origin.place)the page for \(status) is said twice: '/\(page.path)' holds, '/\(first)' does not")
      }
      pages[status] = page.path
    }
    return pages
  }

  /// `--mime-types`, and over it `--mime`.
  mutating func types() -> [String: String] {
    var types: [String: String] = [:]
    if let (path, origin) = texts("mime-types").first {
      let file = MediaTypesFile(path: path, at: occasion)
      problems += file.problem.map { [origin.subject + $0] } ?? []
      types = file.types
    }
    for (text, origin) in texts("mime") {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, !parts[0].contains(where: "/*".contains) else {
        note(text, origin, "ENDING=TYPE, such as 'gpx=application/gpx+xml'")
        continue
      }
      types[MediaType.ending(parts[0])] = mediaType(parts[1], origin)
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
