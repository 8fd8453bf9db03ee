/// What the site says of a file, by its path: what is in the head of every response with it.
public struct FilePolicy: Hashable, Sendable {
  /// Content-Type.
  public var mediaType: String
  /// Content-Encoding, where the file itself is in one: `.svgz`.
  public var coding: String?
  /// Fields that every response with the file has, in this order, a 304 as well: RFC 9110 §15.4.5.
  public var fields: [Field] = []
  /// Strict-Transport-Security, said over HTTPS.
  public var strictTransport: String?
  /// `Server` is said.
  public var hasServer = true
  /// `ETag` is said.
  public var hasEntityTag = true
  /// `Last-Modified` is said.
  public var hasLastModified = true

  /// A policy that says nothing but a type.
  public init(mediaType: String) {
    self.mediaType = mediaType
  }
}

extension Site {
  /// What holds for a file with this path, which is relative to the root and decoded. `isPrivate`: it is not for everybody.
  public func policy(of path: some Collection<UInt8>, isPrivate: Bool = false) -> FilePolicy {
    let rooted = [UInt8(ascii: "/")] + path
    let rules = rules(for: rooted)
    let name = String(
      decoding: rooted[rooted.index(after: rooted.lastIndex(of: UInt8(ascii: "/")) ?? 0)...], as: UTF8.self)
    var policy = FilePolicy(mediaType: rules.lazy.compactMap(\.type).first ?? mediaType(of: name))
    if name.lowercased().hasSuffix(".svgz") { policy.coding = "gzip" }
    var fields = FieldSet(rules)
    if keepsHashedFiles, HashedName.matches(name) {
      fields.offer(
        Field(known: "Cache-Control", "\(isPrivate ? "private" : "public"), max-age=31536000, immutable"))
    }
    // Caches that many share keep nothing that was sent to one (RFC 9111 §3.5), and some have to be told.
    if isPrivate { fields.offer(Field(known: "Cache-Control", "private")) }
    take(fields, into: &policy)
    return policy
  }

  /// What holds for a listing of the folder with this path, which ends with a slash or is empty. It is of this type, whatever rules
  /// say of files beneath. `own` are fields that it has unless rules say otherwise.
  public func policy(ofListing path: some Collection<UInt8>, type: String, own: [Field]) -> FilePolicy {
    var policy = FilePolicy(mediaType: type)
    var fields = FieldSet(rules(for: [UInt8(ascii: "/")] + path))
    for field in own { fields.offer(field) }
    take(fields, into: &policy)
    // Its content changes when a file does, which the folder's own time does not tell.
    policy.hasLastModified = false
    return policy
  }

  /// The numbers of the rules that say something of fields for a path, which is relative to the root and decoded.
  public func fieldRules(for path: some Collection<UInt8>) -> [Int] {
    let rooted = [UInt8(ascii: "/")] + path
    return rules.indices.filter { rules[$0].saysFields && rules[$0].pattern.matches(rooted) }
  }

  /// What holds for a response in which there is no file, where these rules say something of fields.
  public func policy(ofRules numbers: [Int], isPrivate: Bool = false) -> FilePolicy {
    var policy = FilePolicy(mediaType: "text/plain; charset=utf-8")
    var fields = FieldSet(numbers.map { rules[$0] })
    if isPrivate { fields.offer(Field(known: "Cache-Control", "private")) }
    take(fields, into: &policy)
    return policy
  }

  private func rules(for rooted: [UInt8]) -> [PathRule] { rules.filter { $0.pattern.matches(rooted) } }

  private func take(_ fields: consuming FieldSet, into policy: inout FilePolicy) {
    for field in generalFields { fields.offer(field) }
    policy.fields = fields.fields
    if !fields.decided.contains("strict-transport-security") { policy.strictTransport = strictTransport }
    policy.hasServer = !fields.decided.contains("server")
    policy.hasEntityTag = !fields.decided.contains("etag")
    policy.hasLastModified = !fields.decided.contains("last-modified")
  }

