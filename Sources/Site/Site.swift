/// What the operator says of the folder that is served: validated values, no I/O.
public struct Site: Sendable {
  /// The path of the folder, as the operator wrote it.
  public var root: String

  /// Names the parts.
  public init(root: String) {
    self.root = root
  }
}
