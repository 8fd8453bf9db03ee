import Glibc
import Testing

/// Accepting that fails, for whatever reason: the worker asks again, later and later, and goes on by itself.
@Suite(.enabled(if: TestMachine.has("strace"), "strace is missing")) struct AcceptFaultTests {
  /// Its calls of accept4, and whatever `injected` makes of them.
  private func traced(_ trace: String, _ injected: String) -> [String] {
    ["strace", "-f", "-D", "-qq", "-o", trace, "-e", "trace=accept4", "-e", "inject=accept4:\(injected)"]
  }

  @Test(arguments: ["ENOMEM", "ENOBUFS", "EPERM", "EINVAL", "EIO", "ENFILE"])
  func goesOnByItself(error: String) throws {
    let folder = try TemporaryFolder()
    let sluice = try SluiceProcess(
      TemporarySite.common().path,
      prefix: traced(folder.path + "/trace", "error=\(error):when=1..8"))
    let connection = try sluice.connect()
    try connection.get("/hello.txt")
    #expect(try connection.response().text == "hello\n")
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
    #expect(sluice.process.errorOutput.matches(of: /warning .* connections can't be accepted/).count == 1)
    let metrics = try sluice.stopForMetrics()
    // Without a descriptor it is tried twice, with the one that was held back.
    #expect(metrics["accept_pauses"] == (error == "ENFILE" ? 4 : 8), "\(metrics)")
  }

  /// A connection that has gone before it was accepted costs the others nothing.
  @Test(arguments: ["ECONNABORTED", "EPROTO", "ENETDOWN"]) func theNextOneIsTaken(error: String) throws {
    let folder = try TemporaryFolder()
    let sluice = try SluiceProcess(
      TemporarySite.common().path,
      prefix: traced(folder.path + "/trace", "error=\(error):when=1..3"))
    let connection = try sluice.connect()
    try connection.get("/hello.txt")
    #expect(try connection.response().text == "hello\n")
    #expect(try sluice.stopForMetrics()["accept_pauses"] == 0)
  }

  @Test(arguments: ["EMFILE", "ENOMEM", "EPERM", "ECONNABORTED"]) func doesNotSpin(error: String) throws {
    let folder = try TemporaryFolder()
    let trace = folder.path + "/trace"
    // The first one succeeds.
    let sluice = try SluiceProcess(
      TemporarySite.common().path, prefix: traced(trace, "error=\(error):when=2+"))
    let served = try sluice.connect()
    try served.get("/hello.txt")
    #expect(try served.response().text == "hello\n")
    let waiting = try sluice.connect()
    try waiting.get("/hello.txt")
    #expect(waiting.isSilent(seconds: 2))
    // Who is there does not notice.
    try served.get("/hello.txt")
    #expect(try served.response().text == "hello\n")
    try sluice.stop()
    let calls = String(decoding: readFile(trace) ?? [], as: UTF8.self).matches(of: /accept4/).count
    // A pause is twice as long as the one before, and 64 lost ones are tried for each.
    #expect(calls > 8 && calls < 1_000, "\(calls) calls")
  }
}
