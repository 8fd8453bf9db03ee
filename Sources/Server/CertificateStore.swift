import Logging
import Reactor
import Site
import Synchronization
import TLS
import Worker

/// All certificates with their keys, as they were last seen whole and right, and the context that is made of them.
final class CertificateStore: Sendable {
  private let secure: Configuration.Secure
  private let sites: [Site]
  private let policy: ServerPolicy
  private let cautions: [ServerPolicy.Caution]
  private let expiryWarningSeconds: Int64
  private let state: Mutex<State>

  private struct State {
    var certificates: [WatchedCertificate]
    var tickets: WatchedFiles
    /// Of authorities of clients, and what they have revoked.
    var clients: WatchedFiles
    var authorities: [ClientCertificates: ClientAuthority]
    /// What `context` was made of.
    var certificatesInUse: [ServerCertificate]
    var context: ServerContext
    /// Their files hold something new that was not taken.
    var authoritiesAreDue = false
    /// There is something new that it was not made of.
    var contextIsDue = false
    /// Because of these.
    var lastProblems: [String] = []
  }

  /// Reads all of them. `tickets`: the keys in use until now, which go on where there are none in files. Throws what is wrong
  /// with the first that can't be used.
  init(
    _ secure: Configuration.Secure, sites: [Site], kernel: KernelTLS.Use, limits: Limits,
    tickets: TicketKeys? = nil
  ) throws(ContextError) {
    self.secure = secure
    self.sites = sites
    // Before they are read: what changes after this is seen.
    let (watchedTickets, watchedClients) =
      (WatchedFiles(secure.ticketKeyFiles), WatchedFiles(secure.clientFiles))
    let keys: TicketKeys
    if secure.ticketKeyFiles.isEmpty {
      keys = if let tickets { tickets } else { try TicketKeys(rotationSeconds: limits.ticketKeySeconds) }
    } else {
      keys = try TicketKeys(files: secure.ticketKeyFiles)
    }
    var policy = ServerPolicy(tickets: keys)
    policy.kernel = kernel
    policy.oldestVersion = secure.oldestVersion
    policy.ciphers = secure.ciphers
    policy.ciphersuites = secure.ciphersuites
    policy.groups = secure.groups
    self.policy = policy
    cautions = try policy.cautions()
    expiryWarningSeconds = limits.expiryWarningSeconds
    var certificates: [WatchedCertificate] = []
    let passphrase = try Passphrase.read(secure.passphraseFile)
    for files in secure.allCertificates {
      certificates.append(try WatchedCertificate(files, passphrase, patience: limits.certificatePatience))
    }
    let authorities = try secure.readAuthorities()
    let context = try Self.context(of: certificates, authorities, secure, sites, policy)
    state = Mutex(
      State(
        certificates: certificates, tickets: watchedTickets, clients: watchedClients,
        authorities: authorities, certificatesInUse: certificates.map(\.certificate), context: context))
  }

  /// What new sessions are made of.
  var context: ServerContext { state.withLock { $0.context } }

  /// What is in use.
  var certificates: [ServerCertificate] { state.withLock { $0.certificatesInUse } }

  /// Whose certificates clients may show, by what the configuration says of them.
  var authorities: [ClientAuthority] {
    state.withLock { state in secure.allClients.compactMap { state.authorities[$0] } }
  }

  /// What is to be said of certificates, authorities and lists of what these have revoked, a line each.
  var expiryWarnings: [String] {
    (certificates.flatMap { $0.warnings(within: expiryWarningSeconds) }
      + authorities.flatMap { $0.warnings(within: expiryWarningSeconds) }).unique
  }

  /// What is hardly meant of what is said of versions, ciphers and groups.
  var algorithmWarnings: [ConfigurationFault] { cautions.map(\.fault) + versionWarnings }

  /// Of versions that nobody can speak with the certificates in use.
  var versionWarnings: [ConfigurationFault] { Negotiation(context.all, policy).warnings }

  /// Its own keys of tickets; nil if they come from files.
  var tickets: TicketKeys? { secure.ticketKeyFiles.isEmpty ? policy.tickets : nil }

  // MARK: Renewal

  /// What a look, or a reload, has brought.
  struct News {
    /// Anew, or nil if nothing is to be used that was not before.
    var context: ServerContext?
    /// Certificates that are used from now on.
    var renewed: [ServerCertificate] = []
    /// Files about clients that are used from now on.
    var renewedClientFiles: [String] = []
    /// What is wrong: a line each.
    var problems: [String] = []
  }

