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

  /// Words of other servers, and keys that are in the wrong section.
  @Test func whatWasMeantIsSaid() throws {
    let (folder, path) = try file(
      """
      listen = 80
      gzip = true
      server_name = "a.example"
      [[path]]
      match = "/a/**"
      header = ["/a: b"]
      immutable = true
      workers = 2
      add_header = "a"
      [[host]]
      names = ["a.example"]
      root = "."
      port = 81
      ssl_certificate = "a.pem"
      """)
    let problems = try problems(["--config", path])
    for problem in [
      "1: unknown key 'listen': use address, port and tls-port",
      "2: unknown key 'gzip': use precompressed, for files that lie beside: app.js.gz",
      "3: unknown key 'server_name': use [[host]] with names = [\"example.com\"]",
      "6: unknown key 'header': did you mean 'headers'?",
      "7: 'immutable' is said of a whole host, not in [[path]]: in TOML, keys belong to the section above them",
      "8: 'workers' is said of all, not in [[path]]: in TOML, keys belong to the section above them",
      "9: unknown key 'add_header': use headers = { set = { Name = \"value\" } } in a [[path]], or header",
      "13: 'port' is said of all, not in [[host]]: in TOML, keys belong to the section above them",
      "14: unknown key 'ssl_certificate': use cert",
    ] { #expect(problems.contains("sluice: \(path):\(problem)"), "\(problem): \(problems)") }
    #expect(problems.count == 9, "\(problems)")
    withExtendedLifetime(folder) {}
  }

  /// A key that everybody can download, and a root that nobody has said: told, and served all the same.
  @Test func whatIsHardlyMeantIsTold() throws {
    let site = try TemporarySite()
    try site.addFolder(".hidden")
    let certificate = try TestCertificates.ecdsa
    for name in ["key.pem", ".hidden/key.pem"] { try site.add(name, readFile(certificate.key) ?? []) }
    let (folder, path) = try file("port = 0")
    for (arguments, told) in [
      (
        [site.path, "--cert", certificate.certificate, "--key", "\(site.path)/key.pem"],
        ["key.pem: this private key lies in"]
      ),
      ([site.path, "--cert", certificate.certificate, "--key", "\(site.path)/.hidden/key.pem"], []),
      ([site.path, "--cert", certificate.certificate, "--key", certificate.key, "--config", path], []),
      (["--config", path], ["\(path) has no root: the current folder is served: say root = \"FOLDER\""]),
      ([], []),
    ] {
      let result = try SluiceProcess.run(["check"] + arguments)
      #expect(result.exitStatus == 0)
      let lines = result.errorOutput.split(separator: "\n")
      #expect(lines.count == told.count, "\(arguments): \(lines)")
      for text in told {
        #expect(result.errorOutput.contains("sluice: warning: ") && result.errorOutput.contains(text))
      }
    }
    let sluice = try SluiceProcess(arguments: ["--config", path], listeners: 1)
    #expect(try sluice.stop() == 0)
    #expect(sluice.process.errorOutput.contains("has no root"), "\(sluice.process.errorOutput)")
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
    let site = try TemporarySite()
    try site.addFolder("a \"strange\"\\path\u{7}é")
    let arguments = [
      site.path + "/a \"strange\"\\path\u{7}é", "--port", "81", "--cache-memory", "64M", "--no-plaintext",
      "--workers",
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
      // An option may have another name behind its own.
      let start = try #require(help.firstMatch(of: Regex("--\(option)(, --[a-z-]+)? <")), "\(option)").range
        .upperBound
      let said = try #require(help[start...].firstMatch(of: /\(default: ([^ )]+)/), "\(option)").output.1
      #expect(said == value, "\(option)")
    }
  }
}
