import Glibc
import TLS
import TestSupport
import Testing

@Suite struct KernelTLSTests {
  /// Whether the kernel has the ULP, loaded or built in. To be asked after a probe, which may load it.
  static func kernelHasTLS() throws -> Bool {
    try readText("/proc/sys/net/ipv4/tcp_available_ulp").split { $0 == " " || $0 == "\n" }.contains("tls")
  }

  @Test func theProbeAgreesWithTheKernel() throws {
    switch KernelTLS.probe() {
    case .available: #expect(try Self.kernelHasTLS())
    case .unavailable(_, let reason):
      // Every kernel with the ULP takes keys for AES-128-GCM; libssl is built with kTLS on Debian.
      #expect(try !Self.kernelHasTLS(), "\(reason)")
      #expect(reason.contains("tls"))
    }
  }

  @Test func theProbeIsThatOfThePreferredCipher() {
    #expect(KernelTLS.probe() == KernelTLS.probe(.tls13, .aes128GCM))
  }

  @Test(arguments: KernelTLS.Version.allCases, KernelTLS.Cipher.allCases)
  func aReasonIsOneLineThatSaysWhatIsMissing(version: KernelTLS.Version, cipher: KernelTLS.Cipher) throws {
    guard case .unavailable(_, let reason) = KernelTLS.probe(version, cipher) else {
      #expect(try Self.kernelHasTLS())
      return
    }
    #expect(!reason.isEmpty && !reason.contains("\n"))
    // Either there is no ULP at all or it does not know this cipher.
    #expect(reason.contains("'tls' ULP") != reason.contains("\(version.name) \(cipher.name)"))
    #expect(try Self.kernelHasTLS() == reason.contains(cipher.name))
  }

  @Test func namesAreThoseOfTheRFCs() {
    #expect(KernelTLS.Version.allCases.map(\.name) == ["TLS 1.2", "TLS 1.3"])
    #expect(KernelTLS.Cipher.allCases.map(\.name) == ["AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"])
  }

  /// It is asked at each start, and leaves nothing behind.
  @Test func probingClosesItsSockets() async {
    await #expect(processExitsWith: .success) {
      let before = dup(0)
      close(before)
      for _ in 0..<50 { _ = KernelTLS.probe() }
      let after = dup(0)
      // The test library's own threads may have opened a few meanwhile; 50 probes that leak would leave 50 or more.
      precondition(after < before + 50, "the first free descriptor is \(after), was \(before)")
    }
  }
}