  /// What all responses have, and files too, unless a rule says otherwise.
  private var generalFields: [Field] {
    guard hasSecurityFields else { return sharing.fields }
    // Pages of other origins that may read what is served may load it, too.
    let isShared = sharing != .none
    return sharing.fields
      + Self.securityFields.filter { !isShared || $0.name != "Cross-Origin-Resource-Policy" }
      + (isShared ? [Field(known: "Cross-Origin-Resource-Policy", "cross-origin")] : [])
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

  /// What rules make of them, the first one first.
  init(_ rules: [PathRule]) {
    for rule in rules {
      for change in rule.changes { apply(change) }
      // As any other field, but that the rule has a name for it.
      if let cacheControl = rule.cacheControl { offer(Field(known: "Cache-Control", cacheControl)) }
    }
  }

  private mutating func apply(_ change: FieldChange) {
    switch change {
    case .set(let field): offer(field)
    case .add(let field): fields.append(field)
    case .remove(let name): decided.insert(name)
    }
  }

  /// Takes a field unless there is one of its name, or there shall be none.
  mutating func offer(_ field: Field) {
    if decided.insert(field.name.lowercased()).inserted || field.name == "Vary" { fields.append(field) }
  }
}

/// Names that build tools make of a hash of the content: `main.3f9a1c2b.js`, `index-DiwrgTda.css`.
enum HashedName {
  private static let endings: Set<String> = [
    "avif", "css", "gif", "ico", "jpeg", "jpg", "js", "json", "map", "mjs", "mp3", "mp4", "otf", "png", "svg",
    "ttf",
    "wasm", "webm", "webp", "woff", "woff2",
  ]

  /// What tools put behind a hash: `main.3f9a1c2b.chunk.js`.
  private static let marks: Set<String> = ["bundle", "chunk", "min"]

  /// Where names are made of identifiers, rather than of words.
  private static let endingsOfCode: Set<String> = ["css", "js", "map", "mjs"]

  /// Before the ending (or two: `.js.map`), behind a dot or a hyphen, stand 8 to 64 letters and digits that are no word and no
  /// number. One with a hyphen in it can't be told from words. In doubt it is none: that costs a question, and the other
  /// mistake a year.
  static func matches(_ name: String) -> Bool {
    var parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count > 1, endings.contains(parts.last?.lowercased() ?? "") else { return false }
    let isCode = endingsOfCode.contains(parts.removeLast().lowercased())
    if parts.count > 1, let last = parts.last, endings.contains(last.lowercased()) { parts.removeLast() }
    if parts.count > 1, let last = parts.last, marks.contains(last.lowercased()) { parts.removeLast() }
    guard let last = parts.last else { return false }
    // Behind a dot, all of it may be the hash; else what is behind the last hyphen.
    let candidates = [last[...]] + (last.lastIndex(of: "-").map { [last[last.index(after: $0)...]] } ?? [])
    return (parts.count > 1 ? candidates : Array(candidates.dropFirst())).contains {
      looksLikeHash(Array($0.utf8), isCode: isCode)
    }
  }

  private static func looksLikeHash(_ text: [UInt8], isCode: Bool) -> Bool {
    guard (8...64).contains(text.count),
      text.allSatisfy({ isLetterOrDigit($0) || $0 == UInt8(ascii: "_") })
    else { return false }
    // Digits and letters take turns in a hash; a word has a number behind it, or before it: `release2`, `1200x630`.
    let areDigits = text.map { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    let turns = zip(areDigits, areDigits.dropFirst()).count { $0 != $1 }
    guard areDigits.contains(false) else { return false }
    let isHexadecimal = zip(text, areDigits).allSatisfy { $1 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0 }
    if isHexadecimal, turns > 0 { return turns > 1 || areDigits[0] }
    if turns > 2 { return true }
    // Those of Vite and esbuild have 8 characters: mixed, or letters of one case and the digits of base 32 (RFC 4648 §6).
    guard text.count == 8 else { return false }
    let isMixed =
      text.contains { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 }
      && text.dropFirst().contains { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 }
    let isBase32 = zip(text, areDigits).allSatisfy {
      UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 || $1 && UInt8(ascii: "2")...UInt8(ascii: "7") ~= $0
    }
    switch turns {
    // `SemiBold` and `LinkedIn` are fonts and pictures, more likely than scripts.
    case 0: return isMixed && isCode
    case 1: return isBase32 && areDigits[0]
    default: return isMixed || isBase32
    }
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
