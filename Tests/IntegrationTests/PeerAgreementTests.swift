import Glibc
import Testing

/// The same requests to nginx and to sluice, for the same folder. What is not said to differ has to be the same.
@Suite(.enabled(if: NginxProcess.program != nil, "nginx is not installed"))
struct PeerAgreementTests {
  @Test(arguments: PeerSubject.allCases) func agreesWithNginx(subject: PeerSubject) throws {
    let site = try Self.site()
    let nginx = try NginxProcess(site.path)
    let sluice = try SluiceProcess(site.path, flags: ["--precompressed", "gzip"])
    for question in subject.questions {
      let answers = try question.ask(port: sluice.plainPort)
      let ours = try answers.map { try PeerAnswer($0, isHead: question.isHead) }
      let theirs = try question.ask(port: nginx.port).map { try PeerAnswer($0, isHead: question.isHead) }
      #expect(!ours.isEmpty, "\(question)")
      if let (status, reason) = question.difference {
        #expect(ours.last?.status == status, "\(question): \(reason)")
        #expect(theirs.last?.status != status, "\(question): nginx does so, too: \(reason)")
      } else {
        #expect(ours == theirs, "\(question)")
      }
      // nginx leaves it out. RFC 9110 §15.5.6 wants it.
      for answer in answers where answer.status == 405 { #expect(answer["Allow"] == "GET, HEAD, OPTIONS") }
    }
  }

  /// Files of one time: Monday, 6 May 2024, 07:08:09.
  private static func site() throws -> TemporarySite {
    let site = try TemporarySite()
    for folder in ["docs", "bare"] { try site.addFolder(folder) }
    for name in [
      "index.html", "docs/index.html", "bare/note.txt", "hello.txt", "a b.txt", "a+b.txt", "a%b.txt", "ü.txt",
      ".hidden", "only.css", "app.js",
    ] { try site.add(name, "This is \(name).\n") }
    for size in [0, 1000, 300_000] { try site.add("\(size).bin", Pattern.bytes(size)) }
    try Shell.require(["gzip", "-k", site.path + "/app.js"])
    try Shell.require(["find", site.path, "-exec", "touch", "-d", "2024-05-06 07:08:09 UTC", "{}", "+"])
    return site
  }
}

/// What servers are asked about.
enum PeerSubject: String, CaseIterable, Sendable {
  case paths, ranges, severalRanges, dates, tags, methods, messages, codings

  var questions: [PeerQuestion] {
    switch self {
    case .paths: Self.aboutPaths
    case .ranges: Self.aboutRanges
    case .severalRanges: Self.aboutSeveralRanges
    case .dates: Self.aboutDates
    case .tags: Self.aboutTags
    case .methods: Self.aboutMethods
    case .messages: Self.aboutMessages
    case .codings: Self.aboutCodings
    }
  }
}

// MARK: The questions

extension PeerSubject {
  private static var aboutPaths: [PeerQuestion] {
    ["GET", "HEAD"].flatMap { method in
      [
        "/", "/hello.txt", "/0.bin", "/1000.bin", "/300000.bin", "/index.html", "/docs", "/docs/",
        "/docs?a=1",
        "/docs/?a", "/bare", "/missing", "/missing/", "/docs/missing", "/a%20b.txt", "/%C3%BC.txt",
        "/a+b.txt",
        "/a%2Bb.txt", "/a%2bb.txt", "/a%25b.txt", "/%68ello.txt", "/hello%2etxt", "/docs%2Findex.html",
        "/docs//index.html", "//docs/", "//docs", "//", "///hello.txt", "/docs/../hello.txt", "/docs/..",
        "/docs/.", "/docs/./", "/./hello.txt", "/../hello.txt", "/docs/../../x", "/%2e%2e/hello.txt",
        "/docs/%2e%2e/hello.txt", "/docs/%2E./hello.txt", "/hello.txt?", "/hello.txt?x=/../y", "/%", "/%zz",
        "/%4", "/%00", "/hello.txt%00", "/hello.txt%20", "/HELLO.TXT", "/\\hello.txt", "hello.txt", "*",
        "http://localhost/hello.txt", "http://localhost/docs", "http://localhost",
      ].map { PeerQuestion("\(method) \($0)") } + [
        PeerQuestion(
          "\(method) /bare/", sluice: 404, because: "what is not shown is not there: RFC 9110 §15.5.4"),
        PeerQuestion("\(method) /bare/.", sluice: 404, because: "the same"),
        PeerQuestion(
          "\(method) /.hidden", sluice: 404, because: "no dotfiles, unless they are asked to be served"),
        PeerQuestion("\(method) /hello.txt/", sluice: 308, because: "--trailing-slash: led to, not missed"),
        PeerQuestion("\(method) /index.html/", sluice: 308, because: "the same"),
        PeerQuestion(
          "\(method) /hello.txt#x", sluice: 400, because: "no fragments in targets: RFC 9112 §3.2"),
        PeerQuestion(
          "\(method) /ü.txt", sluice: 301, because: "to a target of ASCII: RFC 9112 §3.2, RFC 3986 §2.1"),
      ]
    }
  }

