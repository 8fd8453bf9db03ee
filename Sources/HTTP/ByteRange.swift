// Range requests: which parts of a file are asked for (RFC 9110 §14).

/// A part of a file. It lies within the file and is never empty.
public struct ByteRange: Equatable, Sendable {
  /// The offset of the first byte; 0 or more.
  public let lowerBound: Int64
  /// Bytes; 1 or more.
  public let count: Int64

  /// - Precondition: `lowerBound >= 0`, `count >= 1`, and their sum doesn't overflow.
  public init(lowerBound: Int64, count: Int64) {
    precondition(lowerBound >= 0 && count >= 1 && lowerBound <= Int64.max - count)
    self.lowerBound = lowerBound
    self.count = count
  }

  /// The offset behind the last byte.
  public var upperBound: Int64 { lowerBound + count }

  /// What to send.
  public enum Selection: Equatable, Sendable {
    /// 200 with everything.
    case whole
    /// 206 with this part, which may be all of the file.
    case part(ByteRange)
    /// 206 with several parts: multipart/byteranges.
    case parts
    /// 416: there is no range that is not beyond the end.
    case unsatisfiable
  }

  /// What the Range field asks for. To be asked only for GET (RFC 9110 §14.2), after the preconditions and If-Range.
  ///
  /// A server may ignore Range. This one does for units other than bytes, for mistakes, and for what would only cost: more
  /// ranges than `parts` has room for, and several that together are as long as the file or longer (§17.15). Ranges that
  /// overlap, or nearly touch, become one, in the place of the first of them (§15.3.7.2); the others stay in the order that they
  /// are asked for in, so that what the client wants first comes first.
  ///
  /// - Parameters:
  ///   - fields: The lines of the header section, as `FieldLines` takes them.
  ///   - size: Bytes of the file. Of an empty file there is no part.
  ///   - gap: Bytes between two ranges from which on they are parts of their own; at least 1.
  ///   - parts: Gets the parts, which are apart by `gap` at least. Its capacity, at least 1, bounds the ranges in a request.
  public static func select(
    fields: Span<UInt8>, size: Int64, gap: Int64, into parts: inout OutputSpan<ByteRange>
  ) -> Selection {
    guard case .one(let place) = SingleField(fields, named: "range") else { return .whole }
    let value = fields.extracting(place)
    guard var index = unitEnd(value) else { return .whole }
    let most = parts.freeCapacity
    var (asked, satisfiable, rest) = (0, 0, size)
    while true {
      skipEmptyMembers(value, &index)
      guard index < value.count else { break }
      guard asked < most, let (first, last) = bounds(value, &index) else { return .whole }
      asked += 1
      switch select(first, last, size: size) {
      case .part(let range):
        if satisfiable > 0 && range.count >= rest { return .whole }
        satisfiable += 1
        rest -= range.count
        add(range, to: &parts, gap: gap)
      case .unsatisfiable: break
      case .whole, .parts: return .whole
      }
    }
    switch parts.count {
    case 0: return asked > 0 ? .unsatisfiable : .whole
    case 1: return .part(parts[0])
    default: return .parts
    }
  }

  // MARK: The field's value

  /// What one range asks for, by the numbers at the two sides of its hyphen.
  private static func select(_ first: Int64?, _ last: Int64?, size: Int64) -> Selection {
    switch (first, last) {
    case (nil, nil):
      return .whole
    case (nil, let suffix?):
      // A suffix of an empty file can be satisfied (RFC 9110 §14.1.2), but no 206 can say so.
      if size == 0 && suffix > 0 { return .whole }
      let count = min(suffix, size)
      return count > 0 ? .part(ByteRange(lowerBound: size - count, count: count)) : .unsatisfiable
    case (let first?, let last):
      if let last, last < first { return .whole }
      if first >= size { return .unsatisfiable }
      let end = min(last ?? Int64.max, size - 1)
      return .part(ByteRange(lowerBound: first, count: end - first + 1))
    }
  }

  /// Where the set of ranges begins; `nil` if they are not of bytes.
  private static func unitEnd(_ value: Span<UInt8>) -> Int? {
    let unit: StaticString = "bytes="
    guard value.count > unit.utf8CodeUnitCount else { return nil }
    for index in 0..<unit.utf8CodeUnitCount where value[index].asciiLowercase != unit.octet(index) {
      return nil
    }
    return unit.utf8CodeUnitCount
  }

  /// The numbers at the two sides of a range's hyphen; `nil` where it is no range, or no comma parts it from the next one.
  private static func bounds(_ value: Span<UInt8>, _ index: inout Int) -> (first: Int64?, last: Int64?)? {
    let first = number(value, &index)
    guard index < value.count, value[index] == UInt8(ascii: "-") else { return nil }
    index += 1
    let last = number(value, &index)
    while index < value.count, value[index].isLineSpace { index += 1 }
    return index == value.count || value[index] == UInt8(ascii: ",") ? (first, last) : nil
  }

  /// The set of ranges is a list, and a list may have empty members (RFC 9110 §5.6.1.2).
  private static func skipEmptyMembers(_ value: Span<UInt8>, _ index: inout Int) {
    while index < value.count, value[index] == UInt8(ascii: ",") || value[index].isLineSpace { index += 1 }
  }

  /// `nil` where there is no digit. A number too big for 64 bits becomes the biggest one: it is beyond the end of
  /// any file all the same.
  private static func number(_ value: Span<UInt8>, _ index: inout Int) -> Int64? {
    var result: Int64?
    while index < value.count, let digit = value[index].decimalValue {
      let (product, isTooBig) = (result ?? 0).multipliedReportingOverflow(by: 10)
      let (sum, isStillTooBig) = product.addingReportingOverflow(Int64(digit))
      result = isTooBig || isStillTooBig ? Int64.max : sum
      index += 1
    }
    return result
  }

  // MARK: Parts that become one

  /// Adds a range; those that are near it become one with it.
  private static func add(_ added: ByteRange, to parts: inout OutputSpan<ByteRange>, gap: Int64) {
    var place = parts.count
    parts.append(added)
    var index = 0
    while index < parts.count {
      guard index != place, parts[index].isNear(parts[place], gap) else {
        index += 1
        continue
      }
      parts[min(index, place)] = parts[index].joined(parts[place])
      remove(max(index, place), from: &parts)
      place = min(index, place)
      // It has grown: it may be near others now.
      index = 0
    }
  }

  private static func remove(_ place: Int, from parts: inout OutputSpan<ByteRange>) {
    for index in place..<parts.count - 1 { parts[index] = parts[index + 1] }
    _ = parts.removeLast()
  }

  /// They overlap, or less than `gap` bytes are between them.
  private func isNear(_ other: ByteRange, _ gap: Int64) -> Bool {
    other.lowerBound - upperBound < gap && lowerBound - other.upperBound < gap
  }

  /// Both, and what is between them.
  private func joined(_ other: ByteRange) -> ByteRange {
    let start = min(lowerBound, other.lowerBound)
    return ByteRange(lowerBound: start, count: max(upperBound, other.upperBound) - start)
  }
}
