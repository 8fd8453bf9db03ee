import Glibc
import Testing

/// SIGUSR2: another process takes over, with the same sockets, and nobody notices.
@Suite struct UpgradeTests {
  let folder: TemporaryFolder
  let site: TemporarySite

  init() throws {
    folder = try TemporaryFolder()
    site = try TemporarySite()
    try site.add("hello.txt", "hello\n")
    try site.addSparse("huge.bin", size: 64 << 20)
  }

  /// Ten times under many clients.
  @Test(.enabled(if: TestMachine.has("wrk"), "wrk is missing"), arguments: Transfer.Transport.everywhere)
  func nobodyNotices(transport: Transfer.Transport) throws {
    try transport.expectUpgradesUnderLoad(site, folder)
  }

  @Test(arguments: Transfer.Transport.everywhere) func connectionsGoOn(transport: Transfer.Transport) throws {
    let server = try UpgradableServer(transport, site, folder)
    try transport.expectConnectionsSurvive(server.sluice, hugeSize: 64 << 20) { try server.upgrade() }
    #expect(try server.sluice.process.wait() == 0)
    #expect(try Curl.get(transport.url(server.sluice) + "/hello.txt", transport.flags()).text == "hello\n")
  }

  /// Also when nothing listens to it: the process before goes on.
  @Test func whatCannotServeTakesNothingOver() throws {
    let file = folder.path + "/sluice.toml"
    let common = "root = \"\(site.path)\"\nport = 0\n"
    try writeFile(file, Array((common + "workers = 2").utf8))
    let admin = folder.path + "/admin"
    let server = try UpgradableServer(file, folder, ["--admin", admin])
    let sluice = server.sluice
    for (text, complaint) in [
      ("header = 5", "sluice.toml:3"),
      ("workers = 2\naddress = \"127.0.0.2\"", "address and port can't change"),
      ("workers = 1", "use --workers 2"), (nil, "sluice.toml: this file is empty, and was not before"),
      ("workers = 2\n[[host]]\nroot = \"/nowhere\"", "names"),
    ] {
      try writeFile(file, Array((text.map { common + $0 } ?? "").utf8))
      let told = sluice.process.errorOutput.ranges(of: "not upgraded: process ").count
      sluice.process.signal(SIGUSR2)
      try waitUntil("the log says it: \(complaint)") {
        sluice.process.errorOutput.ranges(of: "not upgraded: process ").count > told
      }
      #expect(sluice.process.errorOutput.contains(complaint), "\(sluice.process.errorOutput)")
      #expect(try server.number() == sluice.process.identifier)
      #expect(try Curl.get(sluice.url("http") + "/hello.txt").status == 200)
    }
    let asked = try SluiceProcess.run(["upgrade", "--pid-file", folder.path + "/pid"])
    #expect(asked.exitStatus == 1 && asked.output.isEmpty)
    #expect(asked.errorOutput.hasPrefix("sluice: not upgraded: process "), "\(asked.errorOutput)")
    let metrics = try Curl.get("http://x/metrics", ["--unix-socket", admin]).text
    #expect(metrics.contains("\nsluice_upgrades_failed_total 6\n"))
    try writeFile(file, Array((common + "workers = 3\nheader = [\"X-New: yes\"]").utf8))
    try server.upgrade()
    #expect(try Curl.get(sluice.url("http") + "/hello.txt")["x-new"] == "yes")
  }

  /// The admin listener, its socket's file and the file with the number are the new process's.
  @Test(arguments: [true, false]) func whatBelongsToIt(isUnix: Bool) throws {
    let place = isUnix ? folder.path + "/admin" : "127.0.0.1:0"
    let server = try UpgradableServer(.plain, site, folder, ["--admin", place])
    let told = try server.sluice.adminPlace()
    let url = isUnix ? "http://x" : told
    let flags = isUnix ? ["--unix-socket", place] : []
    for _ in 0..<3 {
      _ = try Curl.get(server.sluice.url("http") + "/hello.txt")
      #expect(try Curl.get(url + "/readyz", flags).status == 200)
      try server.upgrade()
      #expect(try Curl.get(url + "/metrics", flags).text.contains("sluice_connections_total 0\n"))
    }
    #expect(try server.sluice.process.wait() == 0)
    let last = try server.number()
    #expect(kill(last, SIGTERM) == 0)
    try waitUntil("it has ended") { kill(last, 0) != 0 }
    #expect(unsafe access(folder.path + "/pid", F_OK) != 0)
    #expect(unsafe access(isUnix ? place : "/nowhere", F_OK) != 0)
    #expect(try Curl.run([server.sluice.url("http")]).exitStatus == 7)
  }

