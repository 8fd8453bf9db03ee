import Files
import HTTP
import Site

/// What the responder knows of a site beside its files.
struct VirtualHost {
  let site: Site
  let hasGates: Bool
  let mayList: Bool
  /// What stands before every path.
  let basePath: [UInt8]
  private let hasFallbackRules: Bool
  /// The file that stands for missing pages, and those for statuses.
  private let fallback: [UInt8]?
  let errorPages: [Int: [UInt8]]

  init(_ site: Site) {
    self.site = site
    hasGates = site.hasGates
    mayList = site.mayList
    basePath = Array(site.basePath.utf8)
    hasFallbackRules = site.rules.contains { $0.fallback != nil }
    fallback = site.fallback.map { Array($0.utf8) }
    errorPages = site.errorPages.mapValues { Array($0.utf8) }
  }

  /// The file to send where there is none: what a rule says for the path, else the site, if the path looks like a page.
  func fallback(for path: Span<UInt8>) -> [UInt8]? {
    if hasFallbackRules, let file = site.fallback(for: path.indices.map { path[$0] }) {
      return Array(file.utf8)
    }
    return path.looksLikeFile ? nil : fallback
  }

  /// What a path is to a site with something before all of its paths.
  enum Place {
    /// One of the site's, from so many bytes on: there is its slash.
    case beneath(Int)
    /// What stands before them, without a slash.
    case base
    case elsewhere
  }

  /// Whether a path is one of the site's. As sent, it may be one though it looks like none; a decoded one has no first slash.
  @inline(__always)
  func place(of path: Span<UInt8>, isDecoded: Bool = false) -> Place {
    basePath.isEmpty ? .beneath(0) : Self.place(of: path, beside: basePath, isDecoded: isDecoded)
  }

  /// Of the base path alone: for this, too, the compiler (6.3) would copy the whole host, whether there is one or not.
  private static func place(of path: Span<UInt8>, beside basePath: [UInt8], isDecoded: Bool) -> Place {
    let first = isDecoded ? 1 : 0
    let count = basePath.count - first
    guard path.count >= count else { return .elsewhere }
    for index in 0..<count where path[index] != basePath[index + first] { return .elsewhere }
    if path.count == count { return .base }
    return path[count] == UInt8(ascii: "/") ? .beneath(count) : .elsewhere
  }

  /// Whether the origin of a request, in the bytes that it was parsed from, is told that it may read the response.
  func admits(origin: Range<Int>, in bytes: Span<UInt8>) -> Bool {
    guard case .origins(let origins) = site.sharing else { return false }
    return origins.contains(origin.map { bytes[$0] })
  }
}

/// Which site a request is for. What the last one has said is remembered: most say the same.
struct VirtualHosts {
  private let table: HostTable
  /// Hosts that no site has are answered with 421.
  private let refusesOthers: Bool
  private var last = TextMemo()
  private var lastNumber: Int?

  init(_ sites: [Site], refusesOthers: Bool) {
    table = HostTable(sites)
    self.refusesOthers = refusesOthers
  }

  /// There is something to choose.
  var areSeveral: Bool { !table.isEmpty || refusesOthers }

  /// The number of the site that a request is for, which was parsed from `bytes`; nil if there is none.
  mutating func number(of request: RequestHead, in bytes: Span<UInt8>) -> Int? {
    if let start = request.firstHost(in: bytes), start &+ last.count < bytes.count,
      bytes[start &+ last.count] == UInt8(ascii: "\r"),
      last.matches(bytes.extracting(start..<start &+ last.count))
    {
      return lastNumber
    }
    guard let authority = request.authority(in: bytes) else { return refusesOthers ? nil : 0 }
    lastNumber = table.number(of: authority.map { bytes[$0] }) ?? (refusesOthers ? nil : 0)
    last.set(bytes.extracting(authority))
    return lastNumber
  }
}

extension Span<UInt8> {
  func hasSuffix(_ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard self.count >= count else { return false }
    for index in 0..<count where unsafe self[self.count - count + index] != text.utf8Start[index] {
      return false
    }
    return true
  }

  /// How much of a page's path is left, with its ending or without it: all but `.html`, and but the name of an index.
  var cleanCount: Int {
    let short = extracting(..<(hasSuffix(".html") ? count - 5 : count))
    let isIndex =
      short.hasSuffix("index") && (short.count == 5 || short[short.count - 6] == UInt8(ascii: "/"))
    return isIndex ? short.count - 5 : short.count
  }

  /// The last segment of the path has a dot, as names of files do, and pages of applications do not.
  var looksLikeFile: Bool {
    var index = count
    while index > 0, self[index - 1] != UInt8(ascii: "/") {
      index -= 1
      if self[index] == UInt8(ascii: ".") { return true }
    }
    return false
  }
}
