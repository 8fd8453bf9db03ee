import Glibc
import Testing

/// Flags, their aliases, the environment, and what `--help` and its like print.
@Suite struct CommandLineTests {
  private func site() throws -> String { try TemporarySite.common().path }

  @Test func helpNamesEveryFlag() throws {
    let result = try SluiceProcess.run(["--help"])
    #expect(result.exitStatus == 0)
    #expect(result.errorOutput.isEmpty)
    let serve = try SluiceProcess.run(["serve", "--help"])
    #expect(serve.exitStatus == 0)
    for flag in [
      "<root>", "--address", "--host", "--port", "--tls-port", "--cert", "--tls-cert", "--key", "--tls-key",
      "--ktls",
      "--ktls-receive",
      "--workers", "--min-send-rate", "--idle-timeout", "--plaintext", "--tls-only", "--log-level",
    ] {
      #expect(serve.output.contains(flag), "\(flag)")
    }
  }

  @Test func versionIsOneNumber() throws {
    let result = try SluiceProcess.run(["--version"])
    #expect(result.exitStatus == 0)
    #expect(result.output.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil, "\(result.output)")
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func completionScript(shell: String) throws {
    let result = try SluiceProcess.run(["--generate-completion-script", shell])
    #expect(result.exitStatus == 0)
    #expect(result.output.contains("tls-port"))
    guard TestMachine.has(shell) else { return }
    let script = try TemporarySite()
    try script.add("completion", result.outputBytes)
    #expect(try Shell.run([shell, "-n", "\(script.path)/completion"]).exitStatus == 0)
  }

  @Test func serveIsTheDefaultAndItsNameMayBeSaid() throws {
    for arguments in [["--port", "0"], ["serve", "--port", "0"]] {
      let sluice = try SluiceProcess(arguments: arguments, workingFolder: site(), listeners: 1)
      // Without ROOT, the current folder.
      #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
      #expect(try sluice.stop() == 0)
    }
  }

  @Test func rootMayStandBeforeOrBehindFlags() throws {
    for arguments in [[try site(), "--port", "0"], ["--port", "0", try site()]] {
      let sluice = try SluiceProcess(arguments: arguments, listeners: 1)
      #expect(try Curl.get(sluice.url("http") + "/hello.txt").status == 200)
    }
  }

  @Test func aliasesOfCertAndKey() throws {
    let pair = try TestCertificates.ecdsa
    let ports = ["--port", "0", "--tls-port", "0", "--ktls", "off"]
    for flags in [
      ["--cert", pair.certificate, "--key", pair.key],
      ["--tls-cert", pair.certificate, "--tls-key", pair.key],
      ["--cert=\(pair.certificate)", "--tls-key=\(pair.key)"],
    ] {
      let sluice = try SluiceProcess(arguments: [site()] + ports + flags, listeners: 2)
      #expect(try Curl.get(sluice.url("https") + "/hello.txt", Curl.trusting(pair)).text == "hello\n")
    }
  }

  @Test func everyOptionComesFromTheEnvironment() throws {
    let pair = try TestCertificates.ecdsa
    let sluice = try SluiceProcess(
      arguments: [],
      environment: [
        "SLUICE_ROOT": site(), "SLUICE_HOST": "::1", "SLUICE_PORT": "0", "SLUICE_TLS_PORT": "0",
        "SLUICE_CERT": pair.certificate, "SLUICE_KEY": pair.key, "SLUICE_KTLS": "off", "SLUICE_WORKERS": "2",
        "SLUICE_LOG_LEVEL": "info",
      ], listeners: 2)
    #expect(try sluice.url("http").hasPrefix("http://[::1]:"))
    #expect(sluice.listening.contains { $0.contains("ktls=off") && $0.contains("--ktls off") })
    #expect(try Curl.get(sluice.url("https") + "/hello.txt", Curl.trusting(pair)).text == "hello\n")
    #expect(try sluice.stopForMetrics()["user_tls"] == 1)
  }

  @Test func flagsInTheEnvironment() throws {
    let pair = try TestCertificates.ecdsa
    let common = [
      "SLUICE_ROOT": try site(), "SLUICE_PORT": "0", "SLUICE_TLS_PORT": "0",
      "SLUICE_TLS_CERT": pair.certificate,
      "SLUICE_TLS_KEY": pair.key, "SLUICE_KTLS": "off",
    ]
    let plain = try SluiceProcess(
      arguments: [], environment: common.merging(["SLUICE_PLAINTEXT": "1"]) { $1 }, listeners: 1)
    #expect(plain.listening.count == 1 && plain.listening[0].hasPrefix("listening http://"))
    let secure = try SluiceProcess(
      arguments: [], environment: common.merging(["SLUICE_TLS_ONLY": "1"]) { $1 }, listeners: 1)
    #expect(secure.listening.count == 1 && secure.listening[0].hasPrefix("listening https://"))
    let both = try SluiceProcess(
      arguments: [], environment: common.merging(["SLUICE_TLS_ONLY": "0"]) { $1 }, listeners: 2)
    #expect(both.listening.count == 2)
  }

  @Test func flagWinsOverEnvironment() throws {
    let other = try TemporarySite()
    try other.add("which.txt", "flag\n")
    let sluice = try SluiceProcess(
      arguments: [other.path, "--port", "0", "--host", "127.0.0.1", "--workers", "1"],
      environment: [
        "SLUICE_ROOT": "/nonexistent", "SLUICE_PORT": "99999", "SLUICE_HOST": "no.such.host.invalid",
        "SLUICE_WORKERS": "none",
      ], listeners: 1)
    #expect(try Curl.get(sluice.url("http") + "/which.txt").text == "flag\n")
  }

  @Test func aFlagWinsOverTheOtherOnesVariable() throws {
    let pair = try TestCertificates.ecdsa
    let secure = try SluiceProcess(
      arguments: [site(), "--tls-only", "--tls-port", "0", "--ktls", "off"] + pair.flags,
      environment: ["SLUICE_PLAINTEXT": "1"], listeners: 1)
    #expect(try secure.url("https").hasPrefix("https://"))
    let plain = try SluiceProcess(
      arguments: [site(), "--plaintext", "--port", "0"], environment: ["SLUICE_TLS_ONLY": "1"], listeners: 1)
    #expect(try plain.url("http").hasPrefix("http://"))
  }

  @Test func wrongValueInTheEnvironmentIsNamed() throws {
    for (name, value) in [
      ("SLUICE_PORT", "http"), ("SLUICE_PORT", "65536"), ("SLUICE_WORKERS", "0"),
      ("SLUICE_LOG_LEVEL", "loud"),
      ("SLUICE_PLAINTEXT", "maybe"),
    ] {
      let result = try SluiceProcess.run([site()], environment: [name: value])
      #expect(result.exitStatus == 64, "\(name)")
      #expect(
        result.errorOutput.contains(name) && result.errorOutput.contains(value), "\(result.errorOutput)")
    }
  }

