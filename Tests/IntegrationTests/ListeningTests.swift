import Testing

/// The lines that say where sluice listens, and that it listens there and nowhere else.
@Suite struct ListeningTests {
  private func site() throws -> String { try TemporarySite.common().path }

  @Test func plainLine() throws {
    let sluice = try SluiceProcess(site())
    #expect(sluice.listening.count == 1)
    #expect(sluice.listening[0] == "listening http://127.0.0.1:\(try sluice.plainPort)")
    #expect(try sluice.plainPort != 0)
  }

  @Test func secureLineWithKernelTLSOff() throws {
    let sluice = try SluiceProcess(site(), .both(TestCertificates.ecdsa), flags: ["--ktls", "off"])
    let port = try sluice.securePort
    let line = sluice.listening.first { $0.contains("https") } ?? ""
    let start = "listening https://127.0.0.1:\(port) tls=1.2,1.3 ktls=off reason=\""
    #expect(line.hasPrefix(start) && line.hasSuffix("\""))
    #expect(line.dropFirst(start.count).contains("--ktls off"))
  }

  @Test(.enabled(if: !TestMachine.hasKernelTLS, "this kernel has kernel TLS"))
  func secureLineSaysWhyThereIsNoKernelTLS() throws {
    let sluice = try SluiceProcess(site(), .both(TestCertificates.ecdsa), flags: ["--ktls", "auto"])
    let line = sluice.listening.first { $0.contains("https") } ?? ""
    #expect(line.contains(" tls=1.2,1.3 ktls=off reason=\""))
    #expect(line.contains("modprobe tls"), "it must say what to do: \(line)")
  }

  @Test func linesGoToStandardError() throws {
    let sluice = try SluiceProcess(site())
    try sluice.stop()
    #expect(sluice.process.outputBytes.isEmpty)
  }

  @Test func addresses() throws {
    for (host, url) in [
      ("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:"), ("0.0.0.0", "http://0.0.0.0:"),
    ] {
      let sluice = try SluiceProcess(site(), flags: ["--host", host])
      #expect(sluice.listening[0].hasPrefix("listening \(url)"), "\(sluice.listening)")
      #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
    }
    let named = try SluiceProcess(site(), flags: ["--host", "localhost"])
    #expect(try Curl.get(named.url("http") + "/hello.txt").text == "hello\n")
  }

  @Test func dualStack() throws {
    let pair = try TestCertificates.ecdsa
    let sluice = try SluiceProcess(site(), .both(pair), flags: ["--host", "::"])
    #expect(sluice.listening[0].hasPrefix("listening http://[::]:"), "\(sluice.listening)")
    for host in ["127.0.0.1", "[::1]"] {
      #expect(try Curl.get("http://\(host):\(sluice.plainPort)/hello.txt").text == "hello\n")
      #expect(
        try Curl.get("https://\(host):\(sluice.securePort)/hello.txt", Curl.trusting(pair)).text == "hello\n")
    }
  }

  @Test func onlyTheAddressThatWasAskedFor() throws {
    let sluice = try SluiceProcess(site(), flags: ["--host", "::1"])
    #expect(throws: RawConnection.Refused.refused) { _ = try sluice.connect() }
  }

  /// Sockets in state LISTEN that a process has.
  private func listeners(of sluice: SluiceProcess) throws -> Int {
    let inodes = Set(try sluice.descriptors().matches(of: /socket:\[(\d+)\]/).map { String($0.output.1) })
    var count = 0
    for name in ["tcp", "tcp6"] {
      let table = readFile("/proc/\(sluice.process.identifier)/net/\(name)") ?? []
      for line in String(decoding: table, as: UTF8.self).split(separator: "\n") {
        let columns = line.split(separator: " ")
        if columns.count > 9, columns[3] == "0A", inodes.contains(String(columns[9])) { count += 1 }
      }
    }
    return count
  }

  @Test func withoutCertificatePlaintextOnly() throws {
    #expect(try listeners(of: SluiceProcess(site())) == 1)
  }

  @Test func bothListenersAreServedByTheSameThread() throws {
    let pair = try TestCertificates.ecdsa
    let sluice = try SluiceProcess(site(), .both(pair))
    #expect(try listeners(of: sluice) == 2)
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
    #expect(try Curl.get(sluice.url("https") + "/hello.txt", Curl.trusting(pair)).text == "hello\n")
    #expect(try sluice.stopForMetrics()["requests"] == 2)
  }

  @Test func plaintextOpensNoTLSListener() throws {
    // Nothing of TLS is touched: not even a certificate that can't be used.
    let sluice = try SluiceProcess(
      arguments: [
        site(), "--port", "0", "--tls-port", "0", "--plaintext", "--workers", "1", "--cert", "/no/such.pem",
        "--key",
        "/no/such.key",
      ], listeners: 1)
    #expect(try listeners(of: sluice) == 1)
    #expect(sluice.listening.allSatisfy { $0.hasPrefix("listening http://") })
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
  }

  @Test func onlyTLSOpensNoPlaintextListener() throws {
    let pair = try TestCertificates.ecdsa
    let sluice = try SluiceProcess(site(), .both(pair), flags: ["--tls-only"])
    #expect(try listeners(of: sluice) == 1)
    #expect(sluice.listening.allSatisfy { $0.hasPrefix("listening https://") })
    #expect(try Curl.get(sluice.url("https") + "/hello.txt", Curl.trusting(pair)).text == "hello\n")
  }

  /// However long a worker takes to be ready: the line comes after all of them have their poller.
  @Test(.enabled(if: TestMachine.has("strace"), "strace is missing"))
  func linesComeWhenAllWorkersServe() throws {
    let folder = try TemporaryFolder()
    let trace = folder.path + "/trace"
    let sluice = try SluiceProcess(
      site(), flags: ["--workers", "2"],
      prefix: [
        "strace", "-f", "-D", "-qq", "-o", trace, "-e", "trace=epoll_create1,write", "-e",
        "inject=epoll_create1:delay_enter=300000",
      ])
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
    try sluice.stop()
    let calls = String(decoding: readFile(trace) ?? [], as: UTF8.self)
    let announced = try #require(calls.firstRange(of: "listening"))
    #expect(calls[..<announced.lowerBound].matches(of: /epoll_create1.* = \d/).count == 2, "\(calls)")
  }

  @Test func workersShareThePorts() throws {
    let pair = try TestCertificates.ecdsa
    let sluice = try SluiceProcess(site(), .both(pair), flags: ["--workers", "2"])
    #expect(try listeners(of: sluice) == 4)
    #expect(sluice.listening.count == 2)
  }
}
