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
        say("\(version.name) \(cipher.name)", KernelTLS.probe(version, cipher))
      }
    }
    say("new keys (KeyUpdate)", KernelTLS.probeNewKeys())
    say("small records at first", KernelTLS.probeRecordLimit())
  }

  private func say(_ what: String, _ availability: KernelTLS.Availability) {
    switch availability {
    case .available: print("  \(what): yes")
    case .unavailable(let reason): print("  \(what): no: \(reason)")
    }
  }
}
