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
