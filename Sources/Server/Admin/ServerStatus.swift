import Glibc
import Reactor
import Site
import Synchronization
import TLS
import Worker

/// What there is to tell of the server, from one place: metrics and the status page say the same.
final class ServerStatus: Sendable {
  /// What a snapshot says beside counts.
  struct Facts: Sendable {
    let version: String
    /// `http://…`, `https://…`.
    var urls: [String] = []
    /// The names of all sites that there have been, by the numbers that counts have, and their folders; nil: no longer served.
    var sites: [(name: String, root: String?)] = []
    /// What the start line says of kernel TLS; nil without HTTPS.
    var kernelTLS: String?
    let started: Int64
  }

  /// How the server is.
  enum State: String, Sendable {
    case starting, serving, draining
  }

  /// What serves by one configuration.
  private struct Serving {
    let identifier: ObjectIdentifier
    let controls: [WorkerControl]
    let certificates: CertificateStore?
    let accessLog: AccessLog?
    /// The numbers that its sites have in `Facts`.
    let numbers: [Int]
  }

  private struct Known {
    var facts: Facts
    var state = State.starting
    /// The last one takes new connections.
    var servings: [Serving] = []
    /// What those have counted that have ended.
    var past = Metrics.none
    var reloads = (done: 0, failed: 0)
    var failedUpgrades = 0
  }

  private let known: Mutex<Known>
  /// How long a worker has to answer, in milliseconds.
  private static let patience = 200

  init(version: String) {
    known = Mutex(Known(facts: Facts(version: version, started: Clock.wallMilliseconds() / 1000)))
  }

  var state: State {
    get { known.withLock { $0.state } }
    set { known.withLock { $0.state = newValue } }
  }

  /// Where it listens.
  func note(urls: [String]) {
    known.withLock { $0.facts.urls = urls }
  }

  /// From now on this one takes new connections.
  func note(serving generation: Generation) {
    let sites = generation.configuration.sites.map { site in
      (name: site.names.first.map { ($0.isWildcard ? "*." : "") + $0.text } ?? "default", root: site.root)
    }
    let (identifier, controls) = (ObjectIdentifier(generation), generation.controls)
    let (certificates, accessLog) = (generation.certificates, generation.accessLog)
    let kernelTLS = generation.kernelTLS
    known.withLock { known in
      for index in known.facts.sites.indices { known.facts.sites[index].root = nil }
      let numbers = sites.map { site in
        let number = known.facts.sites.firstIndex { $0.name == site.name } ?? known.facts.sites.count
        if number == known.facts.sites.count { known.facts.sites.append((site.name, nil)) }
        known.facts.sites[number].root = site.root
        return number
      }
      known.facts.kernelTLS = kernelTLS
      known.servings.append(
        Serving(
          identifier: identifier, controls: controls, certificates: certificates, accessLog: accessLog,
          numbers: numbers))
    }
  }

  /// This one has ended, and has counted this.
  func note(ended generation: Generation, _ metrics: Metrics) {
    let identifier = ObjectIdentifier(generation)
    known.withLock { known in
      guard let index = known.servings.firstIndex(where: { $0.identifier == identifier }) else { return }
      let serving = known.servings.remove(at: index)
      var metrics = metrics
      metrics.completeFirstSite()
      metrics.numberSites(serving.numbers)
      known.past.add(metrics)
      known.past.logLinesDropped += metrics.logLinesDropped
    }
  }

  /// One line for the service manager.
  var summary: String {
    let facts = known.withLock { $0.facts }
    let security = facts.kernelTLS.map { ", kernel TLS \($0)" } ?? ""
    return "serving \(facts.urls.joined(separator: " and "))\(security)"
  }

  func noteReload(isDone: Bool) {
    known.withLock { known in if isDone { known.reloads.done += 1 } else { known.reloads.failed += 1 } }
  }

  func noteFailedUpgrade() { known.withLock { $0.failedUpgrades += 1 } }

  /// What is true at one moment.
  struct Snapshot {
    var metrics: Metrics
    /// Workers that take new connections, all workers that have not answered (their counts are those of the last time), and
    /// earlier configurations that still serve connections.
    var workers: Int
    var silentWorkers: Int
    var earlierConfigurations: Int
    var certificates: [ServerCertificate]
    /// Whose certificates clients may show.
    var authorities: [ClientAuthority]
    /// Of these and those, a line each.
    var expiryWarnings: [String]
    var reloads: (done: Int, failed: Int)
    var failedUpgrades: Int
    var facts: Facts
    var state: State
  }

  /// Asks all workers. One that hangs is not waited for longer than a moment.
  func snapshot() -> Snapshot {
    let controls = known.withLock { $0.servings.flatMap(\.controls) }
    for control in controls { control.askForMetrics() }
    for _ in 0..<Self.patience where !controls.allSatisfy(\.currentMetrics.isCurrent) { usleep(1_000) }
    return known.withLock { known in
      var total = known.past
      var silent = 0
      for serving in known.servings {
        var own = Metrics.none
        for control in serving.controls {
          let (metrics, isCurrent) = control.currentMetrics
          if let metrics { own.add(metrics) }
          if !isCurrent { silent += 1 }
        }
        own.completeFirstSite()
        own.numberSites(serving.numbers)
        total.add(own)
        total.logLinesDropped += serving.accessLog?.dropped ?? 0
      }
      let store = known.servings.last?.certificates
      return Snapshot(
        metrics: total, workers: known.servings.last?.controls.count ?? 0, silentWorkers: silent,
        earlierConfigurations: max(0, known.servings.count - 1),
        certificates: store?.certificates ?? [], authorities: store?.authorities ?? [],
        expiryWarnings: store?.expiryWarnings ?? [], reloads: known.reloads,
        failedUpgrades: known.failedUpgrades, facts: known.facts, state: known.state)
    }
  }
}
