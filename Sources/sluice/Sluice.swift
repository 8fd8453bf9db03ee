import ArgumentParser
import Glibc
import TLS

/// The command. ArgumentParser is known here and nowhere else.
@main
struct Sluice: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "sluice",
    abstract: "Serves a folder over HTTP and HTTPS, zero-copy, with kernel TLS.",
    version: version,
    subcommands: [Serve.self, Check.self, Doctor.self, Reload.self, Upgrade.self],
    defaultSubcommand: Serve.self)

  /// Errors are one line that says what to do; exit code 64 for usage, 1 for all else.
  static func main() {
    keepStandardStreams()
    leaveCrashesToTheSystem()
    OpenSSL.stayUntilTheEnd()
    do {
      var command = try parsed()
      try command.run()
    } catch {
      let code = exitCode(for: error)
      // Help, version and completion scripts.
      if code == .success { exit(withError: error) }
      let message = explained(message(for: error))
      if !message.isEmpty {
        let advice =
          code == .validationFailure ? " (see sluice \(command?._commandName ?? "serve") --help)" : ""
        standardError("sluice: \(message.split(separator: "\n").joined(separator: " "))\(advice)")
      }
      Glibc.exit(code.rawValue)
    }
  }

  /// What was asked for. Whoever reads the doctor's JSON gets some of wrong flags, too.
  private static func parsed() throws -> any ParsableCommand {
    do {
      return try parseAsRoot()
    } catch {
      let isRead = command == Doctor.self && CommandLine.arguments.contains("--json")
      if isRead, exitCode(for: error) == .validationFailure {
        Doctor.printJSON(errors: [explained(message(for: error))])
      }
      throw error
    }
  }

  /// The one that was named.
  private static var command: (any ParsableCommand.Type)? {
    configuration.subcommands.first { $0._commandName == CommandLine.arguments.dropFirst().first }
  }

  /// What was meant, where ArgumentParser does not know a flag, or a word was to be a command.
  private static func explained(_ message: String) -> String {
    if let flag = message.prefixMatch(of: /Unknown option '([^']+)'/)?.output.1 {
      let flags = helpMessage(for: command ?? Serve.self).matches(of: /--([a-z-]+)/).map {
        String($0.output.1)
      }
      return Suggestion.text(forFlag: String(flag), of: flags)
    }
    let commands = configuration.subcommands.map { $0._commandName }
    return CommandLine.arguments.dropFirst().first.flatMap { Suggestion.text(forCommand: $0, of: commands) }
      ?? message
  }
}

/// Has something at 0, 1 and 2, if the process was started without: else a client's connection would get one of these numbers,
/// and what is meant for standard error.
private func keepStandardStreams() {
  for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
    // The lowest number that is free: this one.
    _ = unsafe open("/dev/null", O_RDWR)
  }
}

/// Takes its signals back from the Swift runtime, which is asked by SWIFT_BACKTRACE or a terminal to print registers and
/// memory at a crash: a client's bytes, or a key. It installs its handler before `main`, for these signals, where there
/// was none.
private func leaveCrashesToTheSystem() {
  func handler(of signal: Int32) -> Int {
    var action = sigaction()
    unsafe sigaction(signal, nil, &action)
    return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
  }
  // Nobody else has a handler for SIGTRAP: what has another one (a sanitizer's), or is ignored, stays so.
  let runtimes = handler(of: SIGTRAP)
  for number in [SIGQUIT, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP]
  where handler(of: number) == runtimes {
    signal(number, SIG_DFL)
  }
}

/// Writes a line to standard error.
func standardError(_ line: String) {
  var bytes = Array(line.utf8)
  bytes.append(UInt8(ascii: "\n"))
  _ = unsafe write(STDERR_FILENO, bytes, bytes.count)
}

/// Something that can't be done, said in one line: exit code 1.
struct Failure: Error, CustomStringConvertible {
  let description: String
}
