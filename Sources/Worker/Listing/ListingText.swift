// What is written into listings: names of any bytes, sizes, times.

extension [UInt8] {
  mutating func append(_ text: StaticString) {
    unsafe append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(text: String) { append(contentsOf: text.utf8) }

  /// A name as text of an HTML page. What is no UTF-8 is U+FFFD, and control characters, which would not be seen, have their
  /// pictures.
  mutating func append(html name: some Collection<UInt8>) {
    for byte in Self.repaired(name) {
      switch byte {
      case UInt8(ascii: "&"): append("&amp;")
      case UInt8(ascii: "<"): append("&lt;")
      case UInt8(ascii: ">"): append("&gt;")
      case UInt8(ascii: "\""): append("&quot;")
      case UInt8(ascii: "'"): append("&#39;")
      // U+2400 and what follows.
      case 0..<0x20: append(contentsOf: [0xE2, 0x90, 0x80 + byte])
      case 0x7F: append("␡")
      default: append(byte)
      }
    }
  }

  /// A name as a string of JSON: RFC 8259 §7. What is no UTF-8 is U+FFFD.
  mutating func append(json name: some Collection<UInt8>) {
    append(UInt8(ascii: "\""))
    for byte in Self.repaired(name) {
      switch byte {
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "\\"): append("\\\\")
      case 0..<0x20:
        append("\\u00")
        append(hexadecimal: byte)
      default: append(byte)
      }
    }
    append(UInt8(ascii: "\""))
  }

  /// A name as a segment of a relative reference: all but unreserved characters (RFC 3986 §2.3) escaped, so that it needs no escapes
  /// in HTML or JSON, and is never taken for a scheme.
  mutating func append(segment name: some Collection<UInt8>) {
    for byte in name {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        append(byte)
      default:
        append(UInt8(ascii: "%"))
        append(hexadecimal: byte)
      }
    }
  }

  private mutating func append(hexadecimal byte: UInt8) {
    for digit in [byte >> 4, byte & 0xF] { append(digit < 10 ? 0x30 + digit : 0x41 + digit - 10) }
  }

  private static func repaired(_ name: some Collection<UInt8>) -> [UInt8] {
    name.allSatisfy { $0 < 0x80 } ? Array(name) : Array(String(decoding: name, as: UTF8.self).utf8)
  }
}

/// A moment as listings write it.
struct ListingTime {
  private let date: String
  private let hour: String
  private let minute: String
  private let second: String

  /// In seconds since 1970. Times before year 1, or after 9999, are its first or the last one's last.
  init(seconds: Int64) {
    let seconds = min(max(seconds, -62_135_596_800), 253_402_300_799)
    var (days, rest) = seconds.quotientAndRemainder(dividingBy: 86_400)
    if rest < 0 {
      days -= 1
      rest += 86_400
    }
    // Days since 0000-03-01, in eras of 400 years: each has 146097.
    days += 719_468
    let era = (days >= 0 ? days : days - 146_096) / 146_097
    let day = days - era * 146_097
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
    let dayOfYear = day - (365 * year + year / 4 - year / 100)
    let month = (5 * dayOfYear + 2) / 153
    let isNextYear = month >= 10
    date = [
      Self.padded(year + era * 400 + (isNextYear ? 1 : 0), 4),
      Self.padded(isNextYear ? month - 9 : month + 3, 2),
      Self.padded(dayOfYear - (153 * month + 2) / 5 + 1, 2),
    ].joined(separator: "-")
    hour = Self.padded(rest / 3600, 2)
    minute = Self.padded(rest / 60 % 60, 2)
    second = Self.padded(rest % 60, 2)
  }

  private static func padded(_ number: Int64, _ count: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, count - text.count)) + text
  }

  /// `2026-11-27T08:51:11Z`: RFC 3339.
  var exact: String { "\(date)T\(hour):\(minute):\(second)Z" }
  /// `2026-11-27 08:51`
  var short: String { "\(date) \(hour):\(minute)" }
}

/// Numbers as listings write them.
enum ListingNumber {
  /// `1,234,567`
  static func grouped(_ number: Int64) -> String {
    var text = String(number)
    var place = text.count - 3
    while place > 0 {
      text.insert(",", at: text.index(text.startIndex, offsetBy: place))
      place -= 3
    }
    return text
  }

  /// `0 B`, `999 B`, `1.2 MB`, `12 MB`: units of 1000, as disks are sold and browsers tell downloads.
  static func size(_ bytes: Int64) -> String {
    guard bytes >= 1000 else { return "\(bytes) B" }
    var (number, unit) = (Double(bytes) / 1000, 0)
    // What would be 1000 of a unit when it is rounded is 1 of the next.
    while number >= 999.5 {
      number /= 1000
      unit += 1
    }
    let name = ["kB", "MB", "GB", "TB", "PB", "EB"][unit]
    guard number < 9.95 else { return "\(Int(number.rounded())) \(name)" }
    let tenths = Int((number * 10).rounded())
    return "\(tenths / 10).\(tenths % 10) \(name)"
  }
}
