internal import Glibc

/// A file that is being served: open, or, if it is small, read into memory; with room before the content for a
/// response head, so that both can leave in one send.
@safe
public struct OpenFile: ~Copyable {
  /// The open file, or -1 where the content is in memory.
  public let descriptor: Int32
  /// In bytes.
  public let size: Int64
  /// Last modification in seconds since 1970, rounded down; no later than when the file was opened, so that what is once
  /// said of a file whose time lies in the future stays so (RFC 9110 §8.8.2.1).
  public let modifiedSeconds: Int64
  /// What the caller says of files with this path: a number of its own.
  public let policy: Int32
  /// Stands for the content: made of it where it is in memory, else of the file's status.
  public let tagState: UInt64
  /// What `tagState` is good for; weak where the file has changed so lately that its next change may get the same time.
  public let tagStrength: TagStrength
  /// It has changed so lately, and is looked at anew each time.
  let isRacy: Bool
  /// `modifiedSeconds` says something.
  public var hasModificationTime: Bool { status.hasModificationTime }

  let status: FileStatus
  /// NUL-terminated, relative to the root; the cache knows it by its first bytes.
  let path: UnsafeMutablePointer<CChar>
  let name: PathName
  let hash: UInt64
  /// What it counts against the cache's bound: bytes, or 1 for a file's descriptor.
  let weight: Int

  /// When the file was last known to be what its path names, in milliseconds.
  var checkedAt: UInt64
  /// The number of its path when it was last looked at.
  var revision: UInt32
  let revisionPlace: Revisions.Place
  /// What of a request decides what is sent for it: bits of the caller's.
  public private(set) var selectors: UInt8
  /// Those that hold whatever is known of its codings.
  private let ownSelectors: UInt8
  private let codingSelector: UInt8
  /// Those of every request: until it is known whether it has codings, all are looked at more closely.
  private let everySelector: UInt8
  /// Which of its codings may lie beside it: a bit for each.
  private let codings: UInt8
  /// Which codings were looked for since the last look at this file: a bit for each.
  private var codingsLookedFor: UInt8 = 0
  private var codingsFound: UInt8 = 0
  /// The same since it came into the cache.
  private var codingsEverLookedFor: UInt8 = 0
  /// There is one of them at least, or it is one itself.
  public var variesByCoding: Bool { codingsFound != 0 || name.coding != 0 && !isListing }
  /// It was made of a folder's entries: it has no time of its own.
  public var isListing: Bool { ListingVariant.isNumber(name.coding) }
  /// A helper thread looks whether it has changed.
  var isBeingChecked = false
  /// How often it was asked for lately, at most 3: see EvictionQueue.
  var frequency: UInt8 = 0
  var isInMainQueue = false
  var next: UnsafeMutablePointer<OpenFile>?
  var previous: UnsafeMutablePointer<OpenFile>?
  /// References from outside of the cache.
  var users = 0
  var isCached = true
  /// What is known of its parts in the page cache; none where all is in memory.
  var residency: Residency?

  /// The content if it is in memory; before it is room for a head.
  @usableFromInline let contentStart: UnsafeMutableRawPointer
  /// Bytes of content in memory.
  @usableFromInline let contentCount: Int
  @usableFromInline var headCount = 0
  /// What the date in the head says, in seconds since 1970; the owner of the head keeps it.
  public var headDate: Int64 = .min

  /// The longest head, in bytes.
  public let headRoom: Int

  /// What the cache knows a file by.
  @safe
  struct Key {
    /// NUL-terminated, relative to the root.
    let path: UnsafeBufferPointer<CChar>
    /// What is looked for by it.
    let name: PathName
    let hash: UInt64
    let revisionPlace: Revisions.Place
  }

