import ArgumentParser
import Server

/// Which server is meant.
struct RunningOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The file that the server has written: --pid-file of serve.", valueName: "file"))
  var pidFile: String?

  @Option(
    help: ArgumentHelp("The server's process number, as systemd's $MAINPID has it.", valueName: "number"))
  var process: Int32?

  func validate() throws {
    guard (pidFile == nil) != (process == nil) else {
      throw ValidationError("say which server is meant: --pid-file FILE or --process NUMBER")
    }
  }

  /// Asks it, and prints what it says. Exit code 1 if it can't do it.
  func ask(_ question: (RunningServer) throws -> String) throws {
    do {
      let server =
        if let process { try RunningServer(process: process) } else {
          try RunningServer(pidFile: pidFile ?? "")
        }
      Swift.print(try question(server))
    } catch let error as ConfigurationError {
      for problem in error.problems { standardError("sluice: \(problem)") }
      throw ExitCode.failure
    } catch {
      throw Failure(description: "\(error)")
    }
  }
}

struct Reload: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Have a running server serve what its configuration, certificates and keys say now.",
    discussion:
      "Sends it SIGHUP, and waits a minute for what comes of it. Exit code 1, and what is wrong, if nothing has changed."
  )

  @OptionGroup var server: RunningOptions

  func run() throws {
    try server.ask { try $0.reload(within: 60) }
  }
}

struct Upgrade: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Have a new process take over from a running server, without losing a connection.",
    discussion: """
      Sends it SIGUSR2. It starts the program as it is on the disk now, with its own arguments and its sockets; when that \
      serves, the old process finishes what it is sending, and ends. Exit code 1, and why, if the old one goes on.
      """)

  @OptionGroup var server: RunningOptions

  func run() throws {
    // The new process has a minute.
    try server.ask { try $0.upgrade(within: 65) }
  }
}
