import Testing
import Worker

@testable import Server

@Suite struct ConnectionMemoryTests {
  @Test(arguments: [
    (512 << 20, 1, 128 << 20), (512 << 20, 4, 32 << 20), (64 << 30, 256, 64 << 20), (0, 1, 1 << 20),
    (64 << 20, 256, 1 << 20), (Int.max, 1, Limits().connectionMemory),
  ])
  func aWorkersPart(memory: Int, workers: Int, bytes: Int) {
    #expect(ConnectionMemory.fit(Limits(), workers: workers, memory: memory).connectionMemory == bytes)
  }

  @Test func aLowerBoundStays() {
    var limits = Limits()
    limits.connectionMemory = 2 << 20
    #expect(ConnectionMemory.fit(limits, workers: 1, memory: 1 << 40).connectionMemory == 2 << 20)
  }
}