  @Test func workersAreThreads() throws {
    var threads: [Int] = []
    for workers in ["1", "2", "5"] {
      let sluice = try SluiceProcess(site(), flags: ["--workers", workers])
      threads.append(try self.threads(of: sluice))
      // The kernel spreads connections: some to every worker.
      for _ in 0..<20 { #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n") }
      #expect(try sluice.stopForMetrics()["requests"] == 20)
    }
    #expect(threads[1] - threads[0] == 1 && threads[2] - threads[0] == 4, "\(threads)")
    let auto = try SluiceProcess(site(), flags: ["--workers", "auto"])
    #expect(try Curl.get(auto.url("http") + "/hello.txt").status == 200)
  }

  private func threads(of sluice: SluiceProcess) throws -> Int {
    let status = readFile("/proc/\(sluice.process.identifier)/status") ?? []
    let line = String(decoding: status, as: UTF8.self).split(separator: "\n").first {
      $0.hasPrefix("Threads:")
    }
    return Int(line?.split(separator: "\t").last ?? "") ?? 0
  }

  @Test(arguments: ["trace", "debug", "info", "notice", "warning", "error", "critical"])
  func logLevel(level: String) throws {
    let sluice = try SluiceProcess(arguments: [site(), "--port", "0", "--log-level", level], listeners: 1)
    #expect(try sluice.stop() == 0)
    let tellsEnd = sluice.process.errorOutput.contains("stopped: ")
    #expect(tellsEnd == ["trace", "debug", "info"].contains(level))
  }

  @Test func doctorSaysWhetherKernelTLSWorks() throws {
    let result = try SluiceProcess.run(["doctor"])
    #expect(result.exitStatus == (TestMachine.hasKernelTLS ? 0 : 1))
    #expect(result.output.contains(TestMachine.hasKernelTLS ? "✓ kernel TLS: yes" : "✗ kernel TLS: no ("))
    #expect(result.output.split(separator: "\n").allSatisfy { "✓!✗".contains($0.first ?? "x") })
  }

  /// With what would be served.
  @Test func doctorOfAConfiguration() throws {
    let pair = try TestCertificates.ecdsa
    let good = try SluiceProcess.run(["doctor", site()] + pair.flags)
    #expect(good.exitStatus == (TestMachine.hasKernelTLS ? 0 : 1))
    #expect(
      good.output.contains(
        "✓ certificate \(pair.certificate): EC, localhost, 127.0.0.1, [::1], 29 days left\n"))
    for (flags, expected) in [
      ([], "✗ HTTPS: no certificate"),
      (pair.flags + ["--ktls", "off"], "✗ kernel TLS: no: turned off by --ktls off"),
      (
        ["--cert", pair.certificate, "--key", "/none"], "✗ configuration: /none: cannot read the private key"
      ),
    ] {
      let result = try SluiceProcess.run(["doctor", site()] + flags)
      #expect(result.exitStatus == 1 && result.output.contains(expected), "\(result.text)")
    }
    let ciphers = try SluiceProcess.run(
      ["doctor", site(), "--ciphers", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"] + pair.flags)
    #expect(ciphers.output.contains("! cipher ECDHE-ECDSA-AES128-SHA256: OpenSSL will encrypt"))
    #expect(!ciphers.output.contains("cipher ECDHE-ECDSA-AES128-GCM-SHA256:"))
    #expect(try SluiceProcess.run(["doctor", "--port", "x"]).exitStatus == 64)
    let json = try Shell.run(["sh", "-c", "'\(SluiceProcess.binary)' doctor --json | jq -r .kernel_tls"])
    #expect(json.output == "\(TestMachine.hasKernelTLS)\n", "\(json.text)")
  }

  /// Whoever has turned something off is named, and nothing is promised.
  @Test func doctorOfWhatIsTurnedOff() throws {
    let pair = try TestCertificates.ecdsa
    let folder = try TemporarySite()
    try folder.add("c.toml", "plaintext = true\n")
    for (flags, environment, expected) in [
      (["--plaintext"] + pair.flags, [:], "✗ HTTPS: none: turned off by --plaintext\n"),
      (pair.flags, ["SLUICE_PLAINTEXT": "1"], "✗ HTTPS: none: turned off by SLUICE_PLAINTEXT\n"),
      (
        ["--config", folder.path + "/c.toml"], [:],
        "✗ HTTPS: none: turned off by plaintext (\(folder.path)/c.toml:1)\n"
      ),
      (["--ktls", "off"], [:], "✗ HTTPS: no certificate: give --cert and --key\n"),
      (["--ktls", "off"], [:], "✗ kernel TLS: no: turned off by --ktls off\n"),
      (
        pair.flags, ["SLUICE_KTLS": "off"], "✗ kernel TLS: no: turned off by SLUICE_KTLS off\n"
      ),
      (
        [], ["SLUICE_PORT": "81"],
        TestMachine.hasKernelTLS
          ? "✗ HTTPS: no certificate: give --cert and --key, and kernel TLS can be used\n"
          : "✗ HTTPS: no certificate: give --cert and --key\n"
      ),
    ] as [([String], [String: String], String)] {
      let result = try SluiceProcess.run(["doctor", site()] + flags, environment: environment)
      #expect(result.exitStatus == 1 && result.output.contains(expected), "\(result.text)")
      #expect(!result.output.contains("✓ kernel TLS: yes"), "\(result.text)")
    }
  }

  /// All that is missing is told, and all of it by `check`, too, with the options.
  @Test func doctorOfMissingFiles() throws {
    let flags = ["--cert", "/none/cert", "--key", "/none/key"]
    let result = try SluiceProcess.run(["doctor", site()] + flags)
    #expect(result.exitStatus == 1)
    for text in ["/none/cert: cannot read the certificate: ", "/none/key: cannot read the private key: "] {
      #expect(result.output.contains("✗ configuration: \(text)"), "\(result.text)")
    }
    let check = try SluiceProcess.run(["check", site(), "--cert", "/none/pem", "--key", "/none/pem"])
    #expect(
      check.errorOutput == """
        sluice: --cert: /none/pem: cannot read the certificate: No such file or directory
        sluice: --key: /none/pem: cannot read the private key: No such file or directory

        """)
  }

  /// Programs get JSON whatever is wrong, beside the line for people.
  @Test func doctorsJSONOfWrongOptions() throws {
    for (arguments, expected) in [
      (["--port", "x", "--workers", "many"], ["value 'x' of --port", "value 'many' of --workers"]),
      (["--frobnicate"], ["unknown option '--frobnicate'"]), (["--port"], ["--port"]),
      (["--config", "/none.toml"], ["/none.toml: cannot read this file"]),
    ] {
      let result = try SluiceProcess.run(["doctor", "--json"] + arguments)
      #expect(result.exitStatus == 64 && result.errorOutput.hasPrefix("sluice: "), "\(result.text)")
      let folder = try TemporarySite()
      try folder.add("json", result.outputBytes)
      let said = try Shell.require([
        "jq", "-r", ".kernel_tls, (.checks | length), .errors[]", folder.path + "/json",
      ]).split(separator: "\n")
      #expect(said.prefix(2) == ["false", "0"] && said.count == 2 + expected.count, "\(said)")
      for (text, line) in zip(expected, said.dropFirst(2)) { #expect(line.contains(text), "\(said)") }
    }
    let good = try Shell.run(["sh", "-c", "'\(SluiceProcess.binary)' doctor --json | jq -c .errors"])
    #expect(good.output == "[]\n", "\(good.text)")
  }
}
