import Access
import Files
import Glibc
import TLS
import Worker

/// What the status page shows, in JSON (RFC 8259).
struct StatusJSON {
  let text: String

  init(_ status: ServerStatus.Snapshot) {
    let metrics = status.metrics
    let now = Int64(time(nil))
    let process = KernelFigures.process()
    let states = ConnectionStates.State.allCases.map { ($0.name, "\(metrics.states.counts[$0.rawValue])") }
    let reasons = KernelTLS.Reason.names.enumerated().map { ($1, "\(metrics.againstKernel[$0])") }
    var statuses: [Int: UInt64] = [:]
    for (_, code, count) in metrics.statuses.all { statuses[code, default: 0] += count }
    let sites = status.facts.sites.enumerated().compactMap { number, site -> String? in
      guard let root = site.root else { return nil }
      let count = metrics.statuses.all.filter { $0.site == number }.reduce(0) { $0 + $1.count }
      return Self.object([
        ("name", site.name.jsonString), ("root", root.jsonString), ("responses", "\(count)"),
      ])
    }
    let certificates = status.certificates.map { certificate in
      Self.object([
        ("file", certificate.file.jsonString), ("key", certificate.keyType.jsonString),
        ("names", "[\(certificate.names.map(\.jsonString).joined(separator: ","))]"),
        ("days", "\(Int((Double(certificate.expiry - now) / 86_400).rounded(.down)))"),
      ])
    }
    text = Self.object([
      ("version", status.facts.version.jsonString), ("state", status.state.rawValue.jsonString),
      ("started", "\(status.facts.started)"), ("now", "\(now)"),
      ("urls", "[\(status.facts.urls.map(\.jsonString).joined(separator: ","))]"),
      ("sites", "[\(sites.joined(separator: ","))]"),
      ("kernel_tls", status.facts.kernelTLS.map(\.jsonString) ?? "null"),
      ("requests", "\(metrics.requests)"),
      ("bytes", "\(metrics.bytesPlain + metrics.bytesKernel + metrics.bytesUser)"),
      (
        "transports",
        Self.object([
          ("plain", "\(metrics.bytesPlain)"), ("kernel_tls", "\(metrics.bytesKernel)"),
          ("user_tls", "\(metrics.bytesUser)"),
        ])
      ),
      (
        "handshakes",
        Self.object([
          ("kernel_tls", "\(metrics.kernelTLS)"), ("user_tls", "\(metrics.userTLS)"),
          ("resumed", "\(metrics.resumed)"), ("failed", "\(metrics.handshakesFailed)"),
        ])
      ),
      ("ktls_off", Self.object(reasons)), ("connections", Self.object(states)),
      (
        "statuses",
        Self.object(statuses.sorted { $0.key < $1.key }.map { ("\($0.key)", "\($0.value)") })
      ),
      ("certificates", "[\(certificates.joined(separator: ","))]"),
      ("warnings", "[\(Self.warnings(status).map(\.jsonString).joined(separator: ","))]"),
      (
        "process",
        Self.object([
          ("resident", "\(process.resident)"), ("cpu_seconds", "\(process.seconds)"),
          ("descriptors", "\(process.descriptors)"), ("workers", "\(status.workers)"),
        ])
      ),
    ])
  }

  /// What somebody should look at, a line each.
  private static func warnings(_ status: ServerStatus.Snapshot) -> [String] {
    let metrics = status.metrics
    var lines = status.expiryWarnings
    func note(_ count: Int, _ line: String) { if count > 0 { lines.append("\(count) \(line)") } }
    note(status.silentWorkers, "workers do not answer")
    note(status.reloads.failed, "reloads have failed: the log says why")
    note(status.failedUpgrades, "upgrades have failed: the log says why")
    note(metrics.logLinesDropped, "lines of the access log were dropped")
    note(
      metrics.refusedAtLimit + metrics.refusedWithoutDescriptor + metrics.refusedWithoutMemory,
      "connections were refused for want of room")
    note(metrics.truncated, "responses were cut off: a file became shorter, or could not be read")
    note(metrics.diskTimeouts + metrics.files.diskRefused, "requests waited for a disk in vain")
    return lines
  }

  private static func object(_ members: [(String, String)]) -> String {
    "{\(members.map { "\($0.jsonString):\($1)" }.joined(separator: ","))}"
  }
}
