import Access
import Logging
import Reactor
import Synchronization
import TLS
import Worker

/// What the configuration says now, and what to warn of, a line each.
typealias Reread = @Sendable () throws(ConfigurationError) -> (Configuration, warnings: [String])

/// Reads anew what the configuration says, and all that it names, on a thread of its own: a file system may hang, and whoever takes
/// signals does not wait for that.
final class Reload: Sendable {
  /// What has come of it.
  enum Outcome: Sendable {
    /// To be gone over to, and what to warn of, a line each.
    case new(LoadedConfiguration, warnings: [String])
    /// The configuration is as it was, and certificates and keys in use are as their files say. One line.
    case same(String)
    /// What is wrong, a line each: nothing is changed.
    case refused([String])
  }

  private let result = Mutex<Outcome?>(nil)

  /// Begins. `waker` is woken when it is done, or can't be.
  init(
    of current: Generation, waker: SharedWaker, log: Logger,
    reread: @escaping Reread
  ) {
    let (configuration, renewal) = (current.configuration, current.renewal)
    let tickets = current.certificates?.tickets
    do throws(Errno) {
      try Thread.detach {
        let outcome = Self.outcome(after: configuration, renewal, tickets, log, reread)
        self.result.withLock { $0 = outcome }
        waker.waker.wake()
      }
    } catch {
      result.withLock { $0 = .refused(["no thread can read the files: \(error)"]) }
      waker.waker.wake()
    }
  }

  /// Nil while it goes on.
  var outcome: Outcome? { result.withLock { $0 } }

  private static func outcome(
    after current: Configuration, _ renewal: Renewal?, _ tickets: TicketKeys?, _ log: Logger,
    _ reread: Reread
  ) -> Outcome {
    do throws(ConfigurationError) {
      let (configuration, warnings) = try reread()
      // Connections and caches stay as they are.
      if configuration == current { return .same(try renew(configuration, renewal)) }
      let fixed = configuration.changes(from: current)
      guard fixed.isEmpty else { throw ConfigurationError(fixed) }
      do throws(StartError) {
        return .new(
          try LoadedConfiguration(configuration, tickets: tickets, log: log), warnings: warnings)
      } catch {
        throw ConfigurationError([error.description])
      }
    } catch {
      return .refused(error.problems)
    }
  }

  /// Has files that are looked at by themselves looked at now.
  private static func renew(
    _ configuration: Configuration, _ renewal: Renewal?
  ) throws(ConfigurationError) -> String {
    do throws(StartError) {
      _ = try PasswordFile.all(of: configuration.sites)
    } catch {
      throw ConfigurationError([error.description])
    }
    guard let renewal else { return "SIGHUP: nothing is new" }
    let count = try renewal.reload()
    return "reloaded: \(count == 0 ? "no certificate is new" : "\(count) new certificates")"
  }
}

extension Configuration {
  /// What is not as in an earlier one and can't change while the process lives, a line each.
  fileprivate func changes(from old: Configuration) -> [String] {
    var changes: [String] = []
    func compare<Value: Equatable>(_ name: String, _ value: (Configuration) -> Value) {
      if value(self) != value(old) {
        changes.append("\(name) can't change while the server runs: start it anew")
      }
    }
    if (port == nil) != (old.port == nil) || (secure == nil) != (old.secure == nil) {
      changes.append(
        "HTTP or HTTPS can't be added or left out (cert, plaintext, tls-only) while the server runs: start it anew"
      )
    } else {
      compare("port", \.port)
      compare("tls-port", \.secure?.port)
    }
    compare("address", \.host)
    compare("workers", \.workers)
    compare("admin", \.admin)
    compare("pid-file", \.pidFile)
    return changes
  }
}
