import HTTP
import Testing

@Suite struct PreconditionsTests {
  // Last changed at Sun, 06 Nov 1994 08:49:37 GMT; asked a minute later.
  static let modified: Int64 = 784_111_777
  static let validators = validators(age: 60)
  static let before = "Sun, 06 Nov 1994 08:49:36 GMT"
  static let same = "Sun, 06 Nov 1994 08:49:37 GMT"
  static let after = "Sun, 06 Nov 1994 08:49:38 GMT"

  /// Of a file with the tag `"12-3"`.
  static func validators(age: Int64) -> Validators {
    Validators(
      etag: EntityTag(state: 0x12, size: 0x3),
      modified: HTTPDate(secondsSinceEpoch: modified), now: HTTPDate(secondsSinceEpoch: modified + age))
  }

  static func block(_ lines: [String]) -> [UInt8] {
    (["Host: a"] + lines + ["Accept: */*"]).map { $0 + "\r\n" }.joined().octets
  }

  static func evaluate(_ lines: [String], isGetOrHead: Bool = true) -> Preconditions.Outcome {
    Preconditions.evaluate(fields: block(lines).span, isGetOrHead: isGetOrHead, validators: validators)
  }

  static func rangeApplies(_ values: [String], _ validators: Validators = validators) -> Bool {
    let block = block(values.map { "If-Range: " + $0 })
    return Preconditions.rangeApplies(fields: block.span, validators: validators)
  }

  /// The field values that name the file's tag as a list, to the letter of RFC 9110 §5.6.1 and §8.8.3.
  static let lists: [[String]] = [
    ["\"12-3\""], ["\"a\", \"12-3\""], ["\"12-3\",\"a\""], ["\"a\",\"b\" \t,\t \"12-3\" , \"c\""],
    [",\"12-3\""], ["\"12-3\","], [" , ,, \"a\",, ,\"12-3\" ,\t, "],
    ["\"a\"", "\"12-3\""], ["\"12-3\"", "\"a\""], ["", "\"12-3\""], [",", "\"12-3\"", ""],
    // Tags with commas, stars, W/ and backslashes in them; there is no escaping.
    ["\"a,b\", \"12-3\""], ["\",\",\"12-3\""], ["\"*\",\"12-3\""], ["\"\\\",\"12-3\""], ["\"W/\",\"12-3\""],
    ["\"\",\"12-3\""], ["\"é\", \"12-3\""], ["W/\"a\", \"12-3\""], ["W/\"12-3\", \"12-3\""],
  ]

  /// Lists without it.
  static let otherLists: [[String]] = [
    ["\"a\""], ["\"12-4\""], ["\"112-3\", \"12-33\""], ["\"12-\", \"3\""], [""], [","], [" ,, , "], ["", ""],
    ["\"a, \\\"12-3\\\"\""], ["\"*\""], ["\"a,12-3,b\""],
  ]

  /// Not lists, though the tag is in them.
  static let malformedLists: [[String]] = [
    ["\"12-3"], ["12-3\""], ["12-3"], ["\"12-3\" \"a\""], ["\"12-3\"\"a\""], ["\"12-3\", a"], ["a, \"12-3\""],
    ["\"12-3\", *"], ["*, \"12-3\""], ["*,"], [",*"], ["**"], ["*", "*"], ["*", "\"12-3\""],
    [
      "\"12-3\"",
      "*",
    ],
    ["*", ""], ["w/\"12-3\""], ["w/\"a\", \"12-3\""], ["W/ \"a\", \"12-3\""], ["W\"a\", \"12-3\""],
    ["\"12-3\"; \"a\""], ["\"12-3\"", "\"a"], ["\"a", "\"12-3\""], ["\"a b\", \"12-3\""],
    ["\"a\tb\", \"12-3\""],
    ["\"a\u{7F}\", \"12-3\""], ["'12-3', \"12-3\""], ["W/", "\"12-3\""],
  ]

