import HTTP
import TestSupport
import Testing

/// Several ranges in one request: RFC 9110 §14.1.2, §14.2, §15.3.7.2, §17.15.
@Suite struct SeveralByteRangeTests {
  static func select(
    _ values: [String], size: Int64, gap: Int64 = 80, most: Int = 200
  ) -> (selection: ByteRange.Selection, parts: [ByteRange]) {
    let block = values.map { "Range: \($0)\r\n" }.joined() + "If-Range: \"a\"\r\n"
    var selection = ByteRange.Selection.whole
    let parts = [ByteRange](capacity: most) { out in
      selection = ByteRange.select(fields: block.octets.span, size: size, gap: gap, into: &out)
    }
    return (selection, parts)
  }

  static func expect(
    _ value: String, _ size: Int64, _ expected: [ClosedRange<Int64>],
    location: SourceLocation = #_sourceLocation
  ) {
    let (selection, parts) = select(["bytes=" + value], size: size)
    let ranges = expected.map {
      ByteRange(lowerBound: $0.lowerBound, count: $0.upperBound - $0.lowerBound + 1)
    }
    #expect(selection == (ranges.count == 1 ? .part(ranges[0]) : .parts), sourceLocation: location)
    #expect(parts == ranges, sourceLocation: location)
  }

  static let maximum = "9223372036854775807"

  @Test func section14_1_2() {
    Self.expect("0-0,-1", 10_000, [0...0, 9_999...9_999])
    Self.expect(" 0-999, 4500-5499, -1000", 10_000, [0...999, 4_500...5_499, 9_000...9_999])
    // Forms of one range, which overlap or touch.
    Self.expect("500-600,601-999", 10_000, [500...999])
    Self.expect("500-700,601-999", 10_000, [500...999])
    // Cut off at the end.
    Self.expect("0-9,9500-20000", 10_000, [0...9, 9_500...9_999])
    Self.expect("0-9,9500-\(Self.maximum)0", 10_000, [0...9, 9_500...9_999])
    Self.expect("9990-,0-9", 10_000, [9_990...9_999, 0...9])
  }

  /// RFC 9110 §5.6.1.2: empty members of a list count for nothing.
  @Test func emptyMembersAndSpace() {
    Self.expect(",,0-9 ,\t, 500-509\t,, ", 1_000, [0...9, 500...509])
    Self.expect("0-9,500-509", 1_000, [0...9, 500...509])
    Self.expect("0-9 , 500-509", 1_000, [0...9, 500...509])
  }

  /// §14.2: those that can't be satisfied are left out; only if all are so it is 416.
  @Test func unsatisfiableOnes() {
    Self.expect("10000-,0-9,20000-30000,500-509,-0", 10_000, [0...9, 500...509])
    Self.expect("10000-,0-9", 10_000, [0...9])
    Self.expect("0-,10000-", 10_000, [0...9_999])
    #expect(Self.select(["bytes=10000-,-0,10001-10002"], size: 10_000).selection == .unsatisfiable)
    #expect(Self.select(["bytes=0-,0-0"], size: 0).selection == .unsatisfiable)
    #expect(Self.select(["bytes=0-,-1"], size: 0).selection == .whole)
  }

  /// §15.3.7.2: in the order that they are asked for in.
  @Test func order() {
    Self.expect("5000-5099,0-99,2000-2099", 10_000, [5_000...5_099, 0...99, 2_000...2_099])
    Self.expect("-1,0-0", 10_000, [9_999...9_999, 0...0])
  }

  /// §15.3.7.2: those that overlap, or with less between them than is said of a part, become one where the first was.
  @Test func nearOnes() {
    Self.expect("0-99,179-199", 10_000, [0...199])
    Self.expect("0-99,180-199", 10_000, [0...99, 180...199])
    Self.expect("179-199,0-99", 10_000, [0...199])
    Self.expect("180-199,0-99", 10_000, [180...199, 0...99])
    Self.expect("0-99,10-20", 10_000, [0...99])
    Self.expect("10-20,0-99", 10_000, [0...99])
    Self.expect("0-99,0-99,0-99", 10_000, [0...99])
    Self.expect("5000-5099,0-99,5050-5199", 10_000, [5_000...5_199, 0...99])
    Self.expect("5000-5099,0-99,9000-9009,120-199", 10_000, [5_000...5_099, 0...199, 9_000...9_009])
    // A range that joins others, one of which is near only by way of another.
    Self.expect(
      "5000-5099,0-99,5300-5399,2000-2099,5150-5250", 10_000, [5_000...5_399, 0...99, 2_000...2_099])
    Self.expect("0-99,300-399,600-699,90-610", 10_000, [0...699])
    Self.expect("600-699,300-399,0-99,5000-5000,90-610", 10_000, [0...699, 5_000...5_000])
  }

  /// §17.15: what would cost as much as the file, or more.
  @Test(arguments: [
    "0-,0-", "0-,-1", "0-499,500-999", "0-599,400-", "-1000,0-0", "0-0,0-", "0-499,0-499", "0-,1-,2-,3-",
    "0-499,0-249,0-249",
  ])
  func asMuchAsTheFile(value: String) {
    #expect(Self.select(["bytes=" + value], size: 1_000).selection == .whole)
  }

