import Glibc
import Testing

/// When one worker has served what is new, no other serves what is old.
@Suite struct NoGoingBackTests {
  /// So many that both workers have some: the kernel chooses by chance.
  private static let connections = 16

  /// Makes `changes` changes, one each 150 ms, and asks on all connections in turn meanwhile: what is answered on one
  /// is never older than what was answered before on another.
  private func expectNoReturn(
    _ root: String, paths: [String], changes: Int = 40, _ change: (Int) throws -> Void,
    _ state: (HTTPResponse, _ seen: Int) -> Int?
  ) throws {
    let sluice = try SluiceProcess(root, flags: ["--workers", "2"])
    let connections = try (0..<Self.connections).map { _ in try sluice.connect() }
    // One worker has looked at the files some time before the other, so that they look again at different times.
    for path in paths {
      try connections[0].get(path)
      _ = try connections[0].response()
      usleep(170_000)
    }
    var (seen, made, turn, returns) = (0, 0, 0, 0)
    var nextChange = now() + 0.15
    // A second more: the last change is seen, too.
    while made < changes || now() < nextChange + 1 {
      if made < changes, now() >= nextChange {
        made += 1
        try change(made)
        nextChange = now() + 0.15
      }
      let path = paths[turn % paths.count]
      // Each path on each connection, since their number has no divisor in common with the rounds.
      let connection = connections[(turn / paths.count) % connections.count]
      turn += 1
      try connection.get(path)
      let response = try connection.response()
      guard let state = state(response, seen), state <= made else {
        throw TestFailure("\(path): \(response.statusLine) \(response.text.prefix(40))")
      }
      if state < seen { returns += 1 }
      seen = max(seen, state)
    }
    #expect(returns == 0, "\(returns) of \(turn) responses were older than one before")
    #expect(seen == made)
  }

  /// The number that a file's content is.
  private func number(_ response: HTTPResponse, _ seen: Int) -> Int? {
    response.status == 200 ? Int(response.text.prefix { $0 != " " }) : nil
  }

  private func text(_ number: Int, _ size: Int) -> String {
    "\(number) " + String(repeating: "x", count: size - "\(number)".utf8.count)
  }

  private func replace(_ site: TemporarySite, _ name: String, _ text: String) throws {
    try site.add("\(name).tmp", text)
    guard unsafe rename("\(site.path)/\(name).tmp", "\(site.path)/\(name)") == 0 else {
      throw TestFailure("cannot rename")
    }
  }

  @Test(arguments: [100, 20_000]) func aFileIsReplaced(size: Int) throws {
    let site = try TemporarySite()
    try site.add("file.txt", text(0, size))
    try expectNoReturn(
      site.path, paths: ["/file.txt"], { try replace(site, "file.txt", text($0, size)) }, number)
  }

  @Test func oneFileByTwoNames() throws {
    let site = try TemporarySite()
    try site.add("index.html", text(0, 100))
    try expectNoReturn(
      site.path, paths: ["/", "/index.html"], { try replace(site, "index.html", text($0, 100)) }, number)
  }

  @Test func anotherFolderBecomesTheRoot() throws {
    let site = try TemporarySite()
    for release in 0...40 {
      try site.addFolder("\(release)")
      try site.add("\(release)/file.txt", text(release, 100))
      try site.add("\(release)/other.txt", text(release, 20_000))
    }
    try site.addLink("current", to: "0")
    try expectNoReturn(
      site.path + "/current", paths: ["/file.txt", "/other.txt"],
      { release in
        try site.addLink("next", to: "\(release)")
        guard unsafe rename("\(site.path)/next", "\(site.path)/current") == 0 else {
          throw TestFailure("cannot rename")
        }
      }, number)
  }

  /// Even states: the file is there, with its number; odd ones: it is not.
  @Test func aFileIsRemovedAndMadeAgain() throws {
    let site = try TemporarySite()
    try site.add("file.txt", text(0, 100))
    try expectNoReturn(
      site.path, paths: ["/file.txt"],
      { number in
        if number % 2 == 0 {
          try replace(site, "file.txt", text(number, 100))
        } else {
          guard unsafe unlink("\(site.path)/file.txt") == 0 else { throw TestFailure("cannot remove") }
        }
      },
      { response, seen in
        // Which of the removals it was is not to be seen: the first one that can be.
        response.status == 404 ? seen | 1 : number(response, seen)
      })
  }
}
