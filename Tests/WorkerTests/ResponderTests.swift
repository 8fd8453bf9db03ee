import HTTP
import Site
import TestSupport
import Testing

@testable import Files
@testable import Worker

@Suite struct ResponderTests {
  /// What is answered to a request for a file of `content`, as the client would see it; a file that is not in
  /// memory is read for it.
  static func answer(_ request: String, files: [String: String]) throws -> String {
    let folder = try TemporaryFolder()
    try folder.addFolder("folder")
    for (name, content) in files { try folder.write(name, content) }
    var clock = WorkerClock()
    clock.read()
    let limits = Limits()
    let (root, site) = (try DocumentRoot(path: folder.path), Site(root: folder.path))
    let loader = try #require(FileLoader(inMemory: limits.fileInMemory, capacity: 8))
    let bounds = FileCache.Bounds(memory: 1 << 20, openFiles: 8, inMemory: limits.fileInMemory)
    let policies = FilePolicies(sites: [site])
    var responder = Responder(
      limits: limits,
      files: FileCache(
        roots: [(root, FileNames())], loader: loader, bounds: bounds,
        describe: { policies.describe($0, asked: $1, root: $2, coding: $3) }
      ) { _ in
      },
      policies: policies, authenticator: try WorkerContextTests.noPasswords(),
      service: Service([ServedSite(site, root: root)], passwords: try WorkerContextTests.none()))
    let bytes = Array(request.utf8)
    var head = RequestHead()
    guard case .complete = RequestParser.parse(bytes.span, limits: limits.head, into: &head) else {
      throw SetUpError("no request")
    }
    var decision = responder.respond(to: head, bytes.span, clock: &clock, client: Client(token: 1))
    if case .waits(let number) = decision {
      let finished = try Self.finish(number, &responder.files, root, clock)
      #expect(finished.waiters == [1])
      responder.waited = finished
      decision = responder.respond(to: head, bytes.span, clock: &clock, client: Client(token: 1))
      responder.files.end(finished)
    }
    guard case .response(let response) = decision else { throw SetUpError("no response") }
    return unsafe String(decoding: response.bytes, as: UTF8.self)
      + String(decoding: response.content, as: UTF8.self)
  }

  /// Does what a helper thread would do: looks at what the kernel has not in its caches.
  static func finish(
    _ number: UInt64, _ files: inout FileCache, _ root: DocumentRoot, _ clock: WorkerClock
  ) throws -> FileCache.Finished {
    let load = try #require(files.pending.first { $0.identifier == number })
    guard case .path(let path, _, _) = load.subject else { throw SetUpError("no look at a path") }
    let reader = FileReader(inMemory: Limits().fileInMemory)
    let loaded = LoadedFile(unsafe reader.look(path, in: root.folder, .blocking), at: .now())
    let completion = FileCompletion(identifier: number, result: .loaded(loaded))
    guard let finished = files.finish(completion, now: clock.lookTime) else { throw SetUpError("no wait") }
    return finished
  }

  static let kinds = [
    "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /empty HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /empty HTTP/1.0\r\n\r\n", "GET /empty HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET /empty HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\"\r\n\r\n",
  ]

