/// Whom a path is for: those whom a file with passwords knows.
public struct Authentication: Hashable, Sendable {
  /// The path of the file (htpasswd), as the operator wrote it.
  public let file: String
  /// What the client's user is told of what the password is for: RFC 9110 §11.5.
  public let realm: String

  /// What is said where the operator says nothing.
  public static let defaultRealm = "Restricted"

  /// Nil for an empty file's name, and for a realm that is empty, longer than 200 bytes or not of printable ASCII, which is all that
  /// clients agree on.
  public init?(file: String, realm: String = defaultRealm) {
    guard !file.isEmpty, !file.utf8.contains(0), (1...200).contains(realm.utf8.count),
      realm.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F })
    else { return nil }
    self.file = file
    self.realm = realm
  }

  /// WWW-Authenticate: RFC 7617 §2 and §2.1.
  public var challenge: String {
    let quoted = realm.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    return "Basic realm=\"\(quoted)\", charset=\"UTF-8\""
  }
}

/// What a rule says of who may come in.
public enum AuthenticationRule: Hashable, Sendable {
  case required(Authentication)
  /// Anybody may, whatever later rules say.
  case off
}

/// Some of the site's authentications, by their numbers.
public struct AuthenticationSet: OptionSet, Hashable, Sendable {
  /// A bit for each number.
  public let rawValue: UInt64

  /// Takes the bits.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// The one with this number.
  public init(_ number: Int) {
    rawValue = 1 << UInt64(number)
  }
}

extension Site {
  /// The most different authentications that a site may have.
  public static let mostAuthentications = 64

  /// Those that rules ask for, each once, in the order of the rules: their places are their numbers.
  public var authentications: [Authentication] {
    var all: [Authentication] = []
    for case .required(let authentication) in rules.map(\.authentication) where !all.contains(authentication)
    {
      all.append(authentication)
    }
    return all
  }

  /// The files with passwords of several sites, each once.
  public static func passwordFiles(of sites: [Site]) -> [String] {
    sites.flatMap(\.authentications).reduce(into: []) { files, next in
      if !files.contains(next.file) { files.append(next.file) }
    }
  }

  /// Which of `authentications`, the site's, have to be satisfied before anything is said about a path, which is decoded and
  /// relative to the root. Not only the path counts, but all that it may lead to: what it says of those must not be said by it.
  public func authentications(of path: some Collection<UInt8>, among all: [Authentication])
    -> AuthenticationSet
  {
    let rules = rules.filter { $0.authentication != nil }
    // A rule that opens the path itself stands before those that keep what it may lead to.
    let deciding = Self.deciding(rules, of: names(of: Array(path))) { $0.authentication == .off }
    return deciding.reduce(into: []) { set, rule in
      guard case .required(let authentication) = rule.authentication,
        let number = all.firstIndex(of: authentication)
      else { return }
      set.insert(AuthenticationSet(number))
    }
  }

  /// The path and whatever it may lead to, with the first slash.
  private func names(of path: [UInt8]) -> [[UInt8]] {
    var names = spellings(of: path)
    for name in names {
      if name.last == UInt8(ascii: "/") {
        names += indexes.map { name + $0.utf8 }
      } else if hasCleanPaths {
        names.append(name + ".html".utf8)
      }
    }
    return names
  }
}

extension Collection<UInt8> {
  func ends(with text: String.UTF8View) -> Bool {
    count >= text.count && suffix(text.count).elementsEqual(text)
  }
}
