import Site

// What options of sites may say.

/// Networks, with commas between them.
struct NetworkList: OptionValue {
  static let expected = "networks such as 10.0.0.0/8,192.0.2.1,::1, or all"
  static let separator: String? = ","
  let networks: [Network]

  init?(text: String) {
    let texts = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingLineSpace() }
    networks = texts.compactMap { Network($0) }
    guard networks.count == texts.count else { return nil }
  }
}

/// Names of index files, with commas between them.
struct IndexNames: OptionValue {
  static let expected = "names of files with commas between them, such as index.html,index.htm"
  static let separator: String? = ","
  let names: [String]

  init?(text: String) {
    names = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingLineSpace() }
    let isSound = names.allSatisfy {
      !$0.isEmpty && !$0.contains("/") && $0.first != "." && !$0.utf8.contains(0) && !$0.contains(" ")
    }
    guard isSound, names.count <= 16, names.allSatisfy({ $0.utf8.count <= 255 }) else { return nil }
  }
}

/// Codings of content, with commas between them, or `off`.
struct CodingList: OptionValue {
  static let expected = "off, or some of br,zstd,gzip"
  static let separator: String? = ","
  let tokens: [String]

  init?(text: String) {
    tokens =
      text == "off"
      ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingLineSpace() }
    guard Set(tokens).count == tokens.count, tokens.allSatisfy(["br", "zstd", "gzip"].contains) else {
      return nil
    }
  }
}

/// The path of a file of the site, with or without its first slash; without it in `path`.
struct SitePath: OptionValue {
  static let expected = "the path of a file beneath the root, such as /index.html"
  let path: String

  init?(text: String) {
    let segments = text.drop { $0 == "/" }.split(separator: "/", omittingEmptySubsequences: false)
    guard segments.allSatisfy({ !$0.isEmpty && $0.first != "." && !$0.utf8.contains(0) }), !segments.isEmpty
    else { return nil }
    path = segments.joined(separator: "/")
  }
}

/// What becomes of a slash too much at the end of a path.
enum TrailingSlash: String, OptionWord {
  case auto, strict
}

/// What stands before all paths of a site, without a slash at its end.
struct BasePath: OptionValue {
  static let expected = "a path, such as /app"
  let path: String

  init?(text: String) {
    guard let segments = SitePath(text: text.hasSuffix("/") ? String(text.dropLast()) : text),
      text.hasPrefix("/"),
      segments.path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"%?#\\".utf8.contains($0) })
    else { return nil }
    path = "/" + segments.path
  }
}

/// Origins with commas between them, or a star.
struct OriginList: OptionValue {
  static let expected = "'*', or origins such as https://example.com,https://app.example.com:8443"
  static let separator: String? = ","
  let sharing: Sharing

  init?(text: String) {
    if text == "*" {
      sharing = .all
      return
    }
    let texts = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingLineSpace() }
    let origins = texts.compactMap(Sharing.origin)
    guard origins.count == texts.count else { return nil }
    sharing = .origins(Set(origins))
  }
}

/// Strict-Transport-Security: RFC 6797 §6.1.
struct StrictTransport: OptionValue {
  static let expected = """
    seconds, such as 31536000, and perhaps ;includeSubDomains and ;preload, which needs a year at least and the other one
    """
  static func hint(_ text: String) -> String { secondsHint(text) }
  let field: String

  init?(text: String) {
    let parts = text.split(separator: ";", omittingEmptySubsequences: false).map { $0.trimmingLineSpace() }
    let number = parts[0].hasPrefix("max-age=") ? String(parts[0].dropFirst(8)) : parts[0]
    let words = parts.dropFirst().map { $0.lowercased() }
    guard let seconds = Int(number), seconds >= 0, Set(words).count == words.count,
      words.allSatisfy(["includesubdomains", "preload"].contains),
      !words.contains("preload") || words.count == 2 && seconds >= 31_536_000
    else { return nil }
    field =
      "max-age=\(seconds)" + (words.contains("includesubdomains") ? "; includeSubDomains" : "")
      + (words.contains("preload") ? "; preload" : "")
  }
}
