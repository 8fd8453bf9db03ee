import HTTP
import Testing

@Suite struct EntityTagTests {
  // #expect can't look into a call that takes a span.
  static func matchesStrongly(_ tag: EntityTag, _ text: String) -> Bool {
    tag.matchesStrongly(text.octets.span)
  }

  static func matchesWeakly(_ tag: EntityTag, _ text: String) -> Bool {
    tag.matchesWeakly(text.octets.span)
  }

  static func format(_ tag: EntityTag) -> String {
    text(capacity: EntityTag.maximumLength) { tag.append(to: &$0) }
  }

  @Test(arguments: [
    (0, 0, "\"0-0\""),
    (1, 15, "\"1-f\""),
    (16, 255, "\"10-ff\""),
    (0x18A2_F3C4_D5E6_F708, 4096, "\"18a2f3c4d5e6f708-1000\""),
    (UInt64(Int64.max), Int64.max, "\"7fffffffffffffff-7fffffffffffffff\""),
    (.max, 0x0FFF_FFFF, "\"ffffffffffffffff-fffffff\""),
    (1 << 63, 0x1000_0000, "\"8000000000000000-10000000\""),
  ])
  func writtenAsStateAndSize(state: UInt64, size: Int64, text: String) {
    let tag = EntityTag(state: state, size: size)
    #expect(Self.format(tag) == text)
    #expect(Self.matchesStrongly(tag, text))
    #expect(Self.matchesWeakly(tag, text))
    #expect(!Self.matchesStrongly(tag, "W/\(text)"))
    #expect(Self.matchesWeakly(tag, "W/\(text)"))
  }

  @Test func longestTagIsAsLongAsItSays() {
    let longest = EntityTag(state: .max, size: -1, isWeak: true)
    #expect(Self.format(longest).utf8.count == EntityTag.maximumLength)
  }

  /// RFC 9110 §8.8.3.2: strong comparison takes two strong tags, weak comparison any two.
  @Test func aWeakTagIsGoodForWeakComparisonOnly() {
    let weak = EntityTag(state: 0x12, size: 3, isWeak: true)
    #expect(Self.format(weak) == "W/\"12-3\"")
    for text in ["\"12-3\"", "W/\"12-3\""] {
      #expect(!Self.matchesStrongly(weak, text))
      #expect(Self.matchesWeakly(weak, text))
    }
    #expect(!Self.matchesWeakly(weak, "W/\"12-4\""))
  }

  @Test func stateAndSizeBothCount() {
    let tag = EntityTag(state: 0x12, size: 0x3)
    #expect(tag == EntityTag(state: 0x12, size: 0x3))
    for other in [
      EntityTag(state: 0x1, size: 0x23), EntityTag(state: 0x123, size: 0),
      EntityTag(state: 0x3, size: 0x12), EntityTag(state: 0x12, size: 0x4),
      EntityTag(state: 0x13, size: 0x3),
    ] {
      #expect(tag != other)
      #expect(!Self.matchesWeakly(tag, Self.format(other)))
    }
  }

  @Test(arguments: [
    "", "\"", "\"\"", "12-3", "\"12-3", "12-3\"", "\"12-3\" ", " \"12-3\"", "\"12_3\"", "\"012-3\"",
    "\"12-03\"",
    "\"12-3\"\"", "'12-3'", "*", "W/", "W/\"", "W/\"\"", "w/\"12-3\"", "W \"12-3\"", "W/W/\"12-3\"",
    "W/ \"12-3\"",
    "\"12-4\"", "\"22-3\"", "\"12-3 \"", "\"12-3-\"",
  ])
  func nothingElseMatches(tag: String) {
    let own = EntityTag(state: 0x12, size: 0x3)
    #expect(!Self.matchesStrongly(own, tag))
    #expect(!Self.matchesWeakly(own, tag))
  }

  @Test func digitsAreOfOneCase() {
    let tag = EntityTag(state: 0xAB, size: 0xC)
    #expect(Self.matchesStrongly(tag, "\"ab-c\""))
    #expect(!Self.matchesWeakly(tag, "\"AB-c\""))
  }
}
