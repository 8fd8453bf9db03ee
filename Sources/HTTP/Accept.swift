// What media types a client would rather have: RFC 9110 §12.5.1.

/// What a client gives to two media types.
public enum Accept {
  /// Whether it likes `application/json` better than `text/html`: only who says so has it.
  ///
  /// - Parameter fields: Lines of the header section, as `FieldLines` takes them. Of several Accept, all are one list.
  public static func prefersJSON(fields: Span<UInt8>) -> Bool {
    var html = MediaWeight(type: "text", name: "text/html")
    var json = MediaWeight(type: "application", name: "application/json")
    var lines = FieldLines(fields, named: "accept")
    while let place = lines.next() {
      let value = fields.extracting(place)
      var start = 0
      while start <= value.count {
        let end = value.firstIndex(of: .comma, from: start)
        let member = value.extracting(value.trimmed(start..<end))
        html.read(member)
        json.read(member)
        start = end + 1
      }
    }
    return json.weight > html.weight
  }
}

/// What a client gives to one media type, in thousandths; 0 if it does not want it. Of the ranges that it falls into, the most
/// specific one decides.
private struct MediaWeight {
  private let type: StaticString
  private let name: StaticString
  private(set) var weight: UInt16 = 0
  /// 1 for `*/*`, 2 for all of a type, 3 for the type itself, whatever its parameters.
  private var precision = 0

  init(type: StaticString, name: StaticString) {
    self.type = type
    self.name = name
  }

  /// `text/html;level=1;q=0.5`. What is none is passed over.
  mutating func read(_ member: Span<UInt8>) {
    let end = member.firstIndex(of: UInt8(ascii: ";"), from: 0)
    let found = precision(of: member.extracting(member.trimmed(0..<end)))
    guard found > 0, found >= precision, let given = Self.weight(member, from: end) else { return }
    weight = found == precision ? max(weight, given) : given
    precision = found
  }

  private func precision(of range: Span<UInt8>) -> Int {
    if range.equalsIgnoringCase(0..<range.count, name) { return 3 }
    let slash = range.firstIndex(of: .slash, from: 0)
    guard slash + 2 == range.count, range[slash + 1] == .asterisk else { return 0 }
    if range.equalsIgnoringCase(0..<slash, type) { return 2 }
    return slash == 1 && range[0] == .asterisk ? 1 : 0
  }

  /// The `q` among parameters, each behind a semicolon; nil if it is none.
  private static func weight(_ member: Span<UInt8>, from start: Int) -> UInt16? {
    var start = start
    while start < member.count {
      let end = member.firstIndex(of: UInt8(ascii: ";"), from: start + 1)
      let parameter = member.trimmed(start + 1..<end)
      if parameter.count >= 2, member[parameter.lowerBound] | 0x20 == UInt8(ascii: "q"),
        member[parameter.lowerBound + 1] == UInt8(ascii: "=")
      {
        return member.weight(parameter)
      }
      start = end
    }
    return 1000
  }
}

extension Span<UInt8> {
  /// `q=0.5`, in thousandths: RFC 9110 §12.4.2. Nil for what is none.
  func weight(_ range: Range<Int>) -> UInt16? {
    let (first, count) = (range.lowerBound, range.count)
    guard count >= 3, count <= 7, self[first] | 0x20 == UInt8(ascii: "q"),
      self[first + 1] == UInt8(ascii: "=")
    else { return nil }
    guard let whole = self[first + 2].decimalValue, whole <= 1 else { return nil }
    var weight = UInt16(whole) * 1000
    if count > 3 {
      guard self[first + 3] == .dot else { return nil }
      var unit: UInt16 = 100
      for index in (first + 4)..<range.upperBound {
        guard let digit = self[index].decimalValue else { return nil }
        weight += UInt16(digit) * unit
        unit /= 10
      }
    }
    return weight <= 1000 ? weight : nil
  }
}
