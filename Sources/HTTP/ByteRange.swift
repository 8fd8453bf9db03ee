// Range requests: one range of bytes, or the whole file (RFC 9110 §14).

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

  /// What to send.
  public enum Selection: Equatable, Sendable {
    /// 200 with everything.
    case whole
    /// 206 with this part, which may be all of the file.
    case part(ByteRange)
    /// 416: the range is beyond the end.
    case unsatisfiable
  }

  /// What the Range field asks for. To be asked only for GET (RFC 9110 §14.2), after the preconditions and If-Range.
  ///
  /// A server may ignore Range. This one does for units other than bytes, for mistakes, and for more than one
  /// range, which would cost a multipart response and has been used to exhaust servers.
  ///
  /// - Parameters:
  ///   - fields: The lines of the header section, as `FieldLines` takes them.
  ///   - size: Bytes of the file. Of an empty file there is no part.
  public static func select(fields: Span<UInt8>, size: Int64) -> Selection {
    guard
      case .one(let place) = SingleField(fields, named: "range"),
      let (first, last) = bounds(fields.extracting(place))
    else { return .whole }

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

  /// The numbers at the two sides of the hyphen of the only range; `nil` where the field is to be ignored.
  private static func bounds(_ value: Span<UInt8>) -> (first: Int64?, last: Int64?)? {
    let unit: StaticString = "bytes="
    guard value.count > unit.utf8CodeUnitCount else { return nil }
    var index = 0
    while index < unit.utf8CodeUnitCount {
      guard value[index].asciiLowercase == unit.octet(index) else { return nil }
      index += 1
    }
    skipEmptyMembers(value, &index)
    let first = number(value, &index)
    guard index < value.count, value[index] == UInt8(ascii: "-") else { return nil }
    index += 1
    let last = number(value, &index)
    skipEmptyMembers(value, &index)
    return index == value.count ? (first, last) : nil
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
}
