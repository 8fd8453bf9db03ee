import Glibc
import Server
import Site

// What is not wrong, but can't be meant: rules that never hold, files that are not there, options without effect.
extension ConfigurationReader {
  /// The folder that relative paths begin in.
  var currentFolder: String {
    guard let name = unsafe getcwd(nil, 0) else { return "the current folder" }
    defer { unsafe free(name) }
    return unsafe String(cString: name)
  }

  // MARK: Rules

  /// Rules of one place: options and sections for all, or those of a host.
  mutating func warnOfRules(_ rules: [SaidRule]) {
    /// The first rules for single paths, by what they say and the path, and those for others: not too many, for the time that it takes.
    var exact: [String: SaidRule] = [:]
    var broad: [(subjects: [String], said: SaidRule)] = []
    for (rule, origin) in rules {
      let text = rule.pattern.text
      if let fault = rule.pattern.fault {
        warnings.append("\(origin.place)the pattern '\(text)' fits no path: \(fault)")
      }
      if rule == PathRule(rule.pattern) {
        warnings.append("\(origin.place)nothing is said of '\(text)': say cache-control, or another key")
      }
      let (subjects, probes) = (rule.subjects, rule.pattern.probes)
      for subject in subjects {
        let other = broad.first {
          $0.subjects.contains(subject) && probes.allSatisfy($0.said.rule.pattern.matches)
        }
        if let first = exact["\(subject) \(text)"] ?? other?.said {
          warnings.append(
            "\(origin.place)\(subject) of '\(text)' never holds: '\(first.rule.pattern.text)'\(first.origin.mention) comes first and is for all of these paths"
          )
        } else {
          exact["\(subject) \(text)"] = (rule, origin)
        }
      }
      let isBroad = !text.hasPrefix("/") || text.hasSuffix("/") || text.contains(where: "*?{".contains)
      if isBroad, broad.count < 64 { broad.append((subjects, (rule, origin))) }
    }
  }

  /// Redirects that lead to redirects, and so on, as far as these sites are asked.
  mutating func warnOfLoops(_ configuration: Configuration) {
    let schemes = [configuration.port.map { _ in "http" }, configuration.secure.map { _ in "https" }]
    let network = RedirectNetwork(configuration.sites, schemes: schemes.compactMap { $0 })
    for (site, origins) in zip(configuration.sites.indices, ruleOrigins) {
      for (number, origin) in origins.enumerated() {
        guard let loop = network.loop(ofRule: number, site: site) else { continue }
        let steps = loop.dropFirst().map { "'\($0)'" }.joined(separator: ", then to ")
        let warning =
          "\(origin.place)this redirect never ends: '\(loop[0])' leads to \(steps), and so on: lead to what no redirect is for"
        if !warnings.contains(warning) { warnings.append(warning) }
      }
    }
  }

  // MARK: Files

  /// What a site names and its root has not.
  mutating func warnOf(_ site: Site, _ rules: [SaidRule]) {
    warnOfPrograms(site)
    guard site.root.isFolder else { return }
    if unsafe access(site.root, X_OK) != 0 {
      let reason = unsafe String(cString: strerror(errno))
      warnings.append(
        "\(settings.origin(of: "root").subject)\(site.root): nothing in it can be opened: \(reason)")
      return
    }
    if let page = site.fallback { requireFile(page, of: site, settings.origin(of: "fallback")) }
    for (_, page) in site.errorPages.sorted(by: { $0.key < $1.key }) {
      requireFile(page, of: site, settings.origin(of: "error-page"))
    }
    for (rule, origin) in rules {
      if let page = rule.fallback { requireFile(page, of: site, origin) }
      let pattern = rule.pattern.text
      if !site.basePath.isEmpty, pattern == site.basePath || pattern.hasPrefix(site.basePath + "/"),
        !(site.root + site.basePath).isFolder
      {
        warnings.append(
          "\(origin.place)the pattern '\(pattern)' fits no path: patterns have no base-path: leave '\(site.basePath)' out"
        )
      }
    }
    let origin = settings.origin(of: "index")
    let hasIndex = site.indexes.contains { (site.root + "/" + $0).isFile }
    if !origin.isStandard, !hasIndex, site.fallback == nil, !site.mayList,
      site.gate(of: [] as [UInt8]).redirect == nil
    {
      warnings.append(
        "\(origin.subject)\(site.root) has no \(site.indexes.joined(separator: " or ")): '/' is not found there"
      )
    }
  }

