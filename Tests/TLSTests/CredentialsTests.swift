import Glibc
import TLS
import TestSupport
import Testing

/// What `ServerContext` takes for a certificate and a key, and what it says of everything else.
@Suite struct CredentialsTests {
  /// What loading them throws, with the paths of the files replaced by their names.
  static func failure(_ certificate: String, _ key: String) throws -> String? {
    let (certificateFile, keyFile) = (try Certificates.path(certificate), try Certificates.path(key))
    do {
      _ = try ServerContext(certificateFile: certificateFile, keyFile: keyFile, kernel: .init())
      return nil
    } catch {
      let folder = try Certificates.path("")
      return error.description.split(separator: folder, omittingEmptySubsequences: false).joined()
    }
  }

  @Test(arguments: [
    ("ecdsa.pem", "ecdsa.key"), ("rsa.pem", "rsa.key"), ("ed25519.pem", "ed25519.key"),
    // The older formats of keys.
    ("ecdsa.pem", "sec1.key"), ("rsa.pem", "pkcs1.key"),
    // Clients decide whether that matters to them.
    ("expired.pem", "ecdsa.key"), ("future.pem", "ecdsa.key"),
  ])
  func goodPairs(certificate: String, key: String) throws {
    #expect(try Self.failure(certificate, key) == nil)
  }

  @Test(arguments: [
    (
      "ecdsa.pem", "other.key",
      "other.key: this private key does not fit the certificate in ecdsa.pem"
    ),
    ("ecdsa.pem", "rsa.key", "rsa.key: this private key does not fit the certificate in ecdsa.pem"),
    (
      "ecdsa.pem", "encrypted.key",
      "encrypted.key: the private key is encrypted: give --key-passphrase-file FILE, or decrypt it: openssl pkey -in encrypted.key -out FILE"
    ),
    (
      "ecdsa.pem", "sec1-encrypted.key",
      "sec1-encrypted.key: the private key is encrypted: give --key-passphrase-file FILE, or decrypt it: "
        + "openssl pkey -in sec1-encrypted.key -out FILE"
    ),
    ("missing.pem", "ecdsa.key", "missing.pem: cannot read the certificate: No such file or directory"),
    ("ecdsa.pem", "missing.key", "missing.key: cannot read the private key: No such file or directory"),
    ("ecdsa.pem/x", "ecdsa.key", "ecdsa.pem/x: cannot read the certificate: Not a directory"),
    (".", "ecdsa.key", ".: cannot read the certificate: it is a directory"),
    ("ecdsa.pem", ".", ".: cannot read the private key: it is a directory"),
  ])
  func badPairs(certificate: String, key: String, message: String) throws {
    #expect(try Self.failure(certificate, key) == message)
  }

  /// Files that are not what they are said to be: what OpenSSL says of them follows.
  @Test(arguments: [
    ("ecdsa.key", "ecdsa.key", "ecdsa.key: this is a private key, and no certificate"),
    ("der.pem", "ecdsa.key", "der.pem: no usable certificate in it (PEM, leaf first): "),
    ("request", "ecdsa.key", "request: no usable certificate in it (PEM, leaf first): "),
    ("index", "ecdsa.key", "index: no usable certificate in it (PEM, leaf first): "),
    ("weak.pem", "weak.key", "weak.pem: no usable certificate in it (PEM, leaf first): "),
    ("ecdsa.pem", "ecdsa.pem", "ecdsa.pem: no usable private key in it (PEM): "),
    ("ecdsa.pem", "der.key", "der.key: no usable private key in it (PEM): "),
    ("ecdsa.pem", "public.key", "public.key: no usable private key in it (PEM): "),
    ("ecdsa.pem", "authority.conf", "authority.conf: no usable private key in it (PEM): "),
  ])
  func otherFiles(certificate: String, key: String, start: String) throws {
    let message = try #require(try Self.failure(certificate, key))
    #expect(message.hasPrefix(start))
    #expect(message.count > start.count && !message.contains("\n"))
  }

