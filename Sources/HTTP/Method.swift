/// The method of a request: RFC 9110 §9.
@frozen
public enum Method: Sendable {
  /// §9.3.1
  case get
  /// §9.3.2
  case head
  /// §9.3.7
  case options
  /// A method of RFC 9110 or RFC 5789 that a file server has no use for: 405.
  case notAllowed
  /// A token that we know no method for: 501.
  case unknown

  /// The methods that we serve, for `Allow`.
  public static var allowed: StaticString { "GET, HEAD, OPTIONS" }
}
