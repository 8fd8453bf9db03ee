import ArgumentParser
import Server
import Glibc

/// What somebody has said of an option, and where.
struct Setting {
  /// One text, or several where an option may be said several times.
  let texts: [String]
  let origin: Origin

  enum Origin {
    case flag(String)
    case variable(String)
    /// A key of a file, by its line.
    case key(String, file: String, line: Int)
    /// Nobody has said anything.
    case standard(String)
  }
}

extension Setting.Origin {
  var isStandard: Bool {
    if case .standard = self { true } else { false }
  }

  var isFlag: Bool {
    switch self {
    case .flag, .standard: true
    case .variable, .key: false
    }
  }

  /// `--port`, `SLUICE_PORT`, or `port`.
  var name: String {
    switch self {
    case .flag(let option): "--\(option)"
    case .variable(let name): name
    case .key(let key, _, _): key
    case .standard(let option): "--\(option)"
    }
  }

  /// ` (/etc/sluice.toml:12)`, or nothing.
  var mention: String { place.isEmpty ? "" : " (\(place.dropLast(2)))" }

  /// What stands before a message about what a value leads to: `/etc/sluice.toml:12: root: `, `--cert: `, or nothing where that needs
  /// no name.
  var subject: String {
    switch self {
    case .flag("root"), .standard: ""
    default: "\(place)\(name): "
    }
  }

  /// Other options as who has said this one says them.
  func names(_ options: String...) -> String {
    options.map { isFlag ? "--\($0)" : $0 }.joined(separator: " and ")
  }

  /// What stands before a message about it: `/etc/sluice.toml:12: `, or nothing.
  var place: String {
    if case .key(_, let file, let line) = self { "\(file):\(line): " } else { "" }
  }
}

/// What was said of every option: by a flag, else in the environment, else in the file.
struct Settings {
  private(set) var all: [String: Setting] = [:]

  /// The names of all options, as flags and keys have them, in the order in which they are declared.
  static let names = (try? Options.parse([])).map { flags(of: $0).map(\.name) } ?? []
  /// Options that have two names each.
  static let aliases = ["tls-cert": "cert", "tls-key": "key", "host": "address"]
  /// Options that each host may have for itself.
  static let ofHosts = [
    "root", "index", "clean-urls", "trailing-slash", "base-path", "redirect", "fallback", "error-page",
    "symlinks", "precompressed", "cache-control", "header", "mime", "mime-types", "immutable",
    "security-headers", "cors", "hsts", "auth", "cert", "key", "client-ca",
    "client-auth", "client-crl",
  ]
  /// Options that name files or folders which there have to be.
  static let ofFiles = [
    "root", "cert", "key", "key-passphrase-file", "ticket-key-file", "client-ca", "client-crl", "auth",
  ]
  /// Options that say something of HTTPS alone.
  static let ofCertificates = [
    "tls-port", "tls-min", "ciphers", "ciphersuites", "groups", "key-passphrase-file", "ticket-key-file",
    "hsts",
  ]
  /// Options that may be said several times.
  private static let lists: Set = [
    "cache-control", "header", "mime", "error-page", "redirect", "auth", "cert", "key", "ticket-key-file",
  ]
  /// Options of which only one can hold: the other one is said, too.
  private static let opposites = ["plaintext": "tls-only", "tls-only": "plaintext"]

  /// What flags say.
  init(flags: Options) {
    for (name, texts) in Self.flags(of: flags) where !texts.isEmpty {
      all[name] = Setting(texts: texts, origin: .flag(name))
    }
  }

  /// What a part of a file says.
  init(_ settings: [String: Setting]) {
    all = settings
  }

  /// Takes over what the environment says of options of which nothing was said. Empty is as good as unset.
  mutating func fallBackToEnvironment() {
    var variables = Settings([:])
    for name in Self.names + Self.aliases.keys.sorted() {
      let variable = "SLUICE_" + name.uppercased().replacing("-", with: "_")
      guard let value = unsafe getenv(variable) else { continue }
      let text = unsafe String(cString: value)
      let option = Self.aliases[name] ?? name
      if text.isEmpty || variables.all[option] != nil { continue }
      // What may be said several times has a line for each.
      let texts = Self.lists.contains(option) ? text.split(separator: "\n").map(String.init) : [text]
      variables.all[option] = Setting(texts: texts, origin: .variable(variable))
    }
    fallBack(to: variables)
  }

  /// Takes over what holds for options of which nothing was said.
  mutating func fallBackToDefaults() {
    fallBack(
      to: Settings(
        Dictionary(
          uniqueKeysWithValues: Options.defaults.map { name, text in
            (name, Setting(texts: [text], origin: .standard(name)))
          })))
  }

  /// Who says something of an option.
  func origin(of option: String) -> Setting.Origin { all[option]?.origin ?? .standard(option) }

  /// Nobody has said anything.
  var areAllStandard: Bool { all.values.allSatisfy(\.origin.isStandard) }

  /// All of it as a file says it: TOML.
  var toml: String {
    let others = all.keys.filter { !Self.names.contains($0) }.sorted()
    var lines = ""
    for name in others + Self.names where name != "config" {
      guard let setting = all[name] else { continue }
      let values = setting.texts.map(Self.toml)
      lines += "\(name) = \(values.count == 1 ? values[0] : "[\(values.joined(separator: ", "))]")\n"
    }
    return lines
  }

  /// A number, true or false as it is, anything else as a string.
  static func toml(_ text: String) -> String {
    if Int(text).map(String.init) == text || text == "true" || text == "false" { return text }
    return text.jsonString
  }

  /// What is said of all options but those of which others say something.
  func leavingOut(_ others: Settings) -> Settings {
    Settings(all.filter { others.all[$0.key] == nil })
  }

  /// Takes over what others say of options of which nothing was said.
  mutating func fallBack(to others: Settings) {
    let said = all
    for (name, setting) in others.all where all[name] == nil {
      // `--plaintext` wins over SLUICE_TLS_ONLY, too.
      if let opposite = Self.opposites[name], let text = said[opposite]?.texts.last, Bool(text: text) == true
      {
        continue
      }
      all[name] = setting
    }
  }

  /// Names and texts of the properties of `Options`, which ArgumentParser turns into flags: `_tlsPort` is `--tls-port`.
  private static func flags(of options: Options) -> [(name: String, texts: [String])] {
    Mirror(reflecting: options).children.map { label, value in
      var name = ""
      for character in (label ?? "").drop(while: { $0 == "_" }) {
        name += character.isUppercase ? "-" + character.lowercased() : String(character)
      }
      let texts: [String] =
        switch value {
        case let option as Option<String?>: option.wrappedValue.map { [$0] } ?? []
        case let option as Option<[String]>: option.wrappedValue
        case let argument as Argument<String?>: argument.wrappedValue.map { [$0] } ?? []
        case let flag as Flag<Bool?>: flag.wrappedValue.map { [String($0)] } ?? []
        default: fatalError("an option of a new kind: \(name)")
        }
      return (name, texts)
    }
  }
}
