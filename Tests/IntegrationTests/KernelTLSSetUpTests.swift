import Glibc
import Testing

/// Connections that kernel TLS can't be set up for, though it could at start: they fall back, or are refused, as the mode says.
@Suite(
  .serialized,
  .enabled(
    if: TestMachine.hasKernelTLS && FailingCalls.isPossible, "kernel TLS or a compiler is missing"))
struct KernelTLSSetUpTests {
  private func serve(_ mode: String, _ faults: FailingCalls, _ flags: [String] = []) throws -> SluiceProcess {
    try SluiceProcess(
      TemporarySite.common().path, .both(TestCertificates.ecdsa), flags: ["--ktls", mode] + flags,
      prefix: faults.prefix)
  }

  private func fetch(_ sluice: SluiceProcess, prefix: [String] = []) throws -> Shell.Result {
    try Curl.run(
      Curl.trusting(TestCertificates.ecdsa) + [sluice.url("https") + "/hello.txt"], prefix: prefix)
  }

  private static let refusals: [(FailingCalls.Order, Int32)] = [
    // Not allowed (a sandbox), no module, another ULP is there, no memory.
    (.ulpError, EPERM), (.ulpError, ENOENT), (.ulpError, EEXIST), (.ulpError, ENOMEM),
    (.transmitKeyError, ENOMEM), (.transmitKeyError, EINVAL), (.transmitKeyError, EBUSY),
  ]

  @Test(arguments: ["auto", "require"]) func refusedOnAConnection(mode: String) throws {
    let faults = try FailingCalls()
    let sluice = try serve(mode, faults)
    for (order, error) in Self.refusals {
      faults[order] = Int(error)
      #expect(try (fetch(sluice).output == "hello\n") == (mode == "auto"), "\(order), \(error)")
      faults[order] = 0
      // What befell one connection is nothing to the next.
      #expect(try fetch(sluice).output == "hello\n")
    }
    let (count, metrics) = (Self.refusals.count, try sluice.stopForMetrics())
    #expect(metrics["kernel_tls"] == count && metrics["user_tls"] == count, "\(metrics)")
    #expect(metrics["kernel_tls_refused"] == (mode == "auto" ? 0 : count), "\(metrics)")
  }

  @Test(arguments: [(EPERM, "not allowed"), (ENOENT, "modprobe tls"), (ENOMEM, "Cannot allocate memory")])
  func refusedAtStart(error: Int32, reason: String) throws {
    let faults = try FailingCalls()
    faults[.ulpError] = Int(error)
    let sluice = try serve("auto", faults)
    #expect(
      sluice.listening.contains { $0.contains("ktls=off reason=") && $0.contains(reason) },
      "\(sluice.listening)")
    #expect(try fetch(sluice).output == "hello\n")
    #expect(try sluice.stopForMetrics()["user_tls"] == 1)
    try expectNoStart(faults, reason)
  }

  private func expectNoStart(_ faults: FailingCalls, _ reason: String) throws {
    let flags = try TestCertificates.ecdsa.flags + ["--port", "0", "--tls-port", "0", "--ktls", "require"]
    let result = try SluiceProcess.run([TemporarySite.common().path] + flags, prefix: faults.prefix)
    #expect(result.exitStatus == 1 && result.errorOutput.contains(reason), "\(result.text)")
  }

  /// Sending is still the kernel's.
  @Test func receiveKeysRefused() throws {
    let faults = try FailingCalls()
    let sluice = try serve("require", faults, ["--ktls-receive", "on"])
    faults[.receiveKeyError] = Int(ENOMEM)
    #expect(try fetch(sluice).output == "hello\n")
    faults[.receiveKeyError] = 0
    #expect(try fetch(sluice).output == "hello\n")
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["kernel_tls"] == 2, "\(metrics)")
    #expect(metrics["kernel_receive"] == 1 && metrics["kernel_receive_refused"] == 1, "\(metrics)")
    #expect(
      sluice.process.errorOutput.contains(
        "the kernel does not receive for a connection: Cannot allocate memory"))
  }

  /// As under mptcpize(8): a socket of MPTCP has no room for another ULP.
  @Test func multipath() throws {
    let (faults, clientFaults) = (try FailingCalls(), try FailingCalls())
    faults[.mptcp] = 1
    clientFaults[.mptcp] = 1
    let sluice = try serve("auto", faults)
    #expect(
      sluice.listening.contains { $0.contains("ktls=off") && $0.contains("MPTCP") }, "\(sluice.listening)")
    #expect(try fetch(sluice, prefix: clientFaults.prefix).output == "hello\n")
    #expect(try fetch(sluice).output == "hello\n")
    #expect(try sluice.stopForMetrics()["user_tls"] == 2)
    try expectNoStart(faults, "MPTCP")
  }

  /// The module is unloaded while the server runs, and loaded again.
  @Test(
    .enabled(if: TestMachine.isRoot && TestMachine.has("rmmod") && TestMachine.has("modprobe"), "no rmmod"),
    arguments: ["auto", "require"])
  func moduleIsUnloadedAndLoaded(mode: String) throws {
    // Else the kernel loads it by itself, as the server is root.
    let loader = "/proc/sys/kernel/modprobe"
    let before = readFile(loader) ?? []
    let faults = try FailingCalls()
    let sluice = try serve(mode, faults)
    #expect(try fetch(sluice).output == "hello\n")
    try writeFile(loader, Array("/bin/false\n".utf8))
    defer {
      try? writeFile(loader, before)
      _ = try? Shell.run(["modprobe", "tls"])
    }
    try waitUntil("the module is unloaded") { try Shell.run(["rmmod", "tls"]).exitStatus == 0 }
    #expect(try (fetch(sluice).output == "hello\n") == (mode == "auto"))
    try Shell.require(["modprobe", "tls"])
    #expect(try fetch(sluice).output == "hello\n")
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["kernel_tls"] == 2 && metrics["user_tls"] == 1, "\(metrics)")
  }
}
