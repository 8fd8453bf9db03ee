import CLinux
import Files
import Glibc
import TLS
import Worker

/// What there is to say of this machine, and of a configuration on it, before anybody serves: a line a check, with what to do.
public struct Diagnosis: Sendable {
  /// How something is.
  public enum State: String, Sendable {
    case good, note, bad

    /// What stands before a line.
    public var mark: String {
      switch self {
      case .good: "✓"
      case .note: "!"
      case .bad: "✗"
      }
    }
  }

  /// One check.
  public struct Finding: Sendable {
    /// What was looked at.
    public let subject: String
    /// How it is.
    public let state: State
    /// What was found, and what to do where it is not good.
    public let text: String
  }

  /// In the order in which they were made.
  public private(set) var findings: [Finding] = []
  /// Kernel TLS will be used.
  public private(set) var hasKernelTLS = false

  /// Who has turned something off that kernel TLS needs, as they have said it.
  public struct Refusals: Sendable {
    /// HTTPS: `--plaintext`.
    public var https: String?
    /// Kernel TLS: `--ktls off`.
    public var kernelTLS: String?

    /// Nobody has turned anything off.
    public init() {}
  }

  /// Looks at the machine, and, if something is to be served, at what that needs.
  public init(_ configuration: Configuration?, _ refusals: Refusals) {
    let isServed = configuration.map { $0.secure != nil } ?? true
    let couldBeUsed = examineKernelTLS(isServed: isServed, refusals)
    examineMachine()
    if let configuration { examine(configuration, refusals, couldBeUsed: couldBeUsed) }
  }

  private mutating func note(_ subject: String, _ state: State, _ text: String) {
    findings.append(Finding(subject: subject, state: state, text: text))
  }

  // MARK: Kernel TLS

  /// Whether it could be used. It is not, without anything that is served over HTTPS.
  private mutating func examineKernelTLS(isServed: Bool, _ refusals: Refusals) -> Bool {
    note("libssl", .good, KernelTLS.libraryVersion)
    if let refusal = refusals.kernelTLS {
      note("kernel TLS", .bad, "no: turned off by \(refusal)")
      return false
    }
    let abilities = KernelTLS.Abilities.probe()
    switch abilities[.tls13, .aes128GCM] {
    case .available where isServed:
      hasKernelTLS = true
      note("kernel TLS", .good, "yes: the kernel encrypts what is sent")
    case .available:
      note("kernel TLS", .bad, "not used: nothing is served over HTTPS; this machine could do what follows")
    case .unavailable(let cause, let reason):
      note("kernel TLS", .bad, "no (\(cause.name)): \(reason)")
      return false
    }
    for version in KernelTLS.Version.allCases {
      for cipher in KernelTLS.Cipher.allCases {
        say("\(version.name) \(cipher.name)", abilities[version, cipher], else: .note)
      }
    }
    let newKeys = KernelTLS.probeNewKeys()
    say("new keys (KeyUpdate)", newKeys, else: .note)
    say("small records at first", KernelTLS.probeRecordLimit(), else: .note)
    say("receiving in the kernel (--ktls-receive)", KernelTLS.probeReceive(), else: .note)
    let counts = KernelFigures.tls()
    note(
      "/proc/net/tls_stat", counts.isEmpty ? .note : .good,
      counts.isEmpty ? "can't be read: metrics will be without the kernel's own counts" : "can be read")
    return true
  }

  private mutating func say(_ subject: String, _ availability: KernelTLS.Availability, else state: State) {
    switch availability {
    case .available: note(subject, .good, "yes")
    case .unavailable(_, let reason): note(subject, state, "no: \(reason)")
    }
  }

  // MARK: The machine

