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
  /// Held for a look, so that an older one is not the last. When what is to be warned of was told last, in milliseconds.
  private let turn: Mutex<[String: UInt64]>

  /// Begins to look, on a thread of its own, until `end`.
  init(
    _ certificates: CertificateStore, limits: Limits, log: Logger,
    use: @escaping @Sendable (ServerContext) -> Void
  ) throws(Errno) {
    self.certificates = certificates
    self.limits = limits
    self.log = log
    self.use = use
    // Those of the start are told by whoever starts it.
    let now = Clock.monotonicMilliseconds()
    let known = certificates.expiryWarnings.map { ($0, now) }
    turn = Mutex(Dictionary(known, uniquingKeysWith: { first, _ in first }))
    try Thread.detach(stackBytes: 512 << 10) { self.watch() }
  }

  private func watch() {
    var nextWarning = Clock.monotonicMilliseconds() + Self.minute
    while !isOver.load(ordering: .acquiring) {
      usleep(UInt32(limits.certificateLookMilliseconds * 1_000))
      let now = Clock.monotonicMilliseconds()
      turn.withLock { told in
        let news = certificates.look(now: now)
        for problem in news.problems { log.error("\(problem); what was in use before stays in use") }
        take(news)
        guard news.context != nil || now >= nextWarning else { return }
        nextWarning = now + Self.minute
        warn(&told, now: now)
      }
    }
  }

  private static let minute: UInt64 = 60_000
  private static let day: UInt64 = 86_400_000

  /// Looks no more.
  func end() { isOver.store(true, ordering: .releasing) }

  /// Reads all files anew, and uses what they say: how many certificates are new. Throws if something is wrong with one, and what
  /// was in use stays in use then.
  func reload() throws(ConfigurationError) -> Int {
    let news = turn.withLock { told in
      let news = certificates.reload()
      take(news)
      if news.context != nil { warn(&told, now: Clock.monotonicMilliseconds()) }
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
    }
    for file in news.renewedClientFiles {
      log.notice("\(file): what it says now of the certificates of clients is in use")
    }
    // A key of another kind may not fit what is said of ciphers.
    if news.renewed.isEmpty { return }
    for warning in certificates.versionWarnings { log.warning("\(warning.line)") }
  }

  /// Tells what is new, and the rest once a day.
  private func warn(_ told: inout [String: UInt64], now: UInt64) {
    let warnings = certificates.expiryWarnings
    told = told.filter { warnings.contains($0.key) }
    for warning in warnings where told[warning].map({ now >= $0 + Self.day }) ?? true {
      told[warning] = now
      log.warning("\(warning)")
    }
  }
}
