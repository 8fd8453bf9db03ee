import ArgumentParser
import Server

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say all that is wrong with a configuration, without serving.",
    discussion: "Takes the options of serve. Exit code 0 if nothing is wrong, else 64; warnings do not count."
  )

  @OptionGroup var options: Options

  @Flag(help: "Print the configuration that results, as a file says it (TOML).")
  var print = false

  func run() throws {
    var reader = ConfigurationReader(options)
    let configuration = reader.configuration()
    reader.problems += reader.faults(of: configuration)
    for problem in reader.problems { standardError("sluice: \(problem)") }
    if reader.problems.isEmpty {
      for warning in reader.allWarnings(configuration) { standardError("sluice: warning: \(warning)") }
    }
    if print { Swift.print(reader.toml, terminator: "") }
    if !reader.problems.isEmpty { throw ExitCode.validationFailure }
  }
}
