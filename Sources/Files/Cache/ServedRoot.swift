/// A folder whose files a worker serves, as this worker knows it.
struct ServedRoot {
  let root: DocumentRoot
  /// How paths beneath it become names of files.
  let names: FileNames
  private(set) var folder: RootFolder
  /// The folder's number.
  private var number: UInt32
  /// When to see whether the root's path leads there still, in milliseconds.
  var nextCheck: UInt64 = 0

  init(_ root: DocumentRoot, _ names: FileNames) {
    self.root = root
    self.names = names
    number = root.folderNumber
    folder = root.folder
  }

  /// Goes on with another folder if the root has become one. Whatever was seen before is old then, for all workers, and they
  /// know it before anything of the new folder is served.
  mutating func follow() {
    let current = root.folderNumber
    guard current != number else { return }
    number = current
    folder = root.folder
    root.revisions.advanceAll()
  }

  /// To look at a path, NUL-terminated.
  func job(_ path: [CChar]) -> FileLoader.Job { .load(root, path: path, isNear: folder.kind != .other) }

  /// To list the folder of a path, NUL-terminated. `number` is the root's own.
  func listing(_ path: [CChar], _ variant: ListingVariant, number: Int) -> FileLoader.Job {
    .list(root, number: number, path: path, variant, isNear: folder.kind != .other)
  }

  /// Whether a file of this status lies on the folder's own file system, and that is a disk of this machine.
  func isNear(_ status: FileStatus) -> Bool {
    folder.kind != .other && status.device == folder.identity.device
  }
}
