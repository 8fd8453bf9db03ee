import Access
import Files
import Logging
import Site
import TLS
import Worker

/// All that a configuration names, read and opened. A file system may hang meanwhile: so this can be made on any thread.
struct LoadedConfiguration: Sendable {
  let configuration: Configuration
  let sites: [ServedSite]
  let passwordFiles: [PasswordFile]
  /// Nil without HTTPS.
  let secure: SecureSetup?
  let limits: Limits
  let accessLog: AccessLog?
  let log: Logger

  /// `tickets`: what sessions were encrypted with until now, so that clients come again with theirs. Throws the first thing that is
  /// wrong, and leaves nothing.
  init(_ configuration: Configuration, tickets: TicketKeys? = nil, log: Logger) throws(StartError) {
    var log = log
    log.logLevel = configuration.logLevel
    (self.configuration, self.log) = (configuration, log)
    sites = try Self.sites(configuration, log)
    passwordFiles = try PasswordFile.all(of: configuration.sites)
    secure = try configuration.secure.map { secure throws(StartError) in
      try SecureSetup(
        secure, sites: configuration.sites, limits: configuration.limits, tickets: tickets)
    }
    let limits = try Self.limits(configuration, log)
    self.limits = limits
    // The last: it has a thread.
    accessLog = try configuration.accessLog.map { accessLog throws(StartError) in
      try AccessLog(accessLog, workers: configuration.workers, limits: limits, log: log)
    }
  }

  /// It will not be used.
  func discard() { accessLog?.end() }

  private static func sites(_ configuration: Configuration, _ log: Logger) throws(StartError) -> [ServedSite]
  {
    let sites: [ServedSite]
    do throws(RootError) {
      sites = try configuration.sites.map { site throws(RootError) in
        ServedSite(
          site,
          root: try DocumentRoot(
            path: site.root, isShared: configuration.workers > 1, followsLinks: site.followsLinks))
      }
    } catch {
      throw StartError("\(error)")
    }
    if sites.contains(where: \.lacksLinks) {
      log.warning(
        "no openat2 here (Linux 5.6, and allowed by the sandbox): symbolic links in the folder are not followed"
      )
    }
    return sites
  }

  private static func limits(_ configuration: Configuration, _ log: Logger) throws(StartError) -> Limits {
    var limits = ConnectionMemory.fit(
      try DescriptorBudget.fit(
        configuration.limits, workers: configuration.workers, folders: configuration.sites.count, log: log),
      workers: configuration.workers)
    limits.cacheMemory = configuration.cacheMemory ?? Limits.cacheMemory(of: MachineMemory.bytes)
    return limits
  }
}
