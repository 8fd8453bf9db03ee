import CLinux
import Glibc
import Reactor

/// A process that takes over: the program as it is on the disk now, started as this one was, with this one's sockets. Connections that
/// nobody has accepted yet wait in them, whoever accepts.
final class Successor {
  /// Its number.
  let process: pid_t
  /// Readable when it serves, or has ended.
  let readiness: Int32

  /// Starts it. Throws what the kernel says.
  init(_ binding: Binding, admin: Int32?) throws(Errno) {
    var pipe: (read: Int32, write: Int32) = (-1, -1)
    let isMade = unsafe withUnsafeMutableBytes(of: &pipe) { ends in
      unsafe CLinux_pipe2(ends.bindMemory(to: Int32.self).baseAddress!, O_CLOEXEC) == 0
    }
    guard isMade else { throw Errno.current }
    let sockets =
      binding.plain.map { ("http", $0) } + binding.secure.map { ("https", $0) }
      + (admin.map { [("admin", $0)] } ?? []) + [("ready", pipe.write)]
    defer { close(pipe.write) }
    do throws(Errno) {
      process = try Self.start(sockets)
    } catch {
      close(pipe.read)
      throw error
    }
    readiness = pipe.read
  }

  deinit {
    close(readiness)
  }

  /// Whether it serves, once `readiness` is readable; if not, it has ended, and is waited for.
  func serves() -> Bool {
    var byte: UInt8 = 0
    if unsafe read(readiness, &byte, 1) == 1 { return true }
    var status: Int32 = 0
    unsafe waitpid(process, &status, 0)
    return false
  }

  // MARK: Its start

  private static func start(_ sockets: [(name: String, descriptor: Int32)]) throws(Errno) -> pid_t {
    // Where none of them is to be, so that none is overwritten before it is there.
    let copies = sockets.map { fcntl($0.descriptor, F_DUPFD_CLOEXEC, 3 + Int32(sockets.count)) }
    defer { for copy in copies where copy >= 0 { close(copy) } }
    guard copies.allSatisfy({ $0 >= 0 }) else { throw Errno(rawValue: EMFILE) }

    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for (index, copy) in copies.enumerated() {
      unsafe posix_spawn_file_actions_adddup2(&actions, copy, 3 + Int32(index))
    }
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // As a program begins: with no signal blocked, and none ignored.
    var (none, pipe) = (sigset_t(), sigset_t())
    unsafe sigemptyset(&none)
    unsafe sigemptyset(&pipe)
    unsafe sigaddset(&pipe, SIGPIPE)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &pipe)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))

    let arguments = CommandLine.arguments
    let environment = environment(sockets.map(\.name))
    var process = pid_t()
    let status = unsafe withStrings(arguments) { arguments in
      unsafe withStrings(environment) { environment in
        // By the name that it was called by: another program may have been put there since.
        unsafe posix_spawnp(&process, arguments[0]!, &actions, &attributes, arguments, environment)
      }
    }
    guard status == 0 else { throw Errno(rawValue: status) }
    return process
  }

  /// This process's, with what is said of the sockets.
  private static func environment(_ names: [String]) -> [String] {
    var all: [String] = []
    var next = unsafe CLinux_environment()
    while let text = unsafe next?.pointee {
      all.append(unsafe String(cString: text))
      unsafe next = next?.advanced(by: 1)
    }
    // A watchdog that was for this process is for that one then.
    let others = InheritedSockets.variables + ["WATCHDOG_PID"]
    all.removeAll { line in others.contains { line.hasPrefix($0 + "=") } }
    return all + [
      "LISTEN_PID=\(getpid())", "\(InheritedSockets.predecessor)=\(getpid())", "LISTEN_FDS=\(names.count)",
      "LISTEN_FDNAMES=\(names.joined(separator: ":"))",
    ]
  }

  /// Calls `body` with the strings as C has them, NULL behind the last.
  private static func withStrings<Result>(
    _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    var pointers = unsafe strings.map { unsafe strdup($0) } + [nil]
    defer { unsafe pointers.forEach { unsafe free($0) } }
    return unsafe pointers.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress!) }
  }
}
