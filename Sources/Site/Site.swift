/// What the operator says of the folder that is served: validated values, no I/O.
public struct Site: Sendable {
  /// The path of the folder, as the operator wrote it.
  public var root: String
  /// The names of the files that stand for their folder: the first one that is there does.
  public var indexes = ["index.html"]
  /// `/about` leads to `about.html`, and `/about.html` to `/about`.
  public var hasCleanPaths = false
  /// The file that is sent in place of one that is not there, where the path looks like a page: relative to the root.
  public var fallback: String?
  /// The statuses that may have pages: those of requests that are none, or that come too late, have a line of text.
  public static let statusesWithPages = [403, 404, 405, 417, 500, 501, 503]
  /// The files that are sent with a status, by its number: relative to the root.
  public var errorPages: [Int: String] = [:]
  /// Files in these codings are looked for beside the others, by their tokens: the first is the best.
  public var codings = ["br", "zstd", "gzip"]
  /// What holds for some paths. Of what several say, the first one's holds.
  public var rules: [PathRule] = []
  /// Media types of the operator's, by the ending of a file's name in lower case.
  public var types: [String: String] = [:]
  /// Files whose names hold a hash of their content may be kept for ever.
  public var keepsHashedFiles = false
  /// Responses have the fields that scanners of web sites ask for.
  public var hasSecurityFields = false

  /// Names the parts.
  public init(root: String) {
    self.root = root
  }
}

extension Site {
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
public struct PathRule: Sendable {
  /// For which.
  public var pattern: PathPattern
  /// Cache-Control: RFC 9111 §5.2.
  public var cacheControl: String?
  /// Content-Type: RFC 9110 §8.3.
  public var type: String?
  /// What becomes of other fields.
  public var changes: [FieldChange] = []

  /// A rule that says nothing yet.
  public init(_ pattern: PathPattern) {
    self.pattern = pattern
  }
}
