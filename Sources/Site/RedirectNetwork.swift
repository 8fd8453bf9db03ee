/// Where clients that follow redirects come to, as far as the same sites are asked.
public struct RedirectNetwork: Sendable {
  private let sites: [Site]
  private let tables: [Table]
  private let hosts: HostTable
  /// What URLs begin with that lead to these sites.
  private let origins: [String]
  /// After so many redirects clients give up: curl after 50, browsers after 20.
  private static let mostSteps = 50

  /// `schemes`: what is listened for, `http` or `https`.
  public init(_ sites: [Site], schemes: [String]) {
    self.sites = sites
    tables = sites.map { Table($0.rules) }
    hosts = HostTable(sites)
    origins = schemes.map { $0 + "://" }
  }

  /// The rules of a site that lead elsewhere, which may be thousands.
  private struct Table {
    private var exact: [[UInt8]: Int] = [:]
    private var others: [(number: Int, beginning: [UInt8], pattern: PathPattern)] = []

    init(_ rules: [PathRule]) {
      for (number, rule) in rules.enumerated() where rule.redirect != nil {
        if let paths = rule.pattern.literals {
          for path in paths where exact[path] == nil { exact[path] = number }
        } else {
          others.append((number, rule.pattern.beginning, rule.pattern))
        }
      }
    }

    /// The first that is for a path.
    func rule(for path: [UInt8]) -> Int? {
      let literal = exact[path] ?? .max
      let other = others.first {
        $0.number > literal || path.starts(with: $0.beginning) && $0.pattern.matches(path)
      }
      let first = min(literal, other?.number ?? .max)
      return first == .max ? nil : first
    }
  }

  private struct Place: Hashable {
    let site: Int
    /// With its first slash, without the site's base path.
    let path: String
  }

  /// What a rule's redirect leads to, and from there on, if that never ends: a path that fits, and the first Locations. Nil, too, for all
  /// but the first of the rules that make the loop.
  public func loop(ofRule number: Int, site: Int) -> [String]? {
    guard sites[site].rules[number].redirect != nil else { return nil }
    for sample in sites[site].rules[number].pattern.samples(star: "x", any: "x") {
      var place = Place(site: site, path: String(decoding: sample, as: UTF8.self))
      var locations = [sites[site].basePath + place.path]
      var isFirst = true
      for count in 0..<Self.mostSteps {
        guard let (rule, location) = step(from: place), let next = self.place(location, from: place.site)
        else { break }
        if count == 0, rule != number { break }
        isFirst = isFirst && (place.site, rule ?? number) >= (site, number)
        locations.append(location)
        place = next
        if count == Self.mostSteps - 1, isFirst { return Array(locations.prefix(4)) }
      }
    }
    return nil
  }

  /// The rule that decides and its Location; no rule, where a name without its ending is the better one.
  private func step(from place: Place) -> (rule: Int?, location: String)? {
    let site = sites[place.site]
    let path = Array(place.path.utf8)
    if let number = tables[place.site].rule(for: path), let redirect = site.rules[number].redirect {
      let star = redirect.suffix == nil ? nil : site.rules[number].pattern.star
      let starred = star.map { path[$0.before..<path.count - $0.after] } ?? []
      return (number, String(decoding: redirect.prefix + starred + (redirect.suffix ?? []), as: UTF8.self))
    }
    guard site.hasCleanPaths, path.ends(with: ".html".utf8) else { return nil }
    let name = place.path.hasSuffix("/index.html") ? place.path.dropLast(10) : place.path.dropLast(5)
    return (nil, site.basePath + name)
  }

  /// Nil where another server answers, or a path has escapes.
  private func place(_ location: String, from site: Int) -> Place? {
    var (site, path) = (site, location[...])
    if !location.hasPrefix("/") {
      guard let origin = origins.first(where: location.hasPrefix) else { return nil }
      let rest = location.dropFirst(origin.count)
      let authority = rest.prefix { !"/?#".contains($0) }
      guard !authority.contains(":"), let number = hosts.number(of: authority.utf8) else { return nil }
      (site, path) = (number, rest.dropFirst(authority.count))
    }
    path = path.prefix { !"?#".contains($0) }
    guard !path.contains("%"), path.hasPrefix(sites[site].basePath) else { return nil }
    path = path.dropFirst(sites[site].basePath.count)
    guard path.first.map({ $0 == "/" }) ?? true else { return nil }
    return Place(site: site, path: path.isEmpty ? "/" : String(path))
  }
}