  @Test(arguments: [
    "", "\n", "garbage", "-----BEGIN CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "\u{0}\u{0}\u{0}\u{0}",
  ])
  func garbage(content: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("bad", content)
    let good = (certificate: try Certificates.path("ecdsa.pem"), key: try Certificates.path("ecdsa.key"))
    let bad = folder("bad")
    let ofCertificate = try #require(throws: ContextError.self) {
      _ = try ServerContext(certificateFile: bad, keyFile: good.key, kernel: .init())
    }
    #expect(ofCertificate.description.hasPrefix("\(bad): no usable certificate in it (PEM, leaf first): "))
    let ofKey = try #require(throws: ContextError.self) {
      _ = try ServerContext(certificateFile: good.certificate, keyFile: bad, kernel: .init())
    }
    #expect(ofKey.description.hasPrefix("\(bad): no usable private key in it (PEM): "))
    for error in [ofCertificate, ofKey] { #expect(!error.description.contains("\n")) }
  }

  @Test func encryptedKeys() throws {
    let folder = try TemporaryFolder()
    try folder.write("right", "x\nnot this\n")
    try folder.write("wrong", "y")
    try folder.write("empty", "\n")
    let certificate = try Certificates.path("ecdsa.pem")
    for key in ["encrypted.key", "sec1-encrypted.key", "ecdsa.key"] {
      _ = try ServerCertificate(
        certificateFile: certificate, keyFile: Certificates.path(key),
        passphrase: Passphrase(file: folder("right")))
    }
    let encrypted = try Certificates.path("encrypted.key")
    let error = try #require(throws: ContextError.self) {
      _ = try ServerCertificate(
        certificateFile: certificate, keyFile: encrypted, passphrase: Passphrase(file: folder("wrong")))
    }
    #expect(
      error.description
        == "\(encrypted): the private key is encrypted with another passphrase than \(folder("wrong")) has")
    #expect(throws: ContextError.self) { _ = try Passphrase(file: folder("empty")) }
    #expect(throws: ContextError.self) { _ = try Passphrase(file: folder("none")) }
  }

  @Test func whatCertificatesSay() throws {
    let folder = try TemporaryFolder()
    try run([
      "openssl", "req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=x", "-newkey", "ed25519", "-addext",
      "subjectAltName=DNS:a.example,DNS:*.b.example,IP:192.0.2.1,IP:2001:db8::1,email:x@a.example",
      "-keyout", folder("key"), "-out", folder("pem"),
    ])
    let certificate = try ServerCertificate(certificateFile: folder("pem"), keyFile: folder("key"))
    #expect(certificate.names == ["a.example", "*.b.example", "192.0.2.1", "[2001:db8::1]"])
    #expect(certificate.keyType == "ED25519" && certificate.warning == nil)
    let rest = certificate.expiry - Int64(time(nil))
    #expect(rest > 29 * 86_400 && rest <= 30 * 86_400)
    // What follows is somebody else's.
    let stranger = try readText(Certificates.path("other.pem"))
    try folder.write("chain", readText(folder("pem")) + stranger)
    let chain = try ServerCertificate(certificateFile: folder("chain"), keyFile: folder("key"))
    #expect(
      chain.warning
        == "\(folder("chain")): certificate 2 of the file has not signed the one before it: put the leaf first, then each one's issuer"
    )
  }

  /// As Let's Encrypt's fullchain.pem, and as HAProxy wants it: all in one file.
  @Test func chainsAndKeysInOneFile() throws {
    let folder = try TemporaryFolder()
    let leaf = try readText(Certificates.path("ecdsa.pem"))
    let issuer = try readText(Certificates.path("other.pem"))
    try folder.write("chain", leaf + issuer)
    try folder.write("all", leaf + issuer + (try readText(Certificates.path("ecdsa.key"))))
    let key = try Certificates.path("ecdsa.key")
    _ = try ServerContext(certificateFile: folder("chain"), keyFile: key, kernel: .sending)
    _ = try ServerContext(certificateFile: folder("all"), keyFile: folder("all"), kernel: .sending)
    // The leaf must come first.
    try folder.write("reversed", issuer + leaf)
    let reversed = folder("reversed")
    let error = try #require(throws: ContextError.self) {
      _ = try ServerContext(certificateFile: reversed, keyFile: key, kernel: .sending)
    }
    #expect(error.description == "\(key): this private key does not fit the certificate in \(reversed)")
  }

  @Test(.enabled(if: geteuid() != 0, "root may read everything"))
  func filesThatMayNotBeRead() throws {
    let folder = try TemporaryFolder()
    try folder.write("secret", "")
    try folder.setMode("secret", 0)
    let (secret, certificate) = (folder("secret"), try Certificates.path("ecdsa.pem"))
    let error = try #require(throws: ContextError.self) {
      _ = try ServerContext(certificateFile: certificate, keyFile: secret, kernel: .init())
    }
    #expect(error.description == "\(secret): cannot read the private key: Permission denied")
  }
}
