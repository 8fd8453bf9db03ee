import ArgumentParser
import Server

struct Reload: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Have a running server serve what its configuration, certificates and keys say now.",
    discussion:
      "Sends SIGHUP to the process whose number is in the file; the server's log says what came of it.")

  @Option(help: ArgumentHelp("The file that the server has written: --pid-file of serve.", valueName: "file"))
  var pidFile: String

  func run() throws {
    do {
      try PIDFile(pidFile).reload()
    } catch {
      throw Failure(description: error.description)
    }
  }
}

struct Upgrade: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Have a new process take over from a running server, without losing a connection.",
    discussion: """
      Sends SIGUSR2 to the process whose number is in the file. It starts the program as it is on the disk now, with its own \
      arguments and its sockets; when that serves, the old process finishes what it is sending, and ends.
      """)

  @Option(help: ArgumentHelp("The file that the server has written: --pid-file of serve.", valueName: "file"))
  var pidFile: String

  func run() throws {
    do {
      let process = try PIDFile(pidFile).upgrade(within: 60)
      Swift.print("process \(process) has taken over")
    } catch {
      throw Failure(description: error.description)
    }
  }
}
