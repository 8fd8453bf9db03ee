import Logging
import Server
import Site
import TLS
import Worker

/// Makes the configuration of what flags, the environment and the file say, and notes all that is wrong with it.
struct ConfigurationReader {
  /// Each is a line that says what to do.
  var problems: [String] = []
  /// What is not wrong, but hardly meant: a line each.
  var warnings: [String] = []
  /// What holds of every option.
  private(set) var settings: Settings
  /// The file's `[[path]]`.
  private(set) var paths: [ConfigurationFile.PathSection] = []
  /// The file's `[[host]]`.
  private(set) var hosts: [ConfigurationFile.HostSection] = []
  /// Certificates of hosts that have some of their own, by the numbers of their sites.
  var hostCertificates: [Int: [CertificateFiles]] = [:]
  /// The same of what they say of clients' certificates.
  var hostClients: [Int: ClientCertificates?] = [:]
  /// Where the rules of each site stand, by the numbers of sites and rules.
  var ruleOrigins: [[Setting.Origin]] = []

  /// When files are read.
  let occasion: TextFile.Occasion
  /// The file, if there is one that has nothing but white space.
  private(set) var emptyFile: String?

  /// Reads the environment, and the file if there is one.
  init(_ flags: Options, at occasion: TextFile.Occasion = .start) {
    self.occasion = occasion
    settings = Settings(flags: flags)
    settings.fallBackToEnvironment()
    if let path = text("config") {
      let file = ConfigurationFile(path: path, at: occasion)
      if file.isEmpty { emptyFile = path }
      problems += file.problems
      settings.fallBack(to: file.settings)
      paths = file.paths
      hosts = file.hosts
    }
    settings.fallBackToDefaults()
  }

  /// One that has read nothing but these.
  func reading(_ settings: Settings, _ paths: [ConfigurationFile.PathSection]) -> ConfigurationReader {
    var reader = self
    (reader.problems, reader.warnings, reader.settings, reader.paths) = ([], [], settings, paths)
    return reader
  }

  /// The configuration that results, as a file says it.
  var toml: String {
    settings.toml + paths.map { $0.toml("path") }.joined()
      + hosts.map { host in
        "\n[[host]]\n" + host.settings.toml + host.paths.map { $0.toml("host.path") }.joined()
      }.joined()
  }

