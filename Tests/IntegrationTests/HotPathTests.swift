import Glibc
import Testing

/// What a worker does for a request that was seen before, in the release build: it allocates nothing, locks nothing and
/// counts no references. Found out by counting calls for 1,000 requests and for 11,000, and by the machine code.
@Suite(
  .enabled(if: HotPath.binary != nil, "needs a release build: set SLUICE_RELEASE_BINARY"),
  .enabled(if: TestMachine.has("valgrind"), "valgrind is missing: apt-get install valgrind"),
  .serialized)
struct HotPathTests {
  /// Sent from memory in one piece; and by sendfile.
  @Test(arguments: ["1024.bin", "102400.bin"])
  func tenThousandRequests(name: String) throws {
    let more = try HotPath.callsOfTenThousandRequests(name)
    // The check would find nothing in a binary without names. A request that has waited for a helper thread is parsed again,
    // which is as rare as looks are.
    let parsed = HotPath.requests..<HotPath.requests + HotPath.requests / 200
    #expect(more.contains { $0.key.name.contains("RequestParser") && parsed.contains($0.value) })

    // Twice a second the file is looked at again, which may allocate where a helper thread has to: valgrind knows no openat2.
    let looks = more.filter { $0.key.name.contains("FileCacheV4look") }.values.max() ?? 0
    #expect(looks < HotPath.requests / 200)
    for (function, count) in more
    where count > HotPath.noise + looks * HotPath.callsForALook
      && HotPath.forbidden.contains(where: function.name.hasPrefix)
    {
      Issue.record("\(count) more calls of \(function.name) in \(function.object), \(looks) looks")
    }
    // Of others' code, only what makes system calls, reads the clock and copies is called for each request.
    for (function, count) in more where function.object != "sluice" && count >= HotPath.requests {
      #expect(
        HotPath.allowed.contains(where: function.name.hasPrefix), "\(function.name) in \(function.object)")
    }
  }

  /// One receive and one send a request, and for a large file a sendfile. (One wait, too, since one connection asks.)
  @Test(arguments: [("1024.bin", 3), ("102400.bin", 4)])
  func systemCalls(name: String, each: Int) throws {
    let more = try HotPath.callsOfTenThousandRequests(name)
    let calls = more.filter { $0.key.name.hasPrefix("syscall") }.values.reduce(0, +)
    // Large files may fill the socket and need another turn.
    #expect(calls >= each * HotPath.requests - HotPath.noise)
    #expect(name != "1024.bin" || calls <= each * HotPath.requests + 100)
  }

  @Test func machineCode() throws {
    let binary = try #require(HotPath.binary)
    let hot = try HotPath.callsOfTenThousandRequests("1024.bin").filter {
      $0.key.object == "sluice" && $0.value >= HotPath.requests
    }
    #expect(hot.count >= 4)
    for function in hot.keys.map(\.name) {
      let code = try Shell.require([
        "objdump", "-d", "--no-show-raw-insn", "--disassemble=\(function)", binary,
      ])
      #expect(code.contains("<\(function)>:"))
      for line in code.split(separator: "\n") {
        let isLocked = line.contains("\tlock ")
        let isForbidden = line.contains("call") && HotPath.forbidden.contains { line.contains("<\($0)") }
        if isLocked || isForbidden { Issue.record("\(function): \(line)") }
      }
    }
  }
}

/// The counts, made once for all tests.
private enum HotPath {
  static let requests = 10_000
  /// A few calls are the control plane's, which may wake once or twice while the workers stop.
  static let noise = 20

  /// What a look may call of what is forbidden, where a helper thread does it: the job, its path and its root go to and fro.
  static let callsForALook = 36

  /// The release build of sluice.
  static let binary = unsafe getenv("SLUICE_RELEASE_BINARY").map { unsafe String(cString: $0) }

  /// Beginnings of the names of what allocates, locks and counts references.
  static let forbidden = [
    "malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "free", "swift_slowAlloc",
    "swift_alloc",
    "swift_retain", "swift_release", "swift_bridgeObject", "swift_unknownObject", "swift_beginAccess",
    "swift_once",
    "pthread_mutex", "pthread_rwlock", "__lll_lock",
  ]
  /// Beginnings of the names of what may be called for each request. Valgrind has no vDSO: there the clock is a call. An open
  /// file is asked whether it has changed (fstat).
  static let allowed = [
    "syscall", "fstat", "clock_gettime", "memcpy", "memmove", "__mem", "_dl_runtime_resolve",
  ]

  private static let counted: [String: Result<[CallCounts.Function: Int], any Error>] = {
    var counted: [String: Result<[CallCounts.Function: Int], any Error>] = [:]
    for name in ["1024.bin", "102400.bin"] {
      counted[name] = Result {
        let site = try TemporarySite.common()
        let few = try CallCounts(binary ?? "", site: site, name: name, requests: requests / 10)
        let many = try CallCounts(binary ?? "", site: site, name: name, requests: requests / 10 + requests)
        return many.more(than: few)
      }
    }
    return counted
  }()

  static func callsOfTenThousandRequests(_ name: String) throws -> [CallCounts.Function: Int] {
    guard let result = counted[name] else { throw TestFailure("not counted: \(name)") }
    return try result.get()
  }
}
