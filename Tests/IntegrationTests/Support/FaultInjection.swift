import Glibc

/// System calls that fail or hang when the test wants it: strace(1), `inject`.
final class FaultInjection {
  static let isPossible = TestMachine.has("strace") && canTrace
  static let lacks = "strace is missing or may not trace: apt-get install strace, and run as root"

  private static let canTrace: Bool = {
    if TestMachine.isRoot { return true }
    let scope = readFile("/proc/sys/kernel/yama/ptrace_scope") ?? [UInt8(ascii: "0")]
    return scope.first == UInt8(ascii: "0")
  }()

  private static func arguments(_ rules: [String], log: String = "/dev/null") -> [String] {
    // Only these calls are of interest: what is not traced costs less.
    let names = Set(rules.map { String($0.prefix { $0 != ":" }) }).sorted()
    return ["strace", "-f", "-qq", "-o", log, "-s", "8", "-e", "trace=\(names.joined(separator: ","))"]
      + ["-e", "status=failed"] + rules.flatMap { ["-e", "inject=\($0)"] }
  }

  /// What to put before a command so that `rules` hold from its start on. The process that is started is still the
  /// command's own.
  static func from(start rules: [String]) -> [String] {
    arguments(rules) + ["-D"]
  }

  private let tracer: Subprocess
  private let folder: TemporaryFolder

  /// From now on `rules` hold for all threads of the process, each a strace rule as `sendto:error=EIO:when=2`.
  init(_ process: Subprocess, _ rules: [String]) throws {
    folder = try TemporaryFolder()
    let arguments = Self.arguments(rules, log: folder.path + "/calls")
    let tracer = try Subprocess(arguments + ["-p", "\(process.identifier)"])
    self.tracer = tracer
    try waitUntil("strace has attached") {
      if tracer.exitStatus != nil { throw TestFailure("strace: \(tracer.errorOutput)") }
      return Self.isTraced(process)
    }
  }

  private static func isTraced(_ process: Subprocess) -> Bool {
    let folder = "/proc/\(process.identifier)/task"
    guard let tasks = try? Shell.run(["ls", folder]).output.split(separator: "\n"), !tasks.isEmpty else {
      return false
    }
    return tasks.allSatisfy { task in
      let status = String(decoding: readFile("\(folder)/\(task)/status") ?? [], as: UTF8.self)
      return !status.contains("TracerPid:\t0\n")
    }
  }

  /// All calls are the kernel's own again.
  func end() throws {
    tracer.signal(SIGTERM)
    try tracer.wait()
  }

  /// The calls that were made to fail, a line each.
  var failedCalls: [Substring] {
    let log = String(decoding: readFile(folder.path + "/calls") ?? [], as: UTF8.self)
    return log.split(separator: "\n").filter { $0.hasSuffix("(INJECTED)") }
  }
}
