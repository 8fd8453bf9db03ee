/// A field of a response that the operator asks for: RFC 9110 §5.
public struct Field: Hashable, Sendable {
  /// As it is written.
  public let name: String
  /// Without white space at its ends.
  public let value: String

  /// Why there can't be such a field.
  public enum Fault: Error, Equatable {
    /// The name is no token (RFC 9110 §5.6.2).
    case name
    /// The value holds a control character: CR, LF and NUL would make other fields, or another response.
    case value
    /// The server says this by itself, and has to.
    case reserved
  }

  /// The fields that frame a message or say what is true of it, whatever an operator wants.
  private static let reserved: Set<String> = [
    "accept-ranges", "allow", "connection", "content-encoding", "content-length", "content-range",
    "content-type",
    "date", "etag", "keep-alive", "last-modified", "location", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "www-authenticate",
  ]

  /// Checks both.
  public init(_ name: String, _ value: String) throws(Fault) {
    guard Self.isToken(name) else { throw .name }
    let value = value.trimmingLineSpace()
    guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else { throw .value }
    if Self.reserved.contains(name.lowercased()) { throw .reserved }
    self.name = name
    self.value = value
  }

  /// Content-Type, which a file has one of.
  public init(type: String) {
    self.init(known: "Content-Type", type)
  }

  /// Content-Encoding, of a file that holds a coding of another.
  public init(coding: String) {
    self.init(known: "Content-Encoding", coding)
  }

  /// Strict-Transport-Security: RFC 6797 §6.1.
  public init(strictTransport: String) {
    self.init(known: "Strict-Transport-Security", strictTransport)
  }

  /// One of the server's own.
  package init(known name: String, _ value: String) {
    self.name = name
    self.value = value
  }

  /// What is left of it in an error, which nobody wants to have kept: without what lets caches keep a response (RFC 9111 §5.2.2, also
  /// for some caches alone: RFC 9213). Nil if that is nothing.
  public var ofError: Field? {
    let lower = name.lowercased()
    if lower == "expires" || lower == "surrogate-control" { return nil }
    guard lower.hasSuffix("cache-control") else { return self }
    let directives = value.split(separator: ",").map { String($0).trimmingLineSpace() }
    let left = directives.filter { !Self.letsKeep($0.lowercased()) }
    if left.count == directives.count { return self }
    // A comma in quotes parts none: then all of it goes.
    return left.isEmpty || value.contains("\"") ? nil : Field(known: name, left.joined(separator: ", "))
  }

  private static func letsKeep(_ directive: String) -> Bool {
    if directive.hasPrefix("max-age") || directive.hasPrefix("s-maxage") {
      let seconds = directive.drop { $0 != "=" }.dropFirst()
      return seconds.isEmpty || seconds.contains { $0 != "0" }
    }
    return ["public", "immutable", "stale-"].contains { directive.hasPrefix($0) }
  }

  /// RFC 9110 §5.6.2.
  static func isToken(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { byte in
        byte > 0x20 && byte < 0x7F && !"\"(),/:;<=>?@[\\]{}".utf8.contains(byte)
      }
  }
}

/// What a rule does to the fields of a response.
public enum FieldChange: Hashable, Sendable {
  /// There is this one of its name, and no other.
  case set(Field)
  /// There is this one, too.
  case add(Field)
  /// There is none of this name, in lower case. Of the server's own, `server`, `etag` and `last-modified` can be left out.
  case remove(String)

  /// Leaves out a field; throws if it is one that has to be there.
  public static func removal(of name: String) throws(Field.Fault) -> FieldChange {
    guard Field.isToken(name) else { throw .name }
    let name = name.lowercased()
    let needed = [
      "connection", "content-length", "content-range", "content-type", "date", "transfer-encoding",
    ]
    if needed.contains(name) { throw .reserved }
    return .remove(name)
  }
}

extension StringProtocol {
  /// Without the spaces and tabs at both ends.
  package func trimmingLineSpace() -> String {
    var rest = self[...]
    while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
    while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
    return String(rest)
  }
}
