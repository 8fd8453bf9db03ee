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
  /// The target has a query of its own. Where it has none, the request's is carried over.
  public let hasQuery: Bool

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
    let bytes = Array(target.utf8)
    guard bytes.count <= Self.longestTarget, Self.isTarget(target),
      bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"\"<>\\^`{|}".utf8.contains($0) })
    else { throw .target }
    let parts = bytes.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false)
    guard parts.count == 1 || parts.count == 2 && pattern.star != nil else { throw .star }
    // Else what the star has matched could become a part of the host's name.
    if parts.count == 2, !target.hasPrefix("/"), !parts[0].dropFirst(8).contains(UInt8(ascii: "/")) {
      throw .target
    }
    self.status = status
    prefix = Array(parts[0])
    suffix = parts.count == 2 ? Array(parts[1]) : nil
    hasQuery = bytes.contains(UInt8(ascii: "?"))
  }

  /// Two slashes at the beginning would lead to another host.
  private static func isTarget(_ text: String) -> Bool {
    if text.hasPrefix("/") { return !text.hasPrefix("//") && !text.hasPrefix("/*/") }
    return ["http://", "https://"].contains { text.hasPrefix($0) && text.utf8.count > $0.utf8.count }
  }
}
