/// What a cache has counted.
public struct FileCounts: Sendable {
  /// Looks at the disk, or at the kernel's caches of it: for files that were not known, or not checked for a while.
  public var looks = 0
  /// Files that were opened or read anew.
  public var loads = 0
  /// Files that gave way to others.
  public var evictions = 0
  /// Waits for a helper thread.
  public var diskWaits = 0
  /// Waits that were refused because too many wait already.
  public var diskRefused = 0
  /// Times that a coding was passed over because it is older than its file.
  public var staleCodings = 0

  /// Nothing yet.
  public init() {}

  /// Adds what another cache has counted.
  public mutating func add(_ other: FileCounts) {
    looks += other.looks
    loads += other.loads
    evictions += other.evictions
    diskWaits += other.diskWaits
    diskRefused += other.diskRefused
    staleCodings += other.staleCodings
  }
}
