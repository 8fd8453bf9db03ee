import Glibc
import TestSupport

/// What this machine can do, for tests that need more than every machine has.
enum TestMachine {
  static let lacksKernelTLS = TestKernel.lacksTLS
  static let hasKernelTLS = TestKernel.hasTLS

  static let isRoot = geteuid() == 0

  /// The release build of sluice, for tests of what the compiler's optimisation is part of; nil if there is none.
  static let releaseBinary: String? = unsafe (getenv("SLUICE_RELEASE_BINARY") ?? getenv("SLUICE_BINARY")).map
  {
    unsafe String(cString: $0)
  }

  /// Where the tests' own program is, and those that were built with it.
  static let buildFolder: String = {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe buffer.withUnsafeMutableBytes { buffer in
      unsafe readlink("/proc/self/exe", buffer.bindMemory(to: CChar.self).baseAddress!, buffer.count)
    }
    let tests = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    return tests.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
  }()

  /// Whether a program is in PATH.
  static func has(_ program: String) -> Bool {
    let path = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? "/usr/bin:/bin"
    return path.split(separator: ":").contains { folder in unsafe access("\(folder)/\(program)", X_OK) == 0 }
  }

  /// Root may read whatever it likes, unless it gives that right up.
  static let canBeDeniedFiles = !isRoot || has("setpriv")
  /// Put before a command so that the modes of files apply to it.
  static let withoutPrivileges =
    isRoot
    ? [
      "setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps",
      "-dac_override,-dac_read_search",
    ] : []

  /// The server's binary has a sanitizer in it, which takes over all of its memory.
  static let isSanitized =
    (try? Shell.run(["grep", "-q", "-e", "__asan_init", "-e", "__tsan_init", SluiceProcess.binary]))?
    .exitStatus
    == 0

  /// Whether tests that take minutes may run.
  static let hasTime = unsafe getenv("SLUICE_SLOW_TESTS") != nil

  /// Lets this process open as many files as it may, for tests with thousands of connections.
  static func raiseDescriptorLimit() throws {
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    unsafe getrlimit(resource, &limit)
    guard limit.rlim_max >= 6000 else { throw TestFailure("only \(limit.rlim_max) files may be open") }
    limit.rlim_cur = limit.rlim_max
    unsafe setrlimit(resource, &limit)
  }
}
