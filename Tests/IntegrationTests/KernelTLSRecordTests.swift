import TestSupport
import Testing

/// What leaves the server as TLS records, seen from outside of both OpenSSLs.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSRecordTests {
  private let sluice: SluiceProcess

  init() throws {
    sluice = try Transfer.Transport.kernelTLS.serve(TemporarySite.common().path)
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"]) func headAndSmallBodyShareOneRecord(version: String) throws {
    for name in ["0.bin", "1.bin", "1024.bin", "none"] {
      try RecordingProxy.record(sluice.securePort, path: "/\(name)", version).expectOneRecord()
    }
    #expect(try sluice.stopForMetrics()["kernel_tls"] == 4)
  }

  @Test func headAndSmallBodyShareOneRecordWithChaCha() throws {
    let tls12 = ["-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"]
    try RecordingProxy.record(sluice.securePort, path: "/1024.bin", "-tls1_2", tls12).expectOneRecord()
    let tls13 = ["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"]
    try RecordingProxy.record(sluice.securePort, path: "/1024.bin", "-tls1_3", tls13).expectOneRecord()
  }

  /// Head and the first part of a file share a record. Where the kernel can make small records, the first 16 KiB leave in them.
  /// Kernels before 6.5 end a record at every 64 KiB that sendfile has passed on, so as many may be short, and the last.
  @Test(arguments: ["-tls1_2", "-tls1_3"]) func recordsOfAFile(version: String) throws {
    for size in [16385, 102_400] {
      let recording = try RecordingProxy.record(sluice.securePort, path: "/\(size).bin", version)
      let lengths = try recording.responseRecords()
      let small = lengths.dropLast().prefix(TestKernel.can("small-records") ? 4 : 0)
      #expect(small.allSatisfy { $0 == 4096 }, "\(lengths)")
      let full = lengths.dropFirst(small.count).dropLast()
      #expect(full.isEmpty || full.first == 16384, "\(lengths)")
      #expect(full.filter { $0 < 16384 }.count <= size / 65536, "\(lengths)")
      #expect(recording.records.last?.length == 2 + recording.overhead)
    }
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"]) func closeNotifyComesAfterDirectSends(version: String) throws {
    for path in ["/hello.txt", "/16385.bin", "/1048577.bin"] {
      let client = try SecureClient.interactive(sluice.securePort, [version])
      client.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
      #expect(try client.wait() == 0, "\(path)")
      #expect(String(decoding: client.outputBytes.suffix(7), as: UTF8.self) == "closed\n", "\(path)")
      #expect(!client.errorOutput.contains("unexpected eof"), "\(path): \(client.errorOutput)")
    }
    #expect(try sluice.stopForMetrics()["kernel_tls"] == 3)
  }

  @Test func closeNotifyOfAClientThatClosesFirst() throws {
    let client = try SecureClient.interactive(sluice.securePort)
    client.send("Q\n")
    #expect(try client.wait() == 0)
    let metrics = try sluice.stopForMetrics()
    #expect(metrics["broken"] == 0 && metrics["kernel_tls"] == 1, "\(metrics)")
  }
}
