/// What tests that compare the bytes of transports have in common.
enum Transfer {
  /// How a response can leave the server.
  enum Transport: String, CaseIterable, Sendable {
    case plain
    case userTLS
    case kernelTLS

    /// Those that need no special kernel.
    static let everywhere = [plain, userTLS]

    /// A server of this transport.
    func serve(_ root: String, flags: [String] = []) throws -> SluiceProcess {
      switch self {
      case .plain: try SluiceProcess(root, flags: flags)
      case .userTLS: try SluiceProcess(root, .both(TestCertificates.ecdsa), flags: ["--ktls", "off"] + flags)
      case .kernelTLS:
        try SluiceProcess(root, .both(TestCertificates.ecdsa), flags: ["--ktls", "require"] + flags)
      }
    }

    func url(_ sluice: SluiceProcess) throws -> String { try sluice.url(self == .plain ? "http" : "https") }

    /// Flags for curl.
    func flags() throws -> [String] { self == .plain ? [] : try Curl.trusting(TestCertificates.ecdsa) }
  }

  /// SHA-256 of a file.
  static func sum(_ file: String) throws -> String {
    String(try Shell.require(["sha256sum", file]).prefix(64))
  }
}
