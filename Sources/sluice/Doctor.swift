import ArgumentParser
import TLS

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say whether kernel TLS works here, and if not, why and what to do.",
    discussion:
      "Gives keys to the kernel on a loopback connection. Exit code 0 if kernel TLS can be used, else 1.")

  func run() throws {
    if case .unavailable(let reason) = KernelTLS.probe() {
      print("kernel TLS: no: \(reason)")
      throw ExitCode(1)
    }
    print("kernel TLS: yes")
    for version in KernelTLS.Version.allCases {
      for cipher in KernelTLS.Cipher.allCases {
        switch KernelTLS.probe(version, cipher) {
        case .available: print("  \(version.name) \(cipher.name): yes")
        case .unavailable(let reason): print("  \(version.name) \(cipher.name): no: \(reason)")
        }
      }
    }
    switch KernelTLS.probeNewKeys() {
    case .available: print("  new keys (KeyUpdate): yes")
    case .unavailable(let reason): print("  new keys (KeyUpdate): no: \(reason)")
    }
  }
}
