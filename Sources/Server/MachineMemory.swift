import CLinux
import Glibc

/// How much memory this process may have: the least of what the machine has, of what the process's control groups allow
/// (`cgroups(7)`: memory.max of version 2, memory.limit_in_bytes of version 1), and of its limit on address space
/// (`getrlimit(2)`, RLIMIT_AS). What is kept at most of this and that is a part of it.
enum MachineMemory {
  /// In bytes; read anew each time, as a limit can change.
  static var bytes: Int {
    let groups = controlGroupFiles(of: text(of: "/proc/self/cgroup") ?? "").compactMap { path in
      text(of: path).flatMap(limit(in:))
    }
    return ([physical, addressSpace] + groups).min() ?? physical
  }

  /// To be called before other threads begin. Where the address space has a limit, threads share one arena of malloc(3): glibc reserves 64 MiB for each other one,
  /// and what the first threads take of a small limit would be missing for the stacks of the last.
  static func setUpMalloc() {
    if addressSpace < 1 << 40 { _ = mallopt(M_ARENA_MAX, 1) }
    // As they are at first. Else, once a worker has ended, what others take is kept when they give it back: each reload would
    // leave some MiB.
    _ = mallopt(M_MMAP_THRESHOLD, 128 << 10)
    _ = mallopt(M_TRIM_THRESHOLD, 128 << 10)
  }

  /// What the machine has.
  private static var physical: Int {
    let (pages, size) = (sysconf(Int32(_SC_PHYS_PAGES)), sysconf(Int32(_SC_PAGESIZE)))
    // Where nobody says how much there is, there is little.
    return pages > 0 && size > 0 ? pages * size : 512 << 20
  }

  private static var addressSpace: Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { return .max }
    return Int(clamping: limit.rlim_cur)
  }

  /// The files that limit a process with this /proc/self/cgroup: those of its own groups, and of all above them, as a limit
  /// holds for what is below. In a container the groups' names may be those outside of it, where only the topmost file is
  /// there to be read, and that one is the container's.
  static func controlGroupFiles(of memberships: String) -> [String] {
    var files: [String] = []
    for line in memberships.split(separator: "\n") {
      // "0::/system.slice/a.service" in version 2; "4:memory:/a" in version 1.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let place: (folder: String, file: String)
      if parts[0] == "0" && parts[1].isEmpty {
        place = ("/sys/fs/cgroup", "memory.max")
      } else if parts[1].split(separator: ",").contains("memory") {
        place = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
      } else {
        continue
      }
      var names = parts[2].split(separator: "/")
      while true {
        files.append(([Substring(place.folder)] + names + [Substring(place.file)]).joined(separator: "/"))
        if names.popLast() == nil { break }
      }
    }
    return files
  }

  /// What such a file says: a number of bytes, or nothing where it is "max" or no number at all. Version 1 says a number
  /// beyond all memory where there is no limit.
  static func limit(in text: String) -> Int? {
    UInt64(text.prefix { $0 != "\n" }).map { Int(clamping: $0) }
  }

  /// A short file of the kernel's.
  private static func text(of path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 16_384)
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}
