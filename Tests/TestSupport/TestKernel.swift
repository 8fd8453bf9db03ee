import Glibc

/// What the kernel that the tests run on can do.
package enum TestKernel {
  /// It has its "tls" ULP, loaded or built in.
  package static let hasTLS: Bool = {
    if unsafe access("/proc/net/tls_stat", F_OK) == 0 { return true }
    guard let file = unsafe fopen("/proc/sys/net/ipv4/tcp_available_ulp", "re") else { return false }
    defer { unsafe fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    unsafe fgets(&line, Int32(line.count), file)
    return String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      .split { $0 == " " || $0 == "\n" }.contains("tls")
  }()

  /// Why tests of kernel TLS are left out.
  package static let lacksTLS = "this kernel has no kernel TLS: run through scripts/ktls-lab.sh"

  /// What the lane that the tests run in can do, by its own account (scripts/lib/lanes.sh) and not by the server's: `rekey`,
  /// `small-records`.
  package static func can(_ capability: String) -> Bool { capabilities.contains(capability) }

  private static let capabilities: [String] = {
    guard let said = unsafe getenv("SLUICE_LAB_CAPABILITIES") else { return [] }
    return unsafe String(cString: said).split(separator: " ").map(String.init)
  }()
}
