/// A name that a site is asked for by: `example.com`, `*.example.com`, an IP address.
public struct HostName: Hashable, Sendable {
  /// In lower case, without a star and without a dot at the end.
  public let text: String
  /// It stands for all names that end with a dot and the text: RFC 6125 §6.4.3, but for any number of labels.
  public let isWildcard: Bool

  /// Nil for what is no name, or holds a port. Names outside of ASCII have to be written as they are sent: `xn--…`.
  public init?(_ text: String) {
    let text = text.lowercased()
    isWildcard = text.hasPrefix("*.")
    let name = isWildcard ? text.dropFirst(2) : text[...]
    self.text = String(name.last == "." ? name.dropLast() : name)
    let isAddress = !isWildcard && name.first == "[" && name.last == "]"
    let allowed = isAddress ? "[]:.0123456789abcdef" : "-._0123456789abcdefghijklmnopqrstuvwxyz"
    guard !self.text.isEmpty, self.text.utf8.count <= 253, self.text.allSatisfy(allowed.contains),
      isAddress
        || self.text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy({ !$0.isEmpty })
    else { return nil }
  }
}

/// Which of several things is meant by the name of a host: which site, for one.
public struct HostTable: Sendable {
  private var exact: [[UInt8]: Int] = [:]
  /// What names end with, with its dot.
  private var endings: [[UInt8]: Int] = [:]

  /// The sites by their numbers.
  public init(_ sites: [Site]) {
    self.init(sites.map(\.names))
  }

  /// Things by their numbers, with the names of each. The first one that has a name has it for itself.
  public init(_ names: [[HostName]]) {
    for (number, names) in names.enumerated() {
      for name in names {
        let text = Array((name.isWildcard ? "." : "").utf8) + Array(name.text.utf8)
        if name.isWildcard {
          endings[text] = endings[text] ?? number
        } else {
          exact[text] = exact[text] ?? number
        }
      }
    }
  }

  /// Nothing has a name.
  public var isEmpty: Bool { exact.isEmpty && endings.isEmpty }

  /// The one that has the name, or, of those with a star, the longest ending. Nil if none has. `authority` is a host, perhaps with
  /// a port behind it: RFC 3986 §3.2.
  public func number(of authority: some Collection<UInt8>) -> Int? {
    let name = Self.host(authority).map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
    if let number = exact[name] { return number }
    if endings.isEmpty { return nil }
    for index in name.indices.dropFirst() where name[index] == UInt8(ascii: ".") {
      if let number = endings[Array(name[index...])] { return number }
    }
    return nil
  }

  /// An authority without its port, and without a dot at the end.
  public static func host(_ authority: some Collection<UInt8>) -> [UInt8] {
    var host = Array(authority)
    let bracket = host.lastIndex(of: UInt8(ascii: "]")) ?? host.startIndex
    if let colon = host[bracket...].lastIndex(of: UInt8(ascii: ":")) { host.removeSubrange(colon...) }
    if host.last == UInt8(ascii: ".") { host.removeLast() }
    return host
  }
}