  /// Takes over the descriptor of a file that was found, or copies its content. Nil, and the descriptor closed, where no
  /// memory is free.
  init?(
    _ found: FoundFile, _ key: Key, _ description: FileDescription, revision: UInt32, now: LookTime
  ) {
    let contentCount = unsafe found.content.count
    let headRoom = (description.headCount + 63) & ~63
    let pathOffset = headRoom + contentCount
    guard let memory = unsafe aligned_alloc(64, (pathOffset + key.path.count + 63) & ~63) else {
      if !found.isInMemory { close(found.descriptor) }
      return nil
    }
    unsafe UnsafeMutableRawBufferPointer(start: memory + headRoom, count: contentCount)
      .copyMemory(from: found.content)
    unsafe UnsafeMutableRawBufferPointer(start: memory + pathOffset, count: key.path.count)
      .copyMemory(from: UnsafeRawBufferPointer(key.path))
    unsafe path = (memory + pathOffset).assumingMemoryBound(to: CChar.self)
    unsafe contentStart = unsafe memory + headRoom
    self.headRoom = headRoom
    policy = description.policy
    self.contentCount = contentCount
    descriptor = found.descriptor
    size = found.size
    status = found.status
    name = key.name
    codings = description.codings
    ownSelectors = description.selectors
    codingSelector = description.codingSelector
    everySelector = description.everySelector
    selectors = ownSelectors | (codings == 0 ? 0 : codingSelector | everySelector)
    hash = key.hash
    revisionPlace = key.revisionPlace
    self.revision = revision
    checkedAt = now.milliseconds
    let modified = found.status.modifiedNanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    modifiedSeconds = min(modified.quotient - (modified.remainder < 0 ? 1 : 0), now.wallSeconds)
    if found.isInMemory {
      weight = unsafe Self.overhead + pathOffset + key.path.count
      unsafe tagState = ContentHash.of(found.content)
      tagStrength = .strong
      isRacy = false
    } else if let tag = found.tag {
      weight = (Int(found.size) + Self.pageUnit - 1) / Self.pageUnit * Self.pageUnit
      tagState = tag
      tagStrength = .strong
      isRacy = false
    } else {
      weight = 1
      let time = now.wallNanoseconds
      isRacy = !found.status.isSettled(atNanoseconds: time)
      tagStrength = isRacy ? .weak : found.status.tagStrength
      // No other look at it may find the same.
      tagState = found.status.tagState &+ (isRacy ? UInt64(bitPattern: time) | 1 : 0)
      if !found.isResident { residency = Residency(size: found.status.size) }
    }
  }

  /// What a listing in an open file weighs at least, and a multiple of it: so there are not too many of them.
  static var pageUnit: Int { 64 << 10 }

