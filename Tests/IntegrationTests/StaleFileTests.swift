import Glibc
import Testing

/// Files that are changed so soon after they were looked at that the file system's clock can't tell: still, none is served
/// old a second later, and no two contents have one strong ETag.
@Suite struct StaleFileTests {
  /// How a file gets another content of the same size.
  enum Change: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case inPlace
    case byRename
    /// With the time of modification that it had before.
    case inPlaceWithTheOldTime
    case byRenameWithTheOldTime

    var testDescription: String { rawValue }

    private var keepsTime: Bool { self == .inPlaceWithTheOldTime || self == .byRenameWithTheOldTime }
    private var renames: Bool { self == .byRename || self == .byRenameWithTheOldTime }

    func apply(_ path: String, _ bytes: [UInt8]) throws {
      var status = stat()
      guard unsafe stat(path, &status) == 0 else { throw TestFailure("no \(path)") }
      let written = renames ? path + ".tmp" : path
      // Without O_TRUNC: the size never changes.
      let descriptor = unsafe open(written, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else { throw TestFailure("cannot write \(written)") }
      defer { close(descriptor) }
      guard unsafe pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else {
        throw TestFailure("cannot write all of \(written)")
      }
      if keepsTime {
        let times = [status.st_atim, status.st_mtim]
        guard unsafe futimens(descriptor, times) == 0 else { throw TestFailure("cannot set times") }
      }
      if renames, unsafe rename(written, path) != 0 { throw TestFailure("cannot rename \(written)") }
    }
  }

  private static func content(_ size: Int, _ version: Int) -> [UInt8] {
    let label = Array("version \(version) ".utf8)
    return label + [UInt8](repeating: UInt8(ascii: "a") + UInt8(version % 26), count: size - label.count)
  }

  /// A strong tag, or nil.
  private static func strongTag(_ response: HTTPResponse) -> String? {
    response["ETag"].flatMap { $0.hasPrefix("\"") ? $0 : nil }
  }

  // MARK: A second later

  private func expectNoneStaysOld(_ fileSystem: FileSystem, size: Int, count: Int, _ change: Change) throws {
    let folder = try fileSystem.folder()
    let sluice = try SluiceProcess(folder.path)
    let connection = try sluice.connect()
    let (old, new) = (Self.content(size, 1), Self.content(size, 2))
    var tags: [String?] = []
    for index in 0..<count {
      let path = "\(folder.path)/\(index).bin"
      try writeFile(path, old)
      try connection.get("/\(index).bin")
      let response = try connection.response()
      #expect(response.status == 200 && response.body == old)
      tags.append(response["ETag"])
      try change.apply(path, new)
    }
    usleep(1_000_000)
    var (stale, sameTag, notModified) = (0, 0, 0)
    for index in 0..<count {
      if let tag = tags[index] {
        try connection.get("/\(index).bin", "If-None-Match: \(tag)\r\n")
        if try connection.response().status == 304 { notModified += 1 }
      }
      try connection.get("/\(index).bin")
      let response = try connection.response()
      if response.body != new { stale += 1 }
      if let tag = Self.strongTag(response), tag == tags[index], response.body != old {
        sameTag += 1
      }
    }
    #expect(stale == 0, "\(stale) of \(count) are old")
    #expect(sameTag == 0, "\(sameTag) of \(count) have the strong ETag of what they were before")
    #expect(notModified == 0, "\(notModified) of \(count) are said to be unchanged")
  }

  @Test(arguments: FileSystem.everywhere, Change.allCases)
  func smallFiles(on fileSystem: FileSystem, change: Change) throws {
    try expectNoneStaysOld(fileSystem, size: 100, count: 200, change)
  }

  @Test(arguments: FileSystem.everywhere, Change.allCases)
  func largeFiles(on fileSystem: FileSystem, change: Change) throws {
    try expectNoneStaysOld(fileSystem, size: 100_000, count: 20, change)
  }

  @Test(
    .enabled(if: FileSystem.canMount, Comment(rawValue: FileSystem.lacksMounts)), arguments: [100, 100_000],
    Change.allCases)
  func filesWhoseTimesAreWholeSeconds(size: Int, change: Change) throws {
    try expectNoneStaysOld(.coarse, size: size, count: size == 100 ? 200 : 20, change)
  }

  // MARK: One tag, one content

  private func expectOneContentATag(_ fileSystem: FileSystem, size: Int, _ change: Change) throws {
    let folder = try fileSystem.folder()
    let path = folder.path + "/file.bin"
    try writeFile(path, Self.content(size, 0))
    let sluice = try SluiceProcess(folder.path)
    let connection = try sluice.connect()
    var contents: [String: [UInt8]] = [:]
    var conflicts: Set<String> = []
    var version = 0
    let end = now() + 3
    while now() < end {
      version += 1
      try change.apply(path, Self.content(size, version))
      try connection.get("/file.bin")
      let response = try connection.response()
      try #require(response.status == 200 && response.body.count == size)
      guard let tag = Self.strongTag(response) else { continue }
      if contents[tag, default: response.body] != response.body { conflicts.insert(tag) }
      contents[tag] = response.body
    }
    #expect(conflicts.count == 0, "\(conflicts.count) strong tags of \(contents.count) had several contents")
  }

  /// Only small files: what a large one has while it is sent is not the server's to say.
  @Test(arguments: FileSystem.everywhere, Change.allCases)
  func rewrittenInALoop(on fileSystem: FileSystem, change: Change) throws {
    try expectOneContentATag(fileSystem, size: 100, change)
  }

  @Test(
    .enabled(if: FileSystem.canMount, Comment(rawValue: FileSystem.lacksMounts)), arguments: Change.allCases)
  func rewrittenInALoopWhereTimesAreWholeSeconds(change: Change) throws {
    try expectOneContentATag(.coarse, size: 100, change)
  }

  // MARK: mmap

  private func expectStoresAreSeen(_ fileSystem: FileSystem) throws {
    let folder = try fileSystem.folder()
    let path = folder.path + "/mapped.bin"
    try writeFile(path, Self.content(100, 0))
    let descriptor = unsafe open(path, O_RDWR | O_CLOEXEC)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    let mapped = unsafe mmap(nil, 100, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    let memory = try unsafe #require(mapped != MAP_FAILED ? mapped : nil)
    defer { unsafe munmap(memory, 100) }
    let sluice = try SluiceProcess(folder.path)
    let connection = try sluice.connect()
    var tags: [String: [UInt8]] = [:]
    // The second store is the one that changes no time, anywhere: the page is dirty already.
    for version in 1...4 {
      let content = Self.content(100, version)
      unsafe memory.copyMemory(from: content, byteCount: 100)
      usleep(1_000_000)
      try connection.get("/mapped.bin")
      let response = try connection.response()
      let isNewest = response.body == content
      #expect(isNewest, "\(version): \(response.text.prefix(12))")
      guard let tag = Self.strongTag(response) else { continue }
      let isAlone = tags[tag, default: content] == content
      #expect(isAlone, "one strong tag for two contents")
      tags[tag] = content
    }
  }

  @Test(arguments: FileSystem.everywhere) func storesThroughMmap(on fileSystem: FileSystem) throws {
    try expectStoresAreSeen(fileSystem)
  }

  @Test(.enabled(if: FileSystem.canMount, Comment(rawValue: FileSystem.lacksMounts)))
  func storesThroughMmapWhereTimesAreWholeSeconds() throws {
    try expectStoresAreSeen(.coarse)
  }
}