  private static var aboutRanges: [PeerQuestion] {
    let onlyGet = "ranges are defined for GET alone: RFC 9110 §14.2"
    let good = [
      "0-", "0-0", "0-9", "999-", "999-999", "-1", "-10", "-1000", "-2000", "0-999", "0-5000", "998-1000",
      " 0-9",
      "0-9 ", "00-09",
    ]
    let beyond = ["1000-", "1000-2000", "-0", "99999999999999999999-"]
    let empty = "the first byte is not there: RFC 9110 §14.1.2"
    return good.flatMap {
      [
        PeerQuestion("GET /1000.bin", "Range: bytes=\($0)"),
        PeerQuestion("HEAD /1000.bin", "Range: bytes=\($0)", sluice: 200, because: onlyGet),
      ]
    }
      + beyond.flatMap {
        [
          PeerQuestion("GET /1000.bin", "Range: bytes=\($0)"),
          PeerQuestion("HEAD /1000.bin", "Range: bytes=\($0)", sluice: 200, because: onlyGet),
        ]
      }
      + ["5-4", "-", "a-b", "+0-9", "0x0-9", "--1"].map {
        PeerQuestion(
          "GET /1000.bin", "Range: bytes=\($0)", sluice: 200, because: "invalid, so ignored: RFC 9110 §14.2")
      }
      + ["items=0-9", "bytes", "bytes 0-9", "bytes = 0-9", "BYTES=0-9"].map {
        PeerQuestion("GET /1000.bin", "Range: \($0)")
      }
      + [
        PeerQuestion(
          "GET /1000.bin", "Range: bytes=0 -9", sluice: 200, because: "no space there: RFC 9110 §14.1.1"),
        PeerQuestion(
          "GET /1000.bin", "Range: bytes=0-99999999999999999999", sluice: 206,
          because: "ends with the file, however large: RFC 9110 §14.1.2"),
        PeerQuestion("GET /0.bin", "Range: bytes=0-", sluice: 416, because: empty),
        PeerQuestion("GET /0.bin", "Range: bytes=0-0", sluice: 416, because: empty),
        PeerQuestion("GET /0.bin", "Range: bytes=5-"),
        PeerQuestion("GET /300000.bin", "Range: bytes=100000-299998"),
        PeerQuestion("GET /docs", "Range: bytes=0-9"),
        PeerQuestion("GET /missing", "Range: bytes=0-9"),
        PeerQuestion("GET /1000.bin HTTP/1.0", "Range: bytes=0-9"),
      ]
  }

  private static var aboutSeveralRanges: [PeerQuestion] {
    [
      "0-999,2000-2999", "2000-2999,0-999", "0-999, 2000-2999", "0-0,-1", "0-0,299999-299999",
      "0-99,200-299,400-499,600-699", "100000-199999,5-6,-10",
    ].map { PeerQuestion("GET /300000.bin", "Range: bytes=\($0)") }
      + [
        PeerQuestion("GET /1000.bin", "Range: bytes=2000-,3000-"),
        PeerQuestion("GET /1000.bin", "Range: bytes=0-,0-,0-"),
        PeerQuestion(
          "GET /1000.bin", "Range: bytes=0-9,", sluice: 206,
          because: "a list may have empty elements: RFC 9110 §5.6.1.2"),
      ]
  }

