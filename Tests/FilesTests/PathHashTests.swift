import TestSupport
import Testing

@testable import Files

@Suite struct PathHashTests {
  static func hash(_ path: [UInt8], seed: UInt64 = 1) -> UInt64 {
    unsafe PathHash.of(path.span.bytes, seed: seed)
  }

  static func equals(_ path: [UInt8], _ other: [UInt8]) -> Bool {
    unsafe other.withUnsafeBytes { other in
      unsafe PathHash.equals(path.span.bytes, other.assumingMemoryBound(to: CChar.self).baseAddress!)
    }
  }

  /// Names of all lengths: the hash takes eight bytes at a time and then what is left.
  @Test func everyByteCounts() {
    for count in 0...40 {
      var path = [UInt8](repeating: UInt8(ascii: "n"), count: count)
      var seen: Set<UInt64> = [Self.hash(path)]
      for index in path.indices {
        path[index] = UInt8(ascii: "o")
        seen.insert(Self.hash(path))
        path[index] = UInt8(ascii: "n")
      }
      #expect(seen.count == count + 1, "\(count) bytes")
    }
  }

  @Test func everyLengthCounts() {
    let hashes = (0...100).map { Self.hash([UInt8](repeating: 0, count: $0)) }
    #expect(Set(hashes).count == hashes.count)
  }

  /// Nobody outside can tell which names meet.
  @Test func theSeedCounts() {
    var numbers = RepeatableNumbers(state: 1)
    for path in ["", "a", "index.html", "assets/site-0123456789abcdef.css"] {
      let path = Array(path.utf8)
      var seeds: Set<UInt64> = []
      // Seeds that differ in one bit, too.
      for bit in 0..<64 { seeds.insert(1 << UInt64(bit)) }
      for _ in 0..<1_000 { seeds.insert(numbers.next()) }
      #expect(Set(seeds.map { Self.hash(path, seed: $0) }).count == seeds.count)
      #expect(Self.hash(path, seed: 5) == Self.hash(path, seed: 5))
    }
  }

  /// Names of two words of eight bytes: what a flip of the highest bit of the first does, flips in the second undo, whatever
  /// the seed. Who may choose names of files could make as many as he likes that share one hash.
  @Test func noNamesMeetUnderEverySeed() {
    let name = Array("0123456789abcdef".utf8)
    var other = name
    for index in [7, 11, 15] { other[index] ^= 0x80 }
    let seeds = (1...1_000 as ClosedRange<UInt64>).map { $0 &* 0x1234_5678_9ABC_DEF1 }
    #expect(!seeds.allSatisfy { Self.hash(name, seed: $0) == Self.hash(other, seed: $0) })
  }

  /// Names that share a place under one seed don't under another.
  @Test func whichNamesShareAPlaceDependsOnTheSeed() {
    let names = (0..<2_000).map { Array("file\($0).html".utf8) }
    func pairs(seed: UInt64) -> Set<Int> {
      var places: [UInt64: Int] = [:]
      var result: Set<Int> = []
      for (index, name) in names.enumerated() {
        let place = Self.hash(name, seed: seed) & 4_095
        if let other = places.updateValue(index, forKey: place) { result.insert(other * names.count + index) }
      }
      return result
    }
    let (first, second) = (pairs(seed: 11), pairs(seed: 12))
    // As many as chance has it: about 430 of 2000.
    #expect((300...600).contains(first.count) && (300...600).contains(second.count))
    #expect(first.intersection(second).count < 20)
  }

  /// The parts of the hash that places in tables are taken from are spread as chance would have it.
  @Test(arguments: [0, 48] as [UInt64], 0..<3)
  func namesAreSpread(shift: UInt64, pattern: Int) {
    let count = Self.places(shift: shift, pattern: pattern)
    // 9277 of 65536 by chance, give or take some 25.
    #expect((9_100...9_450).contains(count))
  }

  /// The place of a ghost: who shares it with another is forgotten early, and no more.
  @Test(arguments: 0..<3)
  func ghostsAreSpread(pattern: Int) {
    #expect(Self.places(shift: 32, pattern: pattern) >= 8_000)
  }

  /// How many of 65536 places 10000 names have.
  static func places(shift: UInt64, pattern: Int) -> Int {
    let places = (0..<10_000).map { number in
      let name =
        switch pattern {
        case 0: "\(number)"
        case 1: "assets/img/\(number).webp"
        default: String(repeating: "d\(number % 10)/", count: number % 7) + "\(number)"
        }
      return hash(Array(name.utf8), seed: 0x5EED) >> shift & 0xFFFF
    }
    return Set(places).count
  }

  @Test func pathsAreComparedByteByByte() {
    for count in 0...40 {
      let path = (0..<count).map { UInt8($0) + 1 }
      // What stands behind the bytes makes no difference.
      #expect(Self.equals(path, path + [0]))
      #expect(Self.equals(path, path + Array("index.html".utf8) + [0]))
      for index in path.indices {
        var other = path + [0]
        other[index] ^= 0x80
        #expect(!Self.equals(path, other), "\(count) bytes, at \(index)")
      }
    }
  }
}
