import Files
import HTTP
import Site

/// What the site says of files, as it stands in heads. A number stands for all files of which it says the same: it is asked
/// when a file comes into the cache, and not for a request.
@safe
final class FilePolicies {
  /// A policy, written.
  @safe
  struct Entry {
    /// `Content-Type: …`, with its line's end.
    let type: UnsafeRawBufferPointer
    /// All other fields, each with its line's end.
    let fields: UnsafeRawBufferPointer
    /// Those that are said over plaintext, too.
    let plaintextFields: UnsafeRawBufferPointer
    /// The fields where the file is the page for a status: none that would have the error kept.
    let errorFields: UnsafeRawBufferPointer
    let plaintextErrorFields: UnsafeRawBufferPointer
    let hasServer: Bool
    let hasEntityTag: Bool
    let hasLastModified: Bool
  }

  let sites: [Site]
  private var numbers: [Key: Int32] = [:]
  /// The fields of responses that no file is in, by site, where no rule says otherwise.
  private let general: [Entry]
  /// By site: what is said of such responses depends on the path.
  private let areByPath: [Bool]
  /// The same where rules say otherwise: made when a path is first asked for that these fit.
  private var generalOfRules: [RuleKey: Entry] = [:]
  /// So many are kept: clients choose the paths.
  private static let mostOfRules = 256

  private struct RuleKey: Hashable {
    let site: Int
    let rules: [Int]
    let isPrivate: Bool
  }
  /// What each site offers, its favourite first.
  let codings: [[ContentCoding]]
  /// The same as the cache takes them: see `FileCache.coded`.
  let allCodings: [UInt32]
  private let authentications: [[Authentication]]
  /// Where there are passwords to ask for, by site, in the order of its authentications.
  let challenges: [[Challenge]]

  /// How credentials are asked for, and checked.
  @safe
  struct Challenge {
    /// The lines of a 401, each with its end.
    let lines: UnsafeRawBufferPointer
    /// The number of the file with passwords.
    let file: Int
  }

  private struct Key: Hashable {
    let policy: FilePolicy
    let coding: ContentCoding?
    let gates: Gates
  }
  private var entries: [Entry] = []

  /// What has to be asked for each request.
  struct Gates: Hashable {
    /// Who may have the file.
    var access: [AccessRule] = []
    /// The path that it is asked for by leads elsewhere, or may do so.
    var isRedirected = false
    /// Whose passwords are needed.
    var authentications: AuthenticationSet = []
  }
  private var allGates: [Gates] = []

  init(sites: [Site]) {
    self.sites = sites
    authentications = sites.map(\.authentications)
    let files = Site.passwordFiles(of: sites)
    challenges = authentications.map { authentications in
      authentications.map { authentication in
        // What a page's own rule may say of caches means its file.
        let lines = "WWW-Authenticate: \(authentication.challenge)\r\nCache-Control: no-store\r\n"
        return unsafe Challenge(lines: Self.copy(lines), file: files.firstIndex(of: authentication.file) ?? 0)
      }
    }
    general = sites.map { Entry($0.policy(ofRules: []), coding: nil) }
    areByPath = sites.map { $0.rules.contains { $0.saysFields || $0.authentication != nil } }
    codings = sites.map { site in
      site.codings.compactMap { token in ContentCoding.allCases.first { "\($0.token)" == token } }
    }
    allCodings = codings.map { $0.reversed().reduce(0) { $0 << 8 | UInt32($1.rawValue) } }
  }

  /// How a site's paths become names of files.
  static func fileNames(of site: Site) -> FileNames {
    FileNames(
      indexes: site.indexes, endings: site.hasCleanPaths ? [".html"] : [],
      codings: ContentCoding.allCases.map(\.ending))
  }

  deinit {
    for entry in entries + general + generalOfRules.values { entry.free() }
    for challenge in challenges.joined() { unsafe challenge.lines.deallocate() }
  }

  subscript(number: Int32) -> Entry { entries[Int(number)] }

  /// What responses of a site have in which there is no file: errors, and ways to go.
  func general(_ site: Int) -> Entry { general[site] }

  /// Rules may say something else of them for some paths.
  func isByPath(_ site: Int) -> Bool { areByPath[site] }

  /// The same for a path, which is decoded and relative to the root. Good until the next one is asked for.
  func general(_ site: Int, path: Span<UInt8>, isPrivate: Bool) -> Entry {
    let rules = sites[site].fieldRules(for: path.indices.map { path[$0] })
    if rules.isEmpty, !isPrivate { return general[site] }
    let key = RuleKey(site: site, rules: rules, isPrivate: isPrivate)
    if let entry = generalOfRules[key] { return entry }
    if generalOfRules.count >= Self.mostOfRules {
      for entry in generalOfRules.values { entry.free() }
      generalOfRules.removeAll()
    }
    let entry = Entry(sites[site].policy(ofRules: rules, isPrivate: isPrivate), coding: nil)
    generalOfRules[key] = entry
    return entry
  }

  /// What has to be asked before such a file is sent.
  func gates(_ number: Int32) -> Gates { allGates[Int(number)] }

