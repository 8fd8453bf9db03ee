import Glibc
import Reactor
import Synchronization
import Testing

@Suite struct ThreadTests {
  final class Counter: Sendable {
    let value = Atomic(0)
  }

  @Test func joiningWaitsForTheEnd() throws {
    for _ in 0..<50 {
      let counter = Counter()
      let thread = try Thread {
        for _ in 0..<1_000 { counter.value.add(1, ordering: .relaxed) }
      }
      thread.join()
      #expect(counter.value.load(ordering: .relaxed) == 1_000)
    }
  }

  @Test func runsOnAThreadOfItsOwn() throws {
    let counter = Counter()
    let caller = Int(bitPattern: pthread_self())
    let thread = try Thread {
      counter.value.store(Int(bitPattern: pthread_self()), ordering: .relaxed)
    }
    thread.join()
    let other = counter.value.load(ordering: .relaxed)
    #expect(other != 0 && other != caller)
  }

  @Test func threadsRunAtTheSameTime() throws {
    let counter = Counter()
    let threads = try (0..<4).map { _ in
      try Thread {
        counter.value.add(1, ordering: .sequentiallyConsistent)
        // None ends before all have begun.
        while counter.value.load(ordering: .sequentiallyConsistent) < 4 { sched_yield() }
      }
    }
    for thread in threads { thread.join() }
    #expect(counter.value.load(ordering: .relaxed) == 4)
  }

  /// With all that it holds.
  @Test func theClosureEndsWithTheThread() throws {
    weak var counter: Counter?
    do {
      let held = Counter()
      counter = held
      let thread = try Thread { held.value.add(1, ordering: .relaxed) }
      thread.join()
    }
    #expect(counter == nil)
  }
}
