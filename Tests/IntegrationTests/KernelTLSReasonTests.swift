import Testing

/// Who encrypts, and why not the kernel: the same in metrics, in the log and in what the kernel itself has counted.
@Suite(.enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSReasonTests {
  @Test func isToldEverywhere() throws {
    let (site, folder) = try (TemporarySite(), TemporaryFolder())
    try site.add("large.bin", String(repeating: "0123456789abcdef", count: 1 << 13))
    let (log, socket) = (folder.path + "/log", folder.path + "/admin")
    let sluice = try SluiceProcess(
      site.path, .both(TestCertificates.ecdsa),
      flags: [
        "--ktls", "auto", "--access-log", log, "--access-log-format", "json", "--admin", socket, "--ciphers",
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256",
      ])
    let before = try Self.values(socket)
    let request = "GET /large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for flags in [
      [], ["-tls1_2"], ["-maxfraglen", "1024"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"],
    ] {
      let result = try SecureClient.exchange(sluice.securePort, request, flags)
      #expect(try HTTPResponse.all(in: result.outputBytes).last?.body.count == 131_072, "\(flags)")
    }
    let values = try Self.values(socket)
    #expect(values["sluice_tls_connections_total{transport=\"kernel_tls\"}"] == 2)
    #expect(values["sluice_tls_connections_total{transport=\"user_tls\"}"] == 2)
    for (reason, count) in [("fragment_length", 1), ("cipher", 1), ("off", 0), ("set_up_failed", 0)] {
      #expect(values["sluice_ktls_off_total{reason=\"\(reason)\"}"] == count, "\(reason)")
    }
    let name = "sluice_kernel_tls_stat{name=\"TlsTxSw\"}"
    #expect((values[name] ?? 0) - (before[name] ?? 0) == 2)
    #expect(try sluice.stop() == 0)
    let lines = String(decoding: readFile(log) ?? [], as: UTF8.self).split(separator: "\n")
    let said = lines.map { line in
      for word in ["fragment_length", "cipher", "off"] where line.contains("\"ktls_off\":\"\(word)\"") {
        return word
      }
      return line.contains("\"transport\":\"kernel_tls\"") && line.contains("\"sendfile_bytes\":131072")
        ? "kernel" : "?"
    }
    #expect(said == ["kernel", "kernel", "fragment_length", "cipher"])
  }

  private static func values(_ socket: String) throws -> [String: Int] {
    let text = try Curl.run(["--unix-socket", socket, "http://localhost/metrics"]).output
    let pairs: [(String, Int)] = text.split(separator: "\n").compactMap { line in
      guard !line.hasPrefix("#"), let space = line.lastIndex(of: " ") else { return nil }
      return Int(line[line.index(after: space)...]).map { (String(line[..<space]), $0) }
    }
    return Dictionary(pairs, uniquingKeysWith: { $1 })
  }

  @Test func doctorOfAConfiguration() throws {
    let pair = try TestCertificates.ecdsa
    let site = try TemporarySite()
    let good = try SluiceProcess.run(["doctor", site.path] + pair.flags)
    #expect(good.exitStatus == 0 && good.output.contains("✓ kernel TLS: yes"), "\(good.text)")
    let none = try SluiceProcess.run(["doctor", site.path])
    #expect(none.exitStatus == 1 && none.output.contains("✗ HTTPS: no certificate"), "\(none.text)")
  }
}
