/// How paths become names of files: what is appended to them.
public struct FileNames: Sendable {
  /// The files that stand for a folder: the first one that is there does.
  public var indexes: [String]
  /// What a path may lack that has no file of its own name: `about` leads to `about.html`.
  public var endings: [String]
  /// The endings of a file's codings, which lie beside it: `app.js.br`.
  public var codings: [String]

  /// At most 100 of each.
  public init(indexes: [String] = ["index.html"], endings: [String] = [], codings: [String] = []) {
    precondition(!indexes.isEmpty && max(indexes.count, endings.count, codings.count) <= 100)
    self.indexes = indexes
    self.endings = endings
    self.codings = codings
    let all = indexes + [""] + endings
    bytes = all.map { Array($0.utf8) }
    codingBytes = [[]] + codings.map { Array($0.utf8) }
  }

  /// All that may be appended, by its number: the indexes, nothing, the endings.
  private let bytes: [[UInt8]]
  private let codingBytes: [[UInt8]]

  /// Of what names a folder, to which nothing is appended.
  var nothing: UInt8 { UInt8(indexes.count) }

  /// The numbers of what is appended, one after the other, to a path that names a folder or not.
  func numbers(forFolder: Bool) -> Range<UInt8> {
    let first = UInt8(indexes.count)
    return forFolder ? 0..<first : first..<UInt8(bytes.count)
  }

  /// What follows a path.
  func suffixes(_ ending: UInt8, _ coding: UInt8) -> (ending: [UInt8], coding: [UInt8]) {
    (bytes[Int(ending)], ListingVariant.isNumber(coding) ? [] : codingBytes[Int(coding)])
  }

  /// What comes after this one; nil behind the last.
  func number(after number: UInt8) -> UInt8? {
    let isIndex = Int(number) < indexes.count
    let next = number + 1
    return numbers(forFolder: isIndex).contains(next) ? next : nil
  }
}

/// Which file is meant by the name of a file that was opened.
struct PathName: Equatable {
  /// The first bytes of the name, which are the path that is asked for.
  var count: Int
  /// What follows them: a number of `FileNames`.
  var ending: UInt8 = 0
  /// What is asked for by the path.
  var kind: PathKind

  init(count: Int, ending: UInt8 = 0, root: Int = 0, coding: UInt8 = 0) {
    self.count = count
    self.ending = ending
    kind = PathKind(root: root, coding: coding)
  }

  var root: Int { kind.root }
  var coding: UInt8 { kind.coding }
}

/// What tells apart files that are asked for by the same path.
struct PathKind: Equatable {
  private let value: UInt32

  init(root: Int, coding: UInt8) {
    value = UInt32(truncatingIfNeeded: root) << 8 | UInt32(coding)
  }

  /// Beneath which of the cache's roots it lies.
  var root: Int { Int(value >> 8) }
  /// Which coding of that file it is, 0 for the file itself; or which listing of that folder: `ListingVariant.number`.
  var coding: UInt8 { UInt8(truncatingIfNeeded: value) }

  /// The seed of its hashes.
  func seed(_ seed: UInt64) -> UInt64 { seed &+ UInt64(value) &* 0x9E37_79B9_7F4A_7C15 }
}
