import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Files

/// Absolute links that lead to something in the folder, and those that do not.
@Suite struct AbsoluteLinkTests {
  typealias Outcome = DocumentRootTests.Outcome

  static func look(_ root: DocumentRoot, _ path: String, _ patience: Patience = .nearby) -> Outcome {
    DocumentRootTests.look(root, path, patience)
  }

  /// `ROOT` in a target stands for the path of the root.
  @Test(
    arguments: [
      ("ROOT/a.txt", "", .file("a")), ("ROOT//sub///b.txt", "", .file("b")), ("ROOT/./a.txt", "", .file("a")),
      ("//ROOT/a.txt", "", .file("a")), ("ROOT/sub/../a.txt", "", .file("a")),
      // A folder, in the middle of the path or at its end, and the root itself.
      ("ROOT/sub", "/b.txt", .file("b")), ("ROOT/sub/", "/b.txt", .file("b")), ("ROOT/sub", "", .directory),
      ("ROOT", "/a.txt", .file("a")), ("ROOT/", "", .directory), ("ROOT", "/sub/b.txt", .file("b")),
      // To what is no file.
      ("ROOT/missing", "", .failed(.notFound)), ("ROOT/a.txt", "/b", .failed(.notFound)),
      ("ROOT/a.txt/", "", .failed(.notFound)), ("ROOT/link", "", .failed(.notFound)),
      // What only begins like the root, and what lies above it.
      ("ROOT.txt", "", .failed(.notFound)), ("ROOTa.txt", "", .failed(.notFound)),
      ("ROOT/../secret.txt", "", .failed(.notFound)), ("ROOT/..", "/secret.txt", .failed(.notFound)),
      ("ROOT/sub/../../secret.txt", "", .failed(.notFound)),
      // Out and in again.
      ("ROOT/../root/a.txt", "", .failed(.notFound)),
      ("ROOT/../outside/../root", "/a.txt", .failed(.notFound)),
      // Through another link, which is absolute or relative, and leads in or out.
      ("ROOT/inner", "", .file("b")), ("ROOT/folder/b.txt", "", .file("b")),
      ("ROOT/folder", "/b.txt", .file("b")),
      ("ROOT/up", "/secret.txt", .failed(.notFound)), ("ROOT/passwd", "", .failed(.notFound)),
      ("folder/b.txt", "", .file("b")), ("sub/back", "/a.txt", .file("a")),
    ] as [(String, String, Outcome)])
  func targets(target: String, rest: String, outcome: Outcome) throws {
    let folder = try DocumentRootTests.makeSite()
    try folder.addLink("root/inner", to: folder("root/sub/b.txt"))
    try folder.addLink("root/folder", to: folder("root/sub"))
    try folder.addLink("root/sub/back", to: folder("root"))
    try folder.addLink("root/up", to: "..")
    try folder.addLink("root/passwd", to: "/etc/passwd")
    try folder.addLink("root/link", to: target.replacing("ROOT", with: folder("root")))
    let root = try DocumentRoot(path: folder("root"))
    // With a name that is looked at before it is opened, and one that is not.
    try folder.addLink(
      "root/link.txt",
      to: target.replacing("ROOT/link", with: "ROOT/link.txt")
        .replacing("ROOT", with: folder("root")))
    for name in ["link", "link.txt"] {
      for patience in [Patience.nearby, .blocking] {
        let found = Self.look(root, name + rest, patience)
        // What leads out may lead to another file system, as far as a look nearby can tell.
        let isLeft = patience == .nearby && outcome == .failed(.notFound) && found == .wouldBlock
        #expect(found == outcome || isLeft, "\(name), \(patience): \(found)")
      }
    }
    #expect(folder.openFiles == 1, "the root, and nothing else")
  }

  /// A worker's thread does not read them.
  @Test func theyAreLeftToWhoMayWait() throws {
    let folder = try DocumentRootTests.makeSite()
    try folder.addLink("root/link.txt", to: folder("root/a.txt"))
    let root = try DocumentRoot(path: folder("root"))
    _ = Self.look(root, "link.txt")
    #expect(Self.look(root, "link.txt", .cachedOnly) == .wouldBlock)
  }