  private static var aboutDates: [PeerQuestion] {
    let values = [
      "Sun, 05 May 2024 07:08:09 GMT", "Mon, 06 May 2024 07:08:08 GMT", "Mon, 06 May 2024 07:08:09 GMT",
      "Mon, 06 May 2024 07:08:10 GMT", "Tue, 07 May 2024 07:08:09 GMT", "Monday, 06-May-24 07:08:09 GMT",
      "Mon May  6 07:08:09 2024", "Tue, 07 May 2090 07:08:09 GMT",
    ]
    let wrong = ["yesterday", "", "06 May", "Mon, 99 May 2024 07:08:09 GMT"]
    return ["GET", "HEAD"].flatMap { method in
      (values + wrong).map { PeerQuestion("\(method) /hello.txt", "If-Modified-Since: \($0)") }
        + values.map { PeerQuestion("\(method) /hello.txt", "If-Unmodified-Since: \($0)") }
        + wrong.map {
          PeerQuestion(
            "\(method) /hello.txt", "If-Unmodified-Since: \($0)", sluice: 200,
            because: "no date, so ignored: RFC 9110 §13.1.4")
        }
    }
      + (values + wrong).map { PeerQuestion("GET /1000.bin", "Range: bytes=0-9", "If-Range: \($0)") }
      + [
        PeerQuestion("GET /1000.bin", "Range: bytes=0-9", "If-Modified-Since: \(values[2])"),
        PeerQuestion("GET /1000.bin", "Range: bytes=0-9", "If-Modified-Since: \(values[1])"),
        PeerQuestion("GET /1000.bin", "Range: bytes=0-9", "If-Unmodified-Since: \(values[1])"),
        PeerQuestion("GET /docs", "If-Modified-Since: \(values[4])"),
        PeerQuestion("GET /missing", "If-Modified-Since: \(values[4])"),
      ]
  }

  private static var aboutTags: [PeerQuestion] {
    let (older, same) = ("Sun, 05 May 2024 07:08:09 GMT", "Mon, 06 May 2024 07:08:09 GMT")
    let first = "RFC 9110 §13.2.2: with a tag, the date is not looked at"
    return ["GET", "HEAD"].flatMap { method in
      ["TAG", "W/TAG", "\"x\"", "\"x\", TAG", "\"x\",TAG , \"y\"", "*", "W/\"x\""].flatMap { value in
        ["If-None-Match", "If-Match"].map { PeerQuestion("\(method) /hello.txt", "\($0): \(value)") }
      }
    }
      + ["TAG", "\"x\"", "W/TAG"].map { PeerQuestion("GET /1000.bin", "Range: bytes=0-9", "If-Range: \($0)") }
      + [
        PeerQuestion("GET /hello.txt", "If-None-Match: \"x\"", "If-Modified-Since: \(same)"),
        PeerQuestion("GET /hello.txt", "If-None-Match: TAG", "If-Modified-Since: \(same)"),
        PeerQuestion(
          "GET /hello.txt", "If-None-Match: TAG", "If-Modified-Since: \(older)", sluice: 304, because: first),
        PeerQuestion(
          "GET /hello.txt", "If-Match: TAG", "If-Unmodified-Since: \(older)", sluice: 200, because: first),
        PeerQuestion("GET /hello.txt", "If-Match: TAG", "If-None-Match: TAG"),
        PeerQuestion("GET /1000.bin", "Range: bytes=0-9", "If-None-Match: TAG"),
        PeerQuestion("GET /1000.bin", "Range: bytes=5000-", "If-None-Match: TAG"),
        PeerQuestion("GET /1000.bin", "Range: bytes=5000-", "If-Match: \"x\""),
        PeerQuestion("GET /missing", "If-None-Match: *"),
        PeerQuestion("GET /missing", "If-Match: *"),
        PeerQuestion("GET /docs/", "If-None-Match: *"),
      ]
  }

  private static var aboutMethods: [PeerQuestion] {
    let unknown = "a method that is none of HTTP's: RFC 9110 §15.6.2"
    return ["/hello.txt", "/docs/", "/"].flatMap { path in
      ["POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"].map {
        PeerQuestion("\($0) \(path)", "Content-Length: 0")
      }
    }
      + [
        PeerQuestion("PUT /missing", "Content-Length: 0"),
        PeerQuestion(
          "POST /missing", "Content-Length: 0", sluice: 405,
          because: "no path has it, whether there is a file or not"),
        PeerQuestion("POST /docs", "Content-Length: 0", sluice: 405, because: "the same"),
        PeerQuestion("OPTIONS /hello.txt", sluice: 204, because: "RFC 9110 §9.3.7"),
        PeerQuestion("FOO /hello.txt", sluice: 501, because: unknown),
        PeerQuestion("get /hello.txt", sluice: 501, because: unknown),
      ]
  }

