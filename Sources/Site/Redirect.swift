/// Another place for what was asked for: RFC 9110 §15.4 and §10.2.2.
public struct Redirect: Hashable, Sendable {
  /// The statuses that there are.
  public static let statuses = [301, 302, 303, 307, 308]
  /// The longest target, in bytes.
  public static let longestTarget = 2048

  /// 301, 302, 303, 307 or 308.
  public let status: Int
  /// What Location says: all of it, or what stands before the star.
  public let prefix: [UInt8]
  /// What stands behind the star; nil where there is none.
  public let suffix: [UInt8]?
  /// What becomes of the request's query.
  public let query: Query
  /// What stands behind the query, with its number sign, or nothing.
  public let fragment: [UInt8]

  /// The star stands in the target's query.
  public var starIsInQuery: Bool { prefix.contains(UInt8(ascii: "?")) }

  /// What a target does with the query of the request.
  public enum Query: Sendable {
    /// It has none itself, and takes that one over.
    case takesOver
    /// Behind its own comes that one.
    case addsTo
    /// It ends with a question mark, which is not sent: there shall be none.
    case drops
  }

  /// Why there can't be such a redirect.
  public enum Fault: Error, Equatable {
    /// The target is neither a path nor a URL, or has characters that have to be escaped.
    case target
    /// The target has a star, and the pattern has not exactly one, or something else that is not literal.
    case star
    /// The status is none of `statuses`.
    case status
  }

  /// `target` is a path, or a URL of http or https. A star in it stands for what the pattern's star has matched.
  public init(to target: String, from pattern: PathPattern, status: Int = 301) throws(Fault) {
    guard Self.statuses.contains(status) else { throw .status }
    var bytes = Array(target.utf8)
    guard bytes.count <= Self.longestTarget, Self.isTarget(target),
      bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"\"<>\\^`{|}".utf8.contains($0) })
    else { throw .target }
    fragment = Array(bytes[(bytes.firstIndex(of: UInt8(ascii: "#")) ?? bytes.endIndex)...])
    bytes.removeLast(fragment.count)
    if fragment.contains(UInt8(ascii: "*")) { throw .target }
    let mark = bytes.firstIndex(of: UInt8(ascii: "?"))
    query = mark == nil ? .takesOver : mark == bytes.count - 1 ? .drops : .addsTo
    if query == .drops { bytes.removeLast() }
    let parts = bytes.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false)
    guard parts.count == 1 || parts.count == 2 && pattern.star != nil else { throw .star }
    // Else what the star has matched could become a part of the host's name.
    if parts.count == 2, !target.hasPrefix("/"), !parts[0].dropFirst(8).contains(UInt8(ascii: "/")) {
      throw .target
    }
    self.status = status
    prefix = Array(parts[0])
    suffix = parts.count == 2 ? Array(parts[1]) : nil
  }

  /// Two slashes at the beginning would lead to another host.
  private static func isTarget(_ text: String) -> Bool {
    if text.hasPrefix("/") { return !text.hasPrefix("//") && !text.hasPrefix("/*/") }
    guard let scheme = ["http://", "https://"].first(where: text.hasPrefix) else { return false }
    // A host: without one, browsers take what comes next for it.
    let authority = text.dropFirst(scheme.count).prefix { !"/?#".contains($0) }
    return !authority.isEmpty && !authority.hasSuffix("@") && !authority.hasPrefix(":")
  }
}
