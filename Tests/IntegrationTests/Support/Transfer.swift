/// What tests that compare the bytes of transports have in common.
enum Transfer {
  /// How a response can leave the server.
  enum Transport: String, CaseIterable, Sendable {
    case plain
    case userTLS
    case kernelTLS
    /// The kernel decrypts what is received, too.
    case kernelBothWays

    /// Those that need no special kernel.
    static let everywhere = [plain, userTLS]

    /// Those of kernel TLS.
    static let kernel = [kernelTLS, kernelBothWays]
    /// For what is said of files: whoever decrypts the request, the response is the same.
    static let kernelSending = [kernelTLS]
    var isInKernel: Bool { Self.kernel.contains(self) }

    /// A server of this transport.
    func serve(
      _ root: String, flags: [String] = [], prefix: [String] = [], binary: String = SluiceProcess.binary
    ) throws -> SluiceProcess {
      switch self {
      case .plain: try SluiceProcess(root, flags: flags, prefix: prefix, binary: binary)
      case .userTLS, .kernelTLS, .kernelBothWays:
        try SluiceProcess(
          root, .both(TestCertificates.ecdsa),
          flags: ["--ktls", self == .userTLS ? "off" : "require"]
            + (self == .kernelBothWays ? ["--ktls-receive", "on"] : []) + flags,
          prefix: prefix, binary: binary)
      }
    }

    func url(_ sluice: SluiceProcess) throws -> String { try sluice.url(self == .plain ? "http" : "https") }

    /// Flags for curl.
    func flags() throws -> [String] { self == .plain ? [] : try Curl.trusting(TestCertificates.ecdsa) }
  }

  /// SHA-256 of files in a folder, in hexadecimal.
  static func sums(_ names: [String], in folder: String) throws -> [String] {
    try Shell.require(["sha256sum"] + names, workingFolder: folder).split(separator: "\n").map {
      String($0.prefix(64))
    }
  }

  /// The sums of the common site's files. Taken once: an emulated machine takes its time.
  static func originals(_ names: [String]) throws -> [String] {
    try names.map { name in
      guard let sum = try sharedSums.get()[name] else { throw TestFailure("no sum of \(name)") }
      return sum
    }
  }

  private static let sharedSums = Result { () throws -> [String: String] in
    let names = TemporarySite.sizes.map { "\($0).bin" } + ["big.bin"]
    let sums = try Transfer.sums(names, in: TemporarySite.common().path)
    return Dictionary(uniqueKeysWithValues: zip(names, sums))
  }
}
