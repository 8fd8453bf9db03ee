import TLS

/// The HTTPS listener's certificate, and what the kernel will do of TLS.
struct SecureSetup {
  let context: ServerContext
  let requiresKernelTLS: Bool
  /// `tls=… ktls=…`, for the announcement.
  let description: String

  init(_ secure: Configuration.Secure) throws(StartError) {
    requiresKernelTLS = secure.kernelTLS == .require
    var kernel = KernelTLS.Use()
    var description = "tls=1.2,1.3 ktls="
    switch secure.kernelTLS == .off ? .unavailable(reason: "turned off by --ktls off") : KernelTLS.probe() {
    case .available:
      kernel = try Self.use(secure)
      let renewsKeys = kernel.receives ? kernel.takesSecondKey : kernel.getsNewKeys
      description += "on\(kernel.receives ? " receive=on" : "") rekey=\(renewsKeys ? "yes" : "no")"
    case .unavailable(let reason):
      if requiresKernelTLS { throw StartError("--ktls require: \(reason)") }
      description += "off reason=\"\(reason)\""
    }
    self.description = description
    do {
      context = try ServerContext(
        certificateFile: secure.certificateFile, keyFile: secure.keyFile, kernel: kernel)
    } catch {
      throw StartError(error.description)
    }
  }

  /// What there is to use where the kernel takes transmit keys.
  private static func use(_ secure: Configuration.Secure) throws(StartError) -> KernelTLS.Use {
    var kernel = KernelTLS.Use.sending
    kernel.getsNewKeys = KernelTLS.probeNewKeys() == .available
    kernel.limitsRecords = KernelTLS.probeRecordLimit() == .available
    if secure.receivesInKernel {
      if case .unavailable(let reason) = KernelTLS.probeReceive() {
        throw StartError("--ktls-receive on: \(reason)")
      }
      kernel.receives = true
      kernel.expectsNoPadding = KernelTLS.probeNoPadding() == .available
      kernel.takesSecondKey = kernel.getsNewKeys || KernelTLS.probeSecondKey() == .available
    }
    return kernel
  }
}