  @Test(arguments: lists) func ifMatchFindsTheTag(values: [String]) {
    #expect(Self.evaluate(values.map { "If-Match: " + $0 }) == .proceed)
  }

  @Test(arguments: otherLists + malformedLists) func ifMatchFailsOnOtherTagsAndMistakes(values: [String]) {
    for isGetOrHead in [true, false] {
      #expect(Self.evaluate(values.map { "if-match: " + $0 }, isGetOrHead: isGetOrHead) == .failed)
    }
  }

  @Test func ifMatchIsStrongAndIfNoneMatchWeak() {
    #expect(Self.evaluate(["If-Match: W/\"12-3\""]) == .failed)
    #expect(Self.evaluate(["If-None-Match: W/\"12-3\""]) == .notModified)
    #expect(Self.evaluate(["If-None-Match: \"a\", W/\"b\", W/\"12-3\""]) == .notModified)
  }

  @Test func starStandsForAnyFile() {
    #expect(Self.evaluate(["If-Match: *"]) == .proceed)
    #expect(Self.evaluate(["If-Match:\t* "]) == .proceed)
    #expect(Self.evaluate(["If-None-Match: *"]) == .notModified)
    #expect(Self.evaluate(["If-None-Match: *"], isGetOrHead: false) == .failed)
  }

  @Test(arguments: lists) func ifNoneMatchFindsTheTag(values: [String]) {
    let lines = values.map { "IF-NONE-MATCH: " + $0 }
    #expect(Self.evaluate(lines) == .notModified)
    #expect(Self.evaluate(lines, isGetOrHead: false) == .failed)
  }

  @Test(arguments: otherLists + malformedLists) func ifNoneMatchSendsTheFileOnAnythingElse(values: [String]) {
    #expect(Self.evaluate(values.map { "If-None-Match: " + $0 }) == .proceed)
  }

  /// Not dates, or not one.
  static let noDates: [[String]] = [
    [""], ["yesterday"], ["0"], ["Sun, 06 Nov 1994 08:49:37"], ["\"Sun, 06 Nov 1994 08:49:37 GMT\""],
    ["Sun, 31 Nov 1994 08:49:37 GMT"], [same, same], [same, ""], ["\(same), \(same)"],
  ]

  @Test(arguments: noDates) func whatIsNoDateIsIgnored(values: [String]) {
    #expect(Self.evaluate(values.map { "If-Modified-Since: " + $0 }) == .proceed)
    #expect(Self.evaluate(values.map { "If-Unmodified-Since: " + $0 }) == .proceed)
  }

  static let cases: [(lines: [String], get: Preconditions.Outcome, other: Preconditions.Outcome)] = [
    ([], .proceed, .proceed),
    (["If-Modified-Since: \(before)"], .proceed, .proceed),
    (["If-Modified-Since: \(same)"], .notModified, .proceed),
    (["If-Modified-Since: \(after)"], .notModified, .proceed),
    (["If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"], .notModified, .proceed),
    (["If-Modified-Since: Sun Nov  6 08:49:37 1994"], .notModified, .proceed),
    (["If-Unmodified-Since: \(before)"], .failed, .failed),
    (["If-Unmodified-Since: \(same)"], .proceed, .proceed),
    (["If-Unmodified-Since: \(after)"], .proceed, .proceed),
    // If-Match takes the place of If-Unmodified-Since, even if it can't be read.
    (["If-Unmodified-Since: \(before)", "If-Match: \"12-3\""], .proceed, .proceed),
    (["If-Match: \"a\"", "If-Unmodified-Since: \(after)"], .failed, .failed),
    (["If-Match: ?", "If-Unmodified-Since: \(after)"], .failed, .failed),
    // If-None-Match takes the place of If-Modified-Since, even if it can't be read.
    (["If-Modified-Since: \(after)", "If-None-Match: \"a\""], .proceed, .proceed),
    (["If-None-Match: ?", "If-Modified-Since: \(after)"], .proceed, .proceed),
    (["If-None-Match: \"12-3\"", "If-Modified-Since: \(before)"], .notModified, .failed),
    // 412 comes before 304, and the second pair is asked when the first one holds.
    (["If-None-Match: \"12-3\"", "If-Match: \"a\""], .failed, .failed),
    (["If-None-Match: \"12-3\"", "If-Match: \"12-3\""], .notModified, .failed),
    (["If-Modified-Since: \(same)", "If-Unmodified-Since: \(before)"], .failed, .failed),
    (["If-Modified-Since: \(same)", "If-Unmodified-Since: \(same)"], .notModified, .proceed),
    (["If-Match: \"12-3\"", "If-Modified-Since: \(same)"], .notModified, .proceed),
    (["If-None-Match: \"a\"", "If-Unmodified-Since: \(before)"], .failed, .failed),
    // If-Range is no precondition of the answer, only of its range.
    (["If-Range: \"a\""], .proceed, .proceed),
  ]