  /// 40 in a path, as the kernel follows.
  @Test(arguments: [(1, 40, true), (1, 41, false), (2, 40, true), (3, 40, true)])
  func chains(kinds: Int, count: Int, isServed: Bool) throws {
    let folder = try DocumentRootTests.makeSite()
    // Every so many of them is absolute.
    for number in 1...count {
      let target = number == count ? "a.txt" : "link\(number + 1)"
      try folder.addLink(
        "root/link\(number)", to: number % kinds == 0 ? folder("root/\(target)") : target)
    }
    let root = try DocumentRoot(path: folder("root"))
    #expect(Self.look(root, "link1") == (isServed ? .file("a") : .failed(.notFound)))
  }

  @Test func circlesEnd() throws {
    let folder = try DocumentRootTests.makeSite()
    try folder.addLink("root/one", to: folder("root/two"))
    try folder.addLink("root/two", to: "one")
    try folder.addLink("root/self", to: folder("root"))
    try folder.addLink("root/longer", to: folder("root/longer/" + String(repeating: "x", count: 200)))
    let root = try DocumentRoot(path: folder("root"))
    for path in ["one", "two", "two/a.txt", "longer"] {
      #expect(Self.look(root, path, .blocking) == .failed(.notFound), "\(path)")
    }
    let deep = String(repeating: "self/", count: 40)
    #expect(Self.look(root, deep + "a.txt") == .file("a"))
    #expect(Self.look(root, deep + "self/a.txt") == .failed(.notFound))
    #expect(folder.openFiles == 1)
  }

