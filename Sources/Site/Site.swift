/// What the operator says of the folder that is served: validated values, no I/O.
public struct Site: Equatable, Sendable {
  /// The names of the hosts that it is for; none where it is for all that no other site has.
  public var names: [HostName] = []
  /// The path of the folder, as the operator wrote it.
  public var root: String
  /// The names of the files that stand for their folder: the first one that is there does.
  public var indexes = ["index.html"]
  /// `/about` leads to `about.html`, and `/about.html` to `/about`.
  public var hasCleanPaths = false
  /// A file's path with a slash at its end leads to nothing; else to the file's own path.
  public var isStrictWithSlashes = false
  /// The file that is sent in place of one that is not there, where the path looks like a page: relative to the root.
  public var fallback: String?
  /// The statuses that may have pages: those of requests that are none, or that come too late, have a line of text.
  public static let statusesWithPages = [401, 403, 404, 405, 417, 500, 501, 503]
  /// The files that are sent with a status, by its number: relative to the root.
  public var errorPages: [Int: String] = [:]
  /// Folders without an index are listed, where no rule says otherwise.
  public var hasListings = false
  /// Symbolic links that lead to something in the folder are followed; those in `root` itself are in any case.
  public var followsLinks = true
  /// Files in these codings are looked for beside the others, by their tokens: the first is the best.
  public var codings = ["br", "zstd", "gzip"]
  /// What stands before every path of the site, with its first slash and without a last one: `/app`. Empty for nothing.
  public var basePath = ""
  /// Which other origins may read responses: the CORS protocol of the Fetch standard.
  public var sharing = Sharing.none
  /// Strict-Transport-Security: RFC 6797 §6.1. Said over HTTPS only (§7.2).
  public var strictTransport: String?
  /// What holds for some paths. Of what several say, the first one's holds.
  public var rules: [PathRule] = []
  /// Media types of the operator's, by the ending of a file's name in lower case.
  public var types: [String: String] = [:]
  /// Files whose names hold a hash of their content may be kept for ever.
  public var keepsHashedFiles = false
  /// Passwords are asked for over HTTP, too: something else encrypts on the way.
  public var allowsAuthenticationOverHTTP = false
  /// Responses have the fields that scanners of web sites ask for.
  public var hasSecurityFields = false

  /// Names the parts.
  public init(root: String) {
    self.root = root
  }
}

extension Site {
  /// Some folders may be listed.
  public var mayList: Bool { hasListings || rules.contains { $0.listing == true } }

  /// Whether a folder is listed that has no index. Its path is relative to the root, decoded, and ends with a slash or is empty.
  public func lists(_ path: some Collection<UInt8>) -> Bool {
    let rooted = [UInt8(ascii: "/")] + path
    let rule = rules.first { $0.listing != nil && $0.pattern.matches(rooted) }
    return rule?.listing ?? hasListings
  }

  /// What the first rule that has a fallback for this path says; it is relative to the root and decoded.
  public func fallback(for path: some Collection<UInt8>) -> String? {
    let rooted = [UInt8(ascii: "/")] + path
    return rules.first { $0.fallback != nil && $0.pattern.matches(rooted) }?.fallback
  }

  /// The most that rules can add to a head, in bytes.
  public var fieldBytes: Int {
    rules.reduce(0) { sum, rule in
      let fields = rule.changes.compactMap { change in
        switch change {
        case .set(let field), .add(let field): field
        case .remove: nil
        }
      }
      return sum + (rule.cacheControl.map { $0.utf8.count + 32 } ?? 0) + (rule.type?.utf8.count ?? 0)
        + fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
    }
  }
}

/// What holds for some paths.
public struct PathRule: Equatable, Sendable {
  /// For which.
  public var pattern: PathPattern
  /// Cache-Control: RFC 9111 §5.2.
  public var cacheControl: String?
  /// Content-Type: RFC 9110 §8.3.
  public var type: String?
  /// Who may have it.
  public var access: AccessRule?
  /// The file that is sent in place of one that is not there: relative to the root.
  public var fallback: String?
  /// Where it is to be asked for instead.
  public var redirect: Redirect?
  /// Whose passwords let in; nil if the rule does not say.
  public var authentication: AuthenticationRule?
  /// Whether folders are listed that have no index.
  public var listing: Bool?
  /// What becomes of other fields.
  public var changes: [FieldChange] = []

  /// It says something of fields.
  public var saysFields: Bool { cacheControl != nil || !changes.isEmpty }

  /// A rule that says nothing yet.
  public init(_ pattern: PathPattern) {
    self.pattern = pattern
  }
}
