/// What the site says of a file, by its path: what is in the head of every response with it.
public struct FilePolicy: Hashable, Sendable {
  /// Content-Type.
  public var mediaType: String
  /// Content-Encoding, where the file itself is in one: `.svgz`.
  public var coding: String?
  /// Fields that every response with the file has, in this order, a 304 as well: RFC 9110 §15.4.5.
  public var fields: [Field] = []
  /// `Server` is said.
  public var hasServer = true
  /// `ETag` is said.
  public var hasEntityTag = true
  /// `Last-Modified` is said.
  public var hasLastModified = true
}

extension Site {
  /// What holds for a file with this path, which is relative to the root and decoded.
  public func policy(of path: some Collection<UInt8>) -> FilePolicy {
    let rooted = [UInt8(ascii: "/")] + path
    let rules = rules.filter { $0.pattern.matches(rooted) }
    let name = String(
      decoding: rooted[rooted.index(after: rooted.lastIndex(of: UInt8(ascii: "/")) ?? 0)...], as: UTF8.self)
    var policy = FilePolicy(mediaType: rules.lazy.compactMap(\.type).first ?? mediaType(of: name))
    if name.lowercased().hasSuffix(".svgz") { policy.coding = "gzip" }
    var fields = FieldSet()
    for rule in rules {
      for change in rule.changes { fields.apply(change) }
      // As any other field, but that the rule has a name for it.
      if let cacheControl = rule.cacheControl { fields.offer(Field(known: "Cache-Control", cacheControl)) }
    }
    if keepsHashedFiles, HashedName.matches(name) {
      fields.offer(Field(known: "Cache-Control", "public, max-age=31536000, immutable"))
    }
    if hasSecurityFields { for field in Self.securityFields { fields.offer(field) } }
    policy.fields = fields.fields
    policy.hasServer = !fields.decided.contains("server")
    policy.hasEntityTag = !fields.decided.contains("etag")
    policy.hasLastModified = !fields.decided.contains("last-modified")
    return policy
  }

  /// By the ending of a name.
  private func mediaType(of name: String) -> String {
    guard let dot = name.lastIndex(of: ".") else { return MediaType.unknown }
    let ending = name[name.index(after: dot)...].lowercased()
    return types[ending] ?? MediaType.of(ending: ending) ?? MediaType.unknown
  }

  /// What Mozilla's Observatory, among others, looks for. Each can be set otherwise, or removed.
  private static let securityFields = [
    Field(known: "X-Content-Type-Options", "nosniff"),
    Field(known: "X-Frame-Options", "SAMEORIGIN"),
    Field(known: "Referrer-Policy", "strict-origin-when-cross-origin"),
    Field(known: "Cross-Origin-Opener-Policy", "same-origin"),
    Field(known: "Cross-Origin-Resource-Policy", "same-origin"),
    Field(
      known: "Content-Security-Policy",
      """
      default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; \
      base-uri 'self'; form-action 'self'; frame-ancestors 'self'
      """),
  ]
}

/// The fields of a response as rules make them, one after the other: who comes first decides.
private struct FieldSet {
  private(set) var fields: [Field] = []
  /// Names, in lower case, of which nothing more is taken.
  private(set) var decided: Set<String> = []

  mutating func apply(_ change: FieldChange) {
    switch change {
    case .set(let field): offer(field)
    case .add(let field): fields.append(field)
    case .remove(let name): decided.insert(name)
    }
  }

  /// Takes a field unless there is one of its name, or there shall be none.
  mutating func offer(_ field: Field) {
    if decided.insert(field.name.lowercased()).inserted { fields.append(field) }
  }
}

/// Names that build tools make of a hash of the content: `main.3f9a1c2b.js`, `index-DiwrgTda.css`.
enum HashedName {
  private static let endings: Set<String> = [
    "avif", "css", "gif", "ico", "jpeg", "jpg", "js", "json", "map", "mjs", "mp3", "mp4", "otf", "png", "svg",
    "ttf",
    "wasm", "webm", "webp", "woff", "woff2",
  ]

  /// Before the ending (or two: `.js.map`), behind a dot or a hyphen, stand 8 to 64 letters and digits that are no word and no
  /// number.
  static func matches(_ name: String) -> Bool {
    var parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count > 1, endings.contains(parts.removeLast().lowercased()) else { return false }
    if parts.count > 1, let last = parts.last, endings.contains(last.lowercased()) { parts.removeLast() }
    guard let last = parts.last else { return false }
    // Behind a dot, all of it may be the hash; else what is behind the last hyphen, or, since a hash may have hyphens, the end.
    let candidates = [last[...]] + (last.lastIndex(of: "-").map { [last[last.index(after: $0)...]] } ?? [])
    return (parts.count > 1 ? candidates : Array(candidates.dropFirst())).contains(where: looksLikeHash)
  }

  private static func looksLikeHash(_ text: Substring) -> Bool {
    guard (8...64).contains(text.utf8.count),
      text.utf8.allSatisfy({ isLetterOrDigit($0) || $0 == UInt8(ascii: "_") })
    else { return false }
    let hasDigit = text.contains(where: \.isNumber)
    let hasLetter = text.contains(where: \.isLetter)
    // `Overview` is a word, `DiwrgTda` is none.
    let isMixed = text.contains(where: \.isLowercase) && text.dropFirst().contains(where: \.isUppercase)
    return hasDigit && hasLetter || isMixed
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"):
      true
    default: false
    }
  }
}
