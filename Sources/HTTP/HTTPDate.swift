// Dates on the wire: three formats are read, one is written. A date that isn't one of them exactly is no date,
// and RFC 9110 says of every field with a date what happens then (nearly always: the field is ignored).

/// A moment as HTTP can say it: whole seconds, in UTC (RFC 9110 §5.6.7).
public struct HTTPDate: Equatable, Comparable, Sendable {
  /// Seconds since 1970-01-01 00:00:00 UTC without leap seconds; negative before it.
  public let secondsSinceEpoch: Int64

  /// Bytes that `append(to:)` writes.
  public static var length: Int { 29 }

  /// Any number of seconds is allowed here; see `append(to:)` for those beyond the calendar of HTTP.
  public init(secondsSinceEpoch: Int64) {
    self.secondsSinceEpoch = secondsSinceEpoch
  }

  /// Reads IMF-fixdate, the RFC 850 format or asctime; `nil` for anything else, and for days that never were.
  ///
  /// Letter case and spacing have to be exact. The name of the weekday has to be one, but isn't held against
  /// the date: it says nothing that the date doesn't. `23:59:60` is the second after `23:59:59`.
  ///
  /// - Parameter now: Decides the century of an RFC 850 date, whose year has two digits: the latest one that
  ///   puts it no more than 50 years after `now`.
  public init?(parsing text: Span<UInt8>, now: HTTPDate) {
    var scanner = DateScanner(text)
    // The lengths can't meet: with the shortest weekday an RFC 850 date has 30 bytes.
    switch text.count {
    case 29: scanner.readFixdate()
    case 24: scanner.readAsctime()
    default: scanner.readRFC850(now: now)
    }
    guard scanner.isComplete, scanner.time.isValid else { return nil }
    self = scanner.time.date
  }

  /// Writes an IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`. Needs room for `length` bytes.
  ///
  /// A moment outside of the years 0000 to 9999 is written as the nearest one inside, because the format has
  /// four digits and a file system may hold any time.
  public func append(to out: inout OutputSpan<UInt8>) {
    let time = CivilTime(self)
    out.append(CivilTime.weekdays, time.weekday * 3, count: 3)
    out.append(", ", 0, count: 2)
    out.append(twoDigits: time.day, then: " ")
    out.append(CivilTime.months, (time.month - 1) * 3, count: 3)
    out.append(" ", 0, count: 1)
    out.append(twoDigits: time.year / 100, then: "")
    out.append(twoDigits: time.year % 100, then: " ")
    out.append(twoDigits: time.hour, then: ":")
    out.append(twoDigits: time.minute, then: ":")
    out.append(twoDigits: time.second, then: " GMT")
  }

  /// Earlier before later.
  public static func < (left: HTTPDate, right: HTTPDate) -> Bool {
    left.secondsSinceEpoch < right.secondsSinceEpoch
  }
}

/// A date and time of the proleptic Gregorian calendar, in UTC.
private struct CivilTime {
  /// 0 is Sunday. Only known of a time made from a date.
  var weekday = 0
  var year = 0
  var month = 0
  var day = 0
  var hour = 0
  var minute = 0
  var second = 0

  static var weekdays: StaticString { "SunMonTueWedThuFriSat" }
  static var months: StaticString { "JanFebMarAprMayJunJulAugSepOctNovDec" }

  init() {}

  // Days to dates and back after Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in
  // March, so that the leap day is the last of its year, and an era is the 400 years after which all repeats.

  /// The time of a date, or the nearest one with a year of four digits.
  init(_ date: HTTPDate) {
    let seconds = Int(min(max(date.secondsSinceEpoch, -62_167_219_200), 253_402_300_799))
    let days = (seconds >= 0 ? seconds : seconds - 86_399) / 86_400
    let secondOfDay = seconds - days * 86_400
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    weekday = ((days + 4) % 7 + 7) % 7  // 1970 began on a Thursday.
    hour = secondOfDay / 3_600
    minute = secondOfDay / 60 % 60
    second = secondOfDay % 60
  }

  /// The moment, for a time that is valid.
  var date: HTTPDate {
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    let days = era * 146_097 + dayOfEra - 719_468
    return HTTPDate(secondsSinceEpoch: Int64(days * 86_400 + hour * 3_600 + minute * 60 + second))
  }

  var isValid: Bool {
    guard month >= 1, month <= 12, day >= 1, day <= daysInMonth else { return false }
    let isLeapSecond = hour == 23 && minute == 59 && second == 60
    return hour <= 23 && minute <= 59 && (second <= 59 || isLeapSecond)
  }

  private var daysInMonth: Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}

/// Reads left to right; the first thing that doesn't fit makes it fail for good, which `isComplete` tells.
private struct DateScanner: ~Escapable {
  private let text: Span<UInt8>
  private var position = 0
  private var hasFailed = false
  private(set) var time = CivilTime()