  /// Means something only if there are no problems. Every value is looked at, whether it is needed or not.
  mutating func configuration() -> Configuration {
    let (plaintext, tlsOnly) = (flag("plaintext"), flag("tls-only"))
    let sites = sites()
    if plaintext && tlsOnly {
      problems.append("\(said("plaintext")) and \(settings.origin(of: "tls-only").name) exclude each other")
    }
    let port = value("port", PortNumber.self)?.number
    let certified = secure(isUsed: !plaintext)
    if tlsOnly && settings.all["cert"] == nil && settings.all["key"] == nil && hostCertificates.isEmpty {
      problems.append(needsCertificate("tls-only"))
    }
    let secure = plaintext ? nil : certified
    if let port, !tlsOnly, port != 0, port == secure?.port {
      let names = "\(said("port")) and \(settings.origin(of: "tls-port").name)"
      problems.append("\(names) are both \(port): HTTP and HTTPS need a port each")
    }
    var configuration = Configuration(
      sites: sites, host: value("address", ListenHost.self)?.name ?? "", port: tlsOnly ? nil : port,
      secure: secure, workers: value("workers", WorkerCount.self)?.count ?? 1)
    configuration.refusesOtherHosts = flag("strict-hosts")
    if configuration.refusesOtherHosts && configuration.sites.count == 1 {
      problems.append("\(said("strict-hosts")) needs hosts: a file with [[host]], which --config names")
    }
    configuration.redirectsToHTTPS = flag("https-redirect")
    if configuration.redirectsToHTTPS && (configuration.secure == nil || configuration.port == nil) {
      let origin = settings.origin(of: "https-redirect")
      let names = "\(origin.names("cert", "key")), and no \(origin.names("tls-only"))"
      problems.append("\(said("https-redirect")) needs both HTTP and HTTPS: \(names)")
    }
    configuration.publicSecurePort = value("public-https-port", PortNumber.self)?.number
    if !flag("auth-over-http"), configuration.secure == nil,
      let origin = originOfPasswords(configuration.sites)
    {
      problems.append(
        """
        \(origin.place)\(origin.name == "match" ? "auth" : origin.name) needs HTTPS, so that passwords are not sent in the clear: give \
        \(origin.names("cert", "key")), or, where something else encrypts on the way, \
        \(origin.isFlag ? "--auth-over-http on" : "auth-over-http = \"on\"")
        """)
    }
    configuration.proxies = value("proxy-protocol", NetworkList.self)?.networks ?? []
    configuration.pidFile = text("pid-file")
    if let drain = value("drain", DrainSeconds.self) {
      configuration.limits.drainMilliseconds = drain.seconds * 1_000
    }
    configuration.admin = value("admin", AdminPlaceText.self)?.place
    configuration.version = Sluice.version
    configuration.logLevel = value("log-level") ?? .notice
    let format = value("access-log-format", Configuration.AccessLogFormat.self) ?? .combined
    configuration.accessLog = text("access-log").map { Configuration.AccessLog(path: $0, format: format) }
    configuration.cacheMemory = value("cache-memory", ByteCount.self)?.bytes
    if let threads = value("io-threads", ThreadCount.self) { configuration.limits.ioThreads = threads.count }
    if let rate = value("min-send-rate", SendRate.self) { configuration.limits.minimumSendRate = rate.bytes }
    if let idle = value("idle-timeout", SecondCount.self) {
      configuration.limits.idleMilliseconds = UInt64(idle.seconds) * 1_000
    }
    warnOfIdleOptions(configuration)
    warnOfLoops(configuration)
    return configuration
  }

  /// Where passwords are asked for.
  private func originOfPasswords(_ sites: [Site]) -> Setting.Origin? {
    for (site, origins) in zip(sites, ruleOrigins) {
      for case (.required?, let origin) in zip(site.rules.map(\.authentication), origins) { return origin }
    }
    return nil
  }

  /// What `Server.check` finds wrong, with the places of what it stems from.
  func faults(of configuration: Configuration) -> [String] { Server.check(configuration).map(line) }

  /// What is to be said of something, with its place.
  private func line(_ fault: ConfigurationFault) -> String {
    switch fault.subject {
    case .file(let file, let options)?:
      subject(ofFile: file, options, fault.text) + fault.text + adviceOnPath(file, fault.text)
    case .option(let option)?:
      settings.origin(of: option).subject + fault.text
        + (fault.unknown.map { Suggestion.text(for: $0.name, of: $0.known) } ?? "")
    case nil: fault.text
    }
  }

  /// Where these options name a file or folder of which this is said: in the section that names what else is spoken of. All of them,
  /// if several name it there.
  private func subject(ofFile path: String, _ options: [String], _ text: String) -> String {
    let sections = [settings] + (hosts.map(\.settings) + (paths + hosts.flatMap(\.paths)).map(\.settings))
    func files(_ section: Settings, _ options: [String], where isMeant: (String) -> Bool) -> [Setting] {
      options.compactMap { section.all[$0] }.filter {
        !$0.origin.isStandard && $0.texts.contains(where: isMeant)
      }
    }
    let named = sections.map { files($0, options) { $0 == path || $0.hasSuffix("=" + path) } }
    let counts = sections.map { files($0, Settings.ofFiles) { text.contains($0) }.count }
    let origins = zip(named, counts).filter { !$0.0.isEmpty }.max { $0.1 < $1.1 }?.0.map(\.origin) ?? []
    guard let first = origins.first else { return "" }
    return origins.count == 1
      ? first.subject : "\(first.place)\(origins.map(\.name).joined(separator: " and ")): "
  }

