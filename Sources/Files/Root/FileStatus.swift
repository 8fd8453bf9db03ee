internal import Glibc

/// What tells one state of a file from another: `stat(2)`.
struct FileStatus: Equatable, Sendable {
  let device: UInt64
  let inode: UInt64
  let size: Int64
  let modifiedNanoseconds: Int64
  let changedNanoseconds: Int64
  /// Who may be told what of the file the page cache holds: `mincore(2)`.
  let owner: UInt32

  init(_ status: stat) {
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    size = Int64(status.st_size)
    modifiedNanoseconds = status.st_mtim.nanoseconds
    changedNanoseconds = status.st_ctim.nanoseconds
    owner = status.st_uid
  }

  /// The time of change tells this state from all later ones: it is so long ago that a file system with the coarsest
  /// clock (2 s) gives the next change another time. Until then, two contents can have one status (git calls that racy).
  func isSettled(atNanoseconds now: Int64) -> Bool {
    changedNanoseconds < now &- 2_000_000_000
  }

  /// The time of modification says something. The first two seconds of 1970 do not: whoever makes images that are the same each
  /// time (OSTree and Guix: 0, Nix: 1) gives them to every file, whatever it holds.
  var hasModificationTime: Bool { !(0..<2_000_000_000).contains(modifiedNanoseconds) }

  /// What `tagState` is good for. File systems without a time of change (SquashFS, EROFS, ISO 9660, FAT) give that of modification
  /// for it, which in images are whole seconds, of the image-maker's choice: two images can have another content under the same
  /// inode, size and times. A time of the kernel's own has a fraction (where it has not, on ext4 with inodes of 128 bytes, nothing
  /// is lost but resumed downloads).
  var tagStrength: TagStrength {
    let isOwn = changedNanoseconds != modifiedNanoseconds || changedNanoseconds % 1_000_000_000 != 0
    return isOwn ? .strong : hasModificationTime ? .weak : .none
  }

  /// A number for an entity-tag. The time of change is in it, which nobody can set back, as they can the time of
  /// modification, and the inode, because a file that takes another's name brings its times along.
  var tagState: UInt64 {
    var hash = ContentHash(seed: inode)
    hash.add(UInt64(bitPattern: modifiedNanoseconds), UInt64(bitPattern: changedNanoseconds))
    return hash.value
  }
}

/// How far a file's tag tells its contents apart: RFC 9110 §8.8.1.
public enum TagStrength: Sendable {
  /// Not at all: nothing can be said to be the same.
  case none
  /// As far as a time of modification does.
  case weak
  /// No other content has it.
  case strong
}

extension timespec {
  /// Nanoseconds since 1970; for times before 1677 and after 2262, which some file systems can hold, the nearest that there are.
  var nanoseconds: Int64 {
    let (seconds, isBeyond) = Int64(tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, isJustBeyond) = seconds.addingReportingOverflow(Int64(tv_nsec))
    return isBeyond || isJustBeyond ? (tv_sec < 0 ? .min : .max) : sum
  }
}

/// A number that stands for bytes: differs where they differ, but for a chance of 1 in 2⁶⁴. No protection against someone
/// who looks for two contents with one number: whoever can write both may serve either.
struct ContentHash {
  private(set) var value: UInt64

  init(seed: UInt64) {
    value = seed ^ 0x9E37_79B9_7F4A_7C15
  }

  /// The hash of some bytes, 16 at a time.
  static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash = ContentHash(seed: UInt64(bytes.count))
    var index = 0
    while index &+ 16 <= bytes.count {
      unsafe hash.add(
        bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self),
        bytes.loadUnaligned(fromByteOffset: index &+ 8, as: UInt64.self))
      index &+= 16
    }
    if index < bytes.count {
      var last = (UInt64(0), UInt64(0))
      unsafe withUnsafeMutableBytes(of: &last) {
        unsafe $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[index...]))
      }
      hash.add(last.0, last.1)
    }
    return hash.value
  }

  /// Folds the 128 bits of a product, as wyhash does.
  mutating func add(_ first: UInt64, _ second: UInt64) {
    let (high, low) = (first ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: second ^ value)
    // The product of a zero is zero, whatever the other is: the sum keeps it.
    value = (high ^ low) &+ (first ^ second.byteSwapped) &+ value &* 0xE703_7ED1_A0B4_28DB
  }
}
