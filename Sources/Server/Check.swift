import Access
import Files
import Site
public import TLS
import Worker

/// What is wrong, or hardly meant, with something that a configuration names.
public struct ConfigurationFault: Sendable {
  /// What it stems from.
  public enum Subject: Sendable {
    /// A file or folder, as the operator wrote it, and the options that it is read for: others may name it, too.
    case file(String, of: [String])
    /// An option, by its name.
    case option(String)
  }

  /// Nil where it is nothing that the operator wrote.
  public let subject: Subject?
  /// One line that says what to do.
  public let text: String
  /// A word at its end that OpenSSL does not know, and those that it does.
  public var unknown: UnknownName?

  /// With the option that it is of, where nobody knows where that was said.
  var line: String {
    if case .option(let option)? = subject { "\(option): \(text)" } else { text }
  }
}

extension Server {
  /// Looks at what `run` would need beside ports: folders, certificates and keys, files with passwords. All that is wrong.
  public static func check(_ configuration: Configuration) -> [ConfigurationFault] {
    var faults = Faults()
    for root in Set(configuration.sites.map(\.root)).sorted() {
      faults.attempt(.file(root, of: ["root"])) { _ = try DocumentRoot(path: root) }
    }
    if let secure = configuration.secure { check(secure, configuration, &faults) }
    for path in Site.passwordFiles(of: configuration.sites) {
      faults.attempt(.file(path, of: ["auth"])) {
        _ = try PasswordFile.read(path, sites: configuration.sites)
      }
    }
    return faults.all
  }

  private static func check(
    _ secure: Configuration.Secure, _ configuration: Configuration, _ faults: inout Faults
  ) {
    let count = faults.all.count
    for file in secure.ticketKeyFiles {
      faults.attempt(.file(file, of: ["ticket-key-file"])) { _ = try TicketKeys(files: [file]) }
    }
    for files in secure.allClients {
      let names = [("client-ca", files.authorities)] + (files.revocations.map { [("client-crl", $0)] } ?? [])
      faults.attempt(orOneOf: names) { _ = try files.authority }
    }
    var passphrase: Passphrase?
    if let file = secure.passphraseFile {
      faults.attempt(.file(file, of: ["key-passphrase-file"])) { passphrase = try Passphrase(file: file) }
    }
    // Without it, encrypted keys would be blamed.
    guard passphrase != nil || secure.passphraseFile == nil else { return }
    for files in secure.allCertificates {
      let count = faults.all.count
      faults.attempt(.file(files.certificate, of: ["cert"])) {
        try ServerCertificate.requireCertificate(file: files.certificate)
      }
      faults.attempt(.file(files.key, of: ["key"])) { try ServerCertificate.requireKey(file: files.key) }
      guard faults.all.count == count else { continue }
      faults.attempt(orOneOf: [("cert", files.certificate), ("key", files.key)]) {
        _ = try ServerCertificate(
          certificateFile: files.certificate, keyFile: files.key, passphrase: passphrase)
      }
    }
    let ours = secure.allCertificates.map { ("cert", $0.certificate) }
    // What is wrong without any of these, each of them alone, and all together only if nothing is wrong with one.
    if !secure.algorithms.isEmpty {
      faults.attempt(.option("tls-min"), orOneOf: ours) {
        _ = try CertificateStore(
          secure.withoutAlgorithms, sites: configuration.sites, kernel: .init(), limits: configuration.limits)
      }
    }
    guard faults.all.count == count else { return }
    for (option, path) in secure.algorithms {
      var one = secure.withoutAlgorithms
      one[keyPath: path] = secure[keyPath: path]
      faults.attempt(.option(option)) {
        _ = try CertificateStore(
          one, sites: configuration.sites, kernel: .init(), limits: configuration.limits)
      }
    }
    guard faults.all.count == count else { return }
    faults.attempt(.option("ktls"), orOneOf: ours) {
      _ = try SecureSetup(secure, sites: configuration.sites, limits: configuration.limits)
    }
  }

  private struct Faults {
    var all: [ConfigurationFault] = []

    /// `files`: what is read, with the options that name it. An error stems from those whose file it begins with; if there is none,
    /// from `subject`, or from the first of them.
    mutating func attempt(
      _ subject: ConfigurationFault.Subject? = nil, orOneOf files: [(option: String, path: String)] = [],
      _ body: () throws -> Void
    ) {
      do {
        try body()
      } catch {
        let text = "\(error)"
        // The same file may be read for two of them: both are told then.
        let file = files.first { text.hasPrefix("\($0.path):") } ?? (subject == nil ? files.first : nil)
        let named: ConfigurationFault.Subject? = file.map { file in
          .file(file.path, of: files.filter { $0.path == file.path }.map(\.option).unique)
        }
        all.append(
          ConfigurationFault(
            subject: named ?? subject, text: text, unknown: (error as? ContextError)?.unknown))
      }
    }
  }
}

extension Configuration.Secure {
  /// What is said of algorithms, by the names of the options.
  fileprivate var algorithms: [(String, WritableKeyPath<Self, String?>)] {
    let all: [(String, WritableKeyPath<Self, String?>)] = [
      ("ciphers", \.ciphers), ("ciphersuites", \.ciphersuites), ("groups", \.groups),
    ]
    return all.filter { self[keyPath: $0.1] != nil }
  }

  fileprivate var withoutAlgorithms: Self {
    var other = self
    (other.ciphers, other.ciphersuites, other.groups) = (nil, nil, nil)
    return other
  }
}
