import TLS
import TestSupport
import Testing

/// What is said of ciphers, suites and groups, and OpenSSL would take without a word.
@Suite struct AlgorithmTests {
  private func policy(
    ciphers: String? = nil, suites: String? = nil, groups: String? = nil, oldest: KernelTLS.Version = .tls12
  ) throws -> ServerPolicy {
    var policy = ServerPolicy(tickets: try TicketKeys(rotationSeconds: 3600))
    (policy.ciphers, policy.ciphersuites, policy.groups) = (ciphers, suites, groups)
    policy.oldestVersion = oldest
    return policy
  }

  private func error(_ policy: ServerPolicy) -> ContextError? {
    do {
      _ = try policy.cautions()
      return nil
    } catch {
      return error
    }
  }

  // MARK: Names

  @Test(arguments: [
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256", "HIGH", "DEFAULT", "DEFAULT:!kRSA",
    "DEFAULT@SECLEVEL=2", "ECDHE+AESGCM:ECDHE+CHACHA20", "HIGH:!aNULL:!MD5:!RC4:!3DES:!EXPORT", "HIGH!aNULL",
    "ECDHE+AESGCM, ECDHE+CHACHA20;AES128-SHA", "ECDHE:+SHA1:-kRSA:@STRENGTH", "@SECLEVEL=2:ECDHE+AESGCM",
    "kRSA", "SUITEB128", "ALL", ":ECDHE::DHE:",
  ])
  func ciphersThatAreTaken(list: String) throws {
    #expect(error(try policy(ciphers: list))?.description == nil)
  }

  @Test(arguments: [
    ("NONSENSE", "NONSENSE"), ("ECDHE+AESGCM:NONSENSE", "NONSENSE"), ("NONSENSE:ECDHE+AESGCM", "NONSENSE"),
    ("ECDHE:ECDHE-RSA-AES128-GCM-SHA265", "ECDHE-RSA-AES128-GCM-SHA265"), ("high", "high"),
    ("ECDHE+NONSENSE:DHE", "NONSENSE"), ("HIGH NONSENSE!aNULL", "NONSENSE"),
  ])
  func unknownCiphers(list: String, name: String) throws {
    let policy = try policy(ciphers: list)
    var (text, unknown): (String?, UnknownName?)
    if list == name {
      let error = error(policy)
      (text, unknown) = (error?.description, error?.unknown)
    } else {
      // Others are left.
      #expect(error(policy)?.description == nil)
      for case .passedOver(let reason, let name, "ciphers") in try policy.cautions() {
        (text, unknown) = (reason, name)
      }
    }
    #expect(text == "OpenSSL knows no such cipher of TLS 1.2 (see openssl ciphers -s -tls1_2): '\(name)'")
    #expect(unknown?.name == name)
    // Those that it knows, and that somebody may mean.
    let known = unknown?.known ?? []
    #expect(known.contains("ECDHE-RSA-AES128-GCM-SHA256") && known.contains("HIGH"))
    #expect(!known.contains { $0.hasPrefix("ADH-") || $0.hasPrefix("NULL-") || $0.hasPrefix("TLS_") })
  }

  @Test(arguments: [
    ("ECDHE+kRSA", "OpenSSL knows no cipher of TLS 1.2 that is all of this: 'ECDHE+kRSA'"),
    ("ECDHE+AESGCM:DEFAULT", "'DEFAULT' means something at the beginning of a list only: put it first"),
    (
      "ECDHE:TLS_AES_128_GCM_SHA256",
      "'TLS_AES_128_GCM_SHA256' is a suite of TLS 1.3: say it of ciphersuites"
    ),
    ("@NONSENSE", "OpenSSL knows no such ciphers of TLS 1.2: '@NONSENSE': see openssl ciphers -s -tls1_2"),
    ("!aNULL", "OpenSSL knows no such ciphers of TLS 1.2: '!aNULL': see openssl ciphers -s -tls1_2"),
  ])
  func ciphersThatCanNotBeMeant(list: String, expected: String) throws {
    let policy = try policy(ciphers: list)
    let isLeft = list.contains(":")
    #expect(error(policy)?.description == (isLeft ? nil : expected))
    let passedOver = ((try? policy.cautions()) ?? []).contains(
      .passedOver(expected, unknown: nil, option: "ciphers"))
    #expect(passedOver == isLeft)
  }