  @_lifetime(copy text)
  init(_ text: Span<UInt8>) {
    self.text = text
  }

  /// Everything has been read and nothing was wrong.
  var isComplete: Bool { !hasFailed && position == text.count }

  /// `Sun, 06 Nov 1994 08:49:37 GMT`
  mutating func readFixdate() {
    _ = name(in: CivilTime.weekdays)
    skip(", ")
    time.day = number(digits: 2)
    skip(" ")
    time.month = name(in: CivilTime.months) + 1
    skip(" ")
    time.year = number(digits: 4)
    skip(" ")
    readClock()
    skip(" GMT")
  }

  /// `Sun Nov  6 08:49:37 1994`; the day has two digits, or a space and one.
  mutating func readAsctime() {
    _ = name(in: CivilTime.weekdays)
    skip(" ")
    time.month = name(in: CivilTime.months) + 1
    skip(" ")
    let isPadded = isNext(" ", 0, count: 1)
    if isPadded { skip(" ") }
    time.day = number(digits: isPadded ? 1 : 2)
    skip(" ")
    readClock()
    skip(" ")
    time.year = number(digits: 4)
  }

  /// `Sunday, 06-Nov-94 08:49:37 GMT`
  mutating func readRFC850(now: HTTPDate) {
    switch name(in: CivilTime.weekdays) {
    case 2: skip("sday")
    case 3: skip("nesday")
    case 4: skip("rsday")
    case 6: skip("urday")
    default: skip("day")
    }
    skip(", ")
    time.day = number(digits: 2)
    skip("-")
    time.month = name(in: CivilTime.months) + 1
    skip("-")
    let yearOfCentury = number(digits: 2)
    skip(" ")
    readClock()
    skip(" GMT")
    guard isComplete else { return }
    // The year is held 50 too low while it is compared, so that "50 years" are years of the calendar.
    let present = CivilTime(now)
    time.year = (present.year / 100 + 1) * 100 + yearOfCentury - 50
    while time.date > present.date { time.year -= 100 }
    time.year += 50
  }

  private mutating func readClock() {
    time.hour = number(digits: 2)
    skip(":")
    time.minute = number(digits: 2)
    skip(":")
    time.second = number(digits: 2)
  }

  /// The index of the three letters that come next in a table of such names.
  private mutating func name(in table: StaticString) -> Int {
    for start in stride(from: 0, to: table.utf8CodeUnitCount, by: 3) where isNext(table, start, count: 3) {
      position += 3
      return start / 3
    }
    hasFailed = true
    return 0
  }

  private mutating func number(digits: Int) -> Int {
    var value = 0
    for _ in 0..<digits {
      guard position < text.count, let digit = text[position].decimalValue else {
        hasFailed = true
        return 0
      }
      value = value * 10 + Int(digit)
      position += 1
    }
    return value
  }

  private mutating func skip(_ literal: StaticString) {
    let count = literal.utf8CodeUnitCount
    if isNext(literal, 0, count: count) { position += count } else { hasFailed = true }
  }

  private func isNext(_ table: StaticString, _ start: Int, count: Int) -> Bool {
    guard text.count - position >= count else { return false }
    for index in 0..<count where text[position + index] != table.octet(start + index) { return false }
    return true
  }
}

/// A moment together with what `HTTPDate.append(to:)` writes for it: for the date of now, which a server writes again and
/// again, and which changes once in a second.
public struct WrittenDate: Sendable {
  /// The moment.
  public private(set) var date = HTTPDate(secondsSinceEpoch: .min)
  private var text = InlineArray<29, UInt8>(repeating: 0)

  /// Writes the date.
  public init(_ date: HTTPDate) {
    set(date)
  }

  /// Writes another date, unless it is the same.
  @inline(__always)
  public mutating func set(_ date: HTTPDate) {
    if date != self.date { write(date) }
  }

  private mutating func write(_ date: HTTPDate) {
    self.date = date
    var span = text.mutableSpan
    unsafe span.withUnsafeMutableBufferPointer { buffer in
      var out = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
      date.append(to: &out)
      _ = unsafe out.finalize(for: buffer)
    }
  }

  /// Appends `HTTPDate.length` bytes.
  public func append(to out: inout OutputSpan<UInt8>) {
    out.append(copying: text.span)
  }
}

extension OutputSpan<UInt8> {
  fileprivate mutating func append(_ table: StaticString, _ start: Int, count: Int) {
    for index in start..<start + count { append(table.octet(index)) }
  }

  fileprivate mutating func append(twoDigits value: Int, then literal: StaticString) {
    append(UInt8(0x30 + value / 10))
    append(UInt8(0x30 + value % 10))
    append(literal, 0, count: literal.utf8CodeUnitCount)
  }
}