  @Test func nearlyAsMuchAsTheFile() {
    Self.expect("0-498,0-499", 1_000, [0...499])
    Self.expect("0-399,500-999", 1_000, [0...399, 500...999])
    Self.expect("0-499,500-998", 1_000, [0...998])
  }

  /// §17.15: many small ranges. Those that can't be satisfied, or become one, count, too.
  @Test func tooMany() {
    func ranges(_ count: Int) -> String {
      "bytes=" + (0..<count).map { "\($0 * 1_000)-\($0 * 1_000)" }.joined(separator: ",")
    }
    let parts = Self.select([ranges(200)], size: 1_000_000).parts
    #expect(parts == (0..<200).map { ByteRange(lowerBound: $0 * 1_000, count: 1) })
    #expect(Self.select([ranges(201)], size: 1_000_000).selection == .whole)
    #expect(Self.select([ranges(4)], size: 1_000_000, most: 3).selection == .whole)
    #expect(Self.select([ranges(3)], size: 1_000_000, most: 3).selection == .parts)
    #expect(Self.select(["bytes=0-0,0-0,0-0,0-0"], size: 1_000, most: 3).selection == .whole)
    #expect(Self.select(["bytes=2000-,2000-,2000-,2000-"], size: 1_000, most: 3).selection == .whole)
    #expect(Self.select(["bytes=2000-,2000-,2000-"], size: 1_000, most: 3).selection == .unsatisfiable)
    // Empty members are none.
    #expect(Self.select(["bytes=0-0,,,,,,500-,"], size: 1_000, most: 2).selection == .parts)
  }

  @Test func numbersUpToAndBeyond64Bits() {
    Self.expect("0-0,-1", .max, [0...0, Int64.max - 1...Int64.max - 1])
    Self.expect("0-0,9223372036854775806-99999999999999999999", .max, [0...0, Int64.max - 1...Int64.max - 1])
    Self.expect("99999999999999999999-,0-0,100-100", 1_000, [0...0, 100...100])
    #expect(Self.select(["bytes=0-,0-,0-"], size: .max).selection == .whole)
    #expect(Self.select(["bytes=0-9223372036854775805,1-"], size: .max).selection == .whole)
  }

  @Test func severalLinesAreIgnored() {
    #expect(Self.select(["bytes=0-1", "bytes=500-501"], size: 1_000).selection == .whole)
  }

  /// Against bytes that are marked one by one.
  @Test func anyRanges() {
    var numbers = RepeatableNumbers(state: 7)
    var counts = [0, 0, 0]
    for _ in 0..<20_000 {
      let size = Int64.random(in: 1...60, using: &numbers)
      let gap = Int64.random(in: 1...5, using: &numbers)
      let asked = (0..<Int.random(in: 2...7, using: &numbers)).map { _ in
        let first = Int64.random(in: 0...size + 2, using: &numbers)
        return first...Int64.random(in: first...min(first + 8, size + 4), using: &numbers)
      }
      let value = "bytes=" + asked.map { "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
      let (selection, parts) = Self.select([value], size: size, gap: gap)

      let satisfiable = asked.filter { $0.lowerBound < size }.map { $0.clamped(to: 0...size - 1) }
      let expected = Self.runs(of: satisfiable, size: size, gap: gap)
      if satisfiable.isEmpty {
        #expect(selection == .unsatisfiable, "\(value) of \(size)")
        counts[0] += 1
      } else if satisfiable.count > 1, satisfiable.reduce(0, { $0 + $1.count }) >= size {
        #expect(selection == .whole, "\(value) of \(size)")
        counts[1] += 1
      } else {
        #expect(selection == (expected.count == 1 ? .part(expected[0]) : .parts), "\(value) of \(size)")
        #expect(parts == expected, "\(value) of \(size), gap \(gap)")
        counts[2] += 1
      }
    }
    #expect(counts.allSatisfy { $0 > 10 }, "\(counts)")
  }

  /// What is left of ranges, by the first of them in each run of bytes without a gap.
  private static func runs(of ranges: [ClosedRange<Int64>], size: Int64, gap: Int64) -> [ByteRange] {
    var marked = [Bool](repeating: false, count: Int(size))
    for range in ranges { for index in range { marked[Int(index)] = true } }
    var runs: [ClosedRange<Int64>] = []
    for index in 0..<size where marked[Int(index)] {
      if let last = runs.last, index - last.upperBound - 1 < gap {
        runs[runs.count - 1] = last.lowerBound...index
      } else {
        runs.append(index...index)
      }
    }
    let order = runs.sorted { one, other in
      let (first, second) = (
        ranges.firstIndex { one.overlaps($0) } ?? 0, ranges.firstIndex { other.overlaps($0) } ?? 0
      )
      return first < second
    }
    return order.map { ByteRange(lowerBound: $0.lowerBound, count: $0.upperBound - $0.lowerBound + 1) }
  }
}