  /// Of a path that is taken for another one than was meant.
  private func adviceOnPath(_ path: String, _ text: String) -> String {
    guard text.hasSuffix("No such file or directory"), !path.hasPrefix("/") else { return "" }
    return path.hasPrefix("~")
      ? ": only shells know '~': say the whole path" : ": relative paths begin in \(currentFolder)"
  }

  /// All that is hardly meant: a line each.
  func allWarnings(_ configuration: Configuration) -> [String] {
    var warnings = warnings + Server.warnings(configuration).map(line)
    // A service begins in `/`.
    if case .standard = settings.all["root"]?.origin, let file = settings.all["config"]?.texts.first,
      !configuration.refusesOtherHosts
    {
      let hosts = hosts.isEmpty ? "" : " to hosts that no [[host]] has"
      warnings.append("\(file) has no root: the current folder is served\(hosts): say root = \"FOLDER\"")
    }
    return warnings
  }

  /// A site with these rules, which were read before, and their places.
  mutating func site(_ said: [SaidRule]) -> Site {
    ruleOrigins.append(said.map(\.origin))
    var site = Site(root: text("root") ?? ".")
    site.indexes = value("index", IndexNames.self)?.names ?? site.indexes
    site.hasCleanPaths = flag("clean-urls")
    site.fallback = value("fallback", SitePath.self)?.path
    site.hasListings = flag("listing")
    site.errorPages = errorPages()
    site.isStrictWithSlashes = value("trailing-slash", TrailingSlash.self) == .strict
    site.basePath = value("base-path", BasePath.self)?.path ?? ""
    site.sharing = value("cors", OriginList.self)?.sharing ?? .none
    site.strictTransport = value("hsts", StrictTransport.self)?.field
    site.followsLinks = (value("symlinks") ?? LinkRule.beneath) == .beneath
    site.codings = value("precompressed", CodingList.self)?.tokens ?? []
    site.rules = said.map(\.rule)
    site.types = types()
    site.keepsHashedFiles = flag("immutable")
    site.hasSecurityFields = flag("security-headers")
    site.allowsAuthenticationOverHTTP = flag("auth-over-http")
    if site.authentications.count > Site.mostAuthentications {
      problems.append("auth has more than \(Site.mostAuthentications) files and realms: use fewer")
    }
    if site.fieldBytes > Limits.ownFieldBytes {
      problems.append(
        "all headers together take \(site.fieldBytes) bytes: use \(Limits.ownFieldBytes) or less")
    }
    warnOf(site, said)
    return site
  }

  private mutating func secure(isUsed: Bool) -> Configuration.Secure? {
    let mode = value("ktls", Configuration.KernelTLSMode.self) ?? .auto
    let receives = flag("ktls-receive")
    let port = value("tls-port", PortNumber.self)?.number ?? 0
    var certificates = certificates(of: settings)
    let clients = clients()
    let oldest = value("tls-min", OldestVersion.self)?.version ?? .tls12
    let texts = ["ciphers", "ciphersuites", "groups", "key-passphrase-file"].map { text($0) }
    guard isUsed else { return nil }
    if receives && mode == .off {
      let word = settings.origin(of: "ktls-receive").names("ktls")
      problems.append("\(said("ktls-receive")) on needs the kernel: use it with \(word) auto or require")
    }
    // Without one for all others, the first host's is for them, too.
    if certificates == [], let first = hostCertificates.min(by: { $0.key < $1.key }) {
      certificates = first.value
    }
    guard let certificates else { return nil }
    if certificates.isEmpty {
      if mode == .require { problems.append(needsCertificate("ktls", "require")) }
      if receives { problems.append(needsCertificate("ktls-receive", "on")) }
      if let said = ([settings] + hosts.map(\.settings)).compactMap({ $0.all["client-ca"] }).first,
        clients != nil || hostClients.contains(where: { $0.value != nil })
      {
        let names = said.origin.names("cert", "key")
        problems.append(
          "\(said.origin.place)\(said.origin.name) needs a certificate of the server's: \(names)")
      }
      for option in Settings.ofCertificates { warnOfIdle(option, without: "cert", "key") }
      return nil
    }
    var secure = Configuration.Secure(port: port, certificates: certificates, kernelTLS: mode)
    secure.hostCertificates = hostCertificates
    (secure.clients, secure.hostClients) = (clients, hostClients)
    secure.receivesInKernel = receives
    secure.oldestVersion = oldest
    (secure.ciphers, secure.ciphersuites, secure.groups) = (texts[0], texts[1], texts[2])
    secure.passphraseFile = texts[3]
    secure.ticketKeyFiles = self.texts("ticket-key-file").map(\.0)
    return secure
  }

