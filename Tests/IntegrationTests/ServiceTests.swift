import Glibc
import Testing

/// As a service: what the manager that has started the server is told, and the sockets that it gives.
@Suite struct ServiceTests {
  private let site: TemporarySite
  private let folder: TemporaryFolder

  init() throws {
    site = try TemporarySite()
    folder = try TemporaryFolder()
    try site.add("hello.txt", "hello\n")
    try Shell.require(["truncate", "-s", "64M", site.path + "/huge.bin"])
  }

  // MARK: Notification (sd_notify(3))

  @Test(arguments: [false, true]) func notifications(isAbstract: Bool) throws {
    let manager = try NotificationSocket(folder.path, isAbstract: isAbstract)
    let sluice = try SluiceProcess(
      arguments: [site.path, "--port", "0", "--workers", "2"],
      environment: ["NOTIFY_SOCKET": manager.name], listeners: 1)
    let ready = try manager.next()
    #expect(ready.hasPrefix("READY=1\nSTATUS=serving http://127.0.0.1:"))
    sluice.process.signal(SIGHUP)
    let reloading = try manager.next()
    #expect(reloading.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") && !reloading.contains("USEC=0\n"))
    #expect(try manager.next().hasPrefix("READY=1\n"))
    #expect(try sluice.stop() == 0)
    #expect(try manager.next().hasPrefix("STOPPING=1\n"))
  }

