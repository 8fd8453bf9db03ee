import Glibc
import Reactor
import Testing

@Suite struct WakerTests {
  static func isReady(_ descriptor: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&entry, 1, 0) == 1
  }

  @Test func wakesUntilAcknowledged() throws {
    let waker = try Waker()
    #expect(!Self.isReady(waker.descriptor))
    waker.wake()
    #expect(Self.isReady(waker.descriptor))
    #expect(Self.isReady(waker.descriptor))
    waker.acknowledge()
    #expect(!Self.isReady(waker.descriptor))
  }

  @Test func manyWakesAreAcknowledgedAtOnce() throws {
    let waker = try Waker()
    for _ in 0..<1_000 { waker.wake() }
    waker.acknowledge()
    #expect(!Self.isReady(waker.descriptor))
    waker.wake()
    #expect(Self.isReady(waker.descriptor))
  }

  @Test func acknowledgingNothingDoesNotBlock() throws {
    let waker = try Waker()
    waker.acknowledge()
    #expect(!Self.isReady(waker.descriptor))
  }

  @Test func wakesAPollerFromAnotherThread() throws {
    final class Shared: Sendable {
      let waker: Waker
      init() throws { waker = try Waker() }
    }
    let shared = try Shared()
    let poller = try Poller(eventsPerWait: 4)
    try poller.add(shared.waker.descriptor, token: Token(slot: 1, generation: 0), for: .readable)
    // A thread of its own: those of tasks may all be busy with other tests.
    var thread = pthread_t()
    let status = unsafe pthread_create(
      &thread, nil,
      { shared in
        unsafe Unmanaged<Shared>.fromOpaque(shared!).takeRetainedValue().waker.wake()
        return nil
      }, Unmanaged.passRetained(shared).toOpaque())
    try #require(status == 0)
    #expect(poller.wait(milliseconds: 60_000) == 1)
    #expect(poller[0].token == Token(slot: 1, generation: 0))
    pthread_join(thread, nil)
    shared.waker.acknowledge()
    #expect(poller.wait(milliseconds: 0) == 0)
  }
}
