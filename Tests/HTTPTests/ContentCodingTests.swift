import Testing

@testable import HTTP

/// RFC 9110 §12.5.3 and §12.4.2.
@Suite struct ContentCodingTests {
  static func order(_ value: String, _ offered: [ContentCoding] = [.brotli, .zstd, .gzip]) -> [String] {
    let lines = "Accept-Language: br\r\nAccept-Encoding: \(value)\r\nIf-None-Match: \"gzip\""
    return CodingOrder(fields: lines.octets.span, offered: offered).map { "\($0.token)" }
  }

  @Test(
    arguments: [
      ("gzip, deflate, br, zstd", ["br", "zstd", "gzip"]), ("gzip, deflate, br", ["br", "gzip"]),
      ("gzip", ["gzip"]),
      ("GZip , BR", ["br", "gzip"]), ("x-gzip", ["gzip"]), ("", []), ("identity", []), ("deflate", []),
      // By weight, then as offered.
      ("br;q=0.5, gzip", ["gzip", "br"]), ("br;q=0.5, gzip;q=0.50, zstd;q=0.501", ["zstd", "br", "gzip"]),
      ("br;q=0, gzip;q=0.001", ["gzip"]), ("gzip;q=0.000", []), ("gzip;Q=1.000", ["gzip"]),
      ("gzip ; q=0.3", ["gzip"]),
      // All others.
      ("*", ["br", "zstd", "gzip"]), ("*;q=0", []), ("*;q=0.5, gzip", ["gzip", "br", "zstd"]),
      ("*, br;q=0", ["zstd", "gzip"]),
      // As it is, if that is liked better.
      ("gzip;q=0.5, identity", []), ("gzip;q=0.5, identity;q=0.5", ["gzip"]),
      ("br, gzip;q=0.2, identity;q=0.5", ["br"]),
      ("identity;q=0, gzip;q=0.1", ["gzip"]), ("gzip, identity;q=0", ["gzip"]),
      // What is no member is passed over.
      ("gzip;q=2", []), ("gzip;q=0.1234", []), ("gzip;q=", []), ("gzip;x=1", []), (",, ,gzip,", ["gzip"]),
      ("gzip br", []), ("gzip;q=0.5;q=0.6", []), (";q=1", []), ("gzipx, xgzip", []), ("gzip;q=1.001", []),
    ] as [(String, [String])])
  func orders(value: String, order: [String]) {
    #expect(Self.order(value) == order)
  }

  @Test func theServersFavouriteComesFirst() {
    #expect(Self.order("gzip, br, zstd", [.gzip, .brotli]) == ["gzip", "br"])
    #expect(Self.order("gzip, br;q=0.9", [.brotli]) == ["br"])
    #expect(Self.order("gzip", []) == [])
  }

  /// RFC 9110 §5.3. A line that was put between them is none of the list, and is not remembered, either.
  @Test func severalLinesAreOneList() {
    var orders = CodingOrders(offered: [.brotli, .zstd, .gzip])
    for (lines, expected) in [
      ("Accept-Encoding: br\r\nAccept-Encoding: gzip", ["br", "gzip"]),
      (
        "accept-encoding: br;q=0.1\r\nReferer: zstd\r\nACCEPT-ENCODING: gzip, zstd;q=0.5",
        ["gzip", "zstd", "br"]
      ),
      ("Accept-Encoding: *;q=0\r\nAccept-Encoding:\r\nAccept-Encoding: gzip", ["gzip"]),
      ("Accept-Encoding: gzip;q=0.5\r\nAccept-Encoding: identity", []),
    ] as [(String, [String])] {
      for _ in 0..<2 {
        let order = orders.order(lines.octets.span)
        #expect(order.map { "\($0.token)" } == expected, "\(lines)")
      }
    }
  }

  @Test func theLastValueIsKept() {
    var orders = CodingOrders(offered: [.brotli, .gzip])
    func tokens(_ value: String) -> [String] {
      orders.order("Accept-Encoding: \(value)".octets.span).map { "\($0.token)" }
    }
    let long = String(repeating: "a, ", count: 40) + "gzip"
    for _ in 0..<2 {
      #expect(tokens("gzip") == ["gzip"])
      #expect(tokens("gzip") == ["gzip"])
      #expect(tokens("br, gzip") == ["br", "gzip"])
      #expect(tokens("") == [])
      #expect(tokens(long) == ["gzip"])
      // As long as another, and the same but for the last bytes.
      #expect(
        tokens("gzip, deflate, br") == ["gzip", "br"] || tokens("gzip, deflate, br") == ["br", "gzip"])
      #expect(tokens("gzip, deflate, xx") == ["gzip"])
      #expect(tokens("br\r\nAccept-Encoding: gz") == ["br"])
    }
  }
}
