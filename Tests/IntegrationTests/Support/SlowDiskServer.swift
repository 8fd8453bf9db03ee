import Glibc
import Testing

/// A server with one worker and two helper threads, whose site lies on two disks: hot files on this machine's own, and a
/// folder `slow`, which is a disk in the test's hands.
final class SlowDiskServer {
  private static let smallSize = 4096
  private static let largeSize = 1 << 20

  let transport: Transfer.Transport
  let site: TemporarySite
  let disk: SlowDisk
  let sluice: SluiceProcess

  /// Starts it with files of these sizes on the slow disk, none of which the kernel knows yet.
  init(_ transport: Transfer.Transport, _ files: KeyValuePairs<String, Int>, flags: [String] = []) throws {
    self.transport = transport
    site = try TemporarySite()
    try site.add("hot.bin", Pattern.bytes(Self.smallSize))
    try site.add("hot-large.bin", Pattern.bytes(Self.largeSize, from: 5))
    try site.addFolder("slow")
    disk = try SlowDisk(at: "\(site.path)/slow")
    for (name, size) in files { try disk.add(name, size: size) }
    sluice = try transport.serve(site.path, flags: ["--io-threads", "2"] + flags)
    // Now they are hot.
    try expectHotFilesAreServed(small: 1, large: 1)
  }

  deinit {
    // Before the site's folder is removed.
    disk.end()
  }

  func client() throws -> TransportClient { try TransportClient(transport, sluice) }

  /// A client that has asked for one thing.
  func ask(_ path: String, _ fields: String = "") throws -> TransportClient {
    let client = try client()
    try client.get(path, fields)
    return client
  }

  /// Gets the hot files so often, on ten other connections, all whole and right.
  func expectHotFilesAreServed(
    small: Int = 200, large: Int = 5, location: SourceLocation = #_sourceLocation
  ) throws {
    let folder = try TemporaryFolder()
    let url = try transport.url(sluice)
    var command = try ["curl"] + Curl.flags + transport.flags()
    command += ["-Z", "--parallel-immediate", "--parallel-max", "10", "-w", "%{http_code}\\n"]
    command += ["-o", "\(folder.path)/small#1", "\(url)/hot.bin?[1-\(small)]"]
    command += ["-o", "\(folder.path)/large#1", "\(url)/hot-large.bin?[1-\(large)]"]
    let client = try Subprocess(command)
    try waitUntil("the hot files are served", seconds: 30) { client.exitStatus != nil }
    let codes = client.output.split(separator: "\n")
    #expect(
      codes.count == small + large && codes.allSatisfy { $0 == "200" },
      "\(client.output)\(client.errorOutput)",
      sourceLocation: location)
    let wrong =
      (1...small).count { readFile("\(folder.path)/small\($0)") != Pattern.bytes(Self.smallSize) }
      + (1...large).count { readFile("\(folder.path)/large\($0)") != Pattern.bytes(Self.largeSize, from: 5) }
    #expect(wrong == 0, sourceLocation: location)
  }

  /// Gets a file of the slow disk, whole and right.
  func expectServed(
    _ name: String, size: Int, from first: Int = 0, location: SourceLocation = #_sourceLocation
  ) throws {
    try expect(ask("/slow/\(name)"), gets: size, from: first, location: location)
  }

  /// A client that has asked for one file gets it, whole and right.
  func expect(
    _ client: TransportClient, gets size: Int, from first: Int = 0,
    location: SourceLocation = #_sourceLocation
  ) throws {
    let response = try client.response()
    #expect(response.status == 200, sourceLocation: location)
    #expect(
      response.body.count == size && Pattern.matches(response.body, from: first), sourceLocation: location)
  }
}