  @Test(.enabled(if: TestMachine.has("strace"), "strace is missing"))
  func watchdog() throws {
    let manager = try NotificationSocket(folder.path, isAbstract: false)
    let sluice = try SluiceProcess(
      site.path, flags: ["--workers", "2"],
      prefix: [
        "env", "NOTIFY_SOCKET=\(manager.name)", "WATCHDOG_USEC=400000", "strace", "-f", "-D", "-qq", "-o",
        "/dev/null", "-e", "trace=sendfile", "-e", "inject=sendfile:delay_enter=4000000:when=1",
      ])
    #expect(try manager.next().hasPrefix("READY=1\n"))
    for _ in 0..<3 { #expect(try manager.next() == "WATCHDOG=1") }
    // One of two workers hangs: nothing more is said, until it goes on.
    let connection = try sluice.connect()
    try connection.get("/huge.bin", "Range: bytes=0-9\r\n")
    usleep(600_000)
    manager.drain()
    #expect(manager.isSilent(seconds: 1))
    #expect(try connection.response().body.count == 10)
    #expect(try manager.next() == "WATCHDOG=1")
    #expect(try sluice.stop() == 0)
  }

  /// Meant for another process.
  @Test func watchdogOfAnother() throws {
    let manager = try NotificationSocket(folder.path, isAbstract: false)
    let sluice = try SluiceProcess(
      arguments: [site.path, "--port", "0"],
      environment: ["NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"],
      listeners: 1)
    #expect(try manager.next().hasPrefix("READY=1\n"))
    #expect(manager.isSilent(seconds: 0.5))
    #expect(try sluice.stop() == 0)
  }

  // MARK: Sockets (sd_listen_fds(3))

  /// What gives sockets to a program, as systemd does: each argument before `--` is a name and a kind.
  private static let giver = """
    import os, socket, sys
    end = sys.argv.index("--")
    names, sockets = [], []
    for argument in sys.argv[1:end]:
        name, kind = argument.split("=")
        one = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET,
                            socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        if kind == "tcp":
            one.bind(("127.0.0.1", 0)); one.listen(16)
            print(name, one.getsockname()[1], file=sys.stderr, flush=True)
        names.append(name); sockets.append(one)
    for index, one in enumerate(sockets): os.dup2(one.fileno(), 60 + index)
    for index in range(len(sockets)): os.dup2(60 + index, 3 + index)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=":".join(names))
    if names[0] == "": del os.environ["LISTEN_FDNAMES"]
    os.execvp(sys.argv[end + 1], sys.argv[end + 1:])
    """

  private func command(_ sockets: [String], _ arguments: [String]) throws -> [String] {
    let file = folder.path + "/giver.py"
    try writeFile(file, Array(Self.giver.utf8))
    return ["python3", file] + sockets + ["--", SluiceProcess.binary] + arguments
  }

  @Test(.enabled(if: TestMachine.has("python3"), "python3 is missing"), arguments: [1, 2])
  func socketsOfTheManager(workers: Int) throws {
    let pair = try TestCertificates.ecdsa
    let process = try Subprocess(
      command(
        ["http=tcp", "https=tcp"],
        [site.path, "--workers", "\(workers)", "--port", "1", "--ktls", "off"] + pair.flags))
    try waitUntil("it listens") {
      process.errorOutput.split(separator: "\n").count { $0.hasPrefix("listening ") } == 2
        || process.exitStatus != nil
    }
    let ports = Dictionary(
      process.errorOutput.split(separator: "\n").compactMap { line in
        let words = line.split(separator: " ")
        return words.count == 2 && words[0] != "listening" ? (String(words[0]), String(words[1])) : nil
      }, uniquingKeysWith: { $1 })
    let (plain, secure) = try (#require(ports["http"]), #require(ports["https"]))
    #expect(process.errorOutput.contains("listening http://127.0.0.1:\(plain)\n"))
    for _ in 0..<10 {
      #expect(try Curl.get("http://127.0.0.1:\(plain)/hello.txt").text == "hello\n")
      #expect(try Curl.get("https://127.0.0.1:\(secure)/hello.txt", Curl.trusting(pair)).text == "hello\n")
    }
    process.signal(SIGTERM)
    #expect(try process.wait() == 0)
  }

  @Test(
    .enabled(if: TestMachine.has("python3"), "python3 is missing"),
    arguments: [
      (["web=tcp"], "a socket called 'web': say FileDescriptorName=http or https"),
      (["=tcp"], "a socket called 'unknown': say FileDescriptorName=http or https"),
      (["http=udp"], "a socket 'http' that does not listen for TCP: use ListenStream=PORT"),
      (["http=unix"], "a socket 'http' that does not listen for TCP"),
      (["http=tcp", "https=tcp"], "a socket 'https', and there is no certificate"),
    ])
  func wrongSockets(sockets: [String], expected: String) throws {
    let result = try Shell.run(command(sockets, [site.path]))
    #expect(result.exitStatus == 1 && result.errorOutput.contains(expected), "\(result.errorOutput)")
  }

  // MARK: The process's number

  @Test func pidFileAndReload() throws {
    let file = folder.path + "/pid"
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa), flags: ["--pid-file", file])
    #expect(readFile(file) == Array("\(sluice.process.identifier)\n".utf8))
    let result = try SluiceProcess.run(["reload", "--pid-file", file])
    #expect(result.exitStatus == 0 && result.text == "reloaded: no certificate is new\n", "\(result.text)")
    // Another server with this file would take it.
    let other = try SluiceProcess.run([site.path, "--port", "0", "--pid-file", file])
    #expect(other.exitStatus == 1, "\(other.text)")
    #expect(other.errorOutput.contains("process \(sluice.process.identifier), a sluice, has this file"))
    #expect(readFile(file) == Array("\(sluice.process.identifier)\n".utf8))
    #expect(try sluice.stop() == 0)
    #expect(readFile(file) == nil)
    for (text, expected) in [
      (nil, "there is no such file"), ("x\n", "no number of a process in it"), ("-1\n", "no number"),
      ("1\n", "process 1 is no sluice"),
    ] {
      if let text { try writeFile(file, Array(text.utf8)) }
      let result = try SluiceProcess.run(["reload", "--pid-file", file])
      #expect(result.exitStatus == 1 && result.errorOutput.contains(expected), "\(result.errorOutput)")
    }
    // Of one that was killed, it is taken.
    _ = try SluiceProcess(site.path, flags: ["--pid-file", file]).stop()
    for arguments in [[], ["--process", "1", "--pid-file", file], ["--process", "x"]] {
      #expect(try SluiceProcess.run(["reload"] + arguments).exitStatus == 64)
    }
    let none = try SluiceProcess.run(["upgrade", "--process", "1"])
    #expect(none.exitStatus == 1 && none.errorOutput == "sluice: process 1 is no sluice\n")
  }

