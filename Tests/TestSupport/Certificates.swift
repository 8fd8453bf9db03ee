import Glibc

/// Certificates and keys that the `openssl` command makes once for all tests: `NAME.pem` and `NAME.key`.
package final class Certificates: Sendable {
  /// All of them, or why there are none.
  package static let shared = Result { try Certificates() }

  private let folder: TemporaryFolder

  /// The path of one of the files.
  package static func path(_ name: String) throws -> String { try shared.get().folder(name) }

  private init() throws {
    let folder = try TemporaryFolder()
    self.folder = folder

    // Curves and sizes as users have them; "other" is there to be mixed up with them.
    try Self.make(folder, "ecdsa", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    try Self.make(folder, "other", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    try Self.make(folder, "p521", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"])
    try Self.make(folder, "rsa", ["-newkey", "rsa:2048"])
    try Self.make(folder, "ed25519", ["-newkey", "ed25519"])
    // Too short for the security level that OpenSSL keeps by default.
    try Self.make(folder, "weak", ["-newkey", "rsa:1024"])

    let key = folder("ecdsa.key")
    try run(["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", folder("encrypted.key")])
    try run([
      "openssl", "ec", "-in", key, "-aes256", "-passout", "pass:x", "-out", folder("sec1-encrypted.key"),
    ])
    try run(["openssl", "ec", "-in", key, "-out", folder("sec1.key")])
    try run(["openssl", "rsa", "-traditional", "-in", folder("rsa.key"), "-out", folder("pkcs1.key")])
    try run(["openssl", "pkey", "-in", key, "-pubout", "-out", folder("public.key")])
    try run(["openssl", "pkey", "-in", key, "-outform", "DER", "-out", folder("der.key")])
    try run(["openssl", "x509", "-in", folder("ecdsa.pem"), "-outform", "DER", "-out", folder("der.pem")])
    try Self.makeDated(folder)
    atexit { Certificates.removeAll() }
  }

  private static func make(_ folder: TemporaryFolder, _ name: String, _ key: [String]) throws {
    try run(
      ["openssl", "req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=localhost"] + key + [
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder("\(name).key"), "-out",
        folder("\(name).pem"),
      ])
  }

  /// Certificates that expired, and one that is not valid yet, for the key of "ecdsa".
  private static func makeDated(_ folder: TemporaryFolder) throws {
    try run([
      "openssl", "req", "-new", "-key", folder("ecdsa.key"), "-subj", "/CN=localhost", "-out",
      folder("request"),
    ])
    try folder.write(
      "authority.conf",
      """
      [ca]
      default_ca = authority
      [authority]
      database = \(folder("index"))
      new_certs_dir = \(folder.path)
      rand_serial = yes
      default_md = sha256
      policy = policy
      unique_subject = no
      [policy]
      commonName = supplied

      """)
    try folder.write("index", "")
    for (name, start, end) in [
      ("expired", "20200101000000Z", "20200201000000Z"), ("future", "20900101000000Z", "20910101000000Z"),
    ] {
      try run([
        "openssl", "ca", "-batch", "-notext", "-selfsign", "-config", folder("authority.conf"), "-keyfile",
        folder("ecdsa.key"), "-startdate", start, "-enddate", end, "-in", folder("request"), "-out",
        folder("\(name).pem"),
      ])
    }
  }

  private static func removeAll() {
    try? shared.get().folder.removeAll()
  }
}
