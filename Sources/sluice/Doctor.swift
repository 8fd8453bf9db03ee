import ArgumentParser
import Server

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say whether kernel TLS works here, and if not, why and what to do.",
    discussion: """
      Gives keys to the kernel on a loopback connection. With options of serve, says whether it will be used with these. Exit code \
      0 if kernel TLS will be used, 1 if not, 64 for wrong options, which --json tells, too.
      """)

  @OptionGroup var options: Options

  @Flag(help: "Say it in JSON.")
  var json = false

  func run() throws {
    var reader = ConfigurationReader(options)
    let configuration = reader.configuration()
    if let problem = reader.problems.first {
      if json { Self.printJSON(errors: reader.problems) }
      let others = reader.problems.count - 1
      throw ValidationError(others == 0 ? problem : "\(problem) (and \(others) more: sluice check tells all)")
    }
    // Without a word of what is to be served, the machine is meant.
    let isMachineMeant = reader.settings.areAllStandard
    let diagnosis = Diagnosis(isMachineMeant ? nil : configuration, refusals(of: reader))
    if json {
      print(diagnosis.json)
    } else {
      for finding in diagnosis.findings { print("\(finding.state.mark) \(finding.subject): \(finding.text)") }
    }
    if !diagnosis.hasKernelTLS { throw ExitCode(1) }
  }

  private func refusals(of reader: ConfigurationReader) -> Diagnosis.Refusals {
    func origin(_ option: String, is word: (String) -> Bool) -> Setting.Origin? {
      reader.settings.all[option].flatMap { $0.texts.contains(where: word) ? $0.origin : nil }
    }
    var refusals = Diagnosis.Refusals()
    refusals.https = origin("plaintext") { Bool(text: $0) == true }.map { $0.name + $0.mention }
    refusals.kernelTLS = origin("ktls") { $0 == "off" }.map { "\($0.name) off\($0.mention)" }
    return refusals
  }

  /// What is wrong with options, in place of what there is to say of the machine.
  static func printJSON(errors: [String]) {
    print(json(hasKernelTLS: false, checks: [], errors: errors))
  }

  /// An object in JSON (RFC 8259). `checks`: objects, too.
  fileprivate static func json(hasKernelTLS: Bool, checks: [String], errors: [String]) -> String {
    func list(_ lines: [String]) -> String {
      lines.isEmpty ? "[]" : "[\n  \(lines.joined(separator: ",\n  "))\n]"
    }
    return """
      {"kernel_tls": \(hasKernelTLS), "checks": \(list(checks)), "errors": \(list(errors.map(\.jsonString)))}
      """
  }
}

extension Diagnosis {
  fileprivate var json: String {
    let checks = findings.map { finding in
      """
      {"check": \(finding.subject.jsonString), "state": "\(finding.state.rawValue)", \
      "finding": \(finding.text.jsonString)}
      """
    }
    return Doctor.json(hasKernelTLS: hasKernelTLS, checks: checks, errors: [])
  }
}
