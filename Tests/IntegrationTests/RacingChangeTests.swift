import Glibc
import Testing

/// Changes that happen in the very moment that a file is opened and read.
@Suite(.enabled(if: TestMachine.has("perl"), "perl is missing: apt-get install perl-base"))
struct RacingChangeTests {
  private static let names = 2000

  /// Asks for all names, each a file that was not seen before, while `script` changes things.
  private func responses(_ site: TemporarySite, _ script: String, _ path: (Int) -> String) throws
    -> [HTTPResponse]
  {
    let sluice = try SluiceProcess(site.path)
    let writer = try Subprocess(["perl", "-e", script], workingFolder: site.path)
    defer { writer.signal(SIGKILL) }
    let connection = try sluice.connect()
    let responses = try (0..<Self.names).map { index in
      try connection.get(path(index))
      return try connection.response()
    }
    #expect(writer.exitStatus == nil, "\(writer.errorOutput)")
    return responses
  }

  private func counts(_ responses: [HTTPResponse]) -> [Int: Int] {
    responses.reduce(into: [:]) { $0[$1.status, default: 0] += 1 }
  }

  /// A file that somebody cuts and writes anew all the time is served as it was at some moment.
  @Test func fileIsCutWhileItIsLoaded() throws {
    let site = try TemporarySite()
    try site.add("file.txt", [UInt8](repeating: UInt8(ascii: "a"), count: 1000))
    for index in 0..<Self.names {
      try #require(unsafe link("\(site.path)/file.txt", "\(site.path)/\(index).txt") == 0)
    }
    let script = """
      open(F, "+<", "file.txt") or die;
      my ($a, $b) = ("a" x 1000, "b" x 3000);
      while (1) {
        truncate(F, 0); sysseek(F, 0, 0); syswrite(F, $a);
        truncate(F, 0); sysseek(F, 0, 0); syswrite(F, $b);
      }
      """
    let (responses, names) = (try responses(site, script) { "/\($0).txt" }, Self.names)
    #expect(counts(responses) == [200: names])
    for response in responses where response.status == 200 {
      try #require(response.body.count == response.contentLength)
      try #require([0, 1000, 3000].contains(response.body.count), "\(response.body.count)")
      let first = response.body.first
      try #require(response.body.allSatisfy { $0 == first })
      try #require(first.map { [UInt8(ascii: "a"), UInt8(ascii: "b")].contains($0) } ?? true)
    }
  }

  /// openat2 says EAGAIN when `..` is on the way, here in a link, and something is renamed meanwhile, whatever it is.
  @Test func renamesWhileFilesAreOpened() throws {
    let site = try TemporarySite()
    try site.add("target.txt", "target\n")
    try site.addFolder("links")
    try site.addFolder("one")
    for index in 0..<Self.names {
      try site.addLink("links/\(index).txt", to: "../links/../links/../target.txt")
    }
    let script = "while (1) { rename(\"one\", \"two\") or die; rename(\"two\", \"one\") or die; }"
    let (responses, names) = (try responses(site, script) { "/links/\($0).txt" }, Self.names)
    #expect(counts(responses) == [200: names])
    #expect(responses.allSatisfy { $0.status != 200 || $0.text == "target\n" })
  }
}

/// Where a sandbox answers openat2 with EPERM, as Docker's did for long, it is not there.
@Suite(.enabled(if: FaultInjection.isPossible, Comment(rawValue: FaultInjection.lacks)))
struct ForbiddenCallTests {
  @Test(arguments: ["EPERM", "ENOSYS"]) func filesAreServedWithoutOpenat2(error: String) throws {
    let site = try TemporarySite()
    try site.add("hello.txt", "hello\n")
    try site.addFolder("folder")
    try site.add("folder/index.html", "folder\n")
    try site.addLink("link.txt", to: "hello.txt")
    let sluice = try SluiceProcess(
      site.path, prefix: FaultInjection.from(start: ["openat2:error=\(error)"]))
    let connection = try sluice.connect()
    for (path, status, text) in [
      ("/hello.txt", 200, "hello\n"), ("/folder/", 200, "folder\n"), ("/missing.txt", 404, nil),
      ("/link.txt", 404, nil),
    ] {
      try connection.get(path)
      let response = try connection.response()
      #expect(response.status == status, "\(path)")
      #expect(text == nil || response.text == text)
    }
    let log = sluice.process.errorOutput
    #expect(log.contains("warning") && log.contains("symbolic links"), "\(log)")
  }
}
