/// Certificates and keys that the `openssl` command has made, once for each run.
///
/// Each is its own authority: clients trust the certificate itself.
struct TestCertificates: Sendable {
  /// A certificate file and the file with its key.
  struct Pair: Sendable {
    let certificate: String
    let key: String

    /// The flags that make sluice use it.
    var flags: [String] { ["--cert", certificate, "--key", key] }
  }

  private let folder: TemporaryFolder
  let ecdsa: Pair
  let rsa: Pair
  /// Valid until yesterday.
  let expired: Pair
  /// ECDSA's certificate with a key that is encrypted.
  let encrypted: Pair

  /// All of them, or why there are none.
  static let shared = Result { try TestCertificates() }

  /// ECDSA P-256, what most tests use.
  static var ecdsa: Pair { get throws { try shared.get().ecdsa } }

  private init() throws {
    folder = try TemporaryFolder()
    let path = folder.path
    ecdsa = try Self.make(path, "ecdsa", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    rsa = try Self.make(path, "rsa", ["-newkey", "rsa:2048"])
    expired = Pair(certificate: "\(path)/expired.pem", key: ecdsa.key)
    encrypted = Pair(certificate: ecdsa.certificate, key: "\(path)/encrypted.key")
    let request = "\(path)/expired.csr"
    try Shell.require([
      "openssl", "req", "-new", "-key", ecdsa.key, "-subj", "/CN=localhost", "-out", request,
    ])
    // Only `openssl ca` takes dates in all versions.
    let authority = "\(path)/ca.conf"
    let configuration = """
      [ca]
      default_ca = d
      [d]
      database = \(path)/index
      serial = \(path)/serial
      new_certs_dir = \(path)
      default_md = sha256
      policy = p
      [p]
      commonName = supplied

      """
    try writeFile(authority, Array(configuration.utf8))
    try writeFile("\(path)/index", [])
    try writeFile("\(path)/serial", Array("01\n".utf8))
    try Shell.require([
      "openssl", "ca", "-batch", "-notext", "-selfsign", "-config", authority, "-in", request, "-keyfile",
      ecdsa.key, "-startdate", "20200101000000Z", "-enddate", "20200102000000Z", "-out",
      expired.certificate,
    ])
    try Shell.require([
      "openssl", "pkey", "-in", ecdsa.key, "-aes256", "-passout", "pass:secret", "-out", encrypted.key,
    ])
  }

  /// A certificate for these names, as subjectAltName has them: `DNS:a.example`, `IP:127.0.0.1`. Its subject is `name`.
  static func make(_ folder: String, _ name: String, for names: [String], isRSA: Bool = false) throws -> Pair
  {
    try make(
      folder, name,
      isRSA ? ["-newkey", "rsa:2048"] : ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
      subject: name, names.joined(separator: ","))
  }

  private static func make(
    _ folder: String, _ name: String, _ key: [String], subject: String = "localhost",
    _ names: String = "DNS:localhost,IP:127.0.0.1,IP:::1"
  ) throws -> Pair {
    let pair = Pair(certificate: "\(folder)/\(name).pem", key: "\(folder)/\(name).key")
    try Shell.require(
      ["openssl", "req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=\(subject)"] + key + [
        "-addext", "subjectAltName=\(names)", "-keyout", pair.key, "-out",
        pair.certificate,
      ])
    return pair
  }
}
