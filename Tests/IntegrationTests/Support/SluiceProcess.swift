import Glibc
import Testing

/// A running `sluice`, the real binary, on ports of its own. Ends with its owner.
final class SluiceProcess {
  /// The binary: SLUICE_BINARY, else the one beside the tests.
  static let binary: String = {
    if let path = unsafe getenv("SLUICE_BINARY") { return unsafe String(cString: path) }
    return TestMachine.buildFolder + "/sluice"
  }()

  /// Which listeners there are.
  enum Listeners {
    case plain
    /// A plaintext and an HTTPS one.
    case both(TestCertificates.Pair)
  }

  let process: Subprocess
  /// We have asked it to end.
  private var isStopped = false
  /// The lines on standard error that say where it listens.
  let listening: [String]

  /// Starts it for `root` on free ports and waits until it listens. `flags` come last; without `--ktls` among them
  /// OpenSSL encrypts, so that tests of the kernel's part are undisturbed.
  init(
    _ root: String, _ listeners: Listeners = .plain, flags: [String] = [], prefix: [String] = [],
    binary: String = SluiceProcess.binary
  ) throws {
    var arguments = [root, "--port", "0", "--log-level", "info"]
    if case .both(let pair) = listeners {
      arguments += pair.flags + ["--tls-port", "0"]
      if !flags.contains("--ktls") { arguments += ["--ktls", "off"] }
    }
    if !flags.contains("--workers") { arguments += ["--workers", "1"] }
    let count = if case .both = listeners { flags.contains("--tls-only") ? 1 : 2 } else { 1 }
    process = try Subprocess(prefix + [binary] + arguments + flags)
    listening = try Self.waitForLines(process, count: count)
  }

  /// Starts it with exactly these arguments and waits until `count` listeners are announced.
  init(
    arguments: [String], environment: [String: String] = [:], workingFolder: String? = nil,
    listeners count: Int, binary: String? = nil
  ) throws {
    process = try Subprocess(
      [binary ?? Self.binary] + arguments, environment: environment, workingFolder: workingFolder)
    listening = try Self.waitForLines(process, count: count)
  }

  private static func waitForLines(_ process: Subprocess, count: Int) throws -> [String] {
    var lines: [String] = []
    try waitUntil("sluice listens") {
      // A line that is not ended is still being written.
      lines = process.errorOutput.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        .map(String.init).filter { $0.hasPrefix("listening ") }
      if lines.count < count, process.exitStatus != nil {
        throw TestFailure("sluice ended: \(process.errorOutput)")
      }
      return lines.count >= count
    }
    return lines
  }

  /// Runs it with these arguments to its end, for tests of what it refuses.
  static func run(
    _ arguments: [String], environment: [String: String] = [:], prefix: [String] = []
  ) throws -> Shell.Result {
    try Shell.run(prefix + [binary] + arguments, environment: environment)
  }

  // MARK: Where it listens

  /// The URL of a listener without a slash at the end: `http://127.0.0.1:8080`.
  func url(_ scheme: String) throws -> String {
    for line in listening {
      let words = line.split(separator: " ")
      if words.count > 1, words[1].hasPrefix("\(scheme)://") { return String(words[1]) }
    }
    throw TestFailure("no \(scheme) listener: \(listening)")
  }

  private func port(_ scheme: String) throws -> UInt16 {
    let url = try url(scheme)
    guard let text = url.split(separator: ":").last, let port = UInt16(text) else {
      throw TestFailure("no port in \(url)")
    }
    return port
  }

  var plainPort: UInt16 { get throws { try port("http") } }
  var securePort: UInt16 { get throws { try port("https") } }

  /// Where it answers questions about itself, once it has told: a URL, or the path of a socket.
  func adminPlace() throws -> String {
    var place: String?
    try waitUntil("the admin listener is told") {
      let line = process.errorOutput.split(separator: "\n").first { $0.hasPrefix("admin ") }
      place = line.map { String($0.dropFirst("admin ".count)) }
      return place != nil
    }
    return place ?? ""
  }

  /// A plaintext connection to it.
  func connect(receiveBuffer: Int32? = nil) throws -> RawConnection {
    try RawConnection(port: plainPort, receiveBuffer: receiveBuffer)
  }

  /// What it has open, a line each as `ls -l` shows it. One that goes while ls looks is no fault.
  func descriptors() throws -> String {
    try Shell.run(["ls", "-l", "/proc/\(process.identifier)/fd"]).output
  }

  /// How many sockets it has open: those it listens to, and those of clients that it has accepted.
  func socketCount() throws -> Int { try descriptors().ranges(of: "socket:[").count }

  // MARK: Its end

  /// Sends it a signal that should end it.
  func signal(_ number: Int32) {
    isStopped = true
    process.signal(number)
  }

  /// Tells it to stop, waits, and returns the exit status.
  @discardableResult
  func stop() throws -> Int32 {
    signal(SIGTERM)
    return try process.wait()
  }

  deinit {
    if !isStopped, let status = process.exitStatus {
      Issue.record("sluice has ended by itself with status \(status): \(process.errorOutput)")
    }
  }

  /// Stops it and returns what it has counted: the line `… stopped: name=value …`.
  func stopForMetrics() throws -> [String: Int] {
    let status = try stop()
    guard status == 0 else { throw TestFailure("exit status \(status): \(process.errorOutput)") }
    for line in process.errorOutput.split(separator: "\n") {
      guard let range = line.range(of: "stopped: ") else { continue }
      var metrics: [String: Int] = [:]
      for word in line[range.upperBound...].split(separator: " ") {
        let parts = word.split(separator: "=")
        if parts.count == 2 { metrics[String(parts[0])] = Int(parts[1]) }
      }
      return metrics
    }
    throw TestFailure("no metrics: \(process.errorOutput)")
  }
}

extension Substring {
  /// Where `text` begins and ends.
  fileprivate func range(of text: String) -> Range<Index>? {
    firstRange(of: text)
  }
}

extension SluiceProcess {
  /// Its user and system time in hundredths of a second.
  func processorTicks() throws -> Int {
    let status = readFile("/proc/\(process.identifier)/stat") ?? []
    let fields = String(decoding: status, as: UTF8.self).split(separator: " ")
    guard fields.count > 14, let user = Int(fields[13]), let system = Int(fields[14]) else {
      throw TestFailure("no times")
    }
    return user + system
  }
}
