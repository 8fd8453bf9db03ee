internal import Glibc

/// In which order, and in which format, the entries of a folder are listed. There are 12.
public struct ListingVariant: Hashable, Sendable {
  /// By what entries are sorted. Folders come first, whatever it is.
  public enum Key: UInt8, CaseIterable, Sendable {
    case name, size, time
  }

  /// What is made of the entries.
  public enum Format: UInt8, CaseIterable, Sendable {
    case html, json
  }

  /// By what they are sorted.
  public var key: Key
  /// From the last one to the first.
  public var isDescending: Bool
  /// What is made of them.
  public var format: Format

  /// By name, as HTML, if nothing else is said.
  public init(key: Key = .name, isDescending: Bool = false, format: Format = .html) {
    self.key = key
    self.isDescending = isDescending
    self.format = format
  }

  /// All of them.
  public static var all: [ListingVariant] {
    Format.allCases.flatMap { format in
      Key.allCases.flatMap { key in
        [false, true].map { ListingVariant(key: key, isDescending: $0, format: format) }
      }
    }
  }

  /// The numbers of listings begin here: those of codings are smaller.
  private static var firstNumber: UInt8 { 128 }

  /// What stands for it where a file's coding has a number, in the name of a resource: `PathName`.
  public var number: UInt8 {
    Self.firstNumber + key.rawValue * 4 + (isDescending ? 2 : 0) + format.rawValue
  }

  /// Nil for the number of something else.
  public init?(number: UInt8) {
    guard number >= Self.firstNumber else { return nil }
    let rest = number - Self.firstNumber
    guard let key = Key(rawValue: rest / 4), let format = Format(rawValue: rest % 2) else { return nil }
    self.init(key: key, isDescending: rest & 2 != 0, format: format)
  }

  static func isNumber(_ number: UInt8) -> Bool { number >= firstNumber }
}

extension ListingVariant {
  /// Whether one entry stands before another. Of those that are equal otherwise, the name decides, upwards.
  func precedes(_ one: FolderEntry, _ other: FolderEntry) -> Bool {
    if one.isFolder != other.isFolder { return one.isFolder }
    switch key {
    case .name:
      let order = NameOrder.compare(one, other)
      return isDescending ? order > 0 : order < 0
    // Folders have no size.
    case .size where !one.isFolder && one.size != other.size: return (one.size < other.size) != isDescending
    case .time where one.modifiedSeconds != other.modifiedSeconds:
      return (one.modifiedSeconds < other.modifiedSeconds) != isDescending
    case .size, .time: return NameOrder.compare(one, other) < 0
    }
  }
}

/// The order of names as people expect it: `a2` before `B1`, and that before `b10`.
enum NameOrder {
  /// Bytes that compare as names do: letters of ASCII have no case, and digits in a row are a number, which begins with how long it
  /// is.
  static func key(_ name: [UInt8]) -> [UInt8] {
    var key: [UInt8] = []
    key.reserveCapacity(name.count + 2)
    var index = 0
    while index < name.count {
      let byte = name[index]
      guard isDigit(byte) else {
        key.append(byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte)
        index += 1
        continue
      }
      let start = index
      while index < name.count, isDigit(name[index]) { index += 1 }
      let digits = name[start..<index].drop { $0 == zero }
      key.append(zero)
      key.append(UInt8(clamping: digits.count))
      key.append(contentsOf: digits)
    }
    return key
  }

  /// Below 0 if `one` comes first, 0 only if both have the same name.
  static func compare(_ one: FolderEntry, _ other: FolderEntry) -> Int {
    let order = compare(one.nameKey, other.nameKey)
    return order != 0 ? order : compare(one.name, other.name)
  }

  private static func compare(_ one: [UInt8], _ other: [UInt8]) -> Int {
    let order = unsafe memcmp(one, other, min(one.count, other.count))
    return order != 0 ? Int(order) : one.count - other.count
  }

  private static var zero: UInt8 { 0x30 }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
}