  /// In a process of its own: a trap would end all tests.
  @Test func anEmptyFileIsAnswered() async {
    await #expect(processExitsWith: .success) {
      for request in ResponderTests.kinds {
        let answer = try ResponderTests.answer(request, files: ["empty": ""])
        precondition(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.contains("\r\nContent-Length: 0\r\n"))
        precondition(answer.hasSuffix("\r\n\r\n"))
      }
      // RFC 9110 §14.1.2: no range of an empty file can be satisfied.
      let range = try ResponderTests.answer(
        "GET /empty HTTP/1.1\r\nHost: a\r\nRange: bytes=0-\r\n\r\n", files: ["empty": ""])
      precondition(range.hasPrefix("HTTP/1.1 416 ") && range.contains("\r\nContent-Range: bytes */0\r\n"))
    }
  }

  @Test(arguments: [
    ("GET /a HTTP/1.1\r\nHost: a\r\n", "200 OK", "content"),
    ("HEAD /a HTTP/1.1\r\nHost: a\r\n", "200 OK", ""),
    ("GET /a HTTP/1.0\r\n", "200 OK", "content"),
    ("GET /a HTTP/1.1\r\nHost: a\r\nRange: bytes=1-3\r\n", "206 Partial Content", "ont"),
    // RFC 9110 §14.2: Range is GET's alone.
    ("HEAD /a HTTP/1.1\r\nHost: a\r\nRange: bytes=1-3\r\n", "200 OK", ""),
    (
      "GET /a HTTP/1.1\r\nHost: a\r\nRange: bytes=7-\r\n", "416 Range Not Satisfiable",
      "416 Range Not Satisfiable"
    ),
    ("GET /a HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n", "304 Not Modified", ""),
    (
      "GET /a HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\"\r\n", "412 Precondition Failed",
      "412 Precondition Failed"
    ),
    ("GET /folder HTTP/1.1\r\nHost: a\r\n", "301 Moved Permanently", "301 Moved Permanently"),
    ("HEAD /folder HTTP/1.1\r\nHost: a\r\n", "301 Moved Permanently", ""),
    ("GET /missing HTTP/1.1\r\nHost: a\r\n", "404 Not Found", "404 Not Found"),
    ("HEAD /missing HTTP/1.1\r\nHost: a\r\n", "404 Not Found", ""),
    ("GET /%zz HTTP/1.1\r\nHost: a\r\n", "400 Bad Request", "400 Bad Request"),
    ("GET /.hidden HTTP/1.1\r\nHost: a\r\n", "404 Not Found", "404 Not Found"),
    ("POST /a HTTP/1.1\r\nHost: a\r\n", "405 Method Not Allowed", "405 Method Not Allowed"),
    ("BREW /a HTTP/1.1\r\nHost: a\r\n", "501 Not Implemented", "501 Not Implemented"),
    ("OPTIONS * HTTP/1.1\r\nHost: a\r\n", "204 No Content", ""),
    ("GET /a HTTP/1.1\r\nHost: a\r\nExpect: x\r\n", "417 Expectation Failed", "417 Expectation Failed"),
  ])
  func statusAndContent(request: String, status: String, content: String) throws {
    let answer = try Self.answer("\(request)\r\n", files: ["a": "content", ".hidden": "x"])
    #expect(answer.hasPrefix("HTTP/1.1 \(status)\r\n"))
    #expect(answer.hasSuffix("\r\n\r\n\(content)"))
  }

  /// A Location that begins with two slashes leads to another host.
  @Test(arguments: [
    ("/folder", "/folder/"), ("//folder", "/folder/"), ("///folder?a=//b", "/folder/?a=//b"),
    ("/x/..//folder", "/folder/"), ("/%66older", "/folder/"), ("http://b/folder", "/folder/"),
  ])
  func foldersRedirectToThemselves(target: String, location: String) throws {
    let answer = try Self.answer("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n", files: [:])
    #expect(answer.contains("\r\nLocation: \(location)\r\n"))
  }

  @Test(arguments: [
    ("HTTP/1.1\r\nHost: a", ""), ("HTTP/1.1\r\nHost: a\r\nConnection: close", "Connection: close\r\n"),
    ("HTTP/1.0", "Connection: close\r\n"),
    ("HTTP/1.0\r\nConnection: keep-alive", "Connection: keep-alive\r\n"),
  ])
  func theClientIsToldWhatBecomesOfTheConnection(version: String, line: String) throws {
    for target in ["/a", "/missing"] {
      let answer = try Self.answer("GET \(target) \(version)\r\n\r\n", files: ["a": "content"])
      #expect(answer.contains("Connection: ") == !line.isEmpty)
      #expect(answer.contains(line) || line.isEmpty)
    }
  }
}
