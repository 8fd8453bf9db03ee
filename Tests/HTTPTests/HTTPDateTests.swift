import HTTP
import Testing

@Suite struct HTTPDateTests {
  /// 2026-07-01 00:00:00 UTC.
  static let now = HTTPDate(secondsSinceEpoch: 1_782_864_000)

  static func parse(_ text: String, now: HTTPDate = now) -> Int64? {
    HTTPDate(parsing: text.octets.span, now: now)?.secondsSinceEpoch
  }

  static func format(_ seconds: Int64) -> String {
    text(capacity: HTTPDate.length) { HTTPDate(secondsSinceEpoch: seconds).append(to: &$0) }
  }

  // Seconds from `date -u -d … +%s`.
  static let known: [(String, Int64)] = [
    ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
    ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
    ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
    ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
    ("Tue, 19 Jan 2038 03:14:07 GMT", 2_147_483_647),
    ("Tue, 19 Jan 2038 03:14:08 GMT", 2_147_483_648),
    ("Sun, 28 Feb 2100 23:59:59 GMT", 4_107_542_399),
    ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
    ("Mon, 01 Jan 1900 00:00:00 GMT", -2_208_988_800),
    ("Sat, 01 Jan 0000 00:00:00 GMT", -62_167_219_200),
    ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
  ]

  @Test(arguments: known)
  func knownDatesAreReadAndWritten(text: String, seconds: Int64) {
    #expect(Self.parse(text) == seconds)
    #expect(Self.format(seconds) == text)
  }

  @Test func momentsBeyondTheCalendarAreWrittenAsTheNearest() {
    #expect(Self.format(Int64.max) == "Fri, 31 Dec 9999 23:59:59 GMT")
    #expect(Self.format(Int64.min) == "Sat, 01 Jan 0000 00:00:00 GMT")
  }

  @Test func everyDayOfTwoCenturiesMakesTheRoundTrip() {
    // Another way to the same calendar: one day after the other, from a day that is known.
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    var seconds: Int64 = -2_208_988_800
    var weekday = 1
    var wrong: [String] = []
    for year in 1900...2105 {
      let isLeap = year % 4 == 0 && year != 1900 && year != 2100
      let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
      for (month, length) in zip(months, lengths) {
        for day in 1...length {
          let twoDigits = day < 10 ? "0\(day)" : "\(day)"
          let text = "\(weekdays[weekday]), \(twoDigits) \(month) \(year) 23:59:59 GMT"
          let end = seconds + 86_399
          if Self.format(end) != text || Self.parse(text) != end { wrong.append(text) }
          seconds += 86_400
          weekday = (weekday + 1) % 7
        }
      }
    }
    #expect(wrong == [])
    // `date -u -d 2106-01-01 +%s`: the walk came out where it should.
    #expect(seconds == 4_291_747_200)
  }

  @Test(arguments: [
    ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
    ("Monday, 07-Nov-94 08:49:37 GMT", 784_198_177),
    ("Tuesday, 08-Nov-94 08:49:37 GMT", 784_284_577),
    ("Wednesday, 09-Nov-94 08:49:37 GMT", 784_370_977),
    ("Thursday, 10-Nov-94 08:49:37 GMT", 784_457_377),
    ("Friday, 11-Nov-94 08:49:37 GMT", 784_543_777),
    ("Saturday, 12-Nov-94 08:49:37 GMT", 784_630_177),
    ("Sun Nov  6 08:49:37 1994", 784_111_777),
    ("Sun Nov 06 08:49:37 1994", 784_111_777),
    ("Sat Nov 12 08:49:37 1994", 784_630_177),
  ])
  func olderFormatsAreRead(text: String, seconds: Int64) {
    #expect(Self.parse(text) == seconds)
  }

  @Test(arguments: [
    // As seen from 2026-07-01: 50 years and not a second more are the future.
    ("Wednesday, 01-Jul-76 00:00:00 GMT", "Wed, 01 Jul 2076 00:00:00 GMT"),
    ("Thursday, 01-Jul-76 00:00:01 GMT", "Thu, 01 Jul 1976 00:00:01 GMT"),
    ("Friday, 01-Jan-77 00:00:00 GMT", "Sat, 01 Jan 1977 00:00:00 GMT"),
    ("Friday, 01-Jan-99 00:00:00 GMT", "Fri, 01 Jan 1999 00:00:00 GMT"),
    ("Tuesday, 29-Feb-00 00:00:00 GMT", "Tue, 29 Feb 2000 00:00:00 GMT"),
    ("Saturday, 29-Feb-76 00:00:00 GMT", "Sat, 29 Feb 2076 00:00:00 GMT"),
    ("Thursday, 01-Jan-26 00:00:00 GMT", "Thu, 01 Jan 2026 00:00:00 GMT"),
  ])
  func centuryOfTwoDigitsFollowsTheFiftyYearRule(text: String, same: String) throws {
    let expected = try #require(Self.parse(same))
    #expect(Self.parse(text) == expected)
  }

