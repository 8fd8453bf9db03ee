/// A file or a folder, as its folder lists it.
public struct FolderEntry: Hashable, Sendable {
  /// As the file system has it: any bytes but `/` and NUL.
  public let name: [UInt8]
  /// It is a folder; else a file.
  public let isFolder: Bool
  /// In bytes; means nothing for a folder.
  public let size: Int64
  /// Last modification in seconds since 1970.
  public let modifiedSeconds: Int64
  /// What it is sorted by.
  let nameKey: [UInt8]

  /// Names the parts.
  public init(name: [UInt8], isFolder: Bool, size: Int64, modifiedSeconds: Int64) {
    self.name = name
    nameKey = NameOrder.key(name)
    self.isFolder = isFolder
    self.size = size
    self.modifiedSeconds = modifiedSeconds
  }
}

/// What a folder holds, as far as it may be seen, in the order of a variant.
public struct FolderContents: Sendable {
  /// Relative to the root; ends with a slash, or is empty for the root.
  public let path: [UInt8]
  /// The first of them, up to the bound.
  public let entries: [FolderEntry]
  /// How many there are, of those that were looked at.
  public let count: Int
  /// All were looked at; else there are more than `count`.
  public let isComplete: Bool

  /// Names the parts.
  public init(path: [UInt8], entries: [FolderEntry], count: Int, isComplete: Bool = true) {
    self.path = path
    self.entries = entries
    self.count = count
    self.isComplete = isComplete
  }
}

/// How folders are listed: how much of them, and what is made of it. For helper threads.
public struct FolderLister: Sendable {
  /// Entries that are listed at most: the first ones in the order that is asked for.
  public var entries: Int
  /// Entries that are looked at at most.
  public var looks: Int
  /// For a folder beneath a root: says which paths beneath it are shown, those of folders with a slash at their ends. Nil for all.
  public var visibility: @Sendable (_ folder: [UInt8], _ root: Int) -> (([UInt8]) -> Bool)?
  /// Makes the resource.
  public var render: @Sendable (FolderContents, ListingVariant) -> [UInt8]

  /// Names the parts.
  public init(
    entries: Int, looks: Int,
    visibility: @escaping @Sendable ([UInt8], Int) -> (([UInt8]) -> Bool)? = { _, _ in nil },
    render: @escaping @Sendable (FolderContents, ListingVariant) -> [UInt8]
  ) {
    self.entries = entries
    self.looks = looks
    self.visibility = visibility
    self.render = render
  }
}
