import Glibc
import Testing

/// What clients can't be told is told to the operator, in a bounded number of lines.
@Suite struct TroubleTests {
  private func lines(_ sluice: SluiceProcess, _ text: String) -> [Substring] {
    sluice.process.errorOutput.split(separator: "\n").filter { $0.contains(text) }
  }

  @Test(.enabled(if: TestMachine.isRoot && TestMachine.has("setpriv"), "needs root, and setpriv"))
  func filesThatMayNotBeRead() throws {
    let site = try TemporarySite()
    try site.add("se\ncret.txt", Array("no\n".utf8), mode: 0o600)
    try Shell.require(["chmod", "711", site.path])
    let sluice = try SluiceProcess(
      site.path,
      prefix: ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])
    for _ in 0..<20 { #expect(try Curl.get(sluice.url("http") + "/se%0Acret.txt").status == 403) }
    #expect(try sluice.stop() == 0)
    let told = lines(sluice, "permission denied: answered with 403; let the server's user read it")
    #expect(told.count == 5)
    #expect(told.allSatisfy { $0.contains(" warning ") && $0.contains("/se\\ncret.txt\": ") }, "\(told)")
  }

  @Test func filesThatBecomeShorter() throws {
    let site = try TemporarySite()
    try site.addSparse("huge.bin", size: 64 << 20)
    let sluice = try SluiceProcess(site.path)
    let connection = try sluice.connect()
    try connection.get("/huge.bin")
    _ = try connection.bytes(100)
    try site.cut("huge.bin", to: 1 << 20)
    #expect(try connection.rest().end == .reset)
    #expect(try sluice.stop() == 0)
    let told = lines(sluice, "\(site.path)/huge.bin\": became shorter while it was sent")
    #expect(told.count == 1 && told[0].contains(" warning "), "\(sluice.process.errorOutput)")
  }

  /// By cause, with who it was; and none of it at the default level.
  @Test(arguments: ["info", "notice"]) func handshakes(level: String) throws {
    let sluice = try SluiceProcess(
      TemporarySite.common().path, .both(TestCertificates.ecdsa), flags: ["--log-level", level])
    for _ in 0..<9 { _ = try Curl.run(["http://127.0.0.1:\(sluice.securePort)/"]) }
    _ = try SecureClient.handshake(sluice.securePort, ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])
    #expect(try sluice.stop() == 0)
    let told = lines(sluice, "a handshake has failed (not_tls), with 127.0.0.1 port ")
    #expect(told.count == (level == "info" ? 5 : 0), "\(sluice.process.errorOutput)")
    #expect(lines(sluice, "a handshake has failed (version)").count == (level == "info" ? 1 : 0))
  }

  @Test func connectionsThatAreTooMany() throws {
    let sluice = try SluiceProcess(
      TemporarySite.common().path, prefix: ["sh", "-c", "ulimit -n 16 && exec \"$0\" \"$@\""])
    var connections: [RawConnection] = []
    for _ in 0..<40 {
      let connection = try sluice.connect()
      try? connection.get("/hello.txt")
      _ = try? connection.response()
      connections.append(connection)
    }
    connections = []
    #expect(try sluice.stop() == 0)
    let told = lines(sluice, "a connection was closed at once")
    #expect((1...10).contains(told.count), "\(sluice.process.errorOutput)")
    #expect(told.allSatisfy { $0.contains("raise the limit on open files (ulimit -n)") }, "\(told)")
  }
}
