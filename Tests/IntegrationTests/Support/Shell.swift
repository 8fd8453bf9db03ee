/// Runs other people's programs to their end.
enum Shell {
  /// What is left of a program.
  struct Result {
    let exitStatus: Int32
    let outputBytes: [UInt8]
    let errorOutput: String

    var output: String { String(decoding: outputBytes, as: UTF8.self) }
    /// Both outputs, for messages and searches.
    var text: String { output + errorOutput }
  }

  /// Runs a program and waits for it.
  static func run(
    _ command: [String], environment: [String: String] = [:], workingFolder: String? = nil,
    seconds: Double = Patience.seconds
  ) throws -> Result {
    let process = try Subprocess(command, environment: environment, workingFolder: workingFolder)
    let status = try process.wait(seconds: seconds)
    return Result(
      exitStatus: status, outputBytes: process.outputBytes, errorOutput: process.errorOutput)
  }

  /// Runs a program that must succeed.
  @discardableResult
  static func require(_ command: [String], workingFolder: String? = nil) throws -> String {
    let result = try run(command, workingFolder: workingFolder)
    guard result.exitStatus == 0 else {
      throw TestFailure("\(command.joined(separator: " ")) failed: \(result.text)")
    }
    return result.output
  }
}
