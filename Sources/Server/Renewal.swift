import Glibc
import Logging
import Reactor
import Synchronization
import TLS
import Worker

/// Has workers use certificates, keys and ticket keys as their files say them now: when they change, and when somebody asks.
final class Renewal: Sendable {
  private let certificates: CertificateStore
  private let limits: Limits
  private let log: Logger
  /// Has new sessions made of a context.
  private let use: @Sendable (ServerContext) -> Void
  private let isOver = Atomic(false)
  /// Held for a look, so that an older one is not the last.
  private let turn = Mutex(())

  /// Begins to look, on a thread of its own, until `end`.
  init(
    _ certificates: CertificateStore, limits: Limits, log: Logger,
    use: @escaping @Sendable (ServerContext) -> Void
  ) throws(Errno) {
    self.certificates = certificates
    self.limits = limits
    self.log = log
    self.use = use
    try Thread.detach(stackBytes: 512 << 10) { self.watch() }
  }

  private func watch() {
    var nextDay = Clock.monotonicMilliseconds() + Self.day
    while !isOver.load(ordering: .acquiring) {
      usleep(UInt32(limits.certificateLookMilliseconds * 1_000))
      let now = Clock.monotonicMilliseconds()
      turn.withLock { _ in
        let news = certificates.look(now: now)
        for problem in news.problems { log.error("\(problem); what was in use before stays in use") }
        take(news)
      }
      if now >= nextDay {
        nextDay += Self.day
        for certificate in certificates.certificates { warn(of: certificate) }
      }
    }
  }

  private static let day: UInt64 = 86_400_000

  /// Looks no more.
  func end() { isOver.store(true, ordering: .releasing) }

  /// Reads all files anew, and uses what they say: how many certificates are new. Throws if something is wrong with one, and what
  /// was in use stays in use then.
  func reload() throws(ConfigurationError) -> Int {
    let news = turn.withLock { _ in
      let news = certificates.reload()
      take(news)
      return news
    }
    guard news.problems.isEmpty else { throw ConfigurationError(news.problems) }
    return news.renewed.count
  }

  private func take(_ news: CertificateStore.News) {
    if let context = news.context { use(context) }
    for certificate in news.renewed {
      log.notice(
        "\(certificate.file): the new certificate is in use, valid until \(date(certificate.expiry))")
      warn(of: certificate)
    }
  }

  private func warn(of certificate: ServerCertificate) {
    for warning in certificate.warnings(within: limits.expiryWarningSeconds) { log.warning("\(warning)") }
  }
}

extension ServerCertificate {
  /// What is to be said of it before clients say it, a line each.
  func warnings(within seconds: Int64) -> [String] {
    var lines = warning.map { [$0] } ?? []
    let rest = expiry - Int64(time(nil))
    if rest < seconds {
      let verb = rest < 0 ? "expired" : "expires"
      lines.append("\(file): the certificate \(verb) on \(date(expiry)): renew it")
    }
    if start > Int64(time(nil)) {
      lines.append("\(file): the certificate is not valid before \(date(start)): check the clock")
    }
    return lines
  }
}

/// A time in seconds since 1970, for people.
private func date(_ seconds: Int64) -> String {
  var (time, parts) = (time_t(seconds), unsafe tm())
  unsafe gmtime_r(&time, &parts)
  var text = [CChar](repeating: 0, count: 64)
  unsafe strftime(&text, text.count, "%Y-%m-%d %H:%M UTC", &parts)
  return unsafe text.withUnsafeBufferPointer { unsafe String(cString: $0.baseAddress!) }
}
