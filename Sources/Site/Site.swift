/// What the operator says of the folder that is served: validated values, no I/O.
public struct Site: Sendable {
  /// The path of the folder, as the operator wrote it.
  public var root: String
  /// The name of the file that stands for its folder.
  public var index = "index.html"

  /// Names the parts.
  public init(root: String) {
    self.root = root
  }
}
