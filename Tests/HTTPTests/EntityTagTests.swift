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
    (Int64.max, Int64.max, "\"7fffffffffffffff-7fffffffffffffff\""),
    (-1, 0x0FFF_FFFF, "\"ffffffffffffffff-fffffff\""),
    (Int64.min, 0x1000_0000, "\"8000000000000000-10000000\""),
  ])
  func writtenAsTimeAndSize(time: Int64, size: Int64, text: String) {
    let tag = EntityTag(modificationTime: time, size: size)
    #expect(Self.format(tag) == text)
    #expect(Self.matchesStrongly(tag, text))
    #expect(Self.matchesWeakly(tag, text))
    #expect(!Self.matchesStrongly(tag, "W/\(text)"))
    #expect(Self.matchesWeakly(tag, "W/\(text)"))
  }

  @Test func longestTagIsAsLongAsItSays() {
    let longest = EntityTag(modificationTime: -1, size: -1)
    #expect(Self.format(longest).utf8.count == EntityTag.maximumLength)
  }

  @Test func timeAndSizeBothCount() {
    let tag = EntityTag(modificationTime: 0x12, size: 0x3)
    #expect(tag == EntityTag(modificationTime: 0x12, size: 0x3))
    for other in [
      EntityTag(modificationTime: 0x1, size: 0x23), EntityTag(modificationTime: 0x123, size: 0),
      EntityTag(modificationTime: 0x3, size: 0x12), EntityTag(modificationTime: 0x12, size: 0x4),
      EntityTag(modificationTime: 0x13, size: 0x3),
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
    let own = EntityTag(modificationTime: 0x12, size: 0x3)
    #expect(!Self.matchesStrongly(own, tag))
    #expect(!Self.matchesWeakly(own, tag))
  }

  @Test func digitsAreOfOneCase() {
    let tag = EntityTag(modificationTime: 0xAB, size: 0xC)
    #expect(Self.matchesStrongly(tag, "\"ab-c\""))
    #expect(!Self.matchesWeakly(tag, "\"AB-c\""))
  }
}