  @Test func suites() throws {
    for list in ["TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256: TLS_AES_256_GCM_SHA384"] {
      #expect(error(try policy(suites: list))?.description == nil)
    }
    let unknown = error(try policy(suites: "TLS_NONSENSE:TLS_NONSENSE_2"))
    #expect(
      unknown?.description
        == "OpenSSL knows no such cipher suite of TLS 1.3 (see openssl ciphers -s -tls1_3): 'TLS_NONSENSE'")
    #expect(unknown?.unknown?.known.first == "TLS_AES_128_GCM_SHA256")
    let older = "ECDHE-RSA-AES128-GCM-SHA256"
    #expect(error(try policy(suites: older))?.description == "'\(older)' is of TLS 1.2: say it of ciphers")
    let some = try policy(suites: "TLS_AES_128_GCM_SHA256:\(older):TLS_NONSENSE")
    #expect(error(some)?.description == nil)
    #expect(
      try some.cautions() == [
        .passedOver("'\(older)' is of TLS 1.2: say it of ciphers", unknown: nil, option: "ciphersuites"),
        .passedOver(unknown?.description ?? "", unknown: unknown?.unknown, option: "ciphersuites"),
      ])
    // OpenSSL takes it, for nothing.
    let standard = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    #expect(error(try policy(suites: standard))?.description.contains("'\(standard)'") == true)
  }

  @Test func groups() throws {
    #expect(error(try policy(groups: "X25519:P-256"))?.description == nil)
    for list in ["X25519:P-265", "P-265", "P-265:X25519:P-266"] {
      let unknown = error(try policy(groups: list))
      #expect(
        unknown?.description == "OpenSSL does not know all of these groups for the key exchange: 'P-265'")
      #expect(unknown?.unknown?.known.contains("P-256") == true)
    }
  }

  // MARK: Nothing is kept from anybody

  @Test(arguments: [
    (
      "aNULL",
      "'aNULL' authenticates nobody, so that everybody on the way can pose as this server: leave it out"
    ),
    ("ECDHE:ADH-AES128-SHA256", "'ADH-AES128-SHA256' authenticates nobody"), ("ECDHE:AECDH", "'AECDH' auth"),
    (
      "ECDHE:eNULL",
      "'eNULL' encrypts nothing, so that everybody on the way can read and change all: leave it"
    ),
    ("NULL-SHA256:ECDHE", "'NULL-SHA256' encrypts nothing"), ("ECDHE:COMPLEMENTOFALL", "encrypts nothing"),
    // Words that mean others, too: by default OpenSSL's security level keeps these out.
    ("ALL:@SECLEVEL=0", "which is among these, authenticates nobody"),
    ("kRSA:!kPSK:@SECLEVEL=0", "which is among these, encrypts nothing"),
  ])
  func openCiphersAreRefused(list: String, expected: String) throws {
    let error = try #require(error(try policy(ciphers: list)))
    #expect(error.description.contains(expected), "\(error)")
  }

  // MARK: Hardly meant

  @Test func cautions() throws {
    #expect(try policy().cautions() == [])
    #expect(try policy(ciphers: "ECDHE+AESGCM", suites: "TLS_AES_256_GCM_SHA384").cautions() == [])
    #expect(try policy(ciphers: "HIGH:!aNULL:!kRSA").cautions() == [])
    #expect(
      try policy(ciphers: "ECDHE+AESGCM:AES128-GCM-SHA256").cautions()
        == [.noForwardSecrecy(["AES128-GCM-SHA256"])])
    #expect(try policy(ciphers: "ECDHE+AESGCM", oldest: .tls13).cautions() == [.unused])
    #expect(try policy(ciphers: "ECDHE+AESGCM:ECDHE+NONE:DHE+NONE:!kRSA").cautions().count == 1)
    // Those that are not spoken do no harm.
    #expect(try policy(ciphers: "kRSA+AESGCM", oldest: .tls13).cautions() == [.unused])
    let low = try policy(ciphers: "ECDHE+AESGCM:@SECLEVEL=0").cautions()
    guard case .lowerSecurityLevel(0, let usual)? = low.first else {
      Issue.record("\(low)")
      return
    }
    #expect(usual > 0 && low.count == 1)
  }

  // MARK: Handshakes

  private static let versions = KernelTLS.Version.allCases

  private func obstacle(
    _ names: String..., version: KernelTLS.Version, _ policy: ServerPolicy, folder: TemporaryFolder? = nil
  ) throws -> String? {
    let certificates = try names.map { name in
      try ServerCertificate(
        certificateFile: folder.map { $0("\(name).pem") } ?? Certificates.path("\(name).pem"),
        keyFile: folder.map { $0("\(name).key") } ?? Certificates.path("\(name).key"))
    }
    return try ServerContext(certificates: certificates, policy: policy)
      .obstacle(to: version, groups: policy.groups)
  }

  @Test(arguments: ["ecdsa", "rsa", "ed25519", "p521", "expired"])
  func usualCertificates(name: String) throws {
    let folder = try TemporaryFolder()
    let key = name == "expired" ? "ecdsa" : name
    try folder.write("\(name).pem", readText(Certificates.path("\(name).pem")))
    try folder.write("\(name).key", readText(Certificates.path("\(key).key")))
    for version in Self.versions {
      for groups in [nil, "X25519", "P-384:X25519"] {
        #expect(try obstacle(name, version: version, policy(groups: groups), folder: folder) == nil)
      }
    }
    #expect(try obstacle(name, version: .tls13, policy(oldest: .tls13), folder: folder) == nil)
    #expect(try obstacle(name, version: .tls12, policy(oldest: .tls13), folder: folder) != nil)
  }

  @Test func certificatesAndCiphers() throws {
    let (ofRSA, ofECDSA) = ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256")
    for (names, ciphers, works) in [
      (["rsa"], ofRSA, true), (["rsa"], ofECDSA, false), (["ecdsa"], ofRSA, false),
      (["ecdsa"], ofECDSA, true), (["ed25519"], ofECDSA, true), (["ed25519"], ofRSA, false),
      // No parameters for it are ever said.
      (["rsa"], "DHE-RSA-AES128-GCM-SHA256", false), (["rsa"], "AES128-GCM-SHA256", true),
      (["ecdsa"], "AES128-GCM-SHA256", false), (["rsa"], "PSK", false),
    ] {
      let policy = try policy(ciphers: ciphers)
      #expect(try (obstacle(names[0], version: .tls12, policy) == nil) == works, "\(names) \(ciphers)")
      #expect(try obstacle(names[0], version: .tls13, policy) == nil)
    }
    #expect(try obstacle("ecdsa", "rsa", version: .tls12, policy(ciphers: ofRSA)) == nil)
  }

  @Test func groupsOfOneVersion() throws {
    // TLS 1.2 has it with ciphers that are not ours.
    #expect(try obstacle("rsa", version: .tls12, policy(groups: "ffdhe2048")) != nil)
    #expect(try obstacle("rsa", version: .tls13, policy(groups: "ffdhe2048")) == nil)
    #expect(try obstacle("rsa", version: .tls12, policy(groups: "secp256k1")) == nil)
    #expect(try obstacle("rsa", version: .tls13, policy(groups: "secp256k1")) != nil)
  }

  /// TLS 1.3 has no signatures of it (RFC 8446 §4.2.3).
  @Test func curvesOfTLS12() throws {
    let folder = try TemporaryFolder()
    try run([
      "openssl", "req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=x", "-newkey", "ec", "-pkeyopt",
      "ec_paramgen_curve:secp256k1", "-keyout", folder("k1.key"), "-out", folder("k1.pem"),
    ])
    #expect(try obstacle("k1", version: .tls12, policy(), folder: folder) == nil)
    #expect(try obstacle("k1", version: .tls13, policy(), folder: folder) != nil)
    let certificate = try ServerCertificate(certificateFile: folder("k1.pem"), keyFile: folder("k1.key"))
    #expect(certificate.keyGroup == "secp256k1")
  }

  /// Clients are not asked for theirs, nor are tickets made, and the kernel is left alone.
  @Test func otherSettingsDoNotMatter() throws {
    let authority = try ClientAuthority(
      file: Certificates.path("rsa.pem"), revocationFile: nil, isRequired: true)
    var policy = try policy()
    policy.kernel = .sending
    policy.kernel.receives = true
    let certificate = try ServerCertificate(
      certificateFile: Certificates.path("ecdsa.pem"), keyFile: Certificates.path("ecdsa.key"))
    let context = try ServerContext(certificates: [certificate], policy: policy, clients: authority)
    for version in Self.versions { #expect(context.obstacle(to: version, groups: nil) == nil) }
  }
}
