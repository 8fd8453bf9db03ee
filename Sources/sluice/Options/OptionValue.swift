import CLinux
import Logging
import Server
import Site
import TLS

/// What an option may say. Whoever misses it is told what there may be.
protocol OptionValue {
  /// What there may be, behind "use".
  static var expected: String { get }
  /// What stands between several in one text: a file may say them as a list, too.
  static var separator: String? { get }
  /// What else there is to say of a text that is none, behind `expected`.
  static func hint(_ text: String) -> String
  /// Nil for a text that is none.
  init?(text: String)
}

extension OptionValue {
  static var separator: String? { nil }
  static func hint(_ text: String) -> String { "" }

  /// For times: `1h` is 3600.
  static func secondsHint(_ text: String) -> String {
    let units = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000]
    guard let match = text.lowercased().wholeMatch(of: /(\d{1,6}) ?([smhdwy])[a-z]*/)?.output,
      let number = Int(match.1), let unit = units[String(match.2)]
    else { return "" }
    return " (\(text) is \(number * unit))"
  }

  /// For sizes: `10MB` is 10M.
  static func bytesHint(_ text: String) -> String {
    let match = text.lowercased().wholeMatch(of: /(\d+) ?([kmg])i?b?(?:\/s)?/)?.output
    return match.map { " (\(text) is \($0.1)\($0.2.uppercased()))" } ?? ""
  }
}

/// Anything.
extension String: OptionValue {
  static var expected: String { "a text that is not empty" }

  init?(text: String) {
    if text.isEmpty { return nil }
    self = text
  }
}

/// Something that is on or off.
extension Bool: OptionValue {
  static var expected: String { "on or off" }

  init?(text: String) {
    switch text.lowercased() {
    case "1", "true", "yes", "on": self = true
    case "0", "false", "no", "off": self = false
    default: return nil
    }
  }
}

/// One of some words.
protocol OptionWord: OptionValue, CaseIterable, RawRepresentable<String> {}

extension OptionWord {
  static var expected: String {
    let words = allCases.map(\.rawValue)
    return words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
  }

  init?(text: String) {
    self.init(rawValue: text)
  }
}

extension Configuration.KernelTLSMode: OptionWord {}
extension Configuration.AccessLogFormat: OptionWord {}
extension Logger.Level: OptionWord {}

/// What becomes of clients without a certificate.
enum ClientRule: String, OptionWord {
  case off, request, require
}

/// What becomes of symbolic links in the folder.
enum LinkRule: String, OptionWord {
  /// Those that lead to something in it are followed.
  case beneath
  /// No link is.
  case none
}

/// Where questions about the server are answered.
struct AdminPlaceText: OptionValue {
  static let expected =
    "an address with a port, such as 127.0.0.1:9464 or [::1]:9464, or the absolute path of a Unix socket, such as /run/sluice/admin"
  let place: Configuration.AdminPlace

  init?(text: String) {
    if text.hasPrefix("/") {
      place = .path(text)
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
      return nil
    }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      return nil
    }
    if host.isEmpty { return nil }
    place = .address(host: host, port: port)
  }
}

/// What is listened on.
struct ListenHost: OptionValue {
  static let expected = "one name or address without a port, such as 0.0.0.0, or :: for all of IPv6 and IPv4"
  let name: String

  init?(text: String) {
    let colons = text.count { $0 == ":" }
    guard !text.isEmpty, colons != 1, !text.contains(where: { $0.isWhitespace || "*/[],".contains($0) })
    else {
      return nil
    }
    name = text
  }
}

/// A TCP port; 0 is any free one.
struct PortNumber: OptionValue {
  static let expected = "a number from 0 to 65535"
  let number: UInt16

  init?(text: String) {
    guard let number = UInt16(text) else { return nil }
    self.number = number
  }
}

/// The oldest version of TLS that is spoken.
struct OldestVersion: OptionValue {
  static let expected = "1.2 or 1.3"
  let version: KernelTLS.Version

  init?(text: String) {
    switch text {
    case "1.2": version = .tls12
    case "1.3": version = .tls13
    default: return nil
    }
  }
}

/// A number of worker threads, 1 to 256, or `auto`.
struct WorkerCount: OptionValue {
  static let expected = "auto, or a number from 1 to 256"
  let count: Int

  /// One a CPU that this process may run on.
  static var automatic: Int { min(max(1, Int(CLinux_cpuCount())), 256) }

  init?(text: String) {
    guard let count = text == "auto" ? Self.automatic : Int(text), (1...256).contains(count) else {
      return nil
    }
    self.count = count
  }
}

/// A number of helper threads.
struct ThreadCount: OptionValue {
  static let expected = "a number from 1 to 64"
  let count: Int

  init?(text: String) {
    guard let count = Int(text), (1...64).contains(count) else { return nil }
    self.count = count
  }
}

/// A time in whole seconds, up to a day.
struct SecondCount: OptionValue {
  static let expected = "a number of seconds from 1 to 86400"
  static func hint(_ text: String) -> String { secondsHint(text) }
  let seconds: Int

  init?(text: String) {
    guard let seconds = Int(text), (1...86_400).contains(seconds) else { return nil }
    self.seconds = seconds
  }
}

/// A time to finish, in whole seconds.
struct DrainSeconds: OptionValue {
  static let expected = "a number of seconds from 0 to 3600"
  static func hint(_ text: String) -> String { secondsHint(text) }
  let seconds: UInt64

  init?(text: String) {
    guard let seconds = UInt64(text), seconds <= 3600 else { return nil }
    self.seconds = seconds
  }
}

/// A number of bytes: digits, and perhaps K, M or G for the powers of 1024.
struct ByteCount: OptionValue {
  static let expected = "a number of bytes, or one with K, M or G"
  static func hint(_ text: String) -> String { bytesHint(text) }
  let bytes: Int

  init?(text: String) {
    let units: [Character: Int] = ["K": 10, "M": 20, "G": 30]
    let shift = text.last.flatMap { units[Character($0.uppercased())] }
    guard let number = Int(shift == nil ? text : String(text.dropLast())), number >= 0,
      number <= Int.max >> (shift ?? 0)
    else { return nil }
    bytes = number << (shift ?? 0)
  }
}

/// A number of bytes a second.
struct SendRate: OptionValue {
  static let expected = "a number of bytes below 4G, or one with K or M"
  static func hint(_ text: String) -> String { bytesHint(text) }
  let bytes: UInt32

  init?(text: String) {
    guard let count = ByteCount(text: text), let bytes = UInt32(exactly: count.bytes) else { return nil }
    self.bytes = bytes
  }
}
