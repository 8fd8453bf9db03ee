import Files
import HTTP
import Testing

@testable import Worker

/// What other bounds, and the sizes of buffers, are made from.
@Suite struct LimitsTests {
  static let limits = Limits()

  @Test func everyBoundIsPositive() {
    let limits = Self.limits
    let counts = [
      limits.head.requestLine, limits.head.head, limits.head.fields, limits.connectionsPerWorker,
      limits.openFilesPerWorker, limits.cacheMemory, limits.fileInMemory, limits.ioThreads, limits.ioQueue,
      limits.bytesPerTurn, limits.encryptedPerSend, limits.requestsPerTurn, limits.acceptsPerTurn,
      limits.workers, Int(limits.requestContent),
      limits.unsentBytes, limits.connectionMemory, limits.sessionMemory,
      limits.sessionBufferMemory, limits.receivedAtOnce, limits.encryptedAtLeast, limits.ranges,
      Int(limits.rangeGap),
      limits.handshakeStepsPerTurn, limits.handshakesWaiting,
    ]
    for count in counts { #expect(count > 0) }
    let times = [
      limits.handshakeMilliseconds, limits.headMilliseconds, limits.idleMilliseconds, limits.sendMilliseconds,
      limits.diskMilliseconds,
      limits.lingerMilliseconds, limits.drainMilliseconds, limits.firstUptakeMilliseconds,
      limits.uptakeMilliseconds, limits.sendRateMilliseconds,
      limits.stopGraceMilliseconds,
      limits.acceptPauseMilliseconds,
    ]
    for time in times { #expect(time > 0) }
  }

  @Test func aRequestLineFitsIntoAHead() {
    #expect(Self.limits.head.requestLine < Self.limits.head.head)
    // With so many fields as there may be, each the shortest.
    let fields = Self.limits.head.fields * "a:\r\n".utf8.count
    #expect(Self.limits.head.requestLine + fields <= Self.limits.head.head)
  }

  /// RFC 9110 §4.1 asks for 8000 bytes at least.
  @Test func aRequestLineMayBeAsLongAsRFC9110Asks() {
    #expect(Self.limits.head.requestLine >= 8_000)
  }

  @Test func workersShareTheMemoryForFiles() {
    var limits = Self.limits
    limits.cacheMemory = 1_000_000
    for (workers, part) in [(1, 1_000_000), (2, 500_000), (3, 333_333), (0, 1_000_000)] {
      limits.workers = workers
      #expect(limits.cacheMemoryPerWorker == part)
    }
    // What is sent from memory has to be there first.
    limits.cacheMemory = 0
    #expect(limits.cacheMemoryPerWorker >= 10 * limits.fileInMemory)
  }

  /// Many of them, whatever the number of workers.
  @Test func filesInMemoryFitIntoAWorkersPart() {
    var limits = Self.limits
    limits.workers = 64
    #expect(limits.fileInMemory * 10 <= limits.cacheMemoryPerWorker)
  }

  /// One file in memory leaves as one TLS record.
  @Test func aFileInMemoryIsOneRecord() {
    #expect(Self.limits.fileInMemory <= 16_384)
  }
}
