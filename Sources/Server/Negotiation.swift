import TLS

/// Whether clients can come to terms with what is said of TLS, tried with each kind of key that there is a certificate for.
struct Negotiation {
  private let policy: ServerPolicy
  /// One context for each kind of key: those of one kind fare the same.
  private let samples: [ServerContext]

  /// `contexts`: what connections end up with.
  init(_ contexts: [ServerContext], _ policy: ServerPolicy) {
    self.policy = policy
    var kinds: Set<[String?]> = [[]]
    samples = contexts.filter { context in
      kinds.insert(context.certificates.flatMap { [$0.keyType, $0.keyGroup] }).inserted
    }
  }

  /// The versions that are spoken, the newest first.
  private var versions: [KernelTLS.Version] {
    KernelTLS.Version.allCases.reversed().filter { $0.rawValue >= policy.oldestVersion.rawValue }
  }

  /// Throws what is wrong where nobody can connect.
  func requireVersion() throws(ContextError) {
    for context in samples {
      var obstacles: [String] = []
      for version in versions {
        guard let obstacle = context.obstacle(to: version, groups: policy.groups) else {
          obstacles = []
          break
        }
        obstacles.append("\(version.name): \(obstacle)")
      }
      if obstacles.isEmpty { continue }
      let file = context.certificates[0].file
      throw ContextError(
        "\(file): no client can connect with this certificate (key: \(context.keys); \(obstacles.joined(separator: "; ")))"
      )
    }
  }

  /// Of versions that are allowed, and that nobody can speak.
  var warnings: [ConfigurationFault] {
    samples.flatMap { context in
      versions.compactMap { version in
        context.obstacle(to: version, groups: policy.groups).map { obstacle in
          let certificates = context.certificates.map(\.file).joined(separator: " and ")
          let option = culprit(context, version)
          let advice =
            switch (option, version) {
            case (nil, .tls12): ": say tls-min 1.3, or use another certificate"
            case (nil, .tls13): ": only TLS 1.2 is left: use another certificate"
            case (.some, .tls12): ": say others, or tls-min 1.3"
            case (.some, .tls13): ": only TLS 1.2 is left: say others"
            }
          return ConfigurationFault(
            subject: option.map { .option($0) },
            text:
              "no client can speak \(version.name) with \(certificates) (key: \(context.keys); \(obstacle))\(advice)"
          )
        }
      }
    }
  }

  /// The option without which a version would be spoken.
  private func culprit(_ context: ServerContext, _ version: KernelTLS.Version) -> String? {
    let options: [(String, WritableKeyPath<ServerPolicy, String?>)] = [
      ("ciphers", \.ciphers), ("ciphersuites", \.ciphersuites), ("groups", \.groups),
    ]
    return options.first { _, path in
      guard policy[keyPath: path] != nil else { return false }
      var other = policy
      other[keyPath: path] = nil
      let context = try? ServerContext(certificates: context.certificates, policy: other)
      return context?.obstacle(to: version, groups: other.groups) == nil && context != nil
    }?.0
  }
}

extension ServerContext {
  /// The kinds of its certificates' keys.
  fileprivate var keys: String {
    certificates.map { certificate in
      certificate.keyType + (certificate.keyGroup.map { " \($0)" } ?? "")
    }
    .joined(separator: ", ")
  }
}
