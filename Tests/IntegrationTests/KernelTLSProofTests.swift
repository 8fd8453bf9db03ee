import Glibc
import Testing

/// Proof that it is the kernel that encrypts: its own counters, and what strace sees.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSProofTests {
  /// Whether a server can have a network of its own, whose counters nobody else moves.
  private static let hasOwnNetwork =
    TestMachine.isRoot && TestMachine.has("unshare") && TestMachine.has("nsenter") && TestMachine.has("ip")
  private static let ownNetwork =
    hasOwnNetwork ? ["unshare", "-n", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""] : []

  private func serve(_ mode: String, _ flags: [String] = []) throws -> SluiceProcess {
    try SluiceProcess(
      TemporarySite.common().path, .both(TestCertificates.ecdsa), flags: ["--ktls", mode] + flags,
      prefix: Self.ownNetwork)
  }

  /// A counter of /proc/net/tls_stat, of the server's network.
  private func counter(_ name: String, _ sluice: SluiceProcess) throws -> Int {
    let file = readFile("/proc/\(sluice.process.identifier)/net/tls_stat") ?? []
    for line in String(decoding: file, as: UTF8.self).split(separator: "\n") {
      let words = line.split { $0 == " " || $0 == "\t" }
      if words.count == 2, words[0] == name, let value = Int(words[1]) { return value }
    }
    throw TestFailure("no \(name) in tls_stat")
  }

  /// Makes two connections with every version and cipher, in the server's network; how many that is.
  private func connect(to sluice: SluiceProcess) throws -> Int {
    let enter = Self.ownNetwork.isEmpty ? [] : ["nsenter", "-t", "\(sluice.process.identifier)", "-n"]
    let url = try sluice.url("https")
    for secure in Curl.Secure.all {
      let trust = try Curl.trusting(TestCertificates.ecdsa)
      let file = "\(url)/hello.txt"
      let arguments = trust + secure.curlFlags + ["-H", "Connection: close", file, file]
      let result = try Curl.run(arguments, prefix: enter)
      #expect(result.output == "hello\nhello\n", "\(secure): \(result.errorOutput)")
    }
    return 2 * Curl.Secure.all.count
  }

  @Test(arguments: ["require", "auto"]) func kernelCountsEveryConnection(mode: String) throws {
    let sluice = try serve(mode)
    #expect(sluice.listening.contains { $0.contains(" tls=1.2,1.3 ktls=on ") }, "\(sluice.listening)")
    let (before, received) = (try counter("TlsTxSw", sluice), try counter("TlsRxSw", sluice))
    let count = try connect(to: sluice)
    #expect(try counter("TlsTxSw", sluice) - before == count)
    // Receiving stays out of the kernel, also with a libssl that would give it those keys, too (3.2 and later).
    #expect(try counter("TlsRxSw", sluice) == received)
    #expect(try counter("TlsDecryptError", sluice) == 0)
    try waitUntil("the kernel has let go of all of them") { try counter("TlsCurrTxSw", sluice) == 0 }
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["kernel_tls"] == count && metrics["user_tls"] == 0, "\(metrics)")
  }

  @Test(arguments: ["require", "auto"]) func kernelReceivesWhereItIsAskedTo(mode: String) throws {
    let sluice = try serve(mode, ["--ktls-receive", "on"])
    #expect(sluice.listening.contains { $0.contains(" ktls=on receive=on ") }, "\(sluice.listening)")
    let before = (try counter("TlsTxSw", sluice), try counter("TlsRxSw", sluice))
    let count = try connect(to: sluice)
    #expect(try counter("TlsTxSw", sluice) - before.0 == count)
    #expect(try counter("TlsRxSw", sluice) - before.1 == count)
    #expect(try counter("TlsDecryptError", sluice) == 0)
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["kernel_receive"] == count && metrics["kernel_receive_refused"] == 0, "\(metrics)")
  }

  @Test func kernelCountsNothingWhenItIsOff() throws {
    let sluice = try serve("off")
    let before = try counter("TlsTxSw", sluice)
    let count = try connect(to: sluice)
    #expect(try counter("TlsTxSw", sluice) == before)
    #expect(try sluice.stopForMetrics()["user_tls"] == count)
  }

  /// The system calls that a server makes while a client gets a file.
  private func trace(_ transport: Transfer.Transport, _ name: String) throws -> [Substring] {
    let folder = try TemporarySite()
    let sluice = try transport.serve(TemporarySite.common().path)
    let calls = "trace=sendfile,splice,read,pread64,readv,preadv,mmap,mincore,sendto,sendmsg,write,writev"
    let process = "\(sluice.process.identifier)"
    let tracer = try Subprocess([
      // A file for each thread: else what one does stands in the middle of what another does.
      "strace", "-ff", "-y", "-o", "\(folder.path)/trace", "-e", calls, "-p", process,
    ])
    try waitUntil("strace is attached") {
      tracer.errorOutput.contains("attached") || tracer.exitStatus != nil
    }
    let arguments = try transport.flags() + ["-o", "/dev/null", transport.url(sluice) + "/" + name]
    #expect(try Curl.run(arguments).exitStatus == 0)
    tracer.signal(SIGINT)
    try tracer.wait()
    let text = try Shell.require(["sh", "-c", "cat '\(folder.path)'/trace.*"])
    let all = text.split(separator: "\n")
    let mappings = all.filter { $0.contains(name) && $0.contains("mmap(") }
    // A mapping that is only asked what of it is in the page cache moves no byte.
    #expect(mappings.count <= all.count { $0.contains("mincore(") }, "\(mappings)")
    return all.filter { $0.contains(name) && !$0.contains("mmap(") }
  }

  @Test(
    .enabled(if: TestMachine.has("strace"), "strace is missing: apt-get install strace"),
    arguments: [Transfer.Transport.plain, .kernelTLS])
  func fileLeavesBySendfileAndIsNeverRead(transport: Transfer.Transport) throws {
    let size = 1 << 20 + 1
    let calls = try trace(transport, "\(size).bin")
    #expect(!calls.isEmpty)
    #expect(calls.allSatisfy { $0.contains("sendfile(") || $0.contains("sendfile resumed") }, "\(calls)")
    let sent = calls.compactMap { call in call.firstMatch(of: /= (\d+)$/).flatMap { Int($0.output.1) } }
    #expect(sent.reduce(0, +) == size, "\(calls)")
    // To the socket, from the file.
    #expect(calls.contains { $0.contains(/sendfile\(\d+<(socket|TCP)[^>]*>+, \d+<[^>]*\.bin>/) }, "\(calls)")
  }

  /// The same look at user TLS shows that it would be seen.
  @Test(.enabled(if: TestMachine.has("strace"), "strace is missing: apt-get install strace"))
  func userTLSReadsTheFile() throws {
    let calls = try trace(.userTLS, "\(1 << 20 + 1).bin")
    #expect(!calls.isEmpty)
    #expect(calls.allSatisfy { $0.contains("pread64(") }, "\(calls)")
  }
}