  @Test func centuryTurnsWithTheClock() {
    let endOf1999 = HTTPDate(secondsSinceEpoch: 946_684_799)
    #expect(Self.parse("Saturday, 01-Jan-00 00:00:00 GMT", now: endOf1999) == 946_684_800)
    #expect(Self.parse("Friday, 31-Dec-49 23:59:59 GMT", now: endOf1999) == 2_524_607_999)
    #expect(Self.parse("Sunday, 31-Dec-50 23:59:59 GMT", now: endOf1999) == -599_616_001)
    // A clock that was never set must not trap.
    for seconds in [Int64.min, 0, Int64.max] {
      #expect(Self.parse("Sunday, 06-Nov-94 08:49:37 GMT", now: HTTPDate(secondsSinceEpoch: seconds)) != nil)
    }
  }

  @Test func leapSecondIsTheNextSecond() {
    #expect(Self.parse("Sat, 31 Dec 2016 23:59:60 GMT") == 1_483_228_800)
    #expect(Self.parse("Sat, 31 Dec 2016 23:58:60 GMT") == nil)
    #expect(Self.parse("Sat, 31 Dec 2016 12:59:60 GMT") == nil)
    #expect(Self.parse("Sat, 31 Dec 2016 23:59:61 GMT") == nil)
  }

  @Test func weekdayIsNotHeldAgainstTheDate() {
    #expect(Self.parse("Mon, 06 Nov 1994 08:49:37 GMT") == 784_111_777)
    #expect(Self.parse("Friday, 06-Nov-94 08:49:37 GMT") == 784_111_777)
  }

  @Test(arguments: [
    "", " ", "0", "784111777", "now", "1994-11-06T08:49:37Z",
    // Days and times that don't exist.
    "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 32 Dec 1994 08:49:37 GMT",
    "Sun, 29 Feb 1994 08:49:37 GMT", "Sun, 29 Feb 2100 08:49:37 GMT", "Sun, 30 Feb 2000 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:60 GMT",
    "Sunday, 29-Feb-94 08:49:37 GMT", "Sun Nov  0 08:49:37 1994", "Sun Feb 29 08:49:37 1994",
    // Case and spacing.
    "sun, 06 Nov 1994 08:49:37 GMT", "SUN, 06 NOV 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 gmt",
    "Sun, 06 nov 1994 08:49:37 GMT", "Sun,06 Nov 1994 08:49:37 GMT ", "Sun,  6 Nov 1994 08:49:37 GMT",
    "Sun, 6 Nov 1994 08:49:37 GMT", " Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ",
    "Sun\t 06 Nov 1994 08:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 GMT",
    // Names, zones, signs.
    "Foo, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT", "unM, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 anF 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 EST",
    "Sun, 06 Nov 1994 08:49:37", "Sun, +6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov -994 08:49:37 GMT",
    "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 Nov 1994 08-49-37 GMT", "Sun, 06 Nov 19941 08:49:37 GMT",
    "Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06 Nov 94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sonnday, 06-Nov-94 08:49:37 GMT", "Wedday, 09-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37",
    "Sun Nov 6 08:49:37 1994", "Sun Nov  6 08:49:37 94", "Sun Nov 066 8:49:37 1994",
    "Sun Nov  6 08:49:37 19 4",
  ])
  func anythingElseIsNoDate(text: String) {
    #expect(Self.parse(text) == nil)
  }

  @Test(arguments: [
    "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
  ])
  func noPartOfADateIsOne(text: String) {
    for length in 0..<text.utf8.count { #expect(Self.parse(String(text.prefix(length))) == nil) }
    for index in text.octets.indices {
      for byte in [0x00, 0x2F, 0x3A, 0x80, 0xFF] as [UInt8] where byte != text.octets[index] {
        var octets = text.octets
        octets[index] = byte
        let date = HTTPDate(parsing: octets.span, now: Self.now)
        #expect(date == nil)
      }
    }
  }

  @Test func earlierIsLess() {
    #expect(HTTPDate(secondsSinceEpoch: -1) < HTTPDate(secondsSinceEpoch: 0))
    #expect(!(HTTPDate(secondsSinceEpoch: 5) < HTTPDate(secondsSinceEpoch: 5)))
  }
}
