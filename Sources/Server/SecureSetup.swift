import TLS

/// The HTTPS listener's certificate, and whether the kernel will encrypt.
struct SecureSetup {
  let context: ServerContext
  let requiresKernelTLS: Bool
  /// `tls=… ktls=…`, for the announcement.
  let description: String

  init(_ secure: Configuration.Secure) throws(StartError) {
    let availability =
      secure.kernelTLS == .off
      ? .unavailable(reason: "turned off by --ktls off") : KernelTLS.probe()
    requiresKernelTLS = secure.kernelTLS == .require
    let newKeys = availability == .available ? KernelTLS.probeNewKeys() : availability
    switch availability {
    case .available:
      description = "tls=1.2,1.3 ktls=on rekey=\(newKeys == .available ? "yes" : "no")"
    case .unavailable(let reason):
      if requiresKernelTLS { throw StartError("--ktls require: \(reason)") }
      description = "tls=1.2,1.3 ktls=off reason=\"\(reason)\""
    }
    do {
      context = try ServerContext(
        certificateFile: secure.certificateFile, keyFile: secure.keyFile,
        usesKernelTLS: availability == .available, kernelTakesNewKeys: newKeys == .available)
    } catch {
      throw StartError(error.description)
    }
  }
}
