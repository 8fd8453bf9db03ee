internal import Glibc

extension FileCache {
  /// The first of the codings of a file that lies beside it and is no older, else the file itself. `order` are numbers of
  /// `FileNames`, a byte each, the first one lowest. `waiter` is told by `finish` if that takes a helper thread, and then comes again
  /// with what it has `waited` for.
  public mutating func coded(
    _ file: FileReference, _ order: UInt32, now: LookTime, waiter: UInt64,
    waited: Finished?
  ) -> Lookup {
    // A look may make it give way.
    retain(file)
    defer { release(file) }
    var rest = order
    while rest != 0 {
      let coding = UInt8(truncatingIfNeeded: rest)
      rest >>= 8
      switch self.coding(coding, of: file, now, waiter, waited) {
      case .file(let found): return .file(found)
      case .waits(let number): return .waits(number)
      case .directory, .failed: continue
      }
    }
    return file.isCached ? .file(file) : .failed(.exhausted)
  }

  /// Looks for the codings of a file, all that `order` has, until one is found. Gives the file itself, if it is still in the cache.
  public mutating func lookForCodings(
    of file: FileReference, _ order: UInt32, now: LookTime, waiter: UInt64, waited: Finished?
  ) -> Lookup {
    retain(file)
    defer { release(file) }
    if case .waits(let number) = coded(file, order, now: now, waiter: waiter, waited: waited) {
      return .waits(number)
    }
    return file.isCached ? .file(file) : .failed(.exhausted)
  }

  /// As `coded`, where all that is needed for it is known, and nothing has to be looked at; else nil.
  @inline(__always)
  public mutating func knownCoded(_ file: FileReference, _ order: UInt32, now: UInt64) -> FileReference? {
    var rest = order
    while rest != 0 {
      let coding = UInt8(truncatingIfNeeded: rest)
      rest >>= 8
      guard let isThere = file.file.hasCoding(coding) else { return nil }
      if isThere {
        return find(file.file.key, PathKind(root: file.file.name.root, coding: coding), now: now)
      }
    }
    return file
  }

  private mutating func coding(
    _ coding: UInt8, of file: FileReference, _ now: LookTime, _ waiter: UInt64, _ waited: Finished?
  ) -> Lookup {
    let path = file.file.key
    let kind = PathKind(root: file.file.name.root, coding: coding)
    if let isThere = file.file.hasCoding(coding) {
      guard isThere else { return .failed(.notFound) }
      if let known = find(path, kind, now: now.milliseconds), isUnchanged(known) {
        return .file(known)
      }
    }
    let lookup =
      waited?.lookup(of: path, root: kind.root, coding: coding)
      ?? look(path, file.file.name.ending, kind, now: now, waiter: waiter)
    switch lookup {
    case .waits: return lookup
    // None of them makes nothing of something: it is being written, or was not to its end.
    case .file(let found) where found.file.size == 0 && file.file.size > 0:
      file.file.noteCoding(coding, isThere: false)
      return .failed(.notFound)
    case .file(let found) where !found.file.isOlder(than: file.file):
      file.file.noteCoding(coding, isThere: true)
      return lookup
    case .file(let found):
      counts.staleCodings += 1
      note(.staleCoding, found.file.fullPath, kind.root)
      file.file.noteCoding(coding, isThere: false)
      return .failed(.notFound)
    case .directory, .failed:
      file.file.noteCoding(coding, isThere: false)
      return .failed(.notFound)
    }
  }
}

extension FileReference {
  /// It is still what the cache knows by its path.
  fileprivate var isCached: Bool { file.isCached }
}

extension OpenFile {
  /// What the cache knows it by.
  fileprivate var key: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let bytes = unsafe UnsafeRawBufferPointer(start: path, count: name.count).bindMemory(to: UInt8.self)
      return unsafe _overrideLifetime(bytes.span, borrowing: self)
    }
  }

  /// Relative to the root, with all endings.
  public var fullPath: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let bytes = unsafe UnsafeRawBufferPointer(start: path, count: strlen(path)).bindMemory(to: UInt8.self)
      return unsafe _overrideLifetime(bytes.span, borrowing: self)
    }
  }

  /// It was changed before another. Programs that give it the other's time may cut that off, to seconds or less (brotli does).
  fileprivate func isOlder(than other: borrowing OpenFile) -> Bool {
    let (own, theirs) = (status.modifiedNanoseconds, other.status.modifiedNanoseconds)
    let unit: Int64 = [1_000_000_000, 1_000_000, 1_000].first { own % $0 == 0 } ?? 1
    return own < theirs - theirs % unit
  }
}
