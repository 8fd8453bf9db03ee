/// What decides about a request for a path before anything is looked for: it is led elsewhere, or not everybody may have it.
public struct Gate: Hashable, Sendable {
  /// Who may have it, of all others the first rule that says something; nil: everybody.
  public var access: AccessRule?
  /// Where it is to be asked for, with what its star stands for: a part of the path.
  public var redirect: Redirect?
  /// What the redirect's star stands for, in bytes of the path without its first slash.
  public var starred = 0..<0

  /// One that decides nothing.
  public init() {}
}

extension Site {
  /// Whether there is a rule that makes a gate.
  public var hasGates: Bool { rules.contains { $0.access != nil || $0.redirect != nil } }

  /// The gate of a path, which is relative to the root and decoded. The first rule that says who may decides, and the first that
  /// leads elsewhere.
  public func gate(of path: some Collection<UInt8>) -> Gate {
    let rooted = [UInt8(ascii: "/")] + path
    // A coding of a file holds all that is in the file.
    let coded = Self.codingEndings.first { rooted.ends(with: $0.utf8) }.map { rooted.dropLast($0.utf8.count) }
    var gate = Gate()
    for rule in rules where rule.access != nil || rule.redirect != nil {
      if gate.access == nil, rule.access != nil,
        rule.pattern.covers(rooted) || coded.map(rule.pattern.covers) ?? false
      {
        gate.access = rule.access
      }
      guard gate.redirect == nil, let redirect = rule.redirect, rule.pattern.matches(rooted) else { continue }
      gate.redirect = redirect
      if let star = rule.pattern.star, redirect.suffix != nil {
        gate.starred = star.before - 1..<rooted.count - star.after - 1
      }
    }
    return gate
  }
}