  private mutating func requireFile(_ page: String, of site: Site, _ origin: Setting.Origin) {
    let path = site.root + "/" + page
    if path.isFile { return }
    warnings.append("\(origin.subject)\(path): there is no such file: paths of pages begin in the root")
  }

  /// What other servers run, this one sends.
  private mutating func warnOfPrograms(_ site: Site) {
    for (option, names) in [("index", site.indexes), ("fallback", site.fallback.map { [$0] } ?? [])] {
      for name in names where [".php", ".cgi", ".asp", ".aspx", ".jsp"].contains(where: name.hasSuffix) {
        warnings.append(
          "\(settings.origin(of: option).subject)programs are not run: everybody gets '\(name)' as it is written"
        )
      }
    }
  }

  // MARK: Options

  /// Of an option that says something only where others do.
  mutating func warnOfIdle(_ option: String, without needed: String...) {
    for settings in [settings] + hosts.map(\.settings) {
      guard let said = settings.all[option], !said.origin.isStandard else { continue }
      let names = needed.map { said.origin.names($0) }.joined(separator: " and ")
      warnings.append("\(said.origin.place)\(said.origin.name) has no effect without \(names)")
    }
  }

  /// Options without those that they say more of.
  mutating func warnOfIdleOptions(_ configuration: Configuration) {
    if configuration.accessLog == nil { warnOfIdle("access-log-format", without: "access-log") }
    if !configuration.redirectsToHTTPS { warnOfIdle("public-https-port", without: "https-redirect") }
  }
}

extension PathRule {
  /// Of what it says something: of each, the first rule's holds.
  fileprivate var subjects: [String] {
    let parts: [(String, Bool)] = [
      ("cache-control", cacheControl != nil), ("type", type != nil), ("fallback", fallback != nil),
      ("redirect", redirect != nil), ("listing", listing != nil), ("allow and deny", access != nil),
      ("auth", authentication != nil),
    ]
    return parts.filter(\.1).map(\.0)
      + changes.compactMap { change in
        switch change {
        case .set(let field): "header \(field.name.lowercased())"
        case .remove(let name): "header \(name)"
        case .add: nil
        }
      }
  }
}

extension PathPattern {
  /// Why no path fits it.
  fileprivate var fault: String? {
    // Regular expressions take their time, and redirects may be thousands.
    let isSuspicious =
      text.utf8.contains(where: "%?(:".utf8.contains) || text.hasPrefix(".")
      || zip(text.utf8, text.utf8.dropFirst()).contains { $0 == UInt8(ascii: "/") && "/.".utf8.contains($1) }
    guard isSuspicious else { return nil }
    if text.contains(/%[0-9A-Fa-f]{2}/) { return "write characters as they are, without escapes" }
    if text.contains("//") { return "it is a path, without a host, and its slashes are single" }
    if text.contains(/\?[A-Za-z0-9_]+=/) { return "queries are not looked at: '?' stands for one character" }
    if text.contains(/(^|\/|\))\.[*+]/) || text.contains(/\(.*\|.*\)/) {
      return "there are no regular expressions: use '*', '**' or '{a,b}'"
    }
    if text.contains(/(^|\/):[A-Za-z]/) { return "there are no names for segments: use '*'" }
    if text.split(separator: "/").contains(where: { $0 == "." || $0 == ".." }) {
      return "paths have no dot segments: write the path that results"
    }
    return nil
  }
}

extension String {
  fileprivate var mode: mode_t {
    var status = stat()
    return unsafe stat(self, &status) == 0 ? status.st_mode & S_IFMT : 0
  }

  fileprivate var isFolder: Bool { mode == S_IFDIR }
  fileprivate var isFile: Bool { mode == S_IFREG }
}