  /// Goes over to what certificates and keys say now, each for itself, when they fit each other and do not change just now. What can't
  /// be used is told when it has been like that for a while: keys and certificates are not written in one moment. `now`: milliseconds.
  func look(now: UInt64) -> News {
    state.withLock { state in
      var news = News()
      for index in state.certificates.indices {
        switch state.certificates[index].look(secure.passphraseFile, now: now) {
        case .same: break
        case .renewed: state.contextIsDue = true
        case .refused(let problem): news.problems.append(problem)
        }
      }
      if state.tickets.haveChanged() {
        do throws(ContextError) {
          try policy.tickets.renew(from: secure.ticketKeyFiles)
        } catch {
          news.problems.append(error.description)
        }
      }
      if state.clients.haveChanged() { state.authoritiesAreDue = true }
      renewContext(&state, &news)
      return news
    }
  }

  /// Goes over to what all files say now, or, if something is wrong with one of them, to nothing.
  func reload() -> News {
    state.withLock { state in
      var news = News()
      do throws(ContextError) {
        let passphrase = try Passphrase.read(secure.passphraseFile)
        var certificates = state.certificates
        var isNew = state.contextIsDue
        for index in certificates.indices {
          do throws(ContextError) {
            if try certificates[index].reload(passphrase) { isNew = true }
          } catch {
            news.problems.append(error.description)
          }
        }
        guard news.problems.isEmpty else { return News(problems: news.problems) }
        if state.clients.settleNow() { state.authoritiesAreDue = true }
        let authorities = state.authoritiesAreDue ? try secure.readAuthorities() : state.authorities
        let context =
          isNew || state.authoritiesAreDue
          ? try Self.context(of: certificates, authorities, secure, sites, policy) : nil
        if !secure.ticketKeyFiles.isEmpty { try policy.tickets.renew(from: secure.ticketKeyFiles) }
        state.certificates = certificates
        use(authorities, &state, &news)
        if let context { use(context, &state, &news) }
      } catch {
        return News(problems: [error.description])
      }
      return news
    }
  }

  /// What can't be done now is told once, and tried again at the next look.
  private func renewContext(_ state: inout State, _ news: inout News) {
    var problems: [String] = []
    if state.authoritiesAreDue {
      do throws(ContextError) {
        use(try secure.readAuthorities(), &state, &news)
        state.contextIsDue = true
      } catch {
        problems.append(error.description)
      }
    }
    if state.contextIsDue {
      do throws(ContextError) {
        let context = try Self.context(of: state.certificates, state.authorities, secure, sites, policy)
        use(context, &state, &news)
      } catch {
        problems.append(error.description)
      }
    }
    news.problems += problems.filter { !state.lastProblems.contains($0) }
    state.lastProblems = problems
  }

  private func use(
    _ authorities: [ClientCertificates: ClientAuthority], _ state: inout State, _ news: inout News
  ) {
    for (clients, authority) in authorities {
      guard let old = state.authorities[clients] else { continue }
      for file in authority.files(newSince: old) where !news.renewedClientFiles.contains(file) {
        news.renewedClientFiles.append(file)
      }
    }
    (state.authorities, state.authoritiesAreDue) = (authorities, false)
  }

  private func use(_ context: ServerContext, _ state: inout State, _ news: inout News) {
    let certificates = state.certificates.map(\.certificate)
    news.renewed = certificates.filter { new in !state.certificatesInUse.contains { $0 === new } }
    state.certificatesInUse = certificates
    (state.context, news.context, state.contextIsDue) = (context, context, false)
  }

  // MARK: Names

  /// The certificates of a host, or of all that have none of their own: a context for each set of names.
  private struct Scope {
    var contexts: [ServerContext] = []
    var names: [[HostName]] = []
  }

  private static func context(
    of certificates: [WatchedCertificate], _ authorities: [ClientCertificates: ClientAuthority],
    _ secure: Configuration.Secure, _ sites: [Site], _ policy: ServerPolicy
  ) throws(ContextError) -> ServerContext {
    var known: [CertificateFiles: ServerCertificate] = [:]
    for watched in certificates { known[watched.files] = watched.certificate }
    func scope(_ files: [CertificateFiles], of site: Int?) throws(ContextError) -> Scope {
      let clients = secure.clients(ofSite: site ?? 0)
      return try Self.scope(
        files.compactMap { known[$0] }, of: site.map { sites[$0] }, policy,
        clients: clients.flatMap { authorities[$0] },
        clientPolicy: clients.map(secure.policyNumber) ?? 0)
    }
    var scopes = [try scope(secure.certificates, of: nil)]
    /// Which scope sites have.
    var places: [Int: Int] = [:]
    for site in Set(secure.hostCertificates.keys).union(secure.hostClients.keys).sorted() {
      places[site] = scopes.count
      scopes.append(try scope(secure.hostCertificates[site] ?? secure.certificates, of: site))
    }
    let contexts = scopes.flatMap(\.contexts)
    try Negotiation(contexts, policy).requireVersion()
    if contexts.count == 1 { return contexts[0] }
    let hosts = HostTable(sites)
    let tables = scopes.map { HostTable($0.names) }
    let starts = scopes.indices.map { index in scopes[..<index].reduce(0) { $0 + $1.contexts.count } }
    return try ServerContext(contexts: contexts, policy: policy) { [places] name, descriptor in
      let name = name ?? localAddress(of: descriptor)
      let scope = hosts.number(of: name).flatMap { places[$0] } ?? 0
      return starts[scope] + (tables[scope].number(of: name) ?? 0)
    }
  }