  /// What is said of clients' certificates.
  mutating func clients() -> ClientCertificates? {
    let rule = value("client-auth", ClientRule.self) ?? .require
    let (authorities, revocations) = (text("client-ca"), text("client-crl"))
    guard let authorities, rule != .off else {
      if authorities == nil, let said = settings.all["client-crl"] {
        problems.append(
          "\(said.origin.place)\(said.origin.name) needs the authorities that it is of: client-ca")
      }
      if authorities == nil, rule != .off, let said = settings.all["client-auth"] {
        problems.append("\(said.origin.place)\(said.origin.name) needs the authorities of clients: client-ca")
      }
      return nil
    }
    return ClientCertificates(
      authorities: authorities, revocations: revocations, areRequired: rule == .require)
  }

  /// The certificates that these settings name, with their keys; nil if something is wrong with that.
  mutating func certificates(of settings: Settings) -> [CertificateFiles]? {
    let (certificates, keys) = (settings.all["cert"], settings.all["key"])
    switch (certificates, keys) {
    case (nil, nil): return []
    case (let said?, nil):
      let name = said.origin.isFlag ? "--key FILE" : "key"
      problems.append(
        "\(said.origin.place)\(said.origin.name) needs the certificate's private key, too: \(name)")
    case (nil, let said?):
      let name = said.origin.isFlag ? "--cert FILE" : "cert"
      problems.append(
        "\(said.origin.place)\(said.origin.name) needs the certificate that it belongs to, too: \(name)")
    case (let certificates?, let keys?) where certificates.texts.count == keys.texts.count:
      let pairs = zip(certificates.texts, keys.texts).map { CertificateFiles(certificate: $0, key: $1) }
      guard pairs.contains(where: { $0.certificate.isEmpty || $0.key.isEmpty }) else { return pairs }
      problems.append("\(certificates.origin.place)a certificate and a key need names of files")
    case (let certificates?, let keys?):
      problems.append(
        """
        \(certificates.origin.place)there are \(certificates.texts.count) certificates and \(keys.texts.count) keys: each \
        \(certificates.origin.name) needs its \(keys.origin.name), in the same order
        """)
    }
    return nil
  }

  // MARK: What was said

  /// `/etc/sluice.toml:3: tls-only`.
  private func said(_ option: String) -> String {
    settings.origin(of: option).place + settings.origin(of: option).name
  }

  /// That an option, or a value of it, is for HTTPS.
  private func needsCertificate(_ option: String, _ value: String? = nil) -> String {
    let value = value.map { " \($0)" } ?? ""
    return "\(said(option))\(value) needs a certificate: \(settings.origin(of: option).names("cert", "key"))"
  }

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
    let origin = setting.origin
    guard setting.texts.count == 1 || Value.separator != nil && !setting.texts.isEmpty else {
      problems.append("\(origin.place)\(origin.name) takes one value, not a list: use \(Value.expected)")
      return nil
    }
    let text = setting.texts.joined(separator: Value.separator ?? "")
    if let value = Value(text: text) { return value }
    var hint = Value.hint(text)
    // As it does for every Service, of the days when containers were linked.
    if case .variable = origin, text.hasPrefix("tcp://") {
      hint = " (Kubernetes says it of a Service with this name: say enableServiceLinks: false)"
    }
    problems.append(
      "\(origin.place)the value '\(text)' of \(origin.name) is invalid: use \(Value.expected)\(hint)")
    return nil
  }
}
