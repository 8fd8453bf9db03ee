import Testing

/// One configuration, three ways to say it: flags, the environment, a file. And `sluice check`, which says what is wrong with it.
@Suite struct ConfigurationTests {
  private func site() throws -> String { try TemporarySite.common().path }

  private func file(_ text: String) throws -> (folder: TemporarySite, path: String) {
    let folder = try TemporarySite()
    try folder.add("sluice.toml", text)
    return (folder, folder.path + "/sluice.toml")
  }

  /// What `sluice check` prints on standard error, a problem a line.
  private func problems(_ arguments: [String], environment: [String: String] = [:]) throws -> [String] {
    let result = try SluiceProcess.run(["check"] + arguments, environment: environment)
    let lines = result.errorOutput.split(separator: "\n").map(String.init)
    #expect(result.exitStatus == (lines.isEmpty ? 0 : 64))
    #expect(result.output.isEmpty)
    return lines
  }

  @Test func aFileSaysWhatFlagsAndEnvironmentLeaveOut() throws {
    let (folder, path) = try file(
      """
      root = "\(try site())"
      port = 0
      host = "no.such.host.invalid"  # a flag says better
      workers = 99999                # and the environment
      log-level = "info"
      """)
    let sluice = try SluiceProcess(
      arguments: ["--config", path, "--host", "127.0.0.1"], environment: ["SLUICE_WORKERS": "1"], listeners: 1
    )
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
    #expect(try sluice.stop() == 0)
    #expect(sluice.process.errorOutput.contains("stopped: "))
    let other = try SluiceProcess(
      arguments: ["--host", "127.0.0.1", "--workers", "2"], environment: ["SLUICE_CONFIG": path], listeners: 1
    )
    #expect(try Curl.get(other.url("http") + "/hello.txt").status == 200)
    withExtendedLifetime(folder) {}
  }

  @Test func checkSaysAllThatIsWrong() throws {
    let (folder, path) = try file(
      """
      # A comment.
      prot = 80
      idle_timeout = 5
      port = "http"

      [hosts]
      a = 1
      """)
    let problems = try problems(
      ["--config", path, "--workers", "0", "--plaintext", "--tls-only"], environment: ["SLUICE_KTLS": "maybe"]
    )
    for problem in [
      "\(path):2: unknown key 'prot': did you mean 'port'?",
      "\(path):3: unknown key 'idle_timeout': did you mean 'idle-timeout'?",
      "\(path):4: the value 'http' of port is invalid: use a number from 0 to 65535",
      "\(path):6: unknown key 'hosts': did you mean 'host'?",
      "the value '0' of --workers is invalid: use auto, or a number from 1 to 256",
      "the value 'maybe' of SLUICE_KTLS is invalid: use auto, require or off",
      "--plaintext and --tls-only exclude each other", "--tls-only needs a certificate: --cert and --key",
    ] { #expect(problems.contains("sluice: \(problem)"), "\(problem): \(problems)") }
    #expect(problems.count == 8, "\(problems)")
    // To serve is refused with the first of them.
    let result = try SluiceProcess.run(["--config", path])
    #expect(result.exitStatus == 64)
    #expect(result.errorOutput.hasPrefix("sluice: \(path):2: "), "\(result.errorOutput)")
    #expect(result.errorOutput.split(separator: "\n").count == 1)
    withExtendedLifetime(folder) {}
  }

  @Test func filesThatCanNotBeRead() throws {
    #expect(
      try problems(["--config", "/no/such.toml"]) == [
        "sluice: /no/such.toml: cannot read this file: No such file or directory"
      ])
    for text in ["port = = 1", "port = 80\nport = 81", "port", "\u{0}", "port = [1,"] {
      let (folder, path) = try file("\n" + text)
      let problems = try problems(["--config", path])
      #expect(problems.count == 1 && problems.first?.contains("\(path):") == true, "\(text): \(problems)")
      withExtendedLifetime(folder) {}
    }
    #expect(try problems(["--config", site()]).count == 1)
    let (folder, path) = try file("port = 1.5\nhost = [[1]]\nroot = 2026-01-01")
    let problems = try problems(["--config", path])
    for line in 1...3 { #expect(problems.contains { $0.contains("\(path):\(line): ") }, "\(problems)") }
    withExtendedLifetime(folder) {}
  }

  @Test func whatIsPrintedSaysTheSame() throws {
    let arguments = [
      "/a \"strange\"\\path\u{7}é", "--port", "81", "--cache-memory", "64M", "--no-plaintext", "--workers",
      "2",
    ]
    let first = try SluiceProcess.run(["check", "--print"] + arguments)
    #expect(first.exitStatus == 0)
    for line in [
      "port = 81", "cache-memory = \"64M\"", "tls-port = 8443", "plaintext = false", "workers = 2",
    ] {
      #expect(first.output.contains("\(line)\n"), "\(first.output)")
    }
    let (folder, path) = try file(first.output)
    let second = try SluiceProcess.run(["check", "--print", "--config", path])
    #expect(second.exitStatus == 0 && second.output == first.output, "\(second.text)")
    withExtendedLifetime(folder) {}
  }

  /// What the help says of defaults, and what holds.
  @Test func defaultsAreThoseOfTheHelp() throws {
    let help = try SluiceProcess.run(["serve", "--help"]).output.split(whereSeparator: \.isWhitespace)
      .joined(separator: " ")
    let printed = try SluiceProcess.run(["check", "--print"]).output
    for (option, value) in printed.split(separator: "\n").map({ $0.split(separator: " = ") }).map({
      (String($0[0]), $0[1].trimmingPrefix("\"").prefix { $0 != "\"" })
    }) {
      // Flags are off by default.
      if option == "root" || value == "false" { continue }
      let start = try #require(help.firstRange(of: "--\(option) <"), "\(option)").upperBound
      let said = try #require(help[start...].firstMatch(of: /\(default: ([^ )]+)/), "\(option)").output.1
      #expect(said == value, "\(option)")
    }
  }

  @Test func readmeKnowsEveryOption() throws {
    let readme = try #require(readFile(#filePath.split(separator: "/Tests/")[0] + "/README.md"))
    let text = String(decoding: readme, as: UTF8.self)
    let help = try SluiceProcess.run(["serve", "--help"]).output
    for option in help.matches(of: /--[a-z-]+/).map(\.output) where !option.hasPrefix("--no-") {
      #expect(text.contains(option) || ["--help", "--version"].contains(option), "\(option)")
    }
  }
}