  /// What an entry takes beside its content: itself, its place in the table, and what malloc adds.
  private static var overhead: Int { MemoryLayout<OpenFile>.size + 96 }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    unsafe free(contentStart - headRoom)
  }

  /// Whether a look has found the very same state and content.
  func isSame(as found: FoundFile) -> Bool {
    if let tag = found.tag { return tag == tagState && found.size == size }
    guard status == found.status, isInMemory == found.isInMemory, !isRacy else { return false }
    // Even with the same times: they have a clock's ticks, and stores through a mapping (mmap(2)) need not change them.
    return unsafe !isInMemory
      || found.content.count == contentCount
        && (contentCount == 0 || memcmp(found.content.baseAddress!, content.baseAddress!, contentCount) == 0)
  }

  /// Some of its codings lie beside it, or may: it is not known of all that there is none.
  private var mayBeCoded: Bool { codings & ~(codingsLookedFor & ~codingsFound) != 0 }

  /// It is known whether it has codings, as of late: Vary is to be said of it whoever asks, those too who want no coding.
  public var knowsWhetherItVaries: Bool { codingsFound != 0 || codings & ~codingsEverLookedFor == 0 }

  /// What was known of its codings may have changed.
  mutating func forgetCodings() {
    codingsLookedFor = 0
    setSelectors()
  }

  private mutating func setSelectors() {
    selectors =
      ownSelectors | (mayBeCoded ? codingSelector : 0) | (knowsWhetherItVaries ? 0 : everySelector)
  }

  /// What was found of its coding, if it was looked for since the last look at this file.
  func hasCoding(_ coding: UInt8) -> Bool? {
    codingsLookedFor & 1 &<< coding == 0 ? nil : codingsFound & 1 &<< coding != 0
  }

  /// What a look for its coding has found. The head says whether there are any.
  mutating func noteCoding(_ coding: UInt8, isThere: Bool) {
    let didVary = variesByCoding
    codingsLookedFor |= 1 << coding
    codingsEverLookedFor |= 1 << coding
    codingsFound = codingsFound & ~(1 << coding) | (isThere ? 1 << coding : 0)
    setSelectors()
    guard variesByCoding != didVary else { return }
    headCount = 0
    headDate = .min
  }

  /// Whether this is its path, relative to the root, with what stands behind it.
  public func isNamed(_ path: Span<UInt8>, ending: StaticString = "") -> Bool {
    for index in path.indices where unsafe UInt8(bitPattern: self.path[index]) != path[index] { return false }
    let count = ending.utf8CodeUnitCount
    for index in 0..<count
    where unsafe UInt8(bitPattern: self.path[path.count + index]) != ending.utf8Start[index] { return false }
    return unsafe self.path[path.count + count] == 0
  }

  /// Nothing of it can be anywhere but in memory.
  var isResident: Bool {
    switch residency {
    case .some: false
    case .none: true
    }
  }

  /// Whether the window of an offset was in the page cache a moment ago.
  @inline(__always)
  func isTrusted(_ offset: Int64, now: UInt64) -> Bool {
    switch residency {
    case .some(let residency): residency.isTrusted(offset, now: now)
    case .none: true
    }
  }

  /// It was just now.
  func noteResident(_ offset: Int64, now: UInt64) {
    switch residency {
    case .some(let residency): residency.note(offset, now: now)
    case .none: break
    }
  }

  /// Whether the content is in memory.
  @inlinable
  public var isInMemory: Bool { descriptor < 0 }

  /// The ready head; empty until there is one.
  @inlinable
  public var head: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: contentStart - headCount, count: headCount)
  }

  /// The content, where it is in memory.
  @inlinable
  public var content: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: contentStart, count: contentCount)
  }

  /// The ready head and the content behind it, in one piece.
  @inlinable
  public var headAndContent: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: contentStart - headCount, count: headCount &+ contentCount)
  }

  /// Makes a copy of `head` the ready head; at most `headRoom` bytes.
  public mutating func setHead(_ head: UnsafeRawBufferPointer) {
    precondition(head.count <= headRoom)
    headCount = head.count
    unsafe self.head.copyMemory(from: head)
  }
}

/// What a caller says of a file by its path, once, when it comes into the cache.
public struct FileDescription: Sendable {
  /// A number that the file keeps.
  public var policy: Int32
  /// The most bytes that a ready head may take up.
  public var headCount: Int
  /// Which of its codings may lie beside it: a bit for each number of `FileNames`.
  public var codings: UInt8
  /// What of a request decides what is sent for the file, a bit for each.
  public var selectors: UInt8 = 0
  /// The same for its codings, as long as there may be some.
  public var codingSelector: UInt8 = 0
  /// One that every request has: as long as nobody has looked whether there are some.
  public var everySelector: UInt8 = 0

  /// Names the parts of a file of which all requests are answered in the same way.
  public init(policy: Int32 = 0, headCount: Int = 512, codings: UInt8 = 0) {
    self.policy = policy
    self.headCount = headCount
    self.codings = codings
  }
}

/// A file in a worker's hands. Valid until the worker lets the cache work again, unless it is retained.
@safe
public struct FileReference {
  @usableFromInline let pointer: UnsafeMutablePointer<OpenFile>

  init(_ pointer: UnsafeMutablePointer<OpenFile>) {
    unsafe self.pointer = unsafe pointer
  }

  /// The number of the root that it is beneath. Not of `file`, all of which would be copied for a call into another module.
  public var root: Int { unsafe pointer.pointee.name.root }

  /// The file, in place.
  public var file: OpenFile {
    @inlinable unsafeAddress { unsafe UnsafePointer(pointer) }
    @inlinable nonmutating unsafeMutableAddress { unsafe pointer }
  }
}

extension OpenFile {
  /// What a resource takes up, and is bounded with others by.
  enum Room {
    case memory, open, listings
  }

  var room: Room { isInMemory ? .memory : isListing ? .listings : .open }
}
