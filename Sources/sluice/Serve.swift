import ArgumentParser
import Logging
import Server
import Synchronization

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve a folder (the default command).",
    discussion: """
      Without a certificate: HTTP on --port. With one: HTTP on --port and HTTPS on --tls-port.
      Every option can come from the environment, too: SLUICE_PORT for --port, SLUICE_TLS_PORT for --tls-port \
      and so on; SLUICE_ROOT for ROOT; and from the file that --config names, in which it has its own name. The flag \
      wins over the environment, and that over the file.
      """)

  @OptionGroup var options: Options

  func run() throws {
    Server.keepSignals()
    var reader = ConfigurationReader(options)
    let configuration = reader.configuration()
    if let problem = reader.problems.first {
      let others = reader.problems.count - 1
      throw ValidationError(others == 0 ? problem : "\(problem) (and \(others) more: sluice check tells all)")
    }
    if Server.takesOver, let file = reader.emptyFile {
      throw Failure(description: Rereading.complaint(ofEmpty: file))
    }
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = .trace
      return handler
    }
    var log = Logger(label: "sluice")
    log.logLevel = configuration.logLevel
    for warning in reader.allWarnings(configuration) { log.warning("\(warning)") }
    let rereading = Rereading(options, hadContent: reader.emptyFile == nil)
    do {
      try Server.run(configuration, log: log, announce: standardError) { () throws(ConfigurationError) in
        try rereading.configuration()
      }
    } catch {
      // With its place, if it stems from something that was said.
      throw Failure(description: reader.faults(of: configuration).first ?? error.description)
    }
  }
}

/// What is read at each reload.
private final class Rereading: Sendable {
  private let options: Options
  /// The file has had something to say since the start.
  private let hadContent: Atomic<Bool>

  init(_ options: Options, hadContent: Bool) {
    self.options = options
    self.hadContent = Atomic(hadContent)
  }

  /// Whoever writes to a file in place empties it first, and may get no further: taken at its word it would serve another folder, without
  /// its rules.
  static func complaint(ofEmpty file: String) -> String {
    "\(file): this file is empty, and was not before: write it again; if nothing is to be said in it any more, leave a comment (#)"
  }

  /// What the configuration says now, and what to warn of. Throws all that is wrong with it, and with what it names.
  func configuration() throws(ConfigurationError) -> (Configuration, warnings: [String]) {
    var reader = ConfigurationReader(options, at: .reload)
    let configuration = reader.configuration()
    if let file = reader.emptyFile {
      if hadContent.load(ordering: .relaxed) { throw ConfigurationError([Self.complaint(ofEmpty: file)]) }
    } else {
      hadContent.store(true, ordering: .relaxed)
    }
    // All that is wrong with files, too, and with the places that name them.
    let problems = reader.problems.isEmpty ? reader.faults(of: configuration) : reader.problems
    guard problems.isEmpty else { throw ConfigurationError(problems) }
    return (configuration, warnings: reader.allWarnings(configuration))
  }
}
