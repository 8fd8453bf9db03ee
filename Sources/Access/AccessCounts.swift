/// What was counted of passwords.
public struct AccessCounts: Sendable {
  /// Passwords checked.
  public var checks = 0
  /// Those of them that were wrong, or of no user.
  public var wrong = 0
  /// Requests refused because too many waited for a check.
  public var overloads = 0
  /// Requests given up because a check took too long.
  public var timeouts = 0

  /// Nothing has happened yet.
  public init() {}

  /// Adds what was counted elsewhere.
  public mutating func add(_ other: AccessCounts) {
    checks += other.checks
    wrong += other.wrong
    overloads += other.overloads
    timeouts += other.timeouts
  }
}