  /// By the path that the operator wrote, though it leads through a link, and by the one that it comes to.
  @Test func bothNamesOfTheRoot() throws {
    let folder = try DocumentRootTests.makeSite()
    try folder.addLink("current", to: "root")
    try folder.addLink("root/written", to: folder("current/a.txt"))
    try folder.addLink("root/real", to: folder("root/a.txt"))
    let root = try DocumentRoot(path: folder(".//current/"))
    for name in ["written", "real"] { #expect(Self.look(root, name) == .file("a"), "\(name)") }
    // Of one that is given as it resolves, nobody knows the other name.
    let other = try DocumentRoot(path: folder("root"))
    #expect(Self.look(other, "written", .blocking) == .failed(.notFound))
  }

  /// What was found in a folder before the root is switched is all of that folder.
  @Test func aSwitchOfTheRootMixesNothing() throws {
    let folder = try TemporaryFolder()
    for name in ["one", "two"] {
      try folder.addFolder(name)
      try folder.write("\(name)/a.txt", name)
      try folder.addLink("\(name)/written", to: folder("current/a.txt"))
      try folder.addLink("\(name)/real", to: folder("\(name)/a.txt"))
      try folder.addLink("\(name)/other", to: folder("one/a.txt"))
    }
    try folder.addLink("current", to: "one")
    let root = try DocumentRoot(path: folder("current"))
    try folder.addLink("next", to: "two")
    try folder.rename("next", to: "current")
    // Not seen yet.
    for name in ["written", "real", "other"] { #expect(Self.look(root, name) == .file("one"), "\(name)") }
    #expect(root.beginCheck(now: 1_000) && root.check(.blocking, now: 1_000))
    for name in ["written", "real"] { #expect(Self.look(root, name) == .file("two"), "\(name)") }
    #expect(Self.look(root, "other", .blocking) == .failed(.notFound))
  }

  @Test func aRootThatWasMovedHasItsNewName() throws {
    let folder = try DocumentRootTests.makeSite()
    try folder.addLink("root/new", to: folder("moved/a.txt"))
    let root = try DocumentRoot(path: folder("root"))
    #expect(Self.look(root, "new", .blocking) == .failed(.notFound))
    try folder.rename("root", to: "moved")
    #expect(Self.look(root, "new", .blocking) == .file("a"))
  }

  @Test(arguments: [Patience.nearby, .blocking, .cachedOnly])
  func withoutLinksNoneIsFollowed(patience: Patience) throws {
    let folder = try DocumentRootTests.makeSite()
    try folder.addLink("root/relative.txt", to: "a.txt")
    try folder.addLink("root/absolute.txt", to: folder("root/a.txt"))
    try folder.addLink("root/folder", to: "sub")
    try folder.addLink("current", to: "root")
    // The root itself may be one.
    let root = try DocumentRoot(path: folder("current"), followsLinks: false)
    #expect(!root.followsLinks)
    for path in ["a.txt", "sub/b.txt"] { #expect(Self.look(root, path, .blocking).isServed, "\(path)") }
    for path in ["relative.txt", "absolute.txt", "folder/b.txt", "folder"] {
      let outcome = Self.look(root, path, patience)
      #expect(outcome == .failed(.notFound) || patience == .cachedOnly && outcome == .wouldBlock, "\(path)")
    }
  }

  /// A link leads in and out in turns, and so does a folder on the way: nothing outside is ever opened, and what is in the
  /// folder all the time is found whenever the link leads there.
  @Test func linksThatChangeMeanwhile() throws {
    let folder = try DocumentRootTests.makeSite()
    try folder.addFolder("outside/sub")
    try folder.write("outside/sub/b.txt", "secret")
    try folder.write("outside/a.txt", "secret")
    try folder.addLink("root/link.txt", to: folder("root/way/b.txt"))
    try folder.addLink("root/always.txt", to: "a.txt")
    try folder.addLink("root/way", to: folder("root/sub"))
    let isDone = FileReaderTests.Flag()
    let thread = try TestThread {
      var turn = 0
      while !isDone.isSet.load(ordering: .acquiring) {
        turn += 1
        let way = [folder("root/sub"), folder("outside/sub"), "../outside/sub", "sub"][turn % 4]
        try? folder.addLink("next", to: way)
        try? folder.rename("next", to: "root/way")
        try? folder.addLink("next", to: turn % 2 == 0 ? "a.txt" : folder("root/a.txt"))
        try? folder.rename("next", to: "root/always.txt")
        // A look begins anew eight times: a reader that a sanitizer slows down has to have a chance.
        usleep(50)
      }
    }
    defer {
      isDone.isSet.store(true, ordering: .releasing)
      thread.join()
    }
    let root = try DocumentRoot(path: folder("root"))
    for _ in 0..<2_000 {
      let outcome = Self.look(root, "link.txt", .blocking)
      #expect(outcome == .file("b") || outcome == .failed(.notFound))
      #expect(Self.look(root, "always.txt", .blocking) == .file("a"))
    }
  }
}

@Suite struct PathComponentsTests {
  @Test(
    arguments: [
      ("/srv/www", "/srv/www/a", "a"), ("/srv/www/", "/srv/www/a/b", "a/b"),
      ("//srv/./www", "/srv//www//a", "a"),
      ("/srv/www", "/srv/www", ""), ("/srv/www", "/srv/www/", ""), ("/srv/www", "/srv/wwwa", nil),
      ("/srv/www", "/srv", nil), ("/srv/www", "/srv/ww", nil), ("/srv/www", "/etc/srv/www/a", nil),
      ("/", "/a/b", "a/b"),
      ("/srv/www", "/srv/../srv/www/a", nil), ("/srv/www", "", nil),
    ] as [(String, String, String?)])
  func restOfAPath(root: String, path: String, rest: String?) {
    let found = PathComponents(root.utf8).rest(of: Array(path.utf8)).map {
      String(decoding: $0, as: UTF8.self)
    }
    #expect(found == rest)
  }

  @Test func aRelativePathBeginsInTheCurrentFolder() {
    var room = [CChar](repeating: 0, count: Int(PATH_MAX))
    let current = unsafe getcwd(&room, room.count)
    let name = unsafe current.map { unsafe String(cString: $0) } ?? ""
    let components = PathComponents(absolute: "./site/")
    #expect(components.rest(of: Array("\(name)/site/a".utf8)).map { Array($0) } == Array("a".utf8))
    #expect(components.rest(of: Array("/site/a".utf8)) == nil)
  }
}
