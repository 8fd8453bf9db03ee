@testable import Files

/// Entries as a cache makes them, but in none: for what only moves them about.
@safe
final class Entries {
  private var all: [Handle] = []
  private let revisions = Revisions(areShared: false)

  /// One of them.
  @safe
  struct Handle: Equatable {
    fileprivate let pointer: UnsafeMutablePointer<OpenFile>

    fileprivate init(_ pointer: UnsafeMutablePointer<OpenFile>) {
      unsafe self.pointer = unsafe pointer
    }

    static func == (one: Self, other: Self) -> Bool { unsafe one.pointer == other.pointer }

    var hash: UInt64 { unsafe pointer.pointee.hash }
    var weight: Int { unsafe pointer.pointee.weight }
    var isInMainQueue: Bool { unsafe pointer.pointee.isInMainQueue }

    var frequency: UInt8 {
      get { unsafe pointer.pointee.frequency }
      nonmutating set { unsafe pointer.pointee.frequency = newValue }
    }

    var users: Int {
      get { unsafe pointer.pointee.users }
      nonmutating set { unsafe pointer.pointee.users = newValue }
    }
  }

  deinit {
    for entry in all {
      unsafe entry.pointer.deinitialize(count: 1)
      unsafe entry.pointer.deallocate()
    }
  }

  /// A file in memory, of so many bytes.
  func make(hash: UInt64, size: Int = 0) -> Handle {
    let path: [CChar] = [0x61, 0]
    let content = [UInt8](repeating: 0, count: size)
    let pointer = UnsafeMutablePointer<OpenFile>.allocate(capacity: 1)
    unsafe path.withUnsafeBufferPointer { path in
      unsafe content.withUnsafeBytes { content in
        let found = unsafe FoundFile(
          descriptor: -1, status: makeStatus(), content: content, isResident: true)
        let key = unsafe OpenFile.Key(
          path: path, name: PathName(count: 1), hash: hash, revisionPlace: revisions.place(of: hash))
        let time = LookTime(milliseconds: 0, wallNanoseconds: 0)
        guard let file = OpenFile(found, key, FileDescription(), revision: 0, now: time) else {
          fatalError("no memory")
        }
        unsafe pointer.initialize(to: file)
      }
    }
    let handle = unsafe Handle(pointer)
    all.append(handle)
    return handle
  }

  /// What a file of so many bytes weighs.
  func weight(size: Int = 0) -> Int { make(hash: 0, size: size).weight }
}

extension EvictionQueue {
  mutating func insert(_ entry: Entries.Handle) { unsafe insert(entry.pointer) }

  mutating func remove(_ entry: Entries.Handle) { unsafe remove(entry.pointer) }

  mutating func noteEnd(of entry: Entries.Handle) { unsafe noteEnd(of: entry.pointer) }

  mutating func pop() -> Entries.Handle? { unsafe popVictim().map { unsafe Entries.Handle($0) } }
}

extension PathTable {
  mutating func insert(_ entry: Entries.Handle) -> Bool { unsafe insert(entry.pointer) }

  mutating func remove(_ entry: Entries.Handle) { unsafe remove(entry.pointer) }

  /// Looks as the cache does: from the hash's own place on, up to a free one.
  func contains(_ entry: Entries.Handle) -> Bool {
    var index = Int(truncatingIfNeeded: entry.hash) & mask
    while let other = unsafe slots[index].entry {
      if unsafe other == entry.pointer { return unsafe slots[index].hash == entry.hash }
      index = (index + 1) & mask
    }
    return false
  }

  /// How many places are taken.
  var taken: Int { (0...mask).count { unsafe slots[$0].entry != nil } }
}
