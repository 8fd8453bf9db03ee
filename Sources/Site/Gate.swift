/// What decides about a request for a path before anything is looked for: it is led elsewhere, or not everybody may have it.
public struct Gate: Hashable, Sendable {
  /// Who may have it: whom all of these admit.
  public var access: [AccessRule] = []
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

  /// The gate of a path, which is relative to the root and decoded. The first rule that leads elsewhere decides where.
  public func gate(of path: some Collection<UInt8>) -> Gate {
    let rooted = [UInt8(ascii: "/")] + path
    var gate = Gate()
    gate.access = access(of: path)
    for rule in rules {
      guard let redirect = rule.redirect, rule.pattern.matches(rooted) else { continue }
      gate.redirect = redirect
      if let star = rule.pattern.star, redirect.suffix != nil {
        gate.starred = star.before - 1..<rooted.count - star.after - 1
      }
      break
    }
    return gate
  }

  /// Who may have what is asked for by a path, which is relative to the root and decoded: what the first rules say of each of its
  /// spellings.
  public func access(of path: some Collection<UInt8>) -> [AccessRule] {
    let rules = rules.filter { $0.access != nil }
    if rules.isEmpty { return [] }
    return Self.deciding(rules, of: spellings(of: Array(path))) { _ in true }.compactMap(\.access)
  }

  /// Those of some rules that decide about names, of which the first is the path itself: of each name, the first rule that it fits, and
  /// those before that which it lies beneath. These keep somebody out, but let nobody in: `/*` is not for what is in folders.
  /// Behind a rule that `opens` the path itself no other counts: what is sent in the end is held against them by its own path.
  static func deciding(
    _ rules: [PathRule], of names: [[UInt8]], unlessBehind opens: (PathRule) -> Bool
  ) -> [PathRule] {
    let own = rules.firstIndex { $0.pattern.matches(names[0]) }
    let last = own.flatMap { opens(rules[$0]) ? $0 : nil } ?? rules.endIndex
    var numbers: [Int] = []
    for name in names {
      for number in rules.indices where number <= last && rules[number].pattern.covers(name) {
        if !numbers.contains(number) { numbers.append(number) }
        if rules[number].pattern.matches(name) { break }
      }
    }
    return numbers.map { rules[$0] }
  }

  /// What the names of codings of files end with.
  private static let codingEndings = [".br", ".zst", ".gz"]

  /// A path, and all other names of what it may be the path of, with the first slash.
  func spellings(of path: [UInt8]) -> [[UInt8]] {
    let slash = UInt8(ascii: "/")
    var names = [[slash] + path]
    // A coding of a file holds all that is in the file.
    for ending in Self.codingEndings where names[0].ends(with: ending.utf8) {
      names.append(names[0].dropLast(ending.utf8.count))
    }
    // A file's path with a slash at its end may lead to the file, and a folder's without one to the folder.
    for name in names where name.count > 1 {
      names.append(name.last == slash ? name.dropLast() : name + [slash])
    }
    guard hasCleanPaths else { return names }
    for name in names {
      var name = name
      if name.ends(with: ".html".utf8) {
        name.removeLast(5)
        names += [name, name + [slash]]
      }
      if name.ends(with: "/index".utf8) {
        name.removeLast(5)
        names += name.count > 1 ? [name, name.dropLast()] : [name]
      }
    }
    return names
  }
}
