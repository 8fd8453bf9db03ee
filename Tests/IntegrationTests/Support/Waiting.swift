import Glibc

/// Why a test could not go on.
struct TestFailure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// How long a test waits for what has to come. Far more than it takes: an emulated kernel is a hundred times slower.
enum Patience {
  static let seconds: Double = 120
}

/// Seconds on the monotonic clock.
func now() -> Double {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Waits until a condition holds; throws if it does not in time.
func waitUntil(
  _ what: String, seconds: Double = Patience.seconds, _ condition: () throws -> Bool
) throws {
  let end = now() + seconds
  while try !condition() {
    guard now() < end else { throw TestFailure("waited \(Int(seconds)) s in vain until \(what)") }
    usleep(2000)
  }
}

/// Waits until a descriptor has something to read, or its end.
func waitForInput(_ descriptor: Int32, patience seconds: Double) throws {
  var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
  guard unsafe poll(&polled, 1, Int32(seconds * 1000)) > 0 else {
    throw TestFailure("nothing to read for \(Int(seconds)) s")
  }
}
