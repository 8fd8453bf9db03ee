import ArgumentParser
import Glibc

/// The command. ArgumentParser is known here and nowhere else.
@main
struct Sluice: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sluice",
    abstract: "Serves a folder over HTTP and HTTPS, zero-copy, with kernel TLS.",
    version: "0.1.0",
    subcommands: [Serve.self, Doctor.self],
    defaultSubcommand: Serve.self)

  /// Errors are one line that says what to do; exit code 64 for usage, 1 for all else.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      let code = exitCode(for: error)
      // Help, version and completion scripts.
      if code == .success { exit(withError: error) }
      let message = message(for: error)
      if !message.isEmpty {
        let command = CommandLine.arguments.dropFirst().first == "doctor" ? "doctor" : "serve"
        let advice = code == .validationFailure ? " (see sluice \(command) --help)" : ""
        standardError("sluice: \(message.split(separator: "\n").joined(separator: " "))\(advice)")
      }
      Glibc.exit(code.rawValue)
    }
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
