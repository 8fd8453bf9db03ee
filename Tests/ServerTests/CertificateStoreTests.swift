import Site
import TLS
import TestSupport
import Testing
import Worker

@testable import Server

/// When what changes on disk is taken.
@Suite struct CertificateStoreTests {
  private let folder: TemporaryFolder
  private let store: CertificateStore

  init() throws {
    folder = try TemporaryFolder()
    try Self.install("ecdsa", in: folder)
    try folder.write("ticket", String(repeating: "k", count: 80))
    var secure = Configuration.Secure(
      port: 0, certificates: [CertificateFiles(certificate: folder("pem"), key: folder("key"))],
      kernelTLS: .off)
    secure.ticketKeyFiles = [folder("ticket")]
    store = try CertificateStore(secure, sites: [Site(root: "/")], kernel: .init(), limits: Limits())
  }

  private static func install(_ name: String, in folder: TemporaryFolder) throws {
    try folder.write("pem", readText(Certificates.path("\(name).pem")))
    try folder.write("key", readText(Certificates.path("\(name).key")))
  }

  private func look(at seconds: UInt64) -> (isNew: Bool, problems: [String]) {
    let news = store.look(now: seconds * 1000)
    #expect((news.context != nil) == !news.renewed.isEmpty)
    return (news.context != nil, news.problems)
  }

