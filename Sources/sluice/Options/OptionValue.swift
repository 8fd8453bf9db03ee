import CLinux
import Logging
import Server
import Site

/// What an option may say. Whoever misses it is told what there may be.
protocol OptionValue {
  /// What there may be, behind "use".
  static var expected: String { get }
  /// Nil for a text that is none.
  init?(text: String)
}

/// Anything.
extension String: OptionValue {
  static var expected: String { "a text" }

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
extension Logger.Level: OptionWord {}

/// A TCP port; 0 is any free one.
struct PortNumber: OptionValue {
  static let expected = "a number from 0 to 65535"
  let number: UInt16

  init?(text: String) {
    guard let number = UInt16(text) else { return nil }
    self.number = number
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

/// Names of index files, with commas between them.
struct IndexNames: OptionValue {
  static let expected = "names of files, such as index.html,index.htm"
  let names: [String]

  init?(text: String) {
    names = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingLineSpace() }
    let isSound = names.allSatisfy {
      !$0.isEmpty && !$0.contains("/") && $0.first != "." && !$0.utf8.contains(0)
    }
    guard isSound, names.count <= 16, names.allSatisfy({ $0.utf8.count <= 255 }) else { return nil }
  }
}

/// Codings of content, with commas between them, or `off`.
struct CodingList: OptionValue {
  static let expected = "off, or some of br,zstd,gzip"
  let tokens: [String]

  init?(text: String) {
    tokens =
      text == "off"
      ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingLineSpace() }
    guard Set(tokens).count == tokens.count, tokens.allSatisfy(["br", "zstd", "gzip"].contains) else {
      return nil
    }
  }
}

/// The path of a file of the site, with or without its first slash; without it in `path`.
struct SitePath: OptionValue {
  static let expected = "the path of a file beneath the root, such as /index.html"
  let path: String

  init?(text: String) {
    let segments = text.drop { $0 == "/" }.split(separator: "/", omittingEmptySubsequences: false)
    guard segments.allSatisfy({ !$0.isEmpty && $0.first != "." && !$0.utf8.contains(0) }), !segments.isEmpty
    else { return nil }
    path = segments.joined(separator: "/")
  }
}

/// A time in whole seconds, up to a day.
struct SecondCount: OptionValue {
  static let expected = "a number from 1 to 86400"
  let seconds: Int

  init?(text: String) {
    guard let seconds = Int(text), (1...86_400).contains(seconds) else { return nil }
    self.seconds = seconds
  }
}

/// A number of bytes: digits, and perhaps K, M or G for the powers of 1024.
struct ByteCount: OptionValue {
  static let expected = "a number of bytes, or one with K, M or G"
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
  let bytes: UInt32

  init?(text: String) {
    guard let count = ByteCount(text: text), let bytes = UInt32(exactly: count.bytes) else { return nil }
    self.bytes = bytes
  }
}
