import Glibc
import Reactor
import Synchronization
import TLS
import Worker

/// What there is to tell of the server, from one place: metrics and the status page say the same.
final class ServerStatus: Sendable {
  /// What stays the same.
  struct Facts: Sendable {
    let version: String
    /// `http://…`, `https://…`.
    var urls: [String] = []
    /// The sites' names, by their numbers, and their folders.
    let sites: [(name: String, root: String)]
    /// What the start line says of kernel TLS; nil without HTTPS.
    let kernelTLS: String?
    let started: Int64
  }

  /// How the server is.
  enum State: String, Sendable {
    case starting, serving, draining
  }

  private let controls: [WorkerControl]
  private let certificates: CertificateStore?
  private let accessLog: AccessLog?
  private let facts: Mutex<Facts>
  private let current = Mutex(State.starting)
  private let reloadCounts = Mutex((done: 0, failed: 0))
  /// How long a worker has to answer, in milliseconds.
  private static let patience = 200

  init(
    _ controls: [WorkerControl], facts: Facts, certificates: CertificateStore?, accessLog: AccessLog?
  ) {
    self.controls = controls
    self.certificates = certificates
    self.accessLog = accessLog
    self.facts = Mutex(facts)
  }

  var state: State {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }

  /// Where it listens.
  func note(urls: [String]) {
    facts.withLock { $0.urls = urls }
  }

  /// One line for the service manager.
  var summary: String {
    let facts = facts.withLock { $0 }
    let security = facts.kernelTLS.map { ", kernel TLS \($0)" } ?? ""
    return "serving \(facts.urls.joined(separator: " and "))\(security)"
  }

  func noteReload(isDone: Bool) {
    reloadCounts.withLock { counts in if isDone { counts.done += 1 } else { counts.failed += 1 } }
  }

  /// What is true at one moment.
  struct Snapshot {
    var metrics: Metrics
    /// Workers, and those of them that have not answered: their counts are those of the last time.
    var workers: Int
    var silentWorkers: Int
    var certificates: [ServerCertificate]
    var logLinesDropped: Int
    var reloads: (done: Int, failed: Int)
    var facts: Facts
    var state: State
  }

  /// Asks all workers. One that hangs is not waited for longer than a moment.
  func snapshot() -> Snapshot {
    for control in controls { control.askForMetrics() }
    for _ in 0..<Self.patience where !controls.allSatisfy(\.currentMetrics.isCurrent) { usleep(1_000) }
    var total = Metrics.none
    var silent = 0
    for control in controls {
      let (metrics, isCurrent) = control.currentMetrics
      if let metrics { total.add(metrics) }
      if !isCurrent { silent += 1 }
    }
    total.completeFirstSite()
    let dropped = accessLog?.dropped ?? 0
    return Snapshot(
      metrics: total, workers: controls.count, silentWorkers: silent,
      certificates: certificates?.certificates ?? [], logLinesDropped: dropped,
      reloads: reloadCounts.withLock { $0 }, facts: facts.withLock { $0 }, state: state)
  }
}

/// What the kernel knows of this process, and of TLS: proc(5), Documentation/networking/tls.rst.
enum KernelFigures {
  /// Resident bytes, open descriptors, the most that there may be, and seconds of CPU.
  static func process() -> (resident: Int, descriptors: Int, mostDescriptors: Int, seconds: Double) {
    let pages = text("/proc/self/statm").split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    var usage = rusage()
    unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let seconds =
      Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(
        usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    var limit = rlimit()
    unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return (
      pages * sysconf(Int32(_SC_PAGESIZE)), descriptorCount(), Int(clamping: limit.rlim_cur), seconds
    )
  }

  private static func descriptorCount() -> Int {
    guard let folder = unsafe opendir("/proc/self/fd") else { return 0 }
    defer { unsafe closedir(folder) }
    var count = 0
    while unsafe readdir(folder) != nil { count += 1 }
    // Itself, and the two folders.
    return max(0, count - 3)
  }

  /// `/proc/self/net/tls_stat`, of all processes in this network namespace; empty where there is no kernel TLS.
  static func tls() -> [(name: String, count: Int)] {
    text("/proc/self/net/tls_stat").split(separator: "\n").compactMap { line in
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      return words.count == 2 ? Int(words[1]).map { (String(words[0]), $0) } : nil
    }
  }

  /// A short file of the kernel's; empty if it can't be read.
  static func text(_ path: String) -> String {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 8192)
    let count = unsafe read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
  }
}
