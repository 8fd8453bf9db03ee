import Testing

/// Methods, statuses and the fields of a response.
@Suite struct RequestTests {
  private let sluice: SluiceProcess

  init() throws {
    sluice = try SluiceProcess(TemporarySite.common().path)
  }

  private func request(_ lines: String, toHead: Bool = false) throws -> HTTPResponse {
    let connection = try sluice.connect()
    try connection.send(lines)
    return try connection.response(toHead: toHead)
  }

  @Test func get() throws {
    let response = try Curl.get(sluice.url("http") + "/hello.txt")
    #expect(response.statusLine == "HTTP/1.1 200 OK")
    #expect(response.text == "hello\n")
    #expect(response["Content-Length"] == "6")
    #expect(response["Content-Type"] == "text/plain; charset=utf-8")
    #expect(response["Accept-Ranges"] == "bytes")
    #expect(response["Server"] == "sluice")
    #expect(response["ETag"]?.wholeMatch(of: /"[^" ]+"/) != nil)
    #expect(response["Connection"] == nil)
    #expect(response["Transfer-Encoding"] == nil)
  }

  @Test func dates() throws {
    let pattern = /(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d GMT/
    let site = try TemporarySite()
    try site.add("old.txt", "old\n")
    try Shell.require(["touch", "-d", "2001-09-09 01:46:40 UTC", "\(site.path)/old.txt"])
    let own = try SluiceProcess(site.path)
    let response = try Curl.get(own.url("http") + "/old.txt")
    #expect(response["Last-Modified"] == "Sun, 09 Sep 2001 01:46:40 GMT")
    let date = try #require(response["Date"])
    #expect(date.wholeMatch(of: pattern) != nil)
    let said = try Shell.require(["date", "-d", date, "+%s"])
    let real = try Shell.require(["date", "+%s"])
    let difference = (Int(real.dropLast()) ?? 0) - (Int(said.dropLast()) ?? -9)
    #expect((0...5).contains(difference), "\(date)")
  }

  @Test func modificationInTheFutureIsNotTold() throws {
    let site = try TemporarySite()
    try site.add("future.txt", "future\n")
    try Shell.require(["touch", "-d", "2099-01-01 00:00:00 UTC", "\(site.path)/future.txt"])
    let own = try SluiceProcess(site.path)
    let modified = try #require(try Curl.get(own.url("http") + "/future.txt")["Last-Modified"])
    #expect(!modified.contains("2099"), "RFC 9110 §8.8.2.1: \(modified)")
  }

  @Test func dateGoesOn() throws {
    let connection = try sluice.connect()
    try connection.get("/hello.txt")
    let first = try connection.response()["Date"]
    try waitUntil("the date goes on", seconds: 10) {
      try connection.get("/hello.txt")
      return try connection.response()["Date"] != first
    }
  }

  @Test func everySizeComesWhole() throws {
    let connection = try sluice.connect()
    for size in TemporarySite.sizes {
      try connection.get("/\(size).bin")
      let response = try connection.response()
      #expect(response.status == 200)
      #expect(response.contentLength == size)
      #expect(Pattern.matches(response.body), "\(size)")
    }
    try connection.get("/big.bin")
    let response = try connection.response()
    #expect(response.body.count == TemporarySite.bigSize && Pattern.matches(response.body))
  }

  @Test func headIsGetWithoutBody() throws {
    let connection = try sluice.connect()
    for path in ["/1024.bin", "/16385.bin", "/big.bin", "/none.txt", "/"] {
      try connection.get(path)
      let get = try connection.response()
      try connection.get(path, method: "HEAD")
      let head = try connection.response(toHead: true)
      #expect(head.statusLine == get.statusLine, "\(path)")
      let names = ["Content-Length", "Content-Type", "ETag", "Last-Modified", "Accept-Ranges"]
      for name in names { #expect(head[name] == get[name], "\(path) \(name)") }
    }
    #expect(connection.isSilent(seconds: 0.1))
  }

  @Test func emptyFileInEveryWay() throws {
    for lines in [
      "HEAD /0.bin HTTP/1.1\r\nHost: a\r\n", "GET /0.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n",
      "GET /0.bin HTTP/1.0\r\n", "GET /0.bin HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\"\r\n",
      "GET /0.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=a\r\n", "GET /0.bin HTTP/1.1\r\nHost: a\r\n",
    ] {
      let response = try request("\(lines)\r\n")
      #expect(response.status == 200 && response.contentLength == 0 && response.body.isEmpty, "\(lines)")
    }
  }

  @Test func options() throws {
    let connection = try sluice.connect()
    for target in ["*", "/hello.txt", "/", "/none"] {
      try connection.get(target, method: "OPTIONS")
      let response = try connection.response()
      #expect([200, 204].contains(response.status), "\(target)")
      #expect(response["Allow"] == "GET, HEAD, OPTIONS")
    }
  }

  @Test(arguments: ["POST", "PUT", "DELETE", "PATCH", "TRACE"]) func knownMethodNotAllowed(method: String)
    throws
  {
    let connection = try sluice.connect()
    try connection.get("/hello.txt", method: method)
    let response = try connection.response()
    #expect(response.status == 405)
    #expect(response["Allow"] == "GET, HEAD, OPTIONS")
    // It is no fault of the connection.
    try connection.get("/hello.txt")
    #expect(try connection.response().text == "hello\n")
  }

  @Test func connectIsRefused() throws {
    let response = try request("CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n")
    #expect(response.status == 405)
  }

  @Test(arguments: ["BREW", "get", "Get", "GETS", "GE", "X-!#$%&'*+.^_`|~"]) func unknownMethod(
    method: String
  ) throws {
    #expect(try request("\(method) /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 501)
  }

  @Test func notFound() throws {
    for path in ["/none", "/none/", "/hello.txt/more", "/none?query", "/%F0%9F%92%A9"] {
      let response = try Curl.get(sluice.url("http") + path)
      #expect(response.status == 404, "\(path)")
      #expect(response["Content-Type"] == "text/plain; charset=utf-8")
      #expect(response.contentLength == response.body.count)
    }
  }

  @Test(.enabled(if: TestMachine.canBeDeniedFiles, "root may read everything and setpriv is missing"))
  func forbidden() throws {
    let site = try TemporarySite()
    try site.add("secret.txt", Array("secret\n".utf8), mode: 0)
    try site.add("open.txt", "open\n")
    let own = try SluiceProcess(site.path, prefix: TestMachine.withoutPrivileges)
    #expect(try Curl.get(own.url("http") + "/secret.txt").status == 403)
    #expect(try Curl.get(own.url("http") + "/open.txt").status == 200)
  }

  @Test(arguments: ["2.0", "3.0", "0.9", "9.9"]) func unknownVersion(version: String) throws {
    let connection = try sluice.connect()
    try connection.send("GET /hello.txt HTTP/\(version)\r\nHost: localhost\r\n\r\n")
    #expect(try connection.response().status == 505)
    #expect(try connection.rest().end == .closed)
  }

  @Test func laterMinorVersionIsTakenFor11() throws {
    #expect(try request("GET /hello.txt HTTP/1.9\r\nHost: localhost\r\n\r\n").statusLine == "HTTP/1.1 200 OK")
  }

  @Test func absoluteForm() throws {
    for target in [
      "http://localhost/hello.txt", "http://other.example:8080/hello.txt", "HTTP://localhost/hello.txt",
    ] {
      #expect(try request("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n").text == "hello\n", "\(target)")
    }
    #expect(try request("GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n").text.contains("Home"))
  }

  @Test func contentTypes() throws {
    let site = try TemporarySite()
    let types = [
      "page.html": "text/html; charset=utf-8", "style.css": "text/css; charset=utf-8",
      "app.js": "text/javascript; charset=utf-8", "note.txt": "text/plain; charset=utf-8",
      "data.json": "application/json", "image.png": "image/png", "picture.svg": "image/svg+xml",
      "code.wasm": "application/wasm", "SHOUT.JPG": "image/jpeg", "font.woff2": "font/woff2",
      "film.mp4": "video/mp4", "noending": "application/octet-stream", "odd.zzz": "application/octet-stream",
      "a.b.pdf": "application/pdf",
    ]
    for name in types.keys { try site.add(name, "x") }
    let own = try SluiceProcess(site.path)
    for (name, type) in types {
      #expect(try Curl.get(own.url("http") + "/" + name)["Content-Type"] == type, "\(name)")
    }
  }

  @Test func emptyLineBeforeARequestIsSkipped() throws {
    let connection = try sluice.connect()
    try connection.send(
      "\r\nGET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n\r\nGET /1.bin HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(try connection.response().text == "hello\n")
    #expect(try connection.response().body.count == 1)
  }

  @Test func fieldsMayHaveSpaceAroundTheirValues() throws {
    let lines = "GET /big.bin HTTP/1.1\r\nHOST:localhost\r\nrange: \t bytes=0-4 \t \r\nX-Empty:\r\n\r\n"
    let response = try request(lines)
    #expect(response.status == 206)
    #expect(Pattern.matches(response.body) && response.body.count == 5)
  }
}