  /// Whose passwords are needed before anything is said about a path of a site.
  func authentications(of path: some Collection<UInt8>, site: Int) -> AuthenticationSet {
    challenges[site].isEmpty
      ? [] : sites[site].authentications(of: path, among: authentications[site])
  }

  /// Of a file and the first bytes of its path that it is asked for by.
  private func gates(of path: [UInt8], asked: Int, root: Int) -> Gates {
    var gates = Gates()
    let site = sites[root]
    let isPage = site.hasCleanPaths && path.span.hasSuffix(".html")
    let names = asked == path.count ? [path[...]] : [path[...], path[..<asked]]
    gates.authentications = names.reduce(into: []) { $0.formUnion(authentications(of: $1, site: root)) }
    // By another name than the shortest, the cache does not know whether that leads to it, too.
    gates.isRedirected =
      isPage && (asked == path.count || asked == path.count - 5 && asked != path.span.cleanCount)
    guard site.hasGates else { return gates }
    if site.gate(of: path[..<asked]).redirect != nil { gates.isRedirected = true }
    for access in names.flatMap({ site.access(of: $0) }) where !gates.access.contains(access) {
      gates.access.append(access)
    }
    return gates
  }

  /// For the cache: see `FileCache.Describe`. A root has the number of its site.
  func describe(_ path: Span<UInt8>, asked: Int, root: Int, coding: UInt8) -> FileDescription {
    let site = sites[root]
    let path = path.indices.map { path[$0] }
    if let variant = ListingVariant(number: coding) { return describe(listing: path, variant, root: root) }
    let gates = gates(of: path, asked: asked, root: root)
    let policy = site.policy(of: path, isPrivate: !gates.authentications.isEmpty)
    let key = Key(policy: policy, coding: ContentCoding(rawValue: coding), gates: gates)
    let number = numbers[key] ?? add(key)
    let entry = entries[Int(number)]
    var description = unsafe FileDescription(
      policy: number, headCount: ResponseHead.maximumFileCount + entry.type.count + entry.fields.count,
      codings: coding == 0 && key.policy.coding == nil && MediaType.isCompressible(key.policy.mediaType)
        ? codings[root].reduce(0) { $0 | 1 << $1.rawValue } : 0)
    if case .origins = site.sharing { description.selectors |= RequestHead.Selectors.origin.rawValue }
    if gates != Gates() { description.selectors |= RequestHead.Selectors.target.rawValue }
    description.codingSelector = RequestHead.Selectors.acceptEncoding.rawValue
    description.everySelector = RequestHead.Selectors.target.rawValue
    return description
  }

  /// It has no ready head, which depends on the request, and its gates are asked before it is looked for.
  private func describe(listing path: [UInt8], _ variant: ListingVariant, root: Int) -> FileDescription {
    let isPrivate = !authentications(of: path, site: root).isEmpty
    let policy = sites[root].policy(
      ofListing: path, type: ListingRenderer.type(variant.format),
      own: ListingRenderer.fields(variant.format, isPrivate: isPrivate))
    let key = Key(policy: policy, coding: nil, gates: Gates())
    return FileDescription(policy: numbers[key] ?? add(key), headCount: 0)
  }

  private func add(_ key: Key) -> Int32 {
    let policy = key.policy
    let coding = key.coding.map { "\($0.token)" } ?? policy.coding
    let number = Int32(entries.count)
    entries.append(Entry(policy, coding: coding))
    allGates.append(key.gates)
    numbers[key] = number
    return number
  }

  fileprivate static func copy(_ text: String) -> UnsafeRawBufferPointer {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
    unsafe copy.copyBytes(from: text.utf8)
    return UnsafeRawBufferPointer(copy)
  }
}

extension FilePolicies.Entry {
  fileprivate init(_ policy: FilePolicy, coding: String?) {
    func copy(_ fields: [Field]) -> UnsafeRawBufferPointer {
      unsafe FilePolicies.copy(fields.map { "\($0.name): \($0.value)\r\n" }.joined())
    }
    let strict = policy.strictTransport.map { [Field(strictTransport: $0)] } ?? []
    unsafe type = copy([Field(type: policy.mediaType)] + (coding.map { [Field(coding: $0)] } ?? []))
    func count(_ fields: [Field]) -> Int {
      fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
    }
    unsafe fields = copy(policy.fields + strict)
    unsafe plaintextFields = UnsafeRawBufferPointer(rebasing: fields[..<count(policy.fields)])
    let ofErrors = policy.fields.compactMap(\.ofError)
    unsafe errorFields = copy(ofErrors + strict)
    unsafe plaintextErrorFields = UnsafeRawBufferPointer(rebasing: errorFields[..<count(ofErrors)])
    hasServer = policy.hasServer
    hasEntityTag = policy.hasEntityTag
    hasLastModified = policy.hasLastModified
  }

  fileprivate func free() {
    unsafe type.deallocate()
    unsafe fields.deallocate()
    unsafe errorFields.deallocate()
  }

  /// The fields for a client, by how it asks.
  func fields(for client: Client, ofError: Bool = false) -> UnsafeRawBufferPointer {
    if ofError { return unsafe client.isSecure ? errorFields : plaintextErrorFields }
    return unsafe client.isSecure ? fields : plaintextFields
  }
}
