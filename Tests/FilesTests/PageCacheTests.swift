import Glibc
import TestSupport
import Testing

@testable import Files

@Suite struct PageCacheTests {
  /// Parts that begin and end within pages and at their ends.
  @Test func whatWasWrittenJustNowIsThere() throws {
    let folder = try TemporaryFolder()
    let size: Int64 = 1 << 20 + 5
    try folder.write("a", [UInt8](repeating: 1, count: Int(size)))
    let descriptor = unsafe open(folder("a"), O_RDONLY | O_CLOEXEC)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    for part in [0..<size, 0..<1, size - 1..<size, 4_095..<4_097, 4_096..<8_192, 100_000..<200_001] {
      #expect(PageCache.holds(descriptor, part, owner: geteuid()) == true, "\(part)")
    }
  }

  /// What the kernel has let go has to be read again, but on a file system that is all memory.
  @Test func whatTheKernelHasLetGoIsNot() throws {
    let folder = try TemporaryFolder()
    guard try DocumentRoot(path: folder.path).folder.kind == .local else {
      try Test.cancel("no file system of a disk")
    }
    let size: Int64 = 4 << 20
    try folder.write("a", [UInt8](repeating: 1, count: Int(size)))
    let descriptor = unsafe open(folder("a"), O_RDONLY | O_CLOEXEC)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    // A newer kernel begins to read what it is asked for, and a fast disk may have it by then: not every time.
    let isMissed = try (0..<20).contains { _ in
      guard dropFromPageCache(descriptor) else { try Test.cancel("the kernel keeps the file") }
      return PageCache.holds(descriptor, size - 10..<size, owner: geteuid()) == false
    }
    #expect(isMissed)
    guard dropFromPageCache(descriptor) else { try Test.cancel("the kernel keeps the file") }
    // A part that is there for one half is not there.
    var byte: UInt8 = 0
    #expect(unsafe pread(descriptor, &byte, 1, 0) == 1)
    #expect(PageCache.holds(descriptor, 0..<1, owner: geteuid()) == true)
    #expect(PageCache.holds(descriptor, 0..<size, owner: geteuid()) == false)
  }
}
