import Glibc

/// A mounted file system whose answers come late, never, or as errors, as the test tells it. Tests/SlowDisk is the
/// program behind it. Ends with its owner.
///
/// Belongs to one thread.
final class SlowDisk {
  /// What the kernel can ask it for.
  enum Operation: String {
    case lookup
    case open
    case getattr
    case read
    case readdir
    case any = "*"
  }

  static let lacksFUSE = "no FUSE: this needs root's rights to mount, and /dev/fuse"

  /// This machine can have such a disk.
  static let isAvailable: Bool = {
    guard TestMachine.isRoot else { return false }
    if unsafe access("/dev/fuse", F_OK) != 0 { _ = try? Shell.run(["/sbin/modprobe", "fuse"]) }
    guard let folder = try? TemporaryFolder() else { return false }
    return (try? SlowDisk(at: folder.path)) != nil
  }()

  /// Where it is mounted.
  let path: String
  private let process: Subprocess
  private var received: [UInt8] = []

  /// Mounts an empty one at an empty folder.
  init(at folder: String) throws {
    path = folder
    process = try Subprocess(
      [TestMachine.buildFolder + "/slow-disk", folder], stdin: .socket, stdout: .socket)
    _ = try answer(to: "its start")
  }

  deinit {
    end()
  }

  /// Unmounts it. Who waits for it gets an error.
  func end() {
    process.endInput()
    _ = try? process.wait(seconds: 10)
  }

  // MARK: Content

  func addFolder(_ name: String) throws {
    try tell("folder \(name)")
  }

  /// Adds a file of `size` bytes of the pattern from `first` on.
  func add(_ name: String, size: Int, from first: Int = 0) throws {
    try tell("file \(name) \(size) \(first)")
  }

  /// For how many seconds the kernel may keep the names and attributes that it asks for from now on. An hour without
  /// this, as if the disk were this machine's own.
  func setValidity(seconds: Int) throws {
    try tell("validity \(seconds)")
  }

  /// The time of modification, and of change, of files whose attributes the kernel gets from now on, in seconds since 1970.
  func setTimes(seconds: Int) throws {
    try tell("time \(seconds)")
  }

  /// Makes the kernel forget the pages of a file that nobody is reading.
  func evict(_ name: String) throws {
    try advise(name, POSIX_FADV_DONTNEED)
  }

  /// Makes the kernel begin to read a file, and doesn't wait for that.
  func readAhead(_ name: String) throws {
    try advise(name, POSIX_FADV_WILLNEED)
  }

  private func advise(_ name: String, _ advice: Int32) throws {
    let descriptor = unsafe Glibc.open("\(path)/\(name)", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw TestFailure("cannot open \(name)") }
    defer { close(descriptor) }
    guard posix_fadvise(descriptor, 0, 0, advice) == 0 else { throw TestFailure("cannot advise \(name)") }
  }

  // MARK: What it does

  /// From now on, its answers come after so long; for reads: those of bytes from `first` on.
  func delay(_ operation: Operation, _ name: String = "*", milliseconds: Int, from first: Int = 0) throws {
    try tell("delay \(operation.rawValue) \(name) \(milliseconds) \(first)")
  }

  /// From now on, its answers don't come.
  func hold(_ operation: Operation, _ name: String = "*", from first: Int = 0) throws {
    try tell("hold \(operation.rawValue) \(name) \(first)")
  }

  /// From now on, its answer is this error.
  func fail(_ operation: Operation, _ name: String = "*", error: Int32 = EIO, from first: Int = 0) throws {
    try tell("fail \(operation.rawValue) \(name) \(error) \(first)")
  }

  /// Ends all delays, holds and failures, and answers what is held.
  func release() throws {
    try tell("release")
  }

  /// How many requests are held or delayed.
  var held: Int { get throws { try tell("held") } }

  /// How often the kernel has asked for this.
  func count(_ operation: Operation, _ name: String = "*") throws -> Int {
    try tell("count \(operation.rawValue) \(name)")
  }

  /// Waits until so many requests are held.
  func waitUntilHeld(_ count: Int = 1) throws {
    try waitUntil("the disk holds \(count) requests", seconds: 30) { try held >= count }
  }

  // MARK: Talking to it

  @discardableResult
  private func tell(_ command: String) throws -> Int {
    process.send(command + "\n")
    return try answer(to: command)
  }

  /// The number in its answer, or 0.
  private func answer(to command: String) throws -> Int {
    while !received.contains(0x0A) {
      let more = try process.receive(1000)
      guard !more.isEmpty else { throw TestFailure("the slow disk has ended: \(process.errorOutput)") }
      received += more
    }
    let line = String(decoding: received.prefix { $0 != 0x0A }, as: UTF8.self)
    received.removeFirst(line.utf8.count + 1)
    let words = line.split(separator: " ")
    guard words.first == "ok" else { throw TestFailure("\(command): \(line)") }
    return words.count > 1 ? Int(words[1]) ?? 0 : 0
  }
}
