import Testing

/// wrk, which keeps connections alive and opens new ones when it is told: wrk(1).
struct Load {
  private let process: Subprocess

  /// Begins. `flags`: of wrk, how long and with how many connections.
  init(_ url: String, _ flags: [String]) throws {
    process = try Subprocess(["wrk"] + flags + [url])
  }

  init(_ url: String, seconds: Int, connections: Int = 16) throws {
    try self.init(url, ["-t1", "-c\(connections)", "-d\(seconds)s"])
  }

  /// It still runs.
  var goesOn: Bool { process.exitStatus == nil }

  /// Waits for its end: every request was answered, and with 2xx. How many there were.
  @discardableResult func expectNoFailures() throws -> Int {
    let status = try process.wait()
    let text = process.output
    #expect(status == 0 && !text.contains("Socket errors") && !text.contains("Non-2xx"), "\(text)")
    let requests = text.firstMatch(of: /(\d+) requests in/).flatMap { Int($0.output.1) } ?? 0
    #expect(requests > 0, "\(text)\(process.errorOutput)")
    return requests
  }
}
