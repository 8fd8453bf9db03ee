import Server
import Site
import Worker

// Hosts: what the file's [[host]] say, and the options of sites that they may have for themselves.
extension ConfigurationReader {
  /// All sites. The first one is what flags, the environment and the file's own keys say: for hosts that no `[[host]]` has.
  mutating func sites() -> [Site] {
    let rules = rules()
    var sites = [site(rules)]
    for section in hosts {
      if let certificates = certificates(of: section.settings), !certificates.isEmpty {
        hostCertificates[sites.count] = certificates
      }
      sites.append(site(sites.count, of: section))
    }
    var known: Set<HostName> = []
    for (section, site) in zip(hosts, sites.dropFirst()) {
      for name in site.names where !known.insert(name).inserted {
        problems.append("\(section.origin.place)another [[host]] has the name '\(name.text)', too")
      }
    }
    return sites
  }

  /// What a section says, and what holds for all hosts where it says nothing. Of rules its own come first, and what it says of an
  /// option holds in place of what is said for all.
  private mutating func site(_ number: Int, of section: ConfigurationFile.HostSection) -> Site {
    var own = reading(section.settings, section.paths)
    var others = reading(settings.leavingOut(section.settings), paths)
    let rules = own.rules() + others.rules()
    var said = section.settings
    said.fallBack(to: settings)
    var all = reading(said, [])
    var site = all.site(rules)
    if ["client-ca", "client-auth", "client-crl"].contains(where: { section.settings.all[$0] != nil }) {
      hostClients.updateValue(all.clients(), forKey: number)
    }
    // What is wrong with what holds for all was said before.
    problems += (own.problems + all.problems).filter { !problems.contains($0) }
    warnings += (own.warnings + all.warnings).filter { !warnings.contains($0) }
    ruleOrigins.append(rules.map(\.origin))
    site.names = names(of: section)
    if section.settings.all["root"] == nil {
      problems.append("\(section.origin.place)a [[host]] needs root = \"FOLDER\"")
    }
    return site
  }

  private mutating func names(of section: ConfigurationFile.HostSection) -> [HostName] {
    guard let said = section.settings.all["names"], !said.texts.isEmpty else {
      problems.append("\(section.origin.place)a [[host]] needs names = [\"example.com\"]")
      return []
    }
    return said.texts.compactMap { text in
      if let name = HostName(text) { return name }
      problems.append(
        """
        \(said.origin.place)'\(text)' is no name of a host: use names such as example.com or *.example.com, without a \
        port, and xn--… outside of ASCII
        """)
      return nil
    }
  }
}
