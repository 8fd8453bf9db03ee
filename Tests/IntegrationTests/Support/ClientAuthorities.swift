import Glibc

/// Two authorities, and certificates of clients that they have signed.
struct ClientAuthorities {
  private let folder: TemporaryFolder
  let ours: TestCertificates.Pair
  let theirs: TestCertificates.Pair
  let client: TestCertificates.Pair
  /// In the list of `revocations`, too.
  let revoked: TestCertificates.Pair
  let expired: TestCertificates.Pair
  let stranger: TestCertificates.Pair
  let revocations: String
  let noRevocations: String
  /// As `noRevocations`, but out of date for years.
  let outdated: String

  init() throws {
    folder = try TemporaryFolder()
    let path = folder.path
    ours = try Self.makeAuthority(path, "ours")
    theirs = try Self.makeAuthority(path, "theirs")
    noRevocations = path + "/none.crl"
    try Self.run(path, "ours", ["-gencrl", "-out", noRevocations])
    outdated = path + "/outdated.crl"
    try Self.run(
      path, "ours",
      [
        "-gencrl", "-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z", "-out",
        outdated,
      ])
    client = try Self.makeClient(path, "client", of: "ours")
    revoked = try Self.makeClient(path, "revoked", of: "ours")
    expired = try Self.makeClient(
      path, "expired", of: "ours", ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"])
    stranger = try Self.makeClient(path, "stranger", of: "theirs")
    try Self.run(path, "ours", ["-revoke", revoked.certificate])
    revocations = path + "/revoked.crl"
    try Self.run(path, "ours", ["-gencrl", "-out", revocations])
  }

  /// A list of nothing that is good from now, or from `start`, until then, in seconds since 1970.
  func list(from start: Int? = nil, until end: Int) throws -> String {
    func text(_ time: Int) throws -> String {
      let text = try Shell.require(["date", "-u", "-d", "@\(time)", "+%Y%m%d%H%M%SZ"])
      return String(text.trimmingPrefix { $0.isWhitespace }.prefix { $0 != "\n" })
    }
    let file = folder.path + "/until.crl"
    let flags = try ["-crl_nextupdate", text(end)] + (start.map { ["-crl_lastupdate", try text($0)] } ?? [])
    try Self.run(folder.path, "ours", ["-gencrl", "-out", file] + flags)
    return file
  }

  private static let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

  private static func makeAuthority(_ folder: String, _ name: String) throws -> TestCertificates.Pair {
    let pair = TestCertificates.Pair(certificate: "\(folder)/\(name).pem", key: "\(folder)/\(name).key")
    try Shell.require(
      [
        "openssl", "req", "-x509", "-days", "30", "-subj", "/CN=\(name)", "-keyout", pair.key, "-out",
        pair.certificate,
      ]
        + curve)
    let configuration = """
      [ca]
      default_ca = d
      [d]
      database = \(folder)/\(name).index
      new_certs_dir = \(folder)
      rand_serial = yes
      default_md = sha256
      default_days = 30
      default_crl_days = 30
      policy = p
      [p]
      commonName = supplied

      """
    try writeFile("\(folder)/\(name).conf", Array(configuration.utf8))
    try writeFile("\(folder)/\(name).index", [])
    return pair
  }

  private static func run(_ folder: String, _ authority: String, _ arguments: [String]) throws {
    try Shell.require(
      [
        "openssl", "ca", "-batch", "-notext", "-config", "\(folder)/\(authority).conf", "-cert",
        "\(folder)/\(authority).pem", "-keyfile", "\(folder)/\(authority).key",
      ] + arguments)
  }

  private static func makeClient(
    _ folder: String, _ name: String, of authority: String, _ flags: [String] = []
  ) throws -> TestCertificates.Pair {
    let pair = TestCertificates.Pair(certificate: "\(folder)/\(name).pem", key: "\(folder)/\(name).key")
    let request = "\(folder)/\(name).csr"
    try Shell.require(
      ["openssl", "req", "-new", "-subj", "/CN=\(name)", "-keyout", pair.key, "-out", request] + curve)
    try run(folder, authority, ["-in", request, "-out", pair.certificate] + flags)
    return pair
  }
}
