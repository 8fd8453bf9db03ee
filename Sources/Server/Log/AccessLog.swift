import Glibc
import Logging
import Reactor
import Synchronization
import Worker

/// Writes what workers have answered, a line each, on a thread of its own: workers wait neither for it nor for its disk.
final class AccessLog: Sendable {
  private let path: String
  private let kind: Configuration.AccessLogFormat
  private let log: Logger
  private let reader: AccessReader
  /// One for each worker.
  private let rings: [AccessRing]
  private let state = Mutex(State())

  private struct State {
    var descriptor: Int32 = -1
    /// Lines that could not be written.
    var lost = 0
    var hasToldOfFailure = false
  }

  private let shallReopen = Atomic(false)
  private let shallEnd = Atomic(false)
  private let hasEnded = Atomic(false)

  /// Time between two looks at what workers have left, in milliseconds, while they do: lines are written together.
  private static let pause: UInt32 = 50
  /// The longest time without a look.
  private static let longestSleep: Int32 = 1_000

  /// Opens the file, `-` for standard output, and begins to write. Throws if it can't be opened.
  init(_ configuration: Configuration.AccessLog, workers: Int, limits: Limits, log: Logger) throws(StartError)
  {
    path = configuration.path
    kind = configuration.format
    self.log = log
    do throws(Errno) {
      let reader = try AccessReader()
      self.reader = reader
      rings = (0..<workers).map { _ in
        AccessRing(
          capacity: limits.accessLogRing, wantsHost: configuration.format == .json, reader: reader)
      }
      let descriptor = try Self.open(path)
      state.withLock { $0.descriptor = descriptor }
      try Thread.detach(stackBytes: 512 << 10) { self.run() }
    } catch {
      throw StartError("\(configuration.path): cannot write the access log: \(error)")
    }
  }

  private static func open(_ path: String) throws(Errno) -> Int32 {
    // It has clients' addresses.
    let descriptor =
      unsafe path == "-"
      ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
      : Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0o640)
    guard descriptor >= 0 else { throw Errno.current }
    // Not to wait for who reads a FIFO: that is an error. The log's thread may wait when it writes.
    if path != "-" { _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK) }
    return descriptor
  }

  /// Where a worker leaves its records.
  func ring(ofWorker number: Int) -> AccessRing { rings[number] }

  /// Lines that were not written: workers were faster than the disk, or it has failed.
  var dropped: Int { rings.reduce(0) { $0 + $1.dropped } + state.withLock { $0.lost } }

  /// Goes over to a new file of the same name: what was answered before is written to the old one.
  func reopen() {
    shallReopen.store(true, ordering: .releasing)
    reader.wake()
  }

  /// Writes what is left, when no worker works any more. Does not wait longer than a second: whatever it writes to may be stuck.
  func end() {
    shallEnd.store(true, ordering: .releasing)
    reader.wake()
    for _ in 0..<100 where !hasEnded.load(ordering: .acquiring) { usleep(10_000) }
  }

  // MARK: The thread

  private func run() {
    var lines = LogBuffer()
    var format = AccessFormat(kind)
    while true {
      let isEnding = shallEnd.load(ordering: .acquiring)
      let isReopening = shallReopen.exchange(false, ordering: .acquiring)
      let hasWritten = writeAll(&lines, &format)
      if isReopening { goOverToNewFile() }
      if isEnding { break }
      if hasWritten { usleep(Self.pause * 1_000) } else { reader.sleep(milliseconds: Self.longestSleep) }
    }
    close(state.withLock { $0.descriptor })
    hasEnded.store(true, ordering: .releasing)
  }

  private func writeAll(_ lines: inout LogBuffer, _ format: inout AccessFormat) -> Bool {
    var hasAny = false
    for ring in rings {
      let hasSome = ring.takeAll { record, texts in
        format.append(record, texts, to: &lines)
        if lines.isFull { write(&lines) }
      }
      hasAny = hasSome || hasAny
    }
    write(&lines)
    return hasAny
  }

  private func write(_ lines: inout LogBuffer) {
    defer { lines.clear() }
    let descriptor = state.withLock { $0.descriptor }
    var done = 0
    while done < lines.count {
      let count = unsafe Glibc.write(descriptor, lines.start + done, lines.count - done)
      if count > 0 {
        done += count
      } else if errno != EINTR {
        let error = Errno.current
        let isNew = state.withLock { state in
          state.lost += lines.lines
          defer { state.hasToldOfFailure = true }
          return !state.hasToldOfFailure
        }
        if isNew { log.error("\(path): the access log can't be written: \(error); lines are lost") }
        return
      }
    }
    state.withLock { $0.hasToldOfFailure = false }
  }

  private func goOverToNewFile() {
    do throws(Errno) {
      let new = try Self.open(path)
      let old = state.withLock { state in
        defer { state.descriptor = new }
        return state.descriptor
      }
      close(old)
      log.notice("\(path): the access log is opened anew")
    } catch {
      log.error("\(path): cannot open the access log anew: \(error); the old one stays in use")
    }
  }
}
