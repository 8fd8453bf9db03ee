import Glibc
import Site
import TLS
import Worker

extension Server {
  /// What is not wrong, but hardly meant, a line each: a private key that everybody can download, a certificate that expires, ciphers
  /// that nobody can use.
  public static func warnings(_ configuration: Configuration) -> [ConfigurationFault] {
    let secrets =
      (configuration.secure?.allCertificates.map { ($0.key, "private key") } ?? [])
      + (configuration.secure?.ticketKeyFiles.map { ($0, "ticket key") } ?? [])
      + (configuration.secure?.passphraseFile.map { [($0, "passphrase")] } ?? [])
    let exposed: [String] = secrets.compactMap { file, what in
      guard let site = configuration.sites.first(where: { $0.serves(fileAt: file) }) else { return nil }
      return "\(file): this \(what) lies in the served folder \(site.root): move it out of there"
    }
    return exposed.map { ConfigurationFault(subject: nil, text: $0) } + secureWarnings(configuration)
  }

  /// Of certificates and authorities that can be read, and, where nothing is wrong with any, of what is said of algorithms.
  private static func secureWarnings(_ configuration: Configuration) -> [ConfigurationFault] {
    guard let secure = configuration.secure else { return [] }
    let store = try? CertificateStore(
      secure, sites: configuration.sites, kernel: .init(), limits: configuration.limits)
    let lines =
      store?.expiryWarnings
      ?? warningsOfFiles(secure, within: configuration.limits.expiryWarningSeconds)
    return lines.map { ConfigurationFault(subject: nil, text: $0) } + (store?.algorithmWarnings ?? [])
  }

  /// Of each that can be read.
  private static func warningsOfFiles(_ secure: Configuration.Secure, within seconds: Int64) -> [String] {
    let passphrase = secure.passphraseFile.flatMap { try? Passphrase(file: $0) }
    let ours = secure.allCertificates.flatMap { files in
      let certificate = try? ServerCertificate(
        certificateFile: files.certificate, keyFile: files.key, passphrase: passphrase)
      return certificate?.warnings(within: seconds) ?? []
    }
    let theirs = secure.allClients.flatMap { (try? $0.authority)?.warnings(within: seconds) ?? [] }
    return (ours + theirs).unique
  }
}

extension ServerPolicy.Caution {
  /// The line about it, and the option that it is of.
  var fault: ConfigurationFault {
    switch self {
    case .noForwardSecrecy(let names):
      ConfigurationFault(
        subject: .option("ciphers"),
        text: """
          no forward secrecy with \(Self.list(names)): who gets the private key later can read what was recorded: \
          leave them out, or add !kRSA
          """)
    case .weak(let names, let option):
      ConfigurationFault(
        subject: .option(option),
        text: "less than 128 bits of security with \(Self.list(names)): leave them out")
    case .lowerSecurityLevel(let level, let usual):
      ConfigurationFault(
        subject: .option("ciphers"),
        text: """
          OpenSSL's security level goes down from \(usual) to \(level), for keys and signatures as well: \
          leave @SECLEVEL=\(level) out
          """)
    case .unused:
      ConfigurationFault(
        subject: .option("ciphers"),
        text: "no effect with tls-min 1.3: these are for TLS 1.2; ciphersuites are for TLS 1.3")
    case .passedOver(let reason, let unknown, let option):
      ConfigurationFault(subject: .option(option), text: "passed over: \(reason)", unknown: unknown)
    }
  }

  private static func list(_ names: [String]) -> String {
    names.count > 3 ? "\(names[0]) and \(names.count - 1) others" : names.joined(separator: ", ")
  }
}

extension Site {
  /// Whether a file of this machine lies in the root, and no name on the way hides it.
  func serves(fileAt path: String) -> Bool {
    guard let file = resolved(path), let root = resolved(root) else { return false }
    let folder = root.hasSuffix("/") ? root : root + "/"
    return file.hasPrefix(folder)
      && !file.dropFirst(folder.count).split(separator: "/").contains { $0.hasPrefix(".") }
  }
}

/// Where a path leads: realpath(3).
private func resolved(_ path: String) -> String? {
  guard let name = unsafe realpath(path, nil) else { return nil }
  defer { unsafe free(name) }
  return unsafe String(cString: name)
}
