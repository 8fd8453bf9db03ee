/// Which other origins may read a site's responses: the CORS protocol of the Fetch standard.
public enum Sharing: Hashable, Sendable {
  /// None.
  case none
  /// All.
  case all
  /// These, as they are sent: `https://example.com`.
  case origins(Set<[UInt8]>)

  /// The fields that every response has, whoever asks.
  var fields: [Field] {
    let exposed = Field(known: "Access-Control-Expose-Headers", "*")
    return switch self {
    case .none: []
    case .all: [Field(known: "Access-Control-Allow-Origin", "*"), exposed]
    case .origins: [Field(known: "Vary", "Origin"), exposed]
    }
  }

  /// An origin as browsers send it (RFC 6454 §6.2), or nil for what is none.
  public static func origin(_ text: String) -> [UInt8]? {
    let scheme = ["https://", "http://"].first { text.hasPrefix($0) } ?? ""
    let parts = text.dropFirst(scheme.count).split(separator: ":", omittingEmptySubsequences: false)
    guard !scheme.isEmpty, text == text.lowercased(), parts.count <= 2, let host = HostName(String(parts[0])),
      !host.isWildcard, parts.count == 1 || UInt16(parts[1]) != nil
    else { return nil }
    return Array(text.utf8)
  }
}
