import Testing

@testable import HTTP

@Suite struct ResponseHeadTests {
  /// `Sun, 06 Nov 1994 08:49:37 GMT`
  static let date = HTTPDate(secondsSinceEpoch: 784_111_777)
  static let statuses = (100...599).compactMap { Status(rawValue: $0) }

  static func encoded(_ head: ResponseHead, location: String? = nil) -> String {
    let location = location?.octets
    return text(capacity: ResponseHead.maximumCount + (location?.count ?? 0)) { out in
      if let location {
        head.append(to: &out, date: WrittenDate(date), location: location.span)
      } else {
        head.append(to: &out, date: WrittenDate(date))
      }
    }
  }

  static let start = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: sluice\r\n"

  @Test(arguments: statuses)
  func everyStatusHasALineAndADate(status: Status) {
    let head = Self.encoded(ResponseHead(status))
    #expect(head.hasPrefix("HTTP/1.1 \(status.rawValue) "))
    #expect(head.hasPrefix("HTTP/1.1 \(status.line)\r\n\(Self.start)"))
    #expect(head.hasSuffix("\r\n\r\n"))
    let date = head.octets.dropFirst(ResponseHead.dateOffset(status)).prefix(HTTPDate.length)
    #expect(String(decoding: date, as: UTF8.self) == "Sun, 06 Nov 1994 08:49:37 GMT")
  }

  @Test func nothingButAStatus() {
    #expect(Self.encoded(ResponseHead(.ok)) == "HTTP/1.1 200 OK\r\n\(Self.start)\r\n")
  }

  @Test func aWholeFile() {
    var head = ResponseHead(.ok)
    head.contentType = "text/plain; charset=utf-8"
    head.contentLength = 1_234
    head.wholeSize = 1_234
    head.lastModified = HTTPDate(secondsSinceEpoch: 0)
    head.etag = EntityTag(state: 0x1234, size: 0x4D2)
    head.acceptsRanges = true
    #expect(
      Self.encoded(head) == """
        HTTP/1.1 200 OK\r
        \(Self.start)\
        Content-Type: text/plain; charset=utf-8\r
        Content-Length: 1234\r
        Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r
        ETag: "1234-4d2"\r
        Accept-Ranges: bytes\r
        \r

        """)
  }

  @Test(
    arguments: [
      (0, 1, 1, "0-0/1"), (0, 1, 10, "0-0/10"), (9, 1, 10, "9-9/10"), (0, 10, 10, "0-9/10"),
      (2, 5, 10, "2-6/10"),
      (.max - 2, 2, .max, "9223372036854775805-9223372036854775806/9223372036854775807"),
    ] as [(Int64, Int64, Int64, String)])
  func aPart(lowerBound: Int64, count: Int64, wholeSize: Int64, range: String) {
    var head = ResponseHead(.partialContent)
    head.part = ByteRange(lowerBound: lowerBound, count: count)
    head.wholeSize = wholeSize
    head.contentLength = count
    #expect(
      Self.encoded(head) == """
        HTTP/1.1 206 Partial Content\r
        \(Self.start)\
        Content-Length: \(count)\r
        Content-Range: bytes \(range)\r
        \r

        """)
  }

  @Test(arguments: [0, 1, Int64.max])
  func noPartThatCouldBeSent(wholeSize: Int64) {
    var head = ResponseHead(.rangeNotSatisfiable)
    head.wholeSize = wholeSize
    #expect(
      Self.encoded(head)
        == "HTTP/1.1 416 Range Not Satisfiable\r\n\(Self.start)Content-Range: bytes */\(wholeSize)\r\n\r\n")
  }

  /// RFC 9110 §15.5.6; for OPTIONS, §9.3.7.
  @Test(arguments: statuses)
  func allowIsSentWhereItIsDue(status: Status) {
    let isDue = status == .methodNotAllowed || status == .noContent
    #expect(Self.encoded(ResponseHead(status)).contains("\r\nAllow: GET, HEAD, OPTIONS\r\n") == isDue)
  }

  @Test(arguments: ["/", "/a/", "/a%20b/?c=d"])
  func location(value: String) {
    #expect(
      Self.encoded(ResponseHead(.movedPermanently), location: value)
        == "HTTP/1.1 301 Moved Permanently\r\n\(Self.start)Location: \(value)\r\n\r\n")
  }

  @Test(
    arguments: [
      (.implied, ""), (.closes, "Connection: close\r\n"), (.keepsAlive, "Connection: keep-alive\r\n"),
    ] as [(ResponseHead.Connection, String)])
  func connection(connection: ResponseHead.Connection, line: String) {
    var head = ResponseHead(.notFound)
    head.connection = connection
    #expect(Self.encoded(head) == "HTTP/1.1 404 Not Found\r\n\(Self.start)\(line)\r\n")
  }

  /// A ready head has to fit into the room before a file's content.
  @Test(arguments: statuses)
  func noHeadIsLongerThanItMayBe(status: Status) {
    var head = ResponseHead(status)
    // As long as the longest media type of a file.
    head.contentType = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    head.contentLength = .max
    head.part = ByteRange(lowerBound: .max - 2, count: 2)
    head.wholeSize = .max
    head.lastModified = Self.date
    head.etag = EntityTag(state: .max, size: -1)
    head.connection = .keepsAlive
    // More would trap.
    #expect(Self.encoded(head).utf8.count <= ResponseHead.maximumCount)
  }

  @Test(arguments: [0, 1, 9, 10, 11, 99, 100, 101, 999_999_999_999, .max - 1, .max] as [Int64])
  func decimalNumbers(number: Int64) {
    #expect(text(capacity: 19) { $0.append(decimal: number) } == String(number))
  }

  @Test func linesOfTheCallers() {
    var head = ResponseHead(.ok)
    head.hasServer = false
    head.contentLength = 1
    let (type, fields) = ("Content-Type: a/b\r\n".octets, "X: y\r\nZ: \r\n".octets)
    let made = text(capacity: 512) { out in
      head.append(to: &out, date: WrittenDate(Self.date), type: type.span, fields: fields.span)
    }
    #expect(
      made == """
        HTTP/1.1 200 OK\r
        Date: Sun, 06 Nov 1994 08:49:37 GMT\r
        Content-Type: a/b\r
        Content-Length: 1\r
        X: y\r
        Z: \r
        \r

        """)
  }

  @Test func theLongestReadyHeadOfAFile() {
    var head = ResponseHead(.ok)
    head.contentLength = .max
    head.lastModified = HTTPDate(secondsSinceEpoch: .max)
    head.etag = EntityTag(state: .max, size: .max, isWeak: true)
    head.acceptsRanges = true
    #expect(Self.encoded(head).utf8.count <= ResponseHead.maximumFileCount)
  }
}
