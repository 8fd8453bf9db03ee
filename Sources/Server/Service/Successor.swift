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
  ///
  /// `areGiven`: the sockets come from a service manager.
  init(_ binding: Binding, admin: Int32?, areGiven: Bool) throws(Errno) {
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
      process = try Self.start(sockets, areGiven: areGiven)
    } catch {
      close(pipe.read)
      throw error
    }
    readiness = pipe.read
  }

  deinit {
    close(readiness)
  }

  /// What has come of it, once `readiness` is readable: it serves (nil), or has ended, and how.
  func end() -> String? {
    var byte: UInt8 = 0
    if unsafe read(readiness, &byte, 1) == 1 { return nil }
    return wait()
  }

  /// Ends it, which may hang.
  func kill() {
    Glibc.kill(process, SIGKILL)
    _ = wait()
  }

  private func wait() -> String {
    var status: Int32 = 0
    while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
    return status & 0x7F == 0 ? "with exit code \(status >> 8 & 0xFF)" : "by signal \(status & 0x7F)"
  }

  // MARK: Its start

  private static func start(
    _ sockets: [(name: String, descriptor: Int32)], areGiven: Bool
  ) throws(Errno) -> pid_t {
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
    // The signals of `Signals` stay blocked: those that come early wait until they are read there.
    var pipe = sigset_t()
    unsafe sigemptyset(&pipe)
    unsafe sigaddset(&pipe, SIGPIPE)
    unsafe posix_spawnattr_setsigdefault(&attributes, &pipe)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))

    let arguments = CommandLine.arguments
    let environment = environment(sockets.map(\.name), areGiven: areGiven)
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
  private static func environment(_ names: [String], areGiven: Bool) -> [String] {
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
    ] + (areGiven ? ["\(InheritedSockets.given)=1"] : [])
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
