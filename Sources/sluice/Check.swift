import ArgumentParser

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say all that is wrong with a configuration, without serving.",
    discussion: "Takes the options of serve. Exit code 0 if nothing is wrong, else 64.")

  @OptionGroup var options: Options

  @Flag(help: "Print the configuration that results, as a file says it (TOML).")
  var print = false

  func run() throws {
    var reader = ConfigurationReader(options)
    _ = reader.configuration()
    _ = reader.logLevel()
    for problem in reader.problems { standardError("sluice: \(problem)") }
    if print { Swift.print(reader.settings.toml, terminator: "") }
    if !reader.problems.isEmpty { throw ExitCode.validationFailure }
  }
}