  @Test func nothingChanges() throws {
    for second in 0..<3 { #expect(look(at: UInt64(second)) == (false, [])) }
    #expect(store.reload().context == nil)
    // As new, and the same.
    try Self.install("ecdsa", in: folder)
    for second in 3..<6 { #expect(look(at: UInt64(second)) == (false, [])) }
  }

  @Test func aChangeIsTakenWhenItIsSeenTwice() throws {
    let before = store.context
    try Self.install("rsa", in: folder)
    #expect(look(at: 0) == (false, []))
    #expect(look(at: 1) == (true, []))
    #expect(store.context !== before)
    #expect(store.certificates[0].keyType == "RSA")
    #expect(look(at: 2) == (false, []))
  }

  /// A certificate comes, and its key a while later.
  @Test func theyHaveToFit() throws {
    try folder.write("pem", readText(Certificates.path("rsa.pem")))
    for second in 0..<60 { #expect(look(at: UInt64(second)) == (false, [])) }
    try folder.write("key", readText(Certificates.path("rsa.key")))
    #expect(look(at: 60) == (false, []))
    #expect(look(at: 61) == (true, []))
  }

  /// The one in use stays, and that is said once.
  @Test func whatNeverFits() throws {
    let before = store.context
    try folder.write("pem", readText(Certificates.path("other.pem")))
    let line =
      "\(folder("key")): this private key does not fit the certificate in \(folder("pem"))"
    for second in 0...60 { #expect(look(at: UInt64(second)) == (false, [])) }
    #expect(look(at: 61) == (false, [line]))
    #expect(look(at: 62) == (false, []))
    #expect(store.context === before)
    // A half of it, then nothing at all, then the old one again.
    try folder.write("pem", "-----BEGIN CERT")
    for second in 63...123 { #expect(look(at: UInt64(second)) == (false, [])) }
    #expect(look(at: 124).problems.count == 1)
    try folder.remove("pem")
    for second in 125...185 { #expect(look(at: UInt64(second)) == (false, [])) }
    #expect(
      look(at: 186) == (false, ["\(folder("pem")): cannot read the certificate: No such file or directory"]))
    try Self.install("ecdsa", in: folder)
    #expect(look(at: 187) == (false, []))
    #expect(look(at: 188) == (true, []))
  }

  /// Who asks is told at once, and gets all or nothing.
  @Test func reload() throws {
    try Self.install("rsa", in: folder)
    try folder.write("ticket", "short")
    var news = store.reload()
    #expect(news.context == nil && news.problems.count == 1 && news.problems[0].contains("80 bytes, or 48"))
    #expect(store.certificates[0].keyType == "EC")
    try folder.write("ticket", String(repeating: "n", count: 48))
    news = store.reload()
    #expect(news.context != nil && news.problems.isEmpty && store.certificates[0].keyType == "RSA")
    try folder.write("key", "nothing")
    news = store.reload()
    #expect(news.context == nil && news.problems.count == 1)
    #expect(store.certificates[0].keyType == "RSA")
  }

  /// And told of.
  @Test(arguments: [
    ("expired.pem", "the certificate expired on 2020-02-01 00:00 UTC: renew it"),
    ("future.pem", "the certificate is not valid before 2090-01-01 00:00 UTC: check the clock"),
  ]) func thoseThatAreNotValidNowAreTaken(name: String, warning: String) throws {
    try folder.write("pem", readText(Certificates.path(name)))
    #expect(store.reload().problems.isEmpty)
    let certificate = store.certificates[0]
    #expect(certificate.warnings(within: 1000) == ["\(certificate.file): \(warning)"])
  }

  @Test func twoOfAKind() throws {
    let pairs = try ["ecdsa", "other"].map {
      CertificateFiles(
        certificate: try Certificates.path("\($0).pem"), key: try Certificates.path("\($0).key"))
    }
    let secure = Configuration.Secure(port: 0, certificates: pairs, kernelTLS: .off)
    let error = try #require(throws: ContextError.self) {
      _ = try CertificateStore(secure, sites: [Site(root: "/")], kernel: .init(), limits: Limits())
    }
    #expect(
      error.description
        == "\(pairs[1].certificate): \(pairs[0].certificate) is for the same names and has an EC key, too: leave one out"
    )
  }

  private func store(
    oldest: KernelTLS.Version = .tls12, _ path: WritableKeyPath<Configuration.Secure, String?>,
    _ value: String
  ) throws -> CertificateStore {
    var secure = Configuration.Secure(
      port: 0, certificates: [CertificateFiles(certificate: folder("pem"), key: folder("key"))],
      kernelTLS: .off)
    secure.oldestVersion = oldest
    secure[keyPath: path] = value
    return try CertificateStore(secure, sites: [Site(root: "/")], kernel: .init(), limits: Limits())
  }

  /// What is said of ciphers may leave out a version for a key of another kind.
  @Test func renewalByAKeyOfAnotherKind() throws {
    let store = try store(\.ciphers, "ECDHE-ECDSA-AES128-GCM-SHA256")
    #expect(store.algorithmWarnings.isEmpty)
    try Self.install("rsa", in: folder)
    let news = store.reload()
    #expect(news.context != nil && news.problems.isEmpty)
    #expect(
      store.algorithmWarnings.map(\.line) == [
        "ciphers: no client can speak TLS 1.2 with \(folder("pem")) (key: RSA; no shared cipher): say others, or tls-min 1.3"
      ])
  }

  /// On a curve that TLS 1.3 has not.
  private func installKeyThatNobodyTakes() throws {
    try run([
      "openssl", "req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=x", "-newkey", "ec", "-pkeyopt",
      "ec_paramgen_curve:secp256k1", "-keyout", folder("key"), "-out", folder("pem"),
    ])
  }

  /// One with which nobody could connect is not taken.
  @Test func renewalByAKeyThatNobodyTakes() throws {
    let store = try store(oldest: .tls13, \.groups, "X25519")
    let (before, certificate) = (store.context, store.certificates[0])
    try installKeyThatNobodyTakes()
    let start = "\(folder("pem")): no client can connect with this certificate (key: EC secp256k1; TLS 1.3: "
    for second in 0...1 as ClosedRange<UInt64> {
      let news = store.look(now: second * 1000)
      #expect(news.context == nil && news.renewed.isEmpty)
      #expect(news.problems.count == Int(second) && news.problems.allSatisfy { $0.hasPrefix(start) })
    }
    // Whoever asks what is in use is not told of it either.
    #expect(store.context === before && store.certificates[0] === certificate)
    #expect(throws: ContextError.self) { try self.store(oldest: .tls13, \.groups, "X25519") }
  }

  /// What can be used in the end is new then.
  @Test func renewalAfterOneThatNobodyTakes() throws {
    let store = try store(oldest: .tls13, \.groups, "X25519")
    try installKeyThatNobodyTakes()
    for second in 0...2 as ClosedRange<UInt64> { _ = store.look(now: second * 1000) }
    try Self.install("rsa", in: folder)
    _ = store.look(now: 3000)
    let news = store.look(now: 4000)
    #expect(news.context != nil && news.problems.isEmpty)
    #expect(news.renewed.map(\.keyType) == ["RSA"] && store.certificates[0] === news.renewed[0])
  }

  /// Lists of clients that can't be read at a reload are read later, though nothing is written then.
  @Test func clientsAreReadWhenTheyCanBe() throws {
    try folder.write("ca", readText(Certificates.path("ecdsa.pem")))
    var secure = Configuration.Secure(
      port: 0, certificates: [CertificateFiles(certificate: folder("pem"), key: folder("key"))],
      kernelTLS: .off)
    secure.clients = ClientCertificates(authorities: folder("ca"), revocations: nil, areRequired: true)
    let store = try CertificateStore(secure, sites: [Site(root: "/")], kernel: .init(), limits: Limits())
    let before = store.context
    // The certificate of nothing: told at the reload, and once by those who look.
    try folder.write("ca", "nothing")
    #expect(store.reload().problems.count == 1)
    #expect((0...2 as ClosedRange<UInt64>).map { store.look(now: $0 * 1000).problems.count } == [1, 0, 0])
    #expect(store.context === before)
    try folder.write("ca", readText(Certificates.path("rsa.pem")))
    let news = store.look(now: 3000)
    #expect(news.problems.isEmpty && news.renewedClientFiles == [folder("ca")] && store.context !== before)
    #expect(news.renewed.isEmpty)
  }

  @Test func algorithmsOfASingleVersion() throws {
    let error = try #require(throws: ContextError.self) {
      _ = try self.store(oldest: .tls13, \.groups, "secp256k1")
    }
    #expect(
      error.description.hasPrefix(
        "\(folder("pem")): no client can connect with this certificate (key: EC prime256v1; TLS 1.3: "))
    let warnings = try self.store(\.groups, "secp256k1").algorithmWarnings
    #expect(warnings.count == 1 && warnings[0].line.hasPrefix("groups: no client can speak TLS 1.3 with "))
  }
}
