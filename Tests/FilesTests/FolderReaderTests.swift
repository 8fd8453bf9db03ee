import Glibc
import TestSupport
import Testing

@testable import Files

@Suite struct FolderReaderTests {
  private func read(
    _ folder: TemporaryFolder, _ path: String = "", _ variant: ListingVariant = ListingVariant(),
    entries: Int = 1000, looks: Int = 1000, support: LookupSupport? = nil, _ patience: Patience = .blocking
  ) throws -> FolderReader.Outcome {
    let root = try DocumentRoot(path: folder.path, isShared: false, support: support)
    let lister = FolderLister(entries: entries, looks: looks) { _, _ in [] }
    return FolderReader(lister: lister).read(
      Array(path.utf8CString), for: variant, in: root.folder, patience)
  }

  private func contents(_ outcome: FolderReader.Outcome) throws -> FolderContents {
    guard case .contents(let contents, _) = outcome else { throw SetUpError("no contents: \(outcome)") }
    return contents
  }

  private func names(_ outcome: FolderReader.Outcome) throws -> [String] {
    try contents(outcome).entries.map { String(decoding: $0.name, as: UTF8.self) + ($0.isFolder ? "/" : "") }
  }

  @Test func onlyWhatCanBeServed() throws {
    let outside = try TemporaryFolder()
    try outside.write("secret", "s")
    let folder = try TemporaryFolder()
    try folder.addFolder("sub")
    try folder.addFolder(".git")
    for name in ["a.txt", ".hidden", "sub/inner"] { try folder.write(name, name) }
    try folder.addFIFO("fifo")
    try folder.addSocket("socket")
    for (name, target) in [
      ("toFile", "a.txt"), ("toFolder", "sub"), ("toInner", "sub/inner"), ("sub/up", "../a.txt"),
      ("out", outside.path + "/secret"), ("outFolder", outside.path), ("up", ".."), ("broken", "nowhere"),
      ("circle", "circle"), ("toFIFO", "fifo"), ("sub/out", "../../secret"), (".link", "a.txt"),
    ] { try folder.addLink(name, to: target) }
    for patience in [Patience.blocking, .nearby] {
      if case .nearby = patience, case .leavesFileSystem = try read(folder, patience) { continue }
      #expect(
        try names(read(folder, patience)) == ["sub/", "toFolder/", "a.txt", "toFile", "toInner"])
    }
    #expect(try names(read(folder, "sub/")) == ["inner", "up"])
    #expect(try names(read(folder, "toFolder/")) == ["inner", "up"])
    // Without openat2, no link is followed, so none is listed.
    let old = LookupSupport(beneath: false, cachedOnly: false)
    #expect(try names(read(folder, support: old)) == ["sub/", "a.txt"])
    #expect(try names(read(folder, "sub/", support: old)) == ["inner"])
    // The size and time of what a link leads to.
    let entry = try #require(try contents(read(folder)).entries.first { $0.name == Array("toInner".utf8) })
    #expect(entry.size == 9)
  }

  private func read(_ folder: TemporaryFolder, _ patience: Patience) throws -> FolderReader.Outcome {
    try read(folder, "", ListingVariant(), support: nil, patience)
  }

  @Test func anyName() throws {
    let folder = try TemporaryFolder()
    let long = [UInt8](repeating: 0x78, count: 255)
    let names: [[UInt8]] = [
      long, [0x62, 0xFF, 0xFE], Array("new\nline".utf8), Array("a<b>&\"'".utf8), Array("עברית".utf8), [0x01],
    ]
    let descriptor = unsafe open(folder.path, O_RDONLY | O_DIRECTORY)
    defer { close(descriptor) }
    for name in names {
      let file = unsafe openat(
        descriptor, name.map { CChar(bitPattern: $0) } + [0], O_CREAT | O_WRONLY, mode_t(0o644))
      try #require(file >= 0)
      close(file)
    }
    let found = try contents(read(folder)).entries.map(\.name)
    #expect(Set(found) == Set(names) && found.count == names.count)
    for name in names { unsafe _ = unlinkat(descriptor, name.map { CChar(bitPattern: $0) } + [0], 0) }
  }

  @Test func everyOrder() throws {
    let folder = try TemporaryFolder()
    try folder.addFolder("Z")
    try folder.addFolder("y")
    for (name, size) in [("a10", 3), ("A2", 1), ("a1", 2), ("b", 3)] {
      try folder.write(name, String(repeating: "x", count: size))
    }
    for (index, name) in ["b", "y", "A2", "a10", "Z", "a1"].enumerated() {
      var times = [
        timespec(tv_sec: 1_000_000 + index, tv_nsec: 0), timespec(tv_sec: 1_000_000 + index, tv_nsec: 0),
      ]
      #expect(unsafe utimensat(AT_FDCWD, folder(name), &times, 0) == 0)
    }
    for (key, isDescending, expected) in [
      (.name, false, ["y/", "Z/", "a1", "A2", "a10", "b"]),
      (.name, true, ["Z/", "y/", "b", "a10", "A2", "a1"]),
      (.size, false, ["y/", "Z/", "A2", "a1", "a10", "b"]),
      (.size, true, ["y/", "Z/", "a10", "b", "a1", "A2"]),
      (.time, false, ["y/", "Z/", "b", "A2", "a10", "a1"]),
      (.time, true, ["Z/", "y/", "a1", "a10", "A2", "b"]),
    ] as [(ListingVariant.Key, Bool, [String])] {
      let variant = ListingVariant(key: key, isDescending: isDescending)
      #expect(try names(read(folder, "", variant)) == expected, "\(key), \(isDescending)")
      // What does not fit are the last ones in this order.
      let cut = try read(folder, "", variant, entries: 3)
      #expect(try names(cut) == Array(expected.prefix(3)))
      #expect(try contents(cut).count == 6 && contents(cut).isComplete)
    }
    let some = try contents(read(folder, looks: 4))
    #expect(some.count == 4 && !some.isComplete)
  }

  @Test func errors() throws {
    let folder = try TemporaryFolder()
    try folder.write("file", "x")
    try folder.addLink("out", to: "/")
    for path in ["none/", "file/", "out/", "none/none/"] {
      guard case .failed(.notFound) = try read(folder, path) else {
        Issue.record("\(path)")
        continue
      }
    }
    #expect(folder.openFiles == 0)
    #expect(try names(read(folder)) == ["file"])
  }

  @Test func orderOfNames() {
    func compare(_ one: String, _ other: String) -> Int {
      let entries = [one, other].map {
        FolderEntry(name: Array($0.utf8), isFolder: false, size: 0, modifiedSeconds: 0)
      }
      return NameOrder.compare(entries[0], entries[1])
    }
    let nines = String(repeating: "9", count: 254)
    let ordered = [
      "", "-", "0", "01", "1", "2", "10", nines, nines + "0", "a", "A01b", "a1c", "A2", "a2", "a2x", "a10",
      "B", "b", "ä",
    ]
    for (index, one) in ordered.enumerated() {
      for (place, other) in ordered.enumerated() {
        #expect(compare(one, other).signum() == (index - place).signum(), "\(one), \(other)")
      }
    }
  }

  @Test func variants() {
    let numbers = ListingVariant.all.map(\.number)
    #expect(Set(numbers).count == 12 && numbers.allSatisfy { $0 >= 128 })
    for variant in ListingVariant.all { #expect(ListingVariant(number: variant.number) == variant) }
    #expect((0...255).count { ListingVariant(number: UInt8($0)) != nil } == 12)
  }
}
