import Glibc
import Testing

@testable import Worker

/// Clients that read slowly, or not at all, under time limits that are shorter than the defaults.
@Suite struct SlowReaderTests {
  static let request = "GET /file HTTP/1.1\r\nHost: a\r\n\r\n"
  static let size = 8 << 20

  static var limits: Limits {
    var limits = Limits()
    limits.sendMilliseconds = 1024
    limits.firstUptakeMilliseconds = 256
    limits.uptakeMilliseconds = 256
    limits.sendRateMilliseconds = 1024
    return limits
  }

  /// It takes bytes all the time, though the socket stays full for longer than the limit.
  @Test func whoReadsAllTheTimeIsNotCutOff() throws {
    let worker = try RunningWorker(Self.limits, file: "file", size: Self.size)
    let client = try SlowClient(worker)
    client.send(Self.request)
    for _ in 0..<100 {
      #expect(client.receive(1000) > 0)
      usleep(50_000)
    }
    let metrics = try worker.stop()
    #expect(metrics.timeouts == 0 && metrics.tooSlow == 0 && metrics.broken == 0)
  }

  @Test func whoReadsNothingIsReset() throws {
    let worker = try RunningWorker(Self.limits, file: "file", size: Self.size)
    let client = try SlowClient(worker)
    client.send(Self.request)
    #expect(client.isReset() == true)
    let metrics = try worker.stop()
    #expect(metrics.timeouts == 1 && metrics.tooSlow == 0)
  }

  @Test func whoReadsSlowerThanAllowedIsReset() throws {
    var limits = Self.limits
    limits.minimumSendRate = 1_000_000
    let worker = try RunningWorker(limits, file: "file", size: Self.size)
    let client = try SlowClient(worker)
    client.send(Self.request)
    var received = 0
    repeat {
      received = client.receive(1000)
      usleep(20_000)
    } while received > 0
    #expect(received == -1)
    let metrics = try worker.stop()
    #expect(metrics.tooSlow == 1 && metrics.timeouts == 0)
  }

  @Test func whoReadsFastEnoughGetsAll() throws {
    var limits = Self.limits
    limits.minimumSendRate = 10_000
    let worker = try RunningWorker(limits, file: "file", size: Self.size)
    let client = try SlowClient(worker)
    client.send(Self.request)
    var count = 0
    while count < Self.size {
      let received = client.receive(1 << 16)
      try #require(received > 0)
      count += received
      // Now and then it has other things to do.
      if count % 7 == 0 { usleep(10_000) }
    }
    #expect(try worker.stop().tooSlow == 0)
  }
}
