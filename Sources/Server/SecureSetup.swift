import Site
import TLS
import Worker

/// The HTTPS listener's certificates, and what the kernel will do of TLS.
struct SecureSetup {
  let certificates: CertificateStore
  let requiresKernelTLS: Bool
  /// `tls=… ktls=…`, for the announcement.
  let description: String
  /// What the kernel does, for people: `on`, or `off: ` and why.
  let kernelTLS: String

  /// `tickets`: those that sessions were encrypted with until now.
  init(
    _ secure: Configuration.Secure, sites: [Site], limits: Limits, tickets: TicketKeys? = nil
  ) throws(StartError) {
    requiresKernelTLS = secure.kernelTLS == .require
    let (kernel, absence) = try Self.kernelUse(secure)
    kernelTLS = absence.map { "off: \($0)" } ?? "on"
    var description = "tls=\(secure.oldestVersion == .tls13 ? "" : "1.2,")1.3 ktls="
    if let absence {
      description += "off reason=\"\(absence)\""
    } else {
      let renewsKeys = kernel.receives ? kernel.takesSecondKey : kernel.getsNewKeys
      description += "on\(kernel.receives ? " receive=on" : "") rekey=\(renewsKeys ? "yes" : "no")"
    }
    self.description = description
    do {
      certificates = try CertificateStore(
        secure, sites: sites, kernel: kernel, limits: limits, tickets: tickets)
    } catch {
      throw StartError(error.description)
    }
  }

  /// What there is to use of the kernel, and why nothing is, in words.
  private static func kernelUse(
    _ secure: Configuration.Secure
  ) throws(StartError) -> (KernelTLS.Use, absence: String?) {
    var kernel = KernelTLS.Use()
    if secure.kernelTLS == .off {
      kernel.absence = .off
      return (kernel, "turned off by --ktls off")
    }
    let abilities = KernelTLS.Abilities.probe()
    // The preferred ones: with others alone, hardly a client would have it.
    if case .unavailable(let cause, let reason) = abilities[.tls13, .aes128GCM] {
      if secure.kernelTLS == .require { throw StartError("--ktls require: \(reason)") }
      kernel.absence = cause
      return (kernel, reason)
    }
    kernel = .sending
    kernel.abilities = abilities
    kernel.getsNewKeys = KernelTLS.probeNewKeys() == .available
    kernel.limitsRecords = KernelTLS.probeRecordLimit() == .available
    if secure.receivesInKernel {
      if case .unavailable(_, let reason) = KernelTLS.probeReceive() {
        throw StartError("--ktls-receive on: \(reason)")
      }
      kernel.receives = true
      kernel.expectsNoPadding = KernelTLS.probeNoPadding() == .available
      kernel.takesSecondKey = kernel.getsNewKeys || KernelTLS.probeSecondKey() == .available
    }
    return (kernel, nil)
  }
}
