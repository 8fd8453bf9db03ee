import Glibc
import Testing

/// A new version is put in the old one's place while clients ask, in the ways that people do it.
@Suite struct DeployTests {
  /// How version `$1` takes the place of what is there. The scripts run beside the folder `releases`.
  enum Way: String, CaseIterable, Sendable, CustomTestStringConvertible {
    /// `current` is a link to a release.
    case link
    case linkRenamed
    /// `live` is the root itself.
    case twoMoves
    case removedAndMade
    /// git-sync and Kubernetes: the root's names are links to what `..data` links to.
    case data
    /// Each file is replaced by itself.
    case synchronized

    var testDescription: String { rawValue }

    var root: String { self == .link || self == .linkRenamed ? "current" : "live" }

    /// For a moment the root, or files in it, are not there.
    var hasGap: Bool { self == .twoMoves || self == .removedAndMade }

    /// What is there at first.
    var first: String {
      switch self {
      case .link, .linkRenamed: "ln -s releases/1 current"
      case .twoMoves, .removedAndMade, .synchronized: "cp -a releases/1 live"
      case .data:
        """
        mkdir live; mv releases/1 live/..1; ln -s ..1 live/..data
        for name in $(ls live/..1); do ln -s ..data/$name live/$name; done
        """
      }
    }

    var next: String {
      switch self {
      case .link: "ln -sfn releases/$1 current"
      case .linkRenamed: "ln -s releases/$1 next; mv -T next current"
      case .twoMoves: "mv live old$1; mv releases/$1 live"
      case .removedAndMade: "rm -rf live; mv releases/$1 live"
      case .data: "mv releases/$1 live/..$1; ln -s ..$1 live/..data_tmp; mv -T live/..data_tmp live/..data"
      case .synchronized:
        TestMachine.has("rsync")
          ? "rsync -a --delete releases/$1/ live/"
          : """
          cd releases/$1; for folder in $(find . -mindepth 1 -type d); do mkdir -p ../../live/$folder; done
          for name in $(find . -type f -o -type l); do
            cp -a $name ../../live/$name.tmp; mv -T ../../live/$name.tmp ../../live/$name; done
          """
      }
    }
  }

  private static let versions = 4
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let path = folder.path
    try writeFile("\(path)/secret.txt", Array("secret\n".utf8))
    try Shell.require(["mkdir", "\(path)/releases"])
    for version in 1...Self.versions {
      let release = "\(path)/releases/\(version)"
      try Shell.require(["mkdir", "-p", "\(release)/folder"])
      for (name, size) in Self.files { try writeFile("\(release)/\(name)", Self.content(version, size)) }
      try Shell.require(["ln", "-s", "\(path)/secret.txt", "\(release)/out.txt"])
      // A file in odd versions, a link that leads out in even ones.
      if version % 2 == 0 {
        try Shell.require(["ln", "-s", "\(path)/secret.txt", "\(release)/turns.txt"])
      } else {
        try writeFile("\(release)/turns.txt", Self.content(version, 100))
      }
    }
  }

  private static let files = [
    ("small.txt", 100), ("index.html", 200), ("folder/page.html", 300), ("big.bin", 100_000),
  ]
  private static let paths = [
    "/small.txt", "/big.bin", "/", "/folder/page.html", "/turns.txt", "/out.txt", "/missing.txt",
  ]

  /// All bytes say which version they are of, and so does their number.
  private static func content(_ version: Int, _ size: Int) -> [UInt8] {
    [UInt8](repeating: UInt8(ascii: "0") + UInt8(version), count: size + version)
  }

  /// The versions of which this can be the answer.
  private func versions(_ response: HTTPResponse, _ path: String) throws -> ClosedRange<Int>? {
    let all = 1...Self.versions
    switch (path, response.status) {
    case ("/out.txt", 404), ("/missing.txt", 404): return all
    case (_, 200):
      guard let version = response.body.first.map({ Int($0) - 0x30 }), all.contains(version),
        response.body.allSatisfy({ $0 == response.body[0] })
      else { return nil }
      let name = path == "/" ? "index.html" : String(path.dropFirst())
      let size = Self.files.first { $0.0 == name }?.1 ?? 100
      return response.body.count == size + version ? version...version : nil
    default: return nil
    }
  }

  @Test(arguments: Way.allCases) func switched(way: Way) throws {
    try Shell.require(["sh", "-ec", way.first], workingFolder: folder.path)
    let sluice = try SluiceProcess("\(folder.path)/\(way.root)", flags: ["--workers", "2"])
    let connections = try (0..<8).map { _ in try sluice.connect() }
    var (round, wrong, late): (Int, [String], [String]) = (0, [], [])

    /// Asks on all connections at once. Each answer must be of one of these versions as a whole.
    func ask(_ allowed: ClosedRange<Int>, gap: Bool, _ complaints: inout [String]) throws {
      round += 1
      let paths = connections.indices.map { Self.paths[(round + $0) % Self.paths.count] }
      for (connection, path) in zip(connections, paths) { try connection.get(path) }
      for (connection, path) in zip(connections, paths) {
        let response = try connection.response()
        #expect(!response.text.contains("secret"))
        let isOfEven = path == "/turns.txt" && response.status == 404 && allowed.contains { $0 % 2 == 0 }
        let isInGap = gap && response.status == 404
        if isOfEven || isInGap { continue }
        if let versions = try versions(response, path), versions.overlaps(allowed) { continue }
        complaints.append("\(path): \(response.statusLine) \(response.body.count) \(response.text.prefix(3))")
      }
      usleep(1000)
    }

    for version in 2...Self.versions {
      let (old, new) = (version - 1...version - 1, version...version)
      var end = now() + 0.2
      while now() < end { try ask(old, gap: false, &wrong) }
      let deploy = try Subprocess(
        ["sh", "-ec", way.next, "deploy", "\(version)"], workingFolder: folder.path)
      while deploy.exitStatus == nil { try ask(version - 1...version, gap: way.hasGap, &wrong) }
      try #require(deploy.exitStatus == 0, "\(deploy.errorOutput)")
      end = now() + 1
      while now() < end { try ask(version - 1...version, gap: way.hasGap, &wrong) }
      end = now() + 0.3
      while now() < end { try ask(new, gap: false, &late) }
    }
    #expect(wrong.count == 0, "\(wrong.count) wrong, the first ones: \(wrong.prefix(5))")
    #expect(late.count == 0, "\(late.count) not new after a second, the first ones: \(late.prefix(5))")
  }
}
