import Logging
import Server
import Site
import Worker

/// Makes the configuration of what flags, the environment and the file say, and notes all that is wrong with it.
struct ConfigurationReader {
  /// Each is a line that says what to do.
  var problems: [String] = []
  /// What holds of every option.
  private(set) var settings: Settings
  /// The file's `[[path]]`.
  private(set) var paths: [ConfigurationFile.PathSection] = []

  /// Reads the environment, and the file if there is one.
  init(_ flags: Options) {
    settings = Settings(flags: flags)
    settings.fallBackToEnvironment()
    if let path = text("config") {
      let file = ConfigurationFile(path: path)
      problems += file.problems
      settings.fallBack(to: file.settings)
      paths = file.paths
    }
    settings.fallBackToDefaults()
  }

  mutating func logLevel() -> Logger.Level { value("log-level") ?? .notice }

  /// Means something only if there are no problems. Every value is looked at, whether it is needed or not.
  mutating func configuration() -> Configuration {
    let (plaintext, tlsOnly) = (flag("plaintext"), flag("tls-only"))
    if plaintext && tlsOnly { problems.append("--plaintext and --tls-only exclude each other") }
    let port = value("port", PortNumber.self)?.number
    let certified = secure(isUsed: !plaintext)
    if tlsOnly && text("cert") == nil && text("key") == nil {
      problems.append("--tls-only needs a certificate: --cert and --key")
    }
    let secure = plaintext ? nil : certified
    if let port, !tlsOnly, port != 0, port == secure?.port {
      problems.append("--port and --tls-port are both \(port): HTTP and HTTPS need a port each")
    }
    var configuration = Configuration(
      site: site(), host: text("host") ?? "", port: tlsOnly ? nil : port,
      secure: secure, workers: value("workers", WorkerCount.self)?.count ?? 1)
    configuration.cacheMemory = value("cache-memory", ByteCount.self)?.bytes
    if let threads = value("io-threads", ThreadCount.self) { configuration.limits.ioThreads = threads.count }
    if let rate = value("min-send-rate", SendRate.self) { configuration.limits.minimumSendRate = rate.bytes }
    if let idle = value("idle-timeout", SecondCount.self) {
      configuration.limits.idleMilliseconds = UInt64(idle.seconds) * 1_000
    }
    return configuration
  }

  private mutating func site() -> Site {
    var site = Site(root: text("root") ?? ".")
    site.indexes = value("index", IndexNames.self)?.names ?? site.indexes
    site.hasCleanPaths = flag("clean-urls")
    site.fallback = value("fallback", SitePath.self)?.path
    site.errorPages = errorPages()
    site.codings = value("precompressed", CodingList.self)?.tokens ?? []
    site.rules = rules()
    site.types = types()
    site.keepsHashedFiles = flag("immutable")
    site.hasSecurityFields = flag("security-headers")
    if site.fieldBytes > Limits.ownFieldBytes {
      problems.append(
        "all headers together take \(site.fieldBytes) bytes: use \(Limits.ownFieldBytes) or less")
    }
    return site
  }

  private mutating func secure(isUsed: Bool) -> Configuration.Secure? {
    let mode = value("ktls", Configuration.KernelTLSMode.self) ?? .auto
    let receives = flag("ktls-receive")
    let port = value("tls-port", PortNumber.self)?.number ?? 0
    let (certificate, key) = (text("cert"), text("key"))
    guard isUsed else { return nil }
    if receives && mode == .off {
      problems.append("--ktls-receive on needs the kernel: use it with --ktls auto or require")
    }
    switch (certificate, key) {
    case (let certificate?, let key?):
      var secure = Configuration.Secure(
        port: port, certificateFile: certificate, keyFile: key, kernelTLS: mode)
      secure.receivesInKernel = receives
      return secure
    case (nil, nil):
      if mode == .require { problems.append("--ktls require needs a certificate: --cert and --key") }
      if receives { problems.append("--ktls-receive on needs a certificate: --cert and --key") }
    case (_?, nil): problems.append("--cert needs the certificate's private key, too: --key FILE")
    case (nil, _?): problems.append("--key needs the certificate that it belongs to, too: --cert FILE")
    }
    return nil
  }

  // MARK: What was said

  private mutating func flag(_ option: String) -> Bool { value(option) ?? false }

  private mutating func text(_ option: String) -> String? { value(option) }

  /// All that was said of an option that may be said several times.
  func texts(_ option: String) -> [(String, Setting.Origin)] {
    precondition(Settings.names.contains(option), option)
    guard let setting = settings.all[option] else { return [] }
    return setting.texts.map { ($0, setting.origin) }
  }

  /// What was said of an option; nil if nothing was, or nothing that it may be.
  private mutating func value<Value: OptionValue>(_ option: String, _ kind: Value.Type = Value.self) -> Value?
  {
    precondition(Settings.names.contains(option), option)
    guard let setting = settings.all[option] else { return nil }
    guard setting.texts.count == 1, let value = Value(text: setting.texts[0]) else {
      let said = setting.texts.joined(separator: "', '")
      problems.append(
        "\(setting.origin.place)the value '\(said)' of \(setting.origin.name) is invalid: use \(Value.expected)"
      )
      return nil
    }
    return value
  }
}