  /// The service manager hears who the service is now from whom it listens to.
  @Test func theManagerIsTold() throws {
    let manager = try NotificationSocket(folder.path, isAbstract: false)
    let server = try UpgradableServer(
      .plain, site, folder,
      prefix: ["env", "NOTIFY_SOCKET=\(manager.name)", "WATCHDOG_USEC=30000000", "WATCHDOG_PID="])
    #expect(try manager.next().hasPrefix("READY=1\n"))
    try server.upgrade()
    let number = try server.number()
    let told = try manager.next()
    #expect(told == "MAINPID=\(number)")
    #expect(try server.sluice.process.wait() == 0)
    kill(number, SIGHUP)
    try waitUntil("the new one speaks") { try manager.next().hasPrefix("RELOADING=1\n") }
    #expect(try manager.next().hasPrefix("READY=1\n"))
    kill(number, SIGTERM)
    #expect(try manager.next().hasPrefix("STOPPING=1\n"))
  }

  /// Who is asked twice, or while it stops, starts nobody; and who is relieved can be stopped yet.
  @Test func signalsWhileItGoesOn() throws {
    let server = try UpgradableServer(.plain, site, folder, ["--drain", "1"])
    let slow = try server.sluice.connect()
    try slow.get("/huge.bin")
    _ = try slow.bytes(100)
    try server.upgrade()
    for (number, text) in [(SIGUSR2, "SIGUSR2: "), (SIGHUP, "SIGHUP: ")] {
      server.sluice.process.signal(number)
      try waitUntil("\(text) is noted") { server.sluice.process.errorOutput.contains(text) }
    }
    #expect(try server.sluice.stop() == 0)
    #expect(try slow.rest().end == .reset)
    #expect(try Curl.get(server.sluice.url("http") + "/hello.txt").status == 200)
  }

  /// A program that never serves holds up neither the next upgrade nor the end, and holds no port after that.
  @Test func whatNeverServes() throws {
    let program = folder.path + "/sluice"
    try Shell.require(["cp", SluiceProcess.binary, program])
    let server = try UpgradableServer(.plain, site, folder, binary: program)
    try Shell.require(["rm", program])
    try site.add("script", "#!/bin/sh\nexec sleep 1000\n")
    try Shell.require(["install", "-m", "755", site.path + "/script", program])
    let (sluice, number) = (server.sluice, server.sluice.process.identifier)
    sluice.process.signal(SIGUSR2)
    var child: String?
    try waitUntil("it is started") {
      child = try? Shell.require(["pgrep", "-P", "\(number)", "sleep"]).split(separator: "\n").first.map(
        String.init)
      return child != nil
    }
    sluice.process.signal(SIGUSR2)
    try waitUntil("the second one is noted") { sluice.process.errorOutput.contains("SIGUSR2: ") }
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").status == 200)
    let port = try sluice.plainPort
    #expect(try sluice.stop() == 0)
    let place = "/proc/\(child ?? "")"
    #expect(unsafe access(place, F_OK) != 0)
    #expect(readFile(folder.path + "/pid") == nil)
    _ = try SluiceProcess(arguments: [site.path, "--port", "\(port)"], listeners: 1).stop()
  }

