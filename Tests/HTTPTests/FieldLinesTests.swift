import HTTP
import Testing

@Suite struct FieldLinesTests {
  static func values(_ block: String, _ name: StaticString) -> [String] {
    let octets = block.octets
    var lines = FieldLines(octets.span, named: name)
    var values: [String] = []
    while let place = lines.next() { values.append(String(decoding: octets[place], as: UTF8.self)) }
    // Once at the end, it stays there.
    #expect(lines.next() == nil)
    return values
  }

  static let cases: [(Wire, [String])] = [
    ("", []),
    ("\r\n", []),
    ("Host: a\r\n", []),
    ("Range: bytes=0-1\r\n", ["bytes=0-1"]),
    ("range:bytes=0-1\r\n", ["bytes=0-1"]),
    ("RANGE:  \t bytes=0-1 \t \r\n", ["bytes=0-1"]),
    ("rAnGe: a b\tc\r\n", ["a b\tc"]),
    ("Range:\r\n", [""]),
    ("Range: \t \r\n", [""]),
    ("Range: :\r\n", [":"]),
    ("Range: 1\r\nHost: a\r\nRANGE: 2\r\nrange:\r\n", ["1", "2", ""]),
    // Names that begin, end or continue with it.
    ("If-Range: 1\r\nRanges: 2\r\nRang: 3\r\nX-Range: 4\r\n", []),
    ("X: Range: 1\r\n", []),
    ("X: Range\r\nRange: 2\r\n", ["2"]),
    // What ends the block.
    ("Range: 1\r\n\r\nRange: 2\r\n", ["1"]),
    ("Range: 1", ["1"]),
    ("Range: 1\r", ["1"]),
    ("Range", []),
    ("Range:", [""]),
  ]

  @Test(arguments: cases)
  func valuesOfOneNameInOrder(block: Wire, values: [String]) {
    #expect(Self.values(block.text, "range") == values)
    #expect(Self.values(block.text, "Range") == values)
  }

  @Test func onlyLettersHaveCase() {
    // Pairs that differ as A and a do, but aren't letters.
    #expect(Self.values("a[b: 1\r\n", "a{b") == [])
    #expect(Self.values("a-b: 1\r\n", "A\u{0D}B") == [])
    #expect(Self.values("x-1_~: 1\r\n", "X-1_~") == ["1"])
  }

  @Test func bytesBeyondASCIIAreKept() {
    let octets: [UInt8] = "Range: ".octets + [0xA0, 0xFF, 0x85] + "\r\n".octets
    var lines = FieldLines(octets.span, named: "range")
    #expect(lines.next() == 7..<10)
  }
}
