import HTTP
import Testing

@Suite struct AcceptTests {
  @Test(arguments: [
    ("application/json", true), ("Application/JSON", true), ("text/html", false), ("*/*", false), ("", false),
    ("application/*", true), ("text/*", false), ("application/json, */*", false),
    ("application/json, */*;q=0.9", true),
    ("text/html, application/json", false), ("text/html;q=0.5, application/json;q=0.6", true),
    ("application/json;q=0, */*", false), ("*/*;q=0.1, application/json;q=0.2", true),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", false),
    ("application/json;charset=utf-8;q=0.9, text/html;level=1;q=0.8", true), ("application/json;q=x", false),
    ("application/json;q=1.001", false), ("application/*;q=0.2, application/json;q=0", false),
    ("application/json ; q=0.5 , text/html ; q=0.4", true), (",,application/json,,", true), ("json", false),
    ("*/json", false), ("application/", false), ("/", false), (";", false), ("application/json;", true),
    ("text/html;q=0", false), ("*/*, text/html;q=0", true), ("application/jsonp", false),
  ])
  func prefersJSON(value: String, expected: Bool) {
    let fields = Array("Host: a\r\nAccept: \(value)\r\nAccept-Encoding: application/json\r\n".utf8)
    let isPreferred = Accept.prefersJSON(fields: fields.span)
    #expect(isPreferred == expected, "\(value)")
  }

  @Test func severalLinesAreOneList() {
    let fields = Array("Accept: text/html;q=0.5\r\nX: y\r\naccept: application/json\r\n".utf8)
    let none: [UInt8] = []
    let (isPreferred, isPreferredByNothing) = (
      Accept.prefersJSON(fields: fields.span), Accept.prefersJSON(fields: none.span)
    )
    #expect(isPreferred && !isPreferredByNothing)
  }

  @Test func fieldLinesOfAHead() {
    for target in ["/", "/a?b=c", "*", "http://host", "http://host/x?y"] {
      let method = target == "*" ? "OPTIONS" : "GET"
      let bytes = Array(
        "\(method) \(target) HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\nrest".utf8)
      var head = RequestHead()
      let limits = RequestParser.Limits(requestLine: 100, head: 1000, fields: 10)
      guard case .complete = RequestParser.parse(bytes.span, limits: limits, into: &head) else {
        Issue.record("\(target)")
        continue
      }
      let lines = head.fieldLines(bytes.span)
      let copy = lines.indices.map { lines[$0] }
      #expect(copy == Array("Host: a\r\nAccept: application/json\r\n\r\n".utf8), "\(target)")
    }
  }
}