  /// It may get signals before it knows what they mean, and a reload that comes while it starts is not lost.
  @Test(.enabled(if: TestMachine.has("python3"), "python3 is missing"))
  func signalsWhileItStarts() throws {
    let program = folder.path + "/sluice"
    try Shell.require(["cp", SluiceProcess.binary, program])
    let server = try UpgradableServer(.plain, site, folder, binary: program)
    let (sluice, old) = (server.sluice, server.sluice.process.identifier)
    // It starts when it may. It is the same process, with the signals that it was sent: a shell would take them.
    try Shell.require(["mv", program, program + "-real"])
    let script = """
      #!/usr/bin/env python3
      import os, sys, time
      while not os.path.exists("\(folder.path)/go"): time.sleep(0.05)
      os.execv("\(program)-real", ["\(program)-real"] + sys.argv[1:])
      """
    try site.add("script", script)
    try Shell.require(["install", "-m", "755", site.path + "/script", program])
    kill(old, SIGUSR2)
    var child: pid_t?
    try waitUntil("it is started") {
      child = try Shell.run(["pgrep", "-P", "\(old)"]).output.split(separator: "\n").first.flatMap {
        pid_t($0)
      }
      return child != nil
    }
    for number in [SIGUSR1, SIGALRM] { kill(try #require(child), number) }
    kill(old, SIGHUP)
    try waitUntil("it is noted") { sluice.process.errorOutput.contains("files are being read already") }
    try writeFile(folder.path + "/go", [])
    try waitUntil("it has taken over") { sluice.process.errorOutput.contains("has taken over") }
    try server.note()
    try waitUntil("it has reloaded") { sluice.process.errorOutput.contains("SIGHUP: nothing is new") }
    for text in ["SIGUSR1: ", "SIGALRM: "] { #expect(sluice.process.errorOutput.contains(text)) }
    #expect(try server.sluice.process.wait() == 0)
  }

  @Test func theCommand() throws {
    let server = try UpgradableServer(.plain, site, folder)
    let result = try SluiceProcess.run(["upgrade", "--pid-file", folder.path + "/pid"])
    try server.note()
    #expect(try result.output == "process \(server.number()) has taken over\n" && result.exitStatus == 0)
    #expect(try server.sluice.process.wait() == 0)
    let again = try SluiceProcess.run(["upgrade", "--process", "\(server.number())"])
    try server.note()
    #expect(try again.output == "process \(server.number()) has taken over\n" && again.exitStatus == 0)
    let nobody = try SluiceProcess.run(["upgrade", "--pid-file", folder.path + "/none"])
    #expect(nobody.exitStatus == 1 && nobody.errorOutput.contains("there is no such file"))
  }
}

/// A server with a file of its number, and whoever comes after it: all of them end with their owner.
final class UpgradableServer {
  /// The first one.
  let sluice: SluiceProcess
  private let file: String
  private var successors: [pid_t] = []

  init(
    _ transport: Transfer.Transport, _ site: TemporarySite, _ folder: TemporaryFolder, _ flags: [String] = [],
    prefix: [String] = [], binary: String = SluiceProcess.binary
  ) throws {
    file = folder.path + "/pid"
    sluice = try transport.serve(
      site.path, flags: ["--pid-file", file, "--workers", "2"] + flags, prefix: prefix, binary: binary)
  }

  /// One that is told everything by a file.
  init(_ configuration: String, _ folder: TemporaryFolder, _ flags: [String] = []) throws {
    file = folder.path + "/pid"
    sluice = try SluiceProcess(
      arguments: ["--config", configuration, "--pid-file", file, "--log-level", "info"] + flags,
      listeners: 1)
  }

  deinit {
    // It ends by itself when it is relieved.
    sluice.signal(SIGTERM)
    for process in successors { kill(process, SIGTERM) }
  }

  /// The one that serves.
  func number() throws -> pid_t {
    let text = String(decoding: try #require(readFile(file)), as: UTF8.self)
    return try #require(pid_t(text.dropLast()))
  }

  /// The one that serves ends with this.
  func note() throws { successors.append(try number()) }

  /// Has another one take over, and waits until it has.
  func upgrade() throws {
    let old = try number()
    let told = sluice.process.errorOutput.ranges(of: "has taken over").count
    kill(old, SIGUSR2)
    try waitUntil("another one serves: \(sluice.process.errorOutput)") {
      sluice.process.errorOutput.ranges(of: "has taken over").count > told
    }
    try note()
    #expect(successors.last != old)
  }
}

extension Transfer.Transport {
  /// Ten processes, one after the other, under clients that keep connections and such that do not.
  func expectUpgradesUnderLoad(_ site: TemporarySite, _ folder: TemporaryFolder) throws {
    let server = try UpgradableServer(self, site, folder)
    let load = try Load(url(server.sluice) + "/hello.txt", seconds: 6)
    for number in 1...10 {
      try server.upgrade()
      // Each connection is new.
      for _ in 0..<5 {
        #expect(try Curl.get(url(server.sluice) + "/hello.txt", flags()).text == "hello\n", "\(number)")
      }
    }
    try load.expectNoFailures()
    #expect(try server.sluice.process.wait() == 0)
  }
}

/// The same where the kernel has the keys of connections that the old process or workers finish.
@Suite(.enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSTakeoverTests {
  @Test(arguments: Transfer.Transport.kernel) func byAnotherProcess(transport: Transfer.Transport) throws {
    let tests = try UpgradeTests()
    try transport.expectUpgradesUnderLoad(tests.site, tests.folder)
    try tests.connectionsGoOn(transport: transport)
  }

  @Test(arguments: Transfer.Transport.kernel) func byOtherWorkers(transport: Transfer.Transport) throws {
    try ReloadTests().nobodyNotices(transport: transport)
    try ReloadTests().connectionsGoOn(transport: transport)
  }
}
