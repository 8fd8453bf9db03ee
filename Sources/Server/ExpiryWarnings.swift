import Glibc
import TLS

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

extension ClientAuthority {
  /// What is to be said of authorities, and of lists of what they have revoked, before clients stand outside: a line each.
  func warnings(within seconds: Int64) -> [String] {
    let now = Int64(time(nil))
    var lines: [String] = []
    for authority in authorities {
      guard let expiry = authority.expiry, expiry - now < seconds else { continue }
      lines.append(
        expiry < now
          ? "\(file): the authority \(authority.name) expired on \(date(expiry)): its clients are refused"
          : "\(file): the authority \(authority.name) expires on \(date(expiry)), and its clients are refused then"
      )
    }
    guard let revocations, let revocationFile else { return lines }
    for list in revocations {
      let what = "\(revocationFile): what \(list.name) has revoked"
      if list.start > now {
        lines.append(
          "\(what) is not valid before \(date(list.start)): its clients are refused: check the clock")
      }
      guard let expiry = list.expiry else { continue }
      // Lists are renewed long before they are out of date: of one that is good for a day, a week before is no news.
      guard expiry - now < min(seconds, (expiry - list.start) / 4) else { continue }
      lines.append(
        expiry < now
          ? "\(what) is out of date since \(date(expiry)): its clients are refused: renew it"
          : "\(what) is out of date on \(date(expiry)), and its clients are refused then: renew it")
    }
    for authority in authorities where !revocations.contains(where: { $0.name == authority.name }) {
      lines.append(
        "\(revocationFile): there is no list of what \(authority.name) has revoked: its clients are refused")
    }
    return lines
  }
}

/// A time in seconds since 1970, for people.
func date(_ seconds: Int64) -> String {
  var (time, parts) = (time_t(seconds), unsafe tm())
  unsafe gmtime_r(&time, &parts)
  var text = [CChar](repeating: 0, count: 64)
  unsafe strftime(&text, text.count, "%Y-%m-%d %H:%M UTC", &parts)
  return unsafe text.withUnsafeBufferPointer { unsafe String(cString: $0.baseAddress!) }
}
