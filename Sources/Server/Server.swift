public import Logging

import Access
import Files
import Glibc
import Reactor
import Site
import Worker

/// Why the server can't start: one line that says what to do.
public struct StartError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// The control plane: puts everything in place, starts the workers, and waits for the signal to stop.
public enum Server {
  /// Serves until SIGTERM or SIGINT, then finishes what is being sent, 30 s at most; a second signal ends the
  /// process at once, and so does a worker that hangs, 2 s later (exit code 1). Other signals are noted in the log.
  /// `announce` gets one line a listener when all workers take connections:
  /// `listening https://127.0.0.1:8443 tls=1.2,1.3 ktls=on`.
  public static func run(
    _ configuration: Configuration, log: Logger, announce: (String) -> Void
  ) throws(StartError) {
    // OpenSSL's control messages on a kernel TLS socket lack MSG_NOSIGNAL (openssl#23033).
    signal(SIGPIPE, SIG_IGN)
    MachineMemory.shareArena()
    do {
      let signals = try Signals()
      let inherited = try InheritedSockets.take()
      if !inherited.secure.isEmpty, configuration.secure == nil {
        throw StartError(
          "the service manager has given a socket 'https', and there is no certificate: --cert and --key")
      }
      let manager = ServiceManager()
      let passwordFiles = try PasswordFile.all(of: configuration.sites)
      let sites = try configuration.sites.map { site throws(RootError) in
        ServedSite(
          site,
          root: try DocumentRoot(
            path: site.root, isShared: configuration.workers > 1, followsLinks: site.followsLinks))
      }
      if sites.contains(where: \.lacksLinks) {
        log.warning(
          "no openat2 here (Linux 5.6, and allowed by the sandbox): symbolic links in the folder are not followed"
        )
      }
      let secure = try configuration.secure.map { secure throws(StartError) in
        try SecureSetup(secure, sites: configuration.sites, limits: configuration.limits)
      }
      var limits = ConnectionMemory.fit(
        try DescriptorBudget.fit(
          configuration.limits, workers: configuration.workers, folders: configuration.sites.count, log: log),
        workers: configuration.workers)
      limits.cacheMemory = configuration.cacheMemory ?? Limits.cacheMemory(of: MachineMemory.bytes)
      let accessLog = try configuration.accessLog.map { accessLog throws(StartError) in
        try AccessLog(accessLog, workers: configuration.workers, limits: limits, log: log)
      }
      var pool = try WorkerPool(limits: limits, accessLog: accessLog)
      let loader = try FileLoader.start(configuration.sites, limits: limits)
      var service = Service(
        sites, passwords: try Passwords.start(passwordFiles, limits: limits, log: log))
      if let secure = configuration.secure {
        service.clientPolicies = configuration.sites.indices.map(secure.clientPolicy)
      }
      service.proxies = configuration.proxies
      service.refusesOtherHosts = configuration.refusesOtherHosts
      service.requiresKernelTLS = secure?.requiresKernelTLS ?? false
      var binding = try Binding(configuration, context: secure?.certificates.context, inherited: inherited)
      for _ in 0..<configuration.workers {
        let listeners = try binding.listeners()
        if configuration.redirectsToHTTPS {
          service.redirectPort = configuration.publicSecurePort ?? binding.securePort
        }
        try pool.start(listeners, service: service, loader: loader)
      }
      let renewal = try secure.map { secure throws(Errno) in
        try Renewal(secure.certificates, limits: limits, log: log, use: pool.useContext)
      }
      let status = ServerStatus(
        pool.workerControls, facts: facts(configuration, secure), certificates: secure?.certificates,
        accessLog: accessLog)
      renewal?.status = status
      status.note(urls: [binding.plainURL, binding.secureURL].compactMap { $0 })
      let admin = try configuration.admin.map { place throws(StartError) in
        try AdminListener(place, status: status, limits: limits)
      }
      let pidFile = configuration.pidFile.map(PIDFile.init)
      try pidFile?.write()
      defer { pidFile?.remove() }
      try pool.work(until: signals, renewal: renewal, status: status, manager: manager, log: log) {
        if let url = binding.plainURL { announce("listening \(url)") }
        if let url = binding.secureURL, let secure { announce("listening \(url) \(secure.description)") }
        if let admin, let place = configuration.admin { announce("admin \(admin.url(place))") }
      }
      if case .path(let path) = configuration.admin { unsafe unlink(path) }
    } catch {
      throw StartError("\(error)")
    }
  }
}

extension Server {
  /// Looks at what `run` would need beside ports: folders, certificate and key, files with passwords. What is wrong, a line each.
  public static func check(_ configuration: Configuration) -> [String] {
    var problems: [String] = []
    func attempt(_ body: () throws -> Void) {
      do {
        try body()
      } catch {
        problems.append("\(error)")
      }
    }
    for site in configuration.sites { attempt { _ = try DocumentRoot(path: site.root) } }
    attempt {
      _ = try configuration.secure.map { secure throws(StartError) in
        try SecureSetup(secure, sites: configuration.sites, limits: configuration.limits)
      }
    }
    attempt { _ = try PasswordFile.all(of: configuration.sites) }
    return problems
  }
}

extension Server {
  private static func facts(_ configuration: Configuration, _ secure: SecureSetup?) -> ServerStatus.Facts {
    ServerStatus.Facts(
      version: configuration.version,
      sites: configuration.sites.map { site in
        let name = site.names.first.map { ($0.isWildcard ? "*." : "") + $0.text } ?? "default"
        return (name, site.root)
      },
      kernelTLS: secure?.kernelTLS, started: Clock.wallMilliseconds() / 1000)
  }
}

extension FileLoader {
  /// A loader with its helper threads, which live as long as the process.
  fileprivate static func start(_ sites: [Site], limits: Limits) throws(Errno) -> FileLoader {
    let lister =
      sites.contains(where: \.mayList) ? FolderLister(renderer: ListingRenderer(sites, limits), limits) : nil
    guard
      let loader = FileLoader(inMemory: limits.fileInMemory, capacity: limits.ioQueue, lister: lister)
    else { throw Errno.current }
    for isNear in lister == nil ? [] : [true, false] {
      for _ in 0..<limits.listingThreads {
        _ = try Thread(stackBytes: 512 << 10) { loader.runListings(isNear: isNear) }
      }
    }
    // They read and call the kernel, no more.
    _ = try Thread(stackBytes: 512 << 10) { loader.run(onlyNear: true) }
    for _ in 0..<limits.ioThreads { _ = try Thread(stackBytes: 512 << 10) { loader.run() } }
    return loader
  }
}