  /// What the manager has given goes on to who takes over, whatever the configuration says of ports.
  @Test func socketsGoOn() throws {
    let file = folder.path + "/pid"
    let process = try Subprocess(
      command(["http=tcp"], [site.path, "--port", "9", "--pid-file", file, "--log-level", "info"]))
    defer { process.signal(SIGTERM) }
    func count() -> Int { process.errorOutput.ranges(of: "has taken over").count }
    try waitUntil("it listens") { process.errorOutput.contains("listening http://") }
    let line = try #require(process.errorOutput.split(separator: "\n").first { $0.hasPrefix("listening ") })
    let url = String(line.split(separator: " ")[1])
    for number in 1...3 {
      let old = try #require(readFile(file))
      let result = try SluiceProcess.run(["upgrade", "--pid-file", file])
      #expect(result.exitStatus == 0, "\(number): \(result.text)\(process.errorOutput)")
      #expect(readFile(file) != old)
      #expect(try Curl.get(url + "/hello.txt").text == "hello\n")
    }
    let last = String(decoding: try #require(readFile(file)), as: UTF8.self)
    kill(try #require(pid_t(last.dropLast())), SIGTERM)
  }

  /// Started without standard streams: nothing else gets their numbers.
  @Test func standardStreamsAreThere() throws {
    let pid = folder.path + "/pid"
    let shell = try Subprocess([
      "sh", "-c", "exec \"$0\" \"$@\" <&- >&- 2>&-", SluiceProcess.binary, TemporarySite.common().path,
      "--port", "0",
      "--pid-file", pid,
    ])
    try waitUntil("it serves") { readFile(pid) != nil }
    for number in 0...2 {
      let link = try Shell.require(["readlink", "/proc/\(shell.identifier)/fd/\(number)"])
      #expect(link == "/dev/null\n")
    }
    shell.signal(SIGTERM)
    #expect(try shell.wait() == 0)
  }

  /// Somebody else's stays.
  @Test func pidFileOfAnother() throws {
    let file = folder.path + "/pid"
    let sluice = try SluiceProcess(site.path, flags: ["--pid-file", file])
    try writeFile(file, Array("1\n".utf8))
    #expect(try sluice.stop() == 0)
    #expect(readFile(file) == Array("1\n".utf8))
    let result = try SluiceProcess.run([site.path, "--port", "0", "--pid-file", "/none/pid"])
    #expect(result.exitStatus == 1)
    #expect(result.errorOutput.contains("/none/pid: cannot write the process's number: No such file"))
  }

  // MARK: The end

  @Test func drainTime() throws {
    let sluice = try SluiceProcess(site.path, flags: ["--drain", "0"])
    let slow = try sluice.connect(receiveBuffer: 4096)
    try slow.get("/huge.bin")
    usleep(300_000)
    sluice.signal(SIGTERM)
    // It could not be finished in thirty seconds either.
    #expect(try sluice.process.wait(seconds: 15) == 0)
    #expect(try slow.rest().bytes.count < 64 << 20)
    let wrong = try SluiceProcess.run([site.path, "--drain", "4000"])
    #expect(wrong.exitStatus == 64 && wrong.errorOutput.contains("use a number of seconds from 0 to 3600"))
  }
}

/// The end of a service manager's that hears what a service says.
final class NotificationSocket {
  /// As NOTIFY_SOCKET has it.
  let name: String
  private let descriptor: Int32

  init(_ folder: String, isAbstract: Bool) throws {
    name = (isAbstract ? "@" : "") + "\(folder)/notify"
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = isAbstract ? [0] + Array(name.utf8.dropFirst()) : Array(name.utf8) + [0]
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    let length = socklen_t(2 + bytes.count)
    let status = unsafe withUnsafePointer(to: address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
    }
    guard status == 0 else { throw TestFailure("cannot bind \(name)") }
  }

  deinit {
    close(descriptor)
  }

  /// What is said next.
  func next() throws -> String {
    try waitForInput(descriptor, patience: Patience.seconds)
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
    return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
  }

  /// Forgets what was said.
  func drain() {
    var byte: UInt8 = 0
    while unsafe recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT)) >= 0 {}
  }

  func isSilent(seconds: Double) -> Bool {
    var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&polled, 1, Int32(seconds * 1000)) == 0
  }
}
