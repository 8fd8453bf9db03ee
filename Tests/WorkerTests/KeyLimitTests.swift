import Glibc
import TLS
import TestSupport
import Testing

@testable import Worker

/// How much is encrypted under one key (RFC 8446 §5.5), with bounds that are reached within a test.
enum KeyLimit {
  static let size = 1 << 20

  static var limits: Limits {
    var limits = Limits()
    limits.bytesPerKey = 1 << 20
    limits.bytesPerKeyAtMost = 3 << 20
    limits.bytesPerTurn = 128 << 10
    return limits
  }

  static func worker(kernel: Bool, newKeys: Bool = false, size: Int = size, _ limits: Limits = limits) throws
    -> RunningWorker
  {
    // As in the server.
    signal(SIGPIPE, SIG_IGN)
    var use = KernelTLS.Use()
    use.transmits = kernel
    use.getsNewKeys = newKeys
    let context = try ServerContext(
      certificateFile: Certificates.path("ecdsa.pem"), keyFile: Certificates.path("ecdsa.key"),
      kernel: use)
    return try RunningWorker(limits, file: "file", size: size, tls: context)
  }

  /// Fetches the file so often, on as few connections as the server allows: what curl says of each, in a line
  /// `STATUS BYTES CONNECTIONS ERROR CONNECTION-FIELD`.
  static func fetch(_ worker: RunningWorker, _ flags: [String], times: Int) throws -> [[Substring]] {
    let format = "%{http_code} %{size_download} %{num_connects} %{exitcode} %header{connection}\\n"
    let urls = (0..<times).flatMap { _ in ["-o", "/dev/null", "https://localhost:\(worker.port)/file"] }
    let command = ["curl", "-s", "--cacert", try Certificates.path("ecdsa.pem"), "-w", format] + flags + urls
    let folder = try TemporaryFolder()
    // curl's own exit status stands in what it says.
    try run(["sh", "-c", "\"$@\" >\"$0\" || true", folder("said")] + command)
    return try readText(folder("said")).split(separator: "\n").map {
      $0.split(separator: " ")
    }
  }

  /// Where there can be no new key: the connection ends after the response that passes the limit.
  static func expectNewConnections(kernel: Bool, _ flags: [String]) throws {
    let worker = try worker(kernel: kernel)
    let lines = try fetch(worker, flags, times: 6)
    #expect(lines.count == 6)
    for (number, line) in lines.enumerated() {
      #expect(line[0] == "200" && line[1] == "\(size)" && line[3] == "0", "\(line)")
      // The first response of each connection passes the limit, and the second is the last.
      #expect(line[2] == (number % 2 == 0 ? "1" : "0"), "\(number): \(line)")
      #expect(line.last == (number % 2 == 0 ? "0" : "close"), "\(number): \(line)")
    }
    let metrics = try worker.stop()
    #expect(metrics.keyLimits == 3 && metrics.keyUpdates == 0, "\(metrics)")
  }

  /// Where there can be no new key: a response that alone is too long is cut off so that the client sees it.
  static func expectCut(kernel: Bool, _ flags: [String]) throws {
    let worker = try worker(kernel: kernel, size: 8 * size)
    let line = try #require(fetch(worker, flags, times: 1).first)
    // 18: shorter than it should be; 56: failure in receiving.
    #expect(line[3] == "18" || line[3] == "56", "\(line)")
    let count = try #require(Int(line[1]))
    #expect(count <= 4 << 20)
    let metrics = try worker.stop()
    #expect(metrics.keyLimits == 1, "\(metrics)")
  }

  /// Where there can be one: all is sent, under one key after the other.
  static func expectNewKeys(kernel: Bool) throws {
    let worker = try worker(kernel: kernel, newKeys: true, size: 8 * size)
    let lines = try fetch(worker, ["--tlsv1.3"], times: 3)
    #expect(lines.count == 3)
    for (number, line) in lines.enumerated() {
      #expect(line[0] == "200" && line[1] == "\(8 * size)" && line[3] == "0", "\(line)")
      #expect(line[2] == (number == 0 ? "1" : "0"))
    }
    // In the middle of a part, and between two.
    let parts = try fetch(worker, ["--tlsv1.3", "-r", "0-2999999,4000000-4000000,5000000-7999999"], times: 3)
    #expect(parts.count == 3)
    for line in parts {
      let count = try #require(Int(line[1]))
      #expect(line[0] == "206" && (6_000_001..<6_001_000).contains(count) && line[3] == "0", "\(line)")
    }
    let metrics = try worker.stop()
    #expect(metrics.keyLimits == 0 && metrics.keyUpdates >= 35, "\(metrics)")
  }
}

@Suite struct KeyLimitTests {
  @Test func newKeys() throws { try KeyLimit.expectNewKeys(kernel: false) }

  @Test func tls12GetsNewConnections() throws {
    try KeyLimit.expectNewConnections(kernel: false, ["--tls-max", "1.2"])
  }

  @Test func tls12IsCut() throws { try KeyLimit.expectCut(kernel: false, ["--tls-max", "1.2"]) }

  /// ChaCha20-Poly1305 has no such limit.
  @Test func chaCha20HasNone() throws {
    let worker = try KeyLimit.worker(kernel: false, size: 8 * KeyLimit.size)
    let lines = try KeyLimit.fetch(
      worker, ["--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305"], times: 3)
    #expect(lines.allSatisfy { $0[1] == "\(8 * KeyLimit.size)" && $0[3] == "0" })
    #expect(try worker.stop().keyLimits == 0)
  }
}

/// The same where the kernel encrypts.
@Suite(.serialized, .enabled(if: TestKernel.hasTLS, Comment(rawValue: TestKernel.lacksTLS)))
struct KernelTLSLimitTests {
  @Test func tls13() throws {
    if TestKernel.can("rekey") {
      try KeyLimit.expectNewKeys(kernel: true)
    } else {
      try KeyLimit.expectNewConnections(kernel: true, ["--tlsv1.3"])
      try KeyLimit.expectCut(kernel: true, ["--tlsv1.3"])
    }
  }

  @Test func tls12GetsNewConnections() throws {
    try KeyLimit.expectNewConnections(kernel: true, ["--tls-max", "1.2"])
  }

  @Test func tls12IsCut() throws { try KeyLimit.expectCut(kernel: true, ["--tls-max", "1.2"]) }
}
