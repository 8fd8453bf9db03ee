import Access
import Files
import Glibc
import TLS
import Worker

/// Metrics as Prometheus reads them: its text format 0.0.4.
struct PrometheusText {
  private(set) var text = ""

  init(_ status: ServerStatus.Snapshot) {
    addServer(status)
    addConnections(status.metrics)
    addRequests(status)
    addFiles(status.metrics)
    addCertificates(status)
    addKernel()
  }

  // MARK: The format

  private mutating func begin(_ name: String, _ type: String, _ help: String) {
    text += "# HELP sluice_\(name) \(help)\n# TYPE sluice_\(name) \(type)\n"
  }

  private mutating func add(_ name: String, _ value: some CustomStringConvertible) {
    add(name, [], value)
  }

  private mutating func add(
    _ name: String, _ labels: [(String, String)], _ value: some CustomStringConvertible
  ) {
    let labels = labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
    text += "sluice_\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(value)\n"
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
  }

  private mutating func counter(_ name: String, _ help: String, _ value: some CustomStringConvertible) {
    begin(name, "counter", help)
    add(name, value)
  }

  private mutating func gauge(_ name: String, _ help: String, _ value: some CustomStringConvertible) {
    begin(name, "gauge", help)
    add(name, value)
  }

  private mutating func counters(
    _ name: String, _ help: String, by label: String, _ values: [(String, some CustomStringConvertible)]
  ) {
    begin(name, "counter", help)
    for (value, count) in values { add(name, [(label, value)], count) }
  }

  private mutating func histogram(_ name: String, _ help: String, _ values: Histogram) {
    begin(name, "histogram", help)
    var sum: UInt64 = 0
    for (index, bound) in Histogram.bounds.enumerated() {
      sum += values.counts[index]
      add("\(name)_bucket", [("le", "\(Double(bound) / 1000)")], sum)
    }
    add("\(name)_bucket", [("le", "+Inf")], values.count)
    add("\(name)_sum", Double(values.sum) / 1000)
    add("\(name)_count", values.count)
  }

  // MARK: What there is

  private mutating func addServer(_ status: ServerStatus.Snapshot) {
    begin("info", "gauge", "The server; always 1.")
    add("info", [("version", status.facts.version), ("kernel_tls", status.facts.kernelTLS ?? "none")], 1)
    gauge("start_time_seconds", "When it started, in seconds since 1970.", status.facts.started)
    gauge("ready", "Whether it takes connections and is not stopping.", status.state == .serving ? 1 : 0)
    gauge("workers", "Worker threads.", status.workers)
    gauge(
      "earlier_configurations", "Configurations from before a reload whose connections are still served.",
      status.earlierConfigurations)
    gauge("workers_silent", "Workers that have not answered in 200 ms: they hang.", status.silentWorkers)
    counters(
      "reloads_total", "Reloads, by what came of them.", by: "outcome",
      [("done", status.reloads.done), ("failed", status.reloads.failed)])
    counter(
      "upgrades_failed_total", "Upgrades after which this process went on.", status.failedUpgrades)
    counter(
      "log_lines_dropped_total", "Lines of the access log that were not written.",
      status.metrics.logLinesDropped)
    let process = KernelFigures.process()
    gauge("process_resident_bytes", "Memory of the process.", process.resident)
    gauge("process_descriptors", "Open descriptors.", process.descriptors)
    gauge("process_descriptors_most", "The limit on them.", process.mostDescriptors)
    counter("process_cpu_seconds_total", "Time on CPUs.", process.seconds)
  }

  private mutating func addConnections(_ metrics: Metrics) {
    counter("connections_total", "Connections accepted.", metrics.connections)
    begin("connections", "gauge", "Connections, by what they are about.")
    for state in ConnectionStates.State.allCases {
      add("connections", [("state", state.name)], metrics.states.counts[state.rawValue])
    }
    counters(
      "connections_refused_total", "Connections closed at once, by what was short.", by: "cause",
      [
        ("limit", metrics.refusedAtLimit), ("descriptors", metrics.refusedWithoutDescriptor),
        ("memory", metrics.refusedWithoutMemory), ("proxy_header", metrics.introductionsRefused),
      ])
    counter("accept_pauses_total", "Times that accepting failed and was left alone.", metrics.acceptPauses)
    counter(
      "connections_broken_total", "Connections that the client or the network broke off.", metrics.broken)
    let done = metrics.kernelTLS + metrics.userTLS
    counters(
      "tls_handshakes_total", "Handshakes, by what came of them.", by: "outcome",
      [("full", done - metrics.resumed), ("resumed", metrics.resumed), ("failed", metrics.handshakesFailed)])
    counters(
      "tls_handshake_failures_total", "Handshakes that failed, by cause.", by: "cause",
      HandshakeFailure.names.enumerated().map { ($1, metrics.handshakeFailures[$0]) })
    counters(
      "tls_connections_total", "Handshakes done, by who encrypts.", by: "transport",
      [("kernel_tls", metrics.kernelTLS), ("user_tls", metrics.userTLS)])
    counters(
      "ktls_off_total", "Handshakes after which OpenSSL encrypts, by why the kernel does not.", by: "reason",
      KernelTLS.Reason.names.enumerated().map { ($1, metrics.againstKernel[$0]) })
    counters(
      "ktls_receive_total",
      "Of connections with kernel TLS, whether the kernel decrypts, too, where it should.",
      by: "outcome", [("kernel", metrics.kernelReceive), ("refused", metrics.kernelReceiveRefused)])
    counters(
      "tls_key_updates_total",
      "New keys that were sent, and connections that ended because there could be none.",
      by: "outcome",
      [
        ("sent", metrics.keyUpdates), ("refused", metrics.keyUpdatesRefused), ("used_up", metrics.keyLimits),
      ])
  }

