import Testing

/// curl, the client that we did not write.
enum Curl {
  /// What every call needs: errors are told, nothing waits for ever, and only certificates that we have made are
  /// trusted.
  static let flags = ["-sS", "--max-time", "300"]

  /// What a TLS client speaks.
  struct Secure: Sendable, CustomTestStringConvertible {
    let version: String
    let cipher: String

    static let all = ["1.2", "1.3"].flatMap { version in
      ["AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"].map { Secure(version: version, cipher: $0) }
    }
    static let preferred = all.filter { $0.cipher == "AES-128-GCM" }

    var testDescription: String { "TLS \(version) \(cipher)" }

    /// The cipher's name as OpenSSL has it, with an ECDSA certificate.
    var name: String {
      switch (version, cipher) {
      case ("1.2", "AES-128-GCM"): "ECDHE-ECDSA-AES128-GCM-SHA256"
      case ("1.2", "AES-256-GCM"): "ECDHE-ECDSA-AES256-GCM-SHA384"
      case ("1.2", _): "ECDHE-ECDSA-CHACHA20-POLY1305"
      case (_, "AES-128-GCM"): "TLS_AES_128_GCM_SHA256"
      case (_, "AES-256-GCM"): "TLS_AES_256_GCM_SHA384"
      default: "TLS_CHACHA20_POLY1305_SHA256"
      }
    }

    /// Flags for curl.
    var curlFlags: [String] {
      ["--tlsv\(version)", "--tls-max", version, version == "1.2" ? "--ciphers" : "--tls13-ciphers", name]
    }

    /// Flags for `openssl s_client`.
    var clientFlags: [String] {
      version == "1.2" ? ["-tls1_2", "-cipher", name] : ["-tls1_3", "-ciphersuites", name]
    }
  }

  /// Trusts a certificate.
  static func trusting(_ pair: TestCertificates.Pair) -> [String] { ["--cacert", pair.certificate] }

  /// Runs curl.
  static func run(_ arguments: [String], prefix: [String] = []) throws -> Shell.Result {
    try Shell.run(prefix + ["curl"] + flags + arguments, seconds: 330)
  }

  /// Gets a response with its head.
  static func get(_ url: String, _ arguments: [String] = []) throws -> HTTPResponse {
    let result = try run(["-i", "--path-as-is"] + arguments + [url])
    guard result.exitStatus == 0 else {
      throw TestFailure("curl: exit status \(result.exitStatus): \(result.errorOutput)")
    }
    guard let response = try HTTPResponse.all(in: result.outputBytes).last else {
      throw TestFailure("no response")
    }
    return response
  }
}