  private mutating func examineMachine() {
    var name = utsname()
    unsafe uname(&name)
    let release = unsafe withUnsafeBytes(of: name.release) {
      unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    note("kernel", .good, "Linux \(release)")
    let processor = KernelFigures.text("/proc/cpuinfo").split(separator: "\n")
    let flags =
      processor.first { $0.hasPrefix("flags") || $0.hasPrefix("Features") }?.split(separator: " ") ?? []
    note(
      "AES in hardware", flags.contains("aes") ? .good : .note,
      flags.contains("aes")
        ? "yes" : "no: ChaCha20-Poly1305 costs less here; clients that put it first get it")
    if let bytes = Int(KernelFigures.text("/proc/sys/net/ipv4/tcp_notsent_lowat").prefix { $0.isNumber }),
      bytes < 64 << 10
    {
      note(
        "tcp_notsent_lowat", .note,
        "\(bytes): less than some TLS records (16 KiB each) stalls kernel TLS: sysctl net.ipv4.tcp_notsent_lowat=4294967295"
      )
    }
    var limit = rlimit()
    unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    note(
      "descriptors", limit.rlim_max < 4096 ? .note : .good,
      limit.rlim_max < 4096
        ? "\(limit.rlim_max): few connections and files at once: raise it with ulimit -n, or LimitNOFILE of systemd"
        : "\(Int(clamping: limit.rlim_max)) may be open")
    examineFiles()
  }

  /// What looking at files without waiting for a disk takes.
  private mutating func examineFiles() {
    let error = Self.open(CLinux_RESOLVE_NO_MAGICLINKS)
    note(
      "openat2", error == 0 ? .good : .note,
      error == 0
        ? "yes: nothing outside the folder is opened, whatever links say"
        : "no (\(unsafe String(cString: strerror(error)))): no symbolic link in the folder is followed; Linux 5.6 has it, if the sandbox lets it through"
    )
    let isCached = [0, EAGAIN].contains(Self.open(CLinux_RESOLVE_NO_MAGICLINKS | CLinux_RESOLVE_CACHED))
    note(
      "lookups without a disk (RESOLVE_CACHED)", isCached ? .good : .note,
      isCached ? "yes" : "no: helper threads look names up; Linux 5.12 has it")
  }

  /// 0, or errno.
  private static func open(_ resolve: UInt64) -> Int32 {
    let flags = UInt64(O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    let root = unsafe CLinux_openat2(AT_FDCWD, "/", flags, resolve)
    if root < 0 { return errno }
    close(root)
    return 0
  }

  // MARK: A configuration

  private mutating func examine(_ configuration: Configuration, _ refusals: Refusals, couldBeUsed: Bool) {
    for fault in Server.check(configuration) {
      // It would not even start.
      hasKernelTLS = false
      note("configuration", .bad, fault.text)
    }
    guard let secure = configuration.secure else {
      let advice = "no certificate: give --cert and --key\(couldBeUsed ? ", and kernel TLS can be used" : "")"
      note("HTTPS", .bad, refusals.https.map { "none: turned off by \($0)" } ?? advice)
      return
    }
    let passphrase = secure.passphraseFile.flatMap { try? Passphrase(file: $0) }
    for files in secure.allCertificates {
      guard
        let certificate = try? ServerCertificate(
          certificateFile: files.certificate, keyFile: files.key, passphrase: passphrase)
      else { continue }
      let days = (certificate.expiry - Int64(time(nil))) / 86_400
      let names = certificate.names.isEmpty ? "no names" : certificate.names.joined(separator: ", ")
      let warnings = certificate.warnings(within: configuration.limits.expiryWarningSeconds)
      note("certificate \(files.certificate)", .good, "\(certificate.keyType), \(names), \(days) days left")
      for warning in warnings { note("certificate \(files.certificate)", .note, warning) }
    }
    for authority in secure.allClients.compactMap({ try? $0.authority }) {
      let names = authority.authorities.map(\.name).joined(separator: "; ")
      note("client-ca \(authority.file)", .good, names)
      for warning in authority.warnings(within: configuration.limits.expiryWarningSeconds) {
        note("client-ca \(authority.file)", .note, warning)
      }
    }
    if secure.ciphers != nil || secure.ciphersuites != nil {
      let others = ServerContext.names(of: secure.ciphers, secure.ciphersuites).filter { !$0.isKernels }
      for other in others {
        note(
          "cipher \(other.name)", .note,
          "OpenSSL will encrypt: the kernel does AES-GCM and ChaCha20-Poly1305 only")
      }
    }
    let store = try? CertificateStore(
      secure, sites: configuration.sites, kernel: .init(), limits: configuration.limits)
    for warning in store?.algorithmWarnings ?? [] { note("configuration", .note, warning.line) }
    for port in [configuration.port, secure.port].compactMap({ $0 }) where port > 0 && port < 1024 {
      examine(port: port)
    }
  }

  private mutating func examine(port: UInt16) {
    let first =
      Int(KernelFigures.text("/proc/sys/net/ipv4/ip_unprivileged_port_start").prefix { $0.isNumber }) ?? 1024
    guard Int(port) < first else { return }
    let capabilities = KernelFigures.text("/proc/self/status").split(separator: "\n").first {
      $0.hasPrefix("CapEff:")
    }
    let bits = capabilities.flatMap { UInt64($0.drop { $0 != "\t" }.dropFirst(), radix: 16) } ?? 0
    // CAP_NET_BIND_SERVICE: capabilities(7).
    let may = bits >> 10 & 1 == 1
    note(
      "port \(port)", may ? .good : .bad,
      may ? "may be listened on" : "needs CAP_NET_BIND_SERVICE, root, or a socket of systemd")
  }
}