  @Test(arguments: cases)
  func conditionsInTheirOrder(lines: [String], get: Preconditions.Outcome, other: Preconditions.Outcome) {
    #expect(Self.evaluate(lines) == get)
    #expect(Self.evaluate(lines.reversed()) == get)
    #expect(Self.evaluate(lines, isGetOrHead: false) == other)
  }

  static let rangeConditions: [([String], Bool)] = [
    ([], true),
    (["\"12-3\""], true), ([" \t\"12-3\" "], true),
    (["W/\"12-3\""], false), (["\"a\""], false), (["\"12-3\", \"a\""], false), (["*"], false), ([""], false),
    (["12-3"], false), (["\"12-3"], false), (["\""], false), (["\"12-3\"", "\"12-3\""], false),
    ([same], true), (["Sunday, 06-Nov-94 08:49:37 GMT"], true), (["Sun Nov  6 08:49:37 1994"], true),
    ([before], false), ([after], false), ([same, same], false), (["Sun, 06 Nov 1994"], false),
  ]

  @Test(arguments: rangeConditions)
  func ifRangeNeedsAStrongValidator(values: [String], applies: Bool) {
    #expect(Self.rangeApplies(values) == applies)
  }

  @Test(arguments: [(-1, false), (0, false), (1, true), (2, true)] as [(Int64, Bool)])
  func ifRangeTrustsADateOnceItsSecondIsOver(age: Int64, applies: Bool) {
    let validators = Self.validators(age: age)
    #expect(Self.rangeApplies([Self.same], validators) == applies)
    // A tag has nanoseconds and doesn't depend on it.
    #expect(Self.rangeApplies(["\"12-3\""], validators))
  }

  /// A file whose times say nothing: RFC 9110 §13.1.3, §13.1.4.
  @Test(arguments: ["If-Modified-Since: ", "If-Unmodified-Since: "], [before, same, after])
  func withoutADateThereAreNoConditionsOnDates(name: String, date: String) {
    var validators = Self.validators
    validators.modified = nil
    let block = Self.block([name + date])
    #expect(
      Preconditions.evaluate(fields: block.span, isGetOrHead: true, validators: validators) == .proceed)
    #expect(!Self.rangeApplies([date], validators))
    #expect(Self.rangeApplies(["\"12-3\""], validators))
  }

  @Test(
    arguments: [
      ("If-None-Match: \"12-3\"", .proceed), ("If-None-Match: W/\"12-3\"", .proceed),
      ("If-None-Match: *", .notModified),
      ("If-Match: \"12-3\"", .failed), ("If-Match: *", .proceed),
      ("If-Modified-Since: \(same)", .notModified),
    ] as [(String, Preconditions.Outcome)])
  func withoutATagNoListHasIt(line: String, outcome: Preconditions.Outcome) {
    var validators = Self.validators
    validators.etag = nil
    let block = Self.block([line])
    #expect(
      Preconditions.evaluate(fields: block.span, isGetOrHead: true, validators: validators) == outcome)
    #expect(!Self.rangeApplies(["\"12-3\""], validators))
    #expect(Self.rangeApplies([Self.same], validators))
  }
}