  private static func scope(
    _ certificates: [ServerCertificate], of site: Site?, _ policy: ServerPolicy, clients: ClientAuthority?,
    clientPolicy: Int
  ) throws(ContextError) -> Scope {
    var groups: [[ServerCertificate]] = []
    for certificate in certificates {
      guard let index = groups.firstIndex(where: { Set($0[0].names) == Set(certificate.names) }) else {
        groups.append([certificate])
        continue
      }
      if let other = groups[index].first(where: { $0.keyType == certificate.keyType }) {
        throw ContextError(
          "\(certificate.file): \(other.file) is for the same names and has an \(other.keyType) key, too: leave one out"
        )
      }
      groups[index].append(certificate)
    }
    var scope = Scope()
    for group in groups {
      // The same on all machines that share the keys of tickets.
      let own = groups.count == 1 ? [] : group[0].names.sorted()
      let identity = ([site?.names.first.map { ($0.isWildcard ? "*." : "") + $0.text } ?? ""] + own)
        .joined(separator: "\n")
      scope.contexts.append(
        try ServerContext(
          certificates: group, policy: policy, identity: Array(identity.utf8), clients: clients,
          clientPolicy: clientPolicy))
      scope.names.append(group[0].names.compactMap(HostName.init))
    }
    return scope
  }

  /// The address that a client has connected to, as certificates have it in their names.
  private static func localAddress(of descriptor: Int32) -> [UInt8] {
    guard let address = try? SocketAddress(boundTo: descriptor) else { return [] }
    let host = address.urlHost
    let mapped = "[::ffff:"
    return Array((host.hasPrefix(mapped) ? String(host.dropFirst(mapped.count).dropLast()) : host).utf8)
  }
}

extension Passphrase {
  /// Nil where there is no file.
  static func read(_ file: String?) throws(ContextError) -> Passphrase? {
    guard let file else { return nil }
    return try Passphrase(file: file)
  }
}

extension ClientCertificates {
  var authority: ClientAuthority {
    get throws(ContextError) {
      try ClientAuthority(
        file: authorities, revocationFile: revocations, isRequired: areRequired)
    }
  }
}

extension Configuration.Secure {
  /// What is said of a site's clients.
  fileprivate func clients(ofSite site: Int) -> ClientCertificates? { hostClients[site] ?? clients }

  /// Whose certificates clients may show, each once.
  var allClients: [ClientCertificates] {
    ([clients] + hostClients.sorted { $0.key < $1.key }.map(\.value)).compactMap { $0 }.unique
  }

  /// Reads their files, each once.
  func readAuthorities() throws(ContextError) -> [ClientCertificates: ClientAuthority] {
    var all: [ClientCertificates: ClientAuthority] = [:]
    for clients in allClients { all[clients] = try clients.authority }
    return all
  }

  /// Those that clients have to show.
  private var requiredClients: [ClientCertificates] { allClients.filter(\.areRequired) }

  /// What connections are known by whose clients had to show such a certificate: from 1 on; 0 if they need none.
  fileprivate func policyNumber(of clients: ClientCertificates) -> Int {
    requiredClients.firstIndex(of: clients).map { $0 + 1 } ?? 0
  }

  /// What a connection has to be known by to get a site's files.
  func clientPolicy(ofSite site: Int) -> Int { clients(ofSite: site).map(policyNumber) ?? 0 }

  /// The files that say whose certificates clients may show.
  fileprivate var clientFiles: [String] {
    ([clients] + hostClients.values).compactMap { $0 }.flatMap {
      [$0.authorities] + ($0.revocations.map { [$0] } ?? [])
    }
    .sorted()
  }

  /// Each of them once.
  var allCertificates: [CertificateFiles] {
    (certificates + hostCertificates.sorted { $0.key < $1.key }.flatMap(\.value)).unique
  }
}
