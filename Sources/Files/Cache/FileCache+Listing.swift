// Listings of folders: resources as files are, but made by helper threads of what a folder holds. The cache knows one by its
// folder's path and the number of its variant.

extension FileCache {
  /// A listing that need not be made anew. `path` is relative to the root, decoded, and ends with a slash or is empty.
  public mutating func findListing(
    _ path: Span<UInt8>, _ variant: ListingVariant, root: Int = 0, now: LookTime
  ) -> FileReference? {
    find(path, PathKind(root: root, coding: variant.number), now: now.milliseconds)
  }

  /// A listing of a folder, for whoever `findListing` had no answer for: an older one while a helper thread makes it anew, or
  /// a wait.
  public mutating func list(
    _ path: Span<UInt8>, _ variant: ListingVariant, root: Int = 0, now: LookTime, waiter: UInt64
  ) -> Lookup {
    let kind = PathKind(root: root, coding: variant.number)
    guard let key = makeKey(path, roots[root].names.nothing, kind) else { return .failed(.notFound) }
    counts.looks += 1
    if now.milliseconds >= roots[root].nextCheck { checkRoot(root, now: now.milliseconds) }
    roots[root].follow()
    let revision = key.revisionPlace.current
    let known = unsafe entry(key).flatMap { known in
      // Old for sure, if another worker has said so.
      unsafe known.pointee.revision == revision ? known : nil
    }
    if let known = unsafe known {
      if unsafe known.pointee.isBeingChecked { return unsafe .file(FileReference(known)) }
      if unsafe now.milliseconds &- known.pointee.checkedAt < Self.graceMilliseconds {
        return unsafe wait(key, revision, known, waiter: waiter)
      }
    }
    return unsafe wait(key, revision, nil, waiter: waiter)
  }
}
