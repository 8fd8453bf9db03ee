import CLinux
import Glibc
import Synchronization

/// A program that runs beside the tests, with its output in files, so that it never waits for us to read.
///
/// Belongs to one thread. Ends with its owner.
final class Subprocess {
  /// What a program reads, and where its standard output goes.
  enum Stream {
    /// stdin: nothing; stdout: a file, see `output`.
    case standard
    /// A socket in our hands: see `send` and `receive`.
    case socket
  }

  let identifier: pid_t
  private let folder: TemporaryFolder
  private var input: Int32 = -1
  private var source: Int32 = -1
  private var status: Int32?

  /// Starts `command`: its first element is a path, or a name to be looked for in PATH. `environment` is added to
  /// our own, without what is meant for sluice.
  init(
    _ command: [String], environment: [String: String] = [:], workingFolder: String? = nil,
    stdin: Stream = .standard, stdout: Stream = .standard
  ) throws {
    folder = try TemporaryFolder()
    var theirInput: Int32 = -1
    var theirOutput: Int32 = -1
    if stdin == .socket { (input, theirInput) = try Self.socketPair() }
    if stdout == .socket { (source, theirOutput) = try Self.socketPair() }
    defer {
      if theirInput >= 0 { close(theirInput) }
      if theirOutput >= 0 { close(theirOutput) }
    }

    let command = (workingFolder.map { ["env", "-C", $0] } ?? []) + command
    identifier = try Self.spawn(
      command, Self.environment(adding: environment), theirInput, theirOutput, folder.path)
    RunningProcesses.add(identifier)
  }

  /// Starts a program with these sockets, or /dev/null and files in `folder`, as its standard streams. All that we
  /// have open ourselves is closed on exec.
  private static func spawn(
    _ command: [String], _ environment: [String], _ input: Int32, _ output: Int32, _ folder: String
  ) throws -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    let create = O_WRONLY | O_CREAT | O_TRUNC
    if input >= 0 {
      unsafe posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
    } else {
      unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    }
    if output >= 0 {
      unsafe posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    } else {
      unsafe posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, folder + "/stdout", create, 0o600)
    }
    unsafe posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, folder + "/stderr", create, 0o600)
    // Other tests of this process may have descriptors open that are not closed on exec: who counts must not inherit
    // them.
    for descriptor in (STDERR_FILENO + 1)..<1024 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }

    // Signals as they are by default, whatever the test runner has made of them.
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigfillset(&signals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var child = pid_t()
    let arguments = unsafe command.map { unsafe strdup($0) } + [nil]
    let variables = unsafe environment.map { unsafe strdup($0) } + [nil]
    defer { unsafe (arguments + variables).forEach { unsafe free($0) } }
    let error = unsafe posix_spawnp(&child, command[0], &actions, &attributes, arguments, variables)
    guard error == 0 else { throw TestFailure("cannot start \(command[0]): error \(error)") }
    return child
  }

  deinit {
    if status == nil {
      kill(identifier, SIGKILL)
      waitpid(identifier, nil, 0)
      RunningProcesses.remove(identifier)
    }
    endInput()
    if source >= 0 { close(source) }
  }

  private static func socketPair() throws -> (Int32, Int32) {
    var pair: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard unsafe socketpair(AF_UNIX, type, 0, &pair) == 0 else { throw TestFailure("socketpair failed") }
    return (pair[0], pair[1])
  }

  /// NAME=VALUE for a child: ours without SLUICE_…, which would change what is tested.
  private static func environment(adding added: [String: String]) -> [String] {
    var variables: [String] = []
    var index = 0
    while let entry = unsafe environ[index] {
      let variable = unsafe String(cString: entry)
      let name = String(variable.prefix { $0 != "=" })
      if !name.hasPrefix("SLUICE_") && added[name] == nil { variables.append(variable) }
      index += 1
    }
    return variables + added.map { "\($0.key)=\($0.value)" }
  }

  // MARK: Its input and output

  /// Everything that it has written to standard output.
  var outputBytes: [UInt8] { readFile(folder.path + "/stdout") ?? [] }
  /// The same as text.
  var output: String { String(decoding: outputBytes, as: UTF8.self) }
  /// Everything that it has written to standard error.
  var errorOutput: String { String(decoding: readFile(folder.path + "/stderr") ?? [], as: UTF8.self) }

  /// Writes to standard input (`stdin: .socket`). That the program has gone is no fault here.
  func send(_ text: String) {
    let bytes = Array(text.utf8)
    _ = unsafe Glibc.send(input, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// Ends standard input.
  func endInput() {
    if input >= 0 { close(input) }
    input = -1
  }

  /// Reads from standard output (`stdout: .socket`): at least one byte, at most `limit`; none at the end.
  func receive(_ limit: Int) throws -> [UInt8] {
    try waitForInput(source, patience: Patience.seconds)
    return unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      unsafe count = max(0, read(source, buffer.baseAddress, limit))
    }
  }

  /// Reads the rest of standard output.
  func receiveAll() throws -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let more = try receive(1 << 20)
      if more.isEmpty { return bytes }
      bytes += more
    }
  }

  // MARK: Its end

  func signal(_ number: Int32) {
    if status == nil { kill(identifier, number) }
  }

  /// The exit status, or 128 + the signal that ended it; nil while it runs.
  var exitStatus: Int32? {
    if let status { return status }
    var raw: Int32 = 0
    guard unsafe waitpid(identifier, &raw, WNOHANG) == identifier else { return nil }
    RunningProcesses.remove(identifier)
    status = CLinux_exitStatus(raw)
    return status
  }

  /// Waits for its end.
  @discardableResult
  func wait(seconds: Double = Patience.seconds) throws -> Int32 {
    try waitUntil("process \(identifier) ends", seconds: seconds) { exitStatus != nil }
    return exitStatus ?? -1
  }
}

/// Children that have to go when the tests end, however they end.
private enum RunningProcesses {
  private static let identifiers = Mutex<Set<pid_t>>([])
  private static let killsAtExit: Void = {
    atexit { RunningProcesses.identifiers.withLock { $0.forEach { kill($0, SIGKILL) } } }
  }()

  static func add(_ identifier: pid_t) {
    killsAtExit
    _ = identifiers.withLock { $0.insert(identifier) }
  }

  static func remove(_ identifier: pid_t) {
    _ = identifiers.withLock { $0.remove(identifier) }
  }
}
