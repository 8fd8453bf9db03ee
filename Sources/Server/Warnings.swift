import Glibc
import Site
import TLS
import Worker

extension Server {
  /// What is not wrong, but hardly meant, a line each: a private key that everybody can download, a certificate that expires.
  public static func warnings(_ configuration: Configuration) -> [String] {
    let secrets =
      (configuration.secure?.allCertificates.map { ($0.key, "private key") } ?? [])
      + (configuration.secure?.ticketKeyFiles.map { ($0, "ticket key") } ?? [])
      + (configuration.secure?.passphraseFile.map { [($0, "passphrase")] } ?? [])
    let exposed: [String] = secrets.compactMap { file, what in
      guard let site = configuration.sites.first(where: { $0.serves(fileAt: file) }) else { return nil }
      return "\(file): this \(what) lies in the served folder \(site.root): move it out of there"
    }
    return exposed + certificateWarnings(configuration)
  }
}

extension Server {
  /// Of certificates that can be read.
  private static func certificateWarnings(_ configuration: Configuration) -> [String] {
    guard let secure = configuration.secure else { return [] }
    let passphrase = secure.passphraseFile.flatMap { try? Passphrase(file: $0) }
    let seconds = configuration.limits.expiryWarningSeconds
    let ours = secure.allCertificates.flatMap { files in
      let certificate = try? ServerCertificate(
        certificateFile: files.certificate, keyFile: files.key, passphrase: passphrase)
      return certificate?.warnings(within: seconds) ?? []
    }
    let theirs = secure.allClients.flatMap { (try? $0.authority)?.warnings(within: seconds) ?? [] }
    return (ours + theirs).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
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
