import ArgumentParser
import Server

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say whether kernel TLS works here, and if not, why and what to do.",
    discussion: """
      Gives keys to the kernel on a loopback connection. With options of serve, says whether it will be used with these. Exit code \
      0 if kernel TLS will be used, 1 if not, 64 for wrong options.
      """)

  @OptionGroup var options: Options

  @Flag(help: "Say it in JSON.")
  var json = false

  func run() throws {
    var reader = ConfigurationReader(options)
    let configuration = reader.configuration()
    if let problem = reader.problems.first {
      let others = reader.problems.count - 1
      throw ValidationError(others == 0 ? problem : "\(problem) (and \(others) more: sluice check tells all)")
    }
    // Without a word of what is to be served, the machine is meant.
    let diagnosis = Diagnosis(reader.settings.areAllStandard ? nil : configuration)
    if json {
      print(diagnosis.json)
    } else {
      for finding in diagnosis.findings { print("\(finding.state.mark) \(finding.subject): \(finding.text)") }
    }
    if !diagnosis.hasKernelTLS { throw ExitCode(1) }
  }
}

extension Diagnosis {
  /// An object in JSON (RFC 8259).
  fileprivate var json: String {
    let checks = findings.map { finding in
      """
      {"check": \(finding.subject.jsonString), "state": "\(finding.state.rawValue)", \
      "finding": \(finding.text.jsonString)}
      """
    }
    return "{\"kernel_tls\": \(hasKernelTLS), \"checks\": [\n  \(checks.joined(separator: ",\n  "))\n]}"
  }
}
