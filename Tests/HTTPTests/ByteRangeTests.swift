import HTTP
import Testing

@Suite struct ByteRangeTests {
  static func select(_ values: [String], size: Int64) -> ByteRange.Selection {
    SeveralByteRangeTests.select(values, size: size).selection
  }

  static func part(_ lowerBound: Int64, _ count: Int64) -> ByteRange.Selection {
    .part(ByteRange(lowerBound: lowerBound, count: count))
  }

  static let huge = "99999999999999999999999999"
  static let maximum = "9223372036854775807"

  static let cases: [(String, Int64, ByteRange.Selection)] = [
    // RFC 9110 §14.1.2, of 10000 bytes.
    ("bytes=0-499", 10_000, part(0, 500)),
    ("bytes=500-999", 10_000, part(500, 500)),
    ("bytes=-500", 10_000, part(9_500, 500)),
    ("bytes=9500-", 10_000, part(9_500, 500)),
    // The edges.
    ("bytes=0-0", 10_000, part(0, 1)),
    ("bytes=-1", 10_000, part(9_999, 1)),
    ("bytes=9999-", 10_000, part(9_999, 1)),
    ("bytes=9999-9999", 10_000, part(9_999, 1)),
    ("bytes=0-", 10_000, part(0, 10_000)),
    ("bytes=0-9999", 10_000, part(0, 10_000)),
    ("bytes=0-10000", 10_000, part(0, 10_000)),
    ("bytes=1-99999", 10_000, part(1, 9_999)),
    ("bytes=-10000", 10_000, part(0, 10_000)),
    ("bytes=-10001", 10_000, part(0, 10_000)),
    ("bytes=10000-", 10_000, .unsatisfiable),
    ("bytes=10000-10000", 10_000, .unsatisfiable),
    ("bytes=-0", 10_000, .unsatisfiable),
    ("bytes=-000", 10_000, .unsatisfiable),
    // Of nothing.
    ("bytes=0-", 0, .unsatisfiable),
    ("bytes=0-0", 0, .unsatisfiable),
    ("bytes=-1", 0, .whole),
    ("bytes=-0", 0, .unsatisfiable),
    ("bytes=1-0", 0, .whole),
    // Numbers up to and beyond 64 bits.
    ("bytes=0-\(maximum)", 10, part(0, 10)),
    ("bytes=0-9223372036854775808", 10, part(0, 10)),
    ("bytes=0-18446744073709551616", 10, part(0, 10)),
    ("bytes=1-\(huge)", 10, part(1, 9)),
    ("bytes=-\(huge)", 10, part(0, 10)),
    ("bytes=\(huge)-", 10, .unsatisfiable),
    ("bytes=\(huge)-\(huge)", 10, .unsatisfiable),
    ("bytes=18446744073709551616-18446744073709551617", 10, .unsatisfiable),
    ("bytes=\(huge)-5", 10, .whole),
    ("bytes=\(maximum)-", Int64.max, .unsatisfiable),
    ("bytes=0-\(maximum)", Int64.max, part(0, Int64.max)),
    ("bytes=-\(maximum)", Int64.max, part(0, Int64.max)),
    ("bytes=9223372036854775806-", Int64.max, part(Int64.max - 1, 1)),
    ("bytes=00000000000000000000000000001-000000000000000000000000000002", 10, part(1, 2)),
    // The unit in any case; empty members and white space of a list.
    ("BYTES=0-1", 10, part(0, 2)),
    ("ByTeS=-2", 10, part(8, 2)),
    (" \tbytes=0-1\t ", 10, part(0, 2)),
    ("bytes=,0-1", 10, part(0, 2)),
    ("bytes=0-1,", 10, part(0, 2)),
    ("bytes= ,, 0-1\t, ,", 10, part(0, 2)),
  ]

  @Test(arguments: cases)
  func oneRangeIsSelected(value: String, size: Int64, selection: ByteRange.Selection) {
    #expect(Self.select([value], size: size) == selection)
  }

  @Test(arguments: [
    // Other units and none.
    "", "bytes", "bytes=", "bytes =0-1", "=0-1", "0-1", "byte=0-1", "bytess=0-1", "items=0-1", "xbytes=0-1",
    "bytes:0-1", "none",
    // No range, or not one.
    "bytes=-", "bytes=,", "bytes= ", "bytes=1", "bytes=a-b", "bytes=0-b", "bytes=a-1", "bytes=0x0-0x1",
    "bytes=--1", "bytes=-1-", "bytes=0--1", "bytes=-1-2", "bytes=+0-1", "bytes=0-+1", "bytes=1-0",
    "bytes=9-8", "bytes=0-1-2", "bytes=0 -1", "bytes=0- 1", "bytes=0-1;", "bytes=0-1 2", "bytes=0-1\"",
    "bytes=0-1/10", "bytes=bytes=0-1", "bytes=0.0-1", "bytes=0_1", "bytes==0-1", "bytes=0-１",
    // One of several is none.
    "bytes=0-1 2-3", "bytes=0-1,x", "bytes=x,0-1", "bytes=0-1,-", "bytes=0-1,5-4", "bytes=20-,5-4",
    "bytes=0-1;2-3",
    "bytes=0-1,bytes=2-3", "bytes=0-1,2", "bytes=0-1, ,3--4",
  ])
  func anythingElseIsIgnored(value: String) {
    #expect(Self.select([value], size: 10) == .whole)
  }

  @Test func severalLinesAreIgnored() {
    #expect(Self.select([], size: 10) == .whole)
    #expect(Self.select(["bytes=0-1", "bytes=2-3"], size: 10) == .whole)
    #expect(Self.select(["bytes=20-", "bytes=20-"], size: 10) == .whole)
    #expect(Self.select(["", "bytes=0-1"], size: 10) == .whole)
  }

  @Test func everyPartLiesWithinTheFile() {
    for size in Int64(0)...6 {
      for first in Int64(0)...8 {
        for last in first...8 {
          let expected = first < size ? Self.part(first, min(last, size - 1) - first + 1) : .unsatisfiable
          #expect(Self.select(["bytes=\(first)-\(last)"], size: size) == expected)
        }
        let open = first < size ? Self.part(first, size - first) : .unsatisfiable
        #expect(Self.select(["bytes=\(first)-"], size: size) == open)
        let count = min(first, size)
        // RFC 9110 §14.1.2: a suffix that is not empty can be satisfied, whatever the size.
        let none: ByteRange.Selection = first > 0 ? .whole : .unsatisfiable
        let suffix = count > 0 ? Self.part(size - count, count) : none
        #expect(Self.select(["bytes=-\(first)"], size: size) == suffix)
      }
    }
  }
}