  private static var aboutMessages: [PeerQuestion] {
    let target = "/hello.txt"
    let kept = "GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n"
    let last = "GET /1000.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return [
      PeerQuestion("GET \(target) HTTP/1.0", "Connection: x"),
      PeerQuestion("HEAD \(target) HTTP/1.0", "Connection: x"),
      PeerQuestion(raw: "GET \(target) HTTP/1.0\r\n\r\n"),
      PeerQuestion(
        raw: "GET \(target) HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /1000.bin HTTP/1.0\r\n\r\n"),
      PeerQuestion(raw: "GET \(target) HTTP/1.0\r\n\r\n" + last),
      PeerQuestion(raw: kept + kept + last),
      PeerQuestion(
        raw: kept + "GET /missing HTTP/1.1\r\nHost: a\r\n\r\nGET /docs HTTP/1.1\r\nHost: a\r\n\r\n" + last),
      PeerQuestion(raw: "\r\n" + last),
      PeerQuestion(raw: kept + "\r\n" + last),
      PeerQuestion(raw: last + kept),
      PeerQuestion(raw: "GET \(target) HTTP/1.1\r\n\r\n"),
      PeerQuestion("GET \(target)", "Host: other"),
      PeerQuestion("GET \(target)", "hOST: other"),
      PeerQuestion("GET \(target) HTTP/1.2"),
      PeerQuestion("GET \(target) HTTP/2.0"),
      PeerQuestion("GET \(target)", "Connection: close, x"),
      PeerQuestion("GET \(target)", "Upgrade: h2c"),
      PeerQuestion("GET \(target)", "Expect: 100-continue"),
      PeerQuestion("GET \(target)", "Expect: other", sluice: 417, because: "RFC 9110 §10.1.1"),
      PeerQuestion(raw: body("Content-Length: 5", "abcde")),
      PeerQuestion(raw: body("Transfer-Encoding: chunked", "5\r\nabcde\r\n0\r\n\r\n")),
      PeerQuestion(raw: body("Transfer-Encoding: chunked\r\nContent-Length: 5", "5\r\nabcde\r\n0\r\n\r\n")),
      PeerQuestion(raw: body("Content-Length: 5\r\nExpect: 100-continue", "abcde")),
      PeerQuestion("GET \(target)", "X : y"),
      PeerQuestion("GET \(target)", "X: y\u{0}"),
      PeerQuestion("GET \(target)", "X: y\r\n folded"),
      PeerQuestion("GET \(target)", "X", sluice: 400, because: "no field line: RFC 9112 §5"),
      PeerQuestion(
        raw: last.replacing("\r\n", with: "\n"), sluice: 400, because: "lines end with CRLF: RFC 9112 §2.2"),
    ]
  }

  private static func body(_ fields: String, _ content: String) -> String {
    "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(fields)\r\n\r\n\(content)"
  }

  private static var aboutCodings: [PeerQuestion] {
    [PeerQuestion("GET /app.js")]
      + [
        "gzip", "gzip;q=0", "gzip;q=0.0", "gzip;q=0.5", "gzip; q=1", "gzip;q=0.001", "GZIP", "identity", "br",
        "br, gzip", "deflate,gzip;q=1.0", "gzip;q=0, br", "*;q=0", "gzip;q=0, *", "gzip, identity;q=0",
        "gzipx",
        "",
      ].map { PeerQuestion("GET /app.js", "Accept-Encoding: \($0)") }
      + [
        PeerQuestion("GET /app.js", "Range: bytes=0-4"),
        PeerQuestion(
          "GET /app.js", "Accept-Encoding: gzip", "Range: bytes=0-4", sluice: 206,
          because: "parts of what was chosen: RFC 9110 §14.2"),
        PeerQuestion("GET /app.js HTTP/1.0", "Accept-Encoding: gzip"),
        PeerQuestion("GET /app.js", "Accept-Encoding: gzip", "Via: 1.1 x"),
        PeerQuestion("HEAD /app.js", "Accept-Encoding: gzip"),
        PeerQuestion("HEAD /app.js"),
        PeerQuestion("GET /only.css", "Accept-Encoding: gzip"),
        PeerQuestion("GET /app.js.gz", "Accept-Encoding: gzip"),
        PeerQuestion("GET /app.js.gz"),
        PeerQuestion(
          "GET /app.js", "Accept-Encoding: gzip", "If-Modified-Since: Mon, 06 May 2024 07:08:09 GMT"),
        PeerQuestion(
          "GET /app.js", "Accept-Encoding: gzip", "If-Modified-Since: Sun, 05 May 2024 07:08:09 GMT"),
      ]
  }
}
