import Glibc
import Testing

@testable import Server

@Suite struct MachineMemoryTests {
  @Test func noMoreThanTheMachineHas() {
    let physical = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    #expect(MachineMemory.bytes > 0 && MachineMemory.bytes <= physical)
  }

  /// In a process of its own, whose limit it lowers.
  @Test func noMoreThanTheAddressSpaceThatIsAllowed() async {
    await #expect(processExitsWith: .success) {
      var limit = rlimit(rlim_cur: 8 << 30, rlim_max: 8 << 30)
      precondition(unsafe setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
      precondition(MachineMemory.bytes <= 8 << 30)
      limit.rlim_cur = 3 << 30
      precondition(unsafe setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
      precondition(MachineMemory.bytes <= 3 << 30)
    }
  }

  @Test(arguments: [
    ("", []),
    ("nonsense\n\n1:2\n", []),
    ("0::/\n", ["/sys/fs/cgroup/memory.max"]),
    (
      "0::/system.slice/sluice.service\n",
      [
        "/sys/fs/cgroup/system.slice/sluice.service/memory.max", "/sys/fs/cgroup/system.slice/memory.max",
        "/sys/fs/cgroup/memory.max",
      ]
    ),
    // Colons are allowed in a name.
    ("0::/a:b\n", ["/sys/fs/cgroup/a:b/memory.max", "/sys/fs/cgroup/memory.max"]),
    (
      "12:cpu,cpuacct:/x\n4:memory:/docker/1\n1:name=systemd:/memory\n",
      [
        "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
      ]
    ),
    ("3:hugetlb,memory:/\n", ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]),
  ])
  func groupsAndAllAboveThem(memberships: String, files: [String]) {
    #expect(MachineMemory.controlGroupFiles(of: memberships) == files)
  }

  @Test(
    arguments: [
      ("536870912\n", 536_870_912), ("536870912", 536_870_912), ("0\n", 0), ("max\n", nil), ("", nil),
      ("9223372036854771712\n", 9_223_372_036_854_771_712), ("18446744073709551615\n", Int.max),
      ("-1\n", nil),
    ] as [(String, Int?)])
  func whatALimitSays(text: String, bytes: Int?) {
    #expect(MachineMemory.limit(in: text) == bytes)
  }
}
