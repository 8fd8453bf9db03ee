import Glibc

/// Calls of a program that fail or do less than they could: `Tests/FailingCalls`, a library that is loaded before all
/// others. For what strace can't do.
final class FailingCalls {
  /// What can be ordered, and what is counted: as in failing-calls.c.
  enum Order: Int {
    case allocationSize, firstAllocation, lastAllocation, longestSend, longestRead, closeError,
      cachestatError,
      cachedReadError, ulpError, transmitKeyError, receiveKeyError, mptcp, allocations, memoryFaults, faults
  }

  static let lacks = "clang or cc is missing (apt-get install gcc libc6-dev), or the binary has a sanitizer"
  static var isPossible: Bool { !TestMachine.isSanitized && (try? library.get()) != nil }

  private static let library = Result {
    let folder = try TemporaryFolder()
    let source =
      #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
      .joined(separator: "/") + "/FailingCalls/failing-calls.c"
    let path = folder.path + "/failing-calls.so"
    let compiler = TestMachine.has("clang") ? "clang" : "cc"
    try Shell.require([compiler, "-O2", "-shared", "-fPIC", "-o", path, source])
    return (folder: folder, path: path)
  }

  private let folder: TemporaryFolder
  private let descriptor: Int32

  /// No orders yet.
  init() throws {
    folder = try TemporaryFolder()
    try writeFile(folder.path + "/orders", [UInt8](repeating: 0, count: 4096))
    descriptor = unsafe open(folder.path + "/orders", O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw TestFailure("cannot open the orders") }
  }

  deinit {
    close(descriptor)
  }

  /// What to put before a command that shall obey.
  var prefix: [String] {
    get throws {
      ["env", "LD_PRELOAD=\(try Self.library.get().path)", "FAILING_CALLS=\(folder.path)/orders"]
    }
  }

  subscript(order: Order) -> Int {
    get {
      var value = 0
      let size = MemoryLayout<Int>.size
      return unsafe pread(descriptor, &value, size, off_t(order.rawValue * size)) == size ? value : -1
    }
    set {
      var value = newValue
      let size = MemoryLayout<Int>.size
      unsafe pwrite(descriptor, &value, size, off_t(order.rawValue * size))
    }
  }

  /// Allocations of at least `size` bytes fail: these of them, counted from now on.
  func failAllocations(_ numbers: ClosedRange<Int>, ofAtLeast size: Int = 0) {
    self[.firstAllocation] = 0
    self[.allocations] = 0
    self[.memoryFaults] = 0
    self[.allocationSize] = size
    self[.lastAllocation] = numbers.upperBound
    self[.firstAllocation] = numbers.lowerBound
  }

  /// Memory is there again.
  func endFailingAllocations() {
    self[.firstAllocation] = 0
  }

  /// Which functions of the program have wanted memory in vain last, by what the library has written.
  func lastFault(in errorOutput: String) -> String {
    guard let frames = errorOutput.split(separator: "no memory:\n").last else { return "?" }
    let offsets = frames.split(separator: "\n").prefix(24).compactMap { line -> String? in
      line.hasPrefix(SluiceProcess.binary)
        ? line.firstMatch(of: /\(\+(0x[0-9a-f]+)\)/).map { String($0.1) } : nil
    }
    let names = try? Shell.run(["addr2line", "-f", "-e", SluiceProcess.binary] + offsets.prefix(6)).output
    return (names ?? "").split(separator: "\n").filter { $0.hasPrefix("$") || $0.hasPrefix("main") }
      .joined(separator: " < ")
  }
}
