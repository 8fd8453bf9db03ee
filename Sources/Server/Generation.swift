import Access
import Files
import Glibc
import Logging
import Reactor
import Site
import TLS
import Worker

/// What serves as one configuration says: workers, and all that only they use. A reload makes another one that takes the new
/// connections; this one ends with its own.
final class Generation {
  let configuration: Configuration
  let certificates: CertificateStore?
  private(set) var renewal: Renewal?
  let accessLog: AccessLog?
  /// `tls=… ktls=…`, for the announcement; nil without HTTPS.
  let security: String?
  /// What the kernel does of TLS, for people; nil without HTTPS.
  let kernelTLS: String?
  /// Its workers' sockets.
  private(set) var binding = Binding.none
  private var loader: FileLoader?
  private var passwords: Passwords?
  private var pool: WorkerPool
  private let log: Logger
  /// Codings that were told to be older than their files.
  private var toldCodings: Set<String> = []

  /// Has workers serve what is `loaded` at the sockets that `bind` gives; they serve when this is done. Throws if that can't be,
  /// and leaves nothing.
  init(
    _ loaded: LoadedConfiguration, supervisor: SharedWaker, bind: () throws -> Binding
  ) throws(StartError) {
    (configuration, log) = (loaded.configuration, loaded.log)
    let (secure, limits) = (loaded.secure, loaded.limits)
    (certificates, security, kernelTLS) = (secure?.certificates, secure?.description, secure?.kernelTLS)
    accessLog = loaded.accessLog
    pool = WorkerPool(limits: limits, accessLog: loaded.accessLog, supervisor: supervisor)
    /// Workers whose sockets are their own.
    var taken = 0
    do {
      binding = try bind()
      let loader = try FileLoader.start(configuration.sites, limits: limits)
      self.loader = loader
      let passwords = try Passwords.start(loaded.passwordFiles, limits: limits, log: log)
      self.passwords = passwords
      let service = service(
        loaded.sites, passwords, securePort: binding.securePort,
        requiresKernelTLS: secure?.requiresKernelTLS ?? false)
      for number in 0..<configuration.workers {
        taken += 1
        let listeners = try binding.listeners(ofWorker: number, context: secure?.certificates.context)
        try pool.start(listeners, service: service, loader: loader)
      }
      try pool.waitUntilServing()
      renewal = try secure.map { [controls = pool.controls, log] secure throws(Errno) in
        try Renewal(secure.certificates, limits: limits, log: log) { context in
          for control in controls { control.use(context) }
        }
      }
    } catch {
      binding.close(from: taken)
      pool.end(.stop)
      finish()
      throw StartError("\(error)")
    }
  }

  private func service(
    _ sites: [ServedSite], _ passwords: Passwords, securePort: UInt16?, requiresKernelTLS: Bool
  ) -> Service {
    var service = Service(sites, passwords: passwords)
    if let secure = configuration.secure {
      service.clientPolicies = configuration.sites.indices.map(secure.clientPolicy)
    }
    service.proxies = configuration.proxies
    service.refusesOtherHosts = configuration.refusesOtherHosts
    service.requiresKernelTLS = requiresKernelTLS
    if configuration.redirectsToHTTPS {
      service.redirectPort = configuration.publicSecurePort ?? securePort
    }
    return service
  }

  // MARK: Its workers

  /// What the workers are asked by.
  var controls: [WorkerControl] { pool.controls }

  /// Others take over: the workers end with their connections, and files with certificates and passwords are looked at no more.
  func handOver() {
    pool.end(.handOver)
    renewal?.end()
    passwords?.endWatch()
  }

  /// Has the workers end.
  func end(_ ending: WorkerControl.Ending) { pool.end(ending) }

  /// All workers have.
  var hasEnded: Bool { pool.hasEnded }

  /// Ends what is left when the workers have ended, or are about to, and waits for them. What they have counted.
  @discardableResult func finish() -> Metrics {
    pool.join()
    renewal?.end()
    loader?.end()
    passwords?.end()
    var total = Metrics()
    for control in controls { if let metrics = control.currentMetrics.metrics { total.add(metrics) } }
    if let accessLog {
      accessLog.end()
      total.logLinesDropped = accessLog.dropped
    }
    return total
  }

  /// Logs what befalls workers and can't be said to a client. `now`: milliseconds of the monotonic clock.
  func tellTroubles(now: UInt64) {
    for control in controls {
      while let trouble = control.troubles.takeFirst() {
        log.log(level: trouble.level, "\(text(of: trouble))")
      }
      for (kind, count) in control.troubles.takeUntold(now: now) {
        log.log(level: kind.level, "\(count) more in the last minute: \(kind.text)")
      }
      for path in control.takeStaleCodings()
      where toldCodings.count < Limits.staleCodingsTold && toldCodings.insert(path).inserted {
        let last = toldCodings.count == Limits.staleCodingsTold ? "; of others, nothing is said" : ""
        // As a literal: a name may hold line ends.
        log.warning("\(path.debugDescription) is older than its original, and not sent: make it anew\(last)")
      }
    }
  }

  /// Something was told that is to be summed up.
  var hasOpenTroubles: Bool { controls.contains { $0.troubles.areOpen } }

  private func text(of trouble: Troubles.Record) -> String {
    var text = trouble.kind.text
    // As a literal: a name may hold line ends.
    if !trouble.pathText.isEmpty {
      let path = "\(configuration.sites[trouble.root].root)/\(trouble.pathText)"
      text = "\(path.debugDescription): \(text)"
    }
    if let peer = trouble.peer { text += ", with \(peer.addressText) port \(peer.port)" }
    if trouble.error.rawValue != 0 { text += ": \(trouble.error)" }
    return text + (trouble.kind.advice.map { "; \($0)" } ?? "")
  }
}

extension FileLoader {
  /// A loader with its helper threads.
  fileprivate static func start(_ sites: [Site], limits: Limits) throws(Errno) -> FileLoader {
    let lister =
      sites.contains(where: \.mayList) ? FolderLister(renderer: ListingRenderer(sites, limits), limits) : nil
    guard
      let loader = FileLoader(inMemory: limits.fileInMemory, capacity: limits.ioQueue, lister: lister)
    else { throw Errno.current }
    do throws(Errno) {
      for isNear in lister == nil ? [] : [true, false] {
        for _ in 0..<limits.listingThreads {
          try Thread.detach(stackBytes: 512 << 10) { loader.runListings(isNear: isNear) }
        }
      }
      // They read and call the kernel, no more.
      try Thread.detach(stackBytes: 512 << 10) { loader.run(onlyNear: true) }
      for _ in 0..<limits.ioThreads { try Thread.detach(stackBytes: 512 << 10) { loader.run() } }
    } catch {
      loader.end()
      throw error
    }
    return loader
  }
}
