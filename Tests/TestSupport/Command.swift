import Glibc

/// Runs a program of the PATH to its end, silently. Throws if there is none or if it fails.
package func run(_ command: [String]) throws {
  var actions = unsafe posix_spawn_file_actions_t()
  unsafe posix_spawn_file_actions_init(&actions)
  defer { unsafe posix_spawn_file_actions_destroy(&actions) }
  for (descriptor, flags) in [(STDIN_FILENO, O_RDONLY), (STDOUT_FILENO, O_WRONLY), (STDERR_FILENO, O_WRONLY)]
  {
    unsafe posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", flags, 0)
  }
  let arguments = unsafe command.map { unsafe strdup($0) } + [nil]
  defer { unsafe arguments.forEach { unsafe free($0) } }
  var child = pid_t()
  errno = unsafe posix_spawnp(&child, command[0], &actions, nil, arguments, environ)
  guard errno == 0 else { throw SetUpError(command[0]) }
  var status: Int32 = -1
  while unsafe waitpid(child, &status, 0) < 0 && errno == EINTR {}
  guard status == 0 else { throw CommandFailed(command: command.joined(separator: " ")) }
}

/// A command that has failed.
package struct CommandFailed: Error, CustomStringConvertible {
  let command: String

  package var description: String { "failed: \(command)" }
}