  private mutating func addRequests(_ status: ServerStatus.Snapshot) {
    let metrics = status.metrics
    begin("responses_total", "counter", "Responses, by host and status.")
    for (site, code, count) in metrics.statuses.all {
      let name = status.facts.sites.indices.contains(site) ? status.facts.sites[site].name : ""
      add("responses_total", [("host", name), ("status", "\(code)")], count)
    }
    counters(
      "sent_bytes_total", "Bytes given to sockets, by transport; over user TLS, with what TLS adds.",
      by: "transport",
      [
        ("plain", metrics.bytesPlain), ("kernel_tls", metrics.bytesKernel), ("user_tls", metrics.bytesUser),
      ])
    counter("malformed_total", "Requests that were no HTTP, or more than is taken.", metrics.malformed)
    counters(
      "given_up_total", "Requests and responses given up, by why.", by: "cause",
      [
        ("timeout", metrics.timeouts), ("too_slow", metrics.tooSlow), ("truncated", metrics.truncated),
        ("disk_timeout", metrics.diskTimeouts), ("password_timeout", metrics.access.timeouts),
      ])
    var first = metrics.firstByte
    first.noteQuick(UInt64(metrics.requests) - min(UInt64(metrics.requests), first.count))
    histogram(
      "first_byte_seconds",
      "From taking up a request to its response's first byte; what is answered at once counts as 0.",
      first)
    var last = metrics.lastByte
    // Those that were not quick count when they are done; what is broken off never is.
    let slow = metrics.firstByte.count + metrics.slowSends
    last.noteQuick(UInt64(metrics.requests) - min(UInt64(metrics.requests), slow))
    histogram(
      "response_seconds",
      "From taking up a request to the last byte given to the kernel, of responses sent whole.", last)
    counters(
      "password_checks_total", "Checks of passwords, by what came of them.", by: "outcome",
      [
        ("right", metrics.access.checks - metrics.access.wrong), ("wrong", metrics.access.wrong),
        ("overload", metrics.access.overloads),
      ])
  }

  private mutating func addFiles(_ metrics: Metrics) {
    counter("cache_looks_total", "Looks at the disk, or at what the kernel knows of it.", metrics.files.looks)
    counter("cache_misses_total", "Files that were opened or read anew.", metrics.files.loads)
    counter("cache_evictions_total", "Files that gave way to others.", metrics.files.evictions)
    counter("disk_waits_total", "Waits for a helper thread.", metrics.files.diskWaits)
    counter("disk_refused_total", "Waits refused because too many wait.", metrics.files.diskRefused)
    counter(
      "stale_codings_total", "Codings passed over because they are older than their files.",
      metrics.files.staleCodings)
  }

  private mutating func addCertificates(_ status: ServerStatus.Snapshot) {
    if status.certificates.isEmpty { return }
    begin("certificate_expiry_seconds", "gauge", "Seconds until a certificate expires; negative when it has.")
    let now = Int64(time(nil))
    for certificate in status.certificates {
      add(
        "certificate_expiry_seconds",
        [("file", certificate.file), ("name", certificate.names.first ?? ""), ("key", certificate.keyType)],
        certificate.expiry - now)
    }
    let authorities = status.authorities.flatMap { one in one.authorities.map { (one.file, $0) } }
    addTimes(
      "client_ca_expiry_seconds", "Seconds until an authority expires: its clients are refused then.",
      authorities, now)
    let lists = status.authorities.flatMap { one in
      (one.revocations ?? []).map { (one.revocationFile ?? "", $0) }
    }
    addTimes(
      "client_crl_expiry_seconds",
      "Seconds until the list of what an authority has revoked is out of date: its clients are refused then.",
      lists, now)
  }

  /// Each of them once: hosts may share files.
  private mutating func addTimes(
    _ name: String, _ help: String, _ values: [(file: String, what: Dated)], _ now: Int64
  ) {
    var rest: [[String]: Int64] = [:]
    for (file, what) in values { rest[[file, what.name]] = what.expiry.map { $0 - now } }
    if rest.isEmpty { return }
    begin(name, "gauge", help)
    for (labels, seconds) in rest.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      add(name, [("file", labels[0]), ("authority", labels[1])], seconds)
    }
  }

  private mutating func addKernel() {
    let counts = KernelFigures.tls()
    if counts.isEmpty { return }
    begin("kernel_tls_stat", "gauge", "/proc/net/tls_stat, of all processes of this network namespace.")
    for (name, count) in counts { add("kernel_tls_stat", [("name", name)], count) }
  }
}
