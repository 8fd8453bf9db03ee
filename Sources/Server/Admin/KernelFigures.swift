import Glibc

/// What the kernel knows of this process, and of TLS: proc(5), Documentation/networking/tls.rst.
enum KernelFigures {
  /// Resident bytes, open descriptors, the most that there may be, and seconds of CPU.
  static func process() -> (resident: Int, descriptors: Int, mostDescriptors: Int, seconds: Double) {
    let pages = text("/proc/self/statm").split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    var usage = rusage()
    unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let seconds =
      Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(
        usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    var limit = rlimit()
    unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return (
      pages * sysconf(Int32(_SC_PAGESIZE)), descriptorCount(), Int(clamping: limit.rlim_cur), seconds
    )
  }

  private static func descriptorCount() -> Int {
    guard let folder = unsafe opendir("/proc/self/fd") else { return 0 }
    defer { unsafe closedir(folder) }
    var count = 0
    while unsafe readdir(folder) != nil { count += 1 }
    // Itself, and the two folders.
    return max(0, count - 3)
  }

  /// `/proc/self/net/tls_stat`, of all processes in this network namespace; empty where there is no kernel TLS.
  static func tls() -> [(name: String, count: Int)] {
    text("/proc/self/net/tls_stat").split(separator: "\n").compactMap { line in
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      return words.count == 2 ? Int(words[1]).map { (String(words[0]), $0) } : nil
    }
  }

  /// A short file of the kernel's; empty if it can't be read.
  static func text(_ path: String) -> String {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 8192)
    let count = unsafe read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
  }
}
