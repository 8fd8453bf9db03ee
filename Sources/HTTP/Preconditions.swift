// Conditional requests: whether the client's idea of the file still holds (RFC 9110 §13).

/// What a precondition is held against: the state of the file that a request has selected.
public struct Validators: Sendable {
  /// The tag that a 200 response would carry, if any.
  public var etag: EntityTag?
  /// The Last-Modified that a 200 response would carry, if any; else conditions on times are passed over.
  public var modified: HTTPDate?
  /// The moment of the request: reads two-digit years, and tells whether `modified` is old enough to be strong.
  public var now: HTTPDate

  /// All three as a response made now would state them.
  public init(etag: EntityTag?, modified: HTTPDate?, now: HTTPDate) {
    self.etag = etag
    self.modified = modified
    self.now = now
  }
}

/// If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since and If-Range.
///
/// To be asked only of a file that exists and that would be answered with 200 (RFC 9110 §13.2.1).
public enum Preconditions {
  /// What the conditions of a request ask for.
  public enum Outcome: Equatable, Sendable {
    /// Answer as if there were no conditions.
    case proceed
    /// 304: the client has it already.
    case notModified
    /// 412: the file isn't what the client takes it for.
    case failed
  }

  /// Weighs the conditions in the order of RFC 9110 §13.2.2.
  ///
  /// A list with a mistake in it matches nothing; a date with a mistake in it, or given twice, is ignored. Neither
  /// can make a client keep an old file, or take a part for the whole. Where the file has no tag, no list has it; where it has no
  /// date, conditions on dates are ignored, as §13.1.3 and §13.1.4 want.
  ///
  /// - Parameters:
  ///   - fields: The lines of the header section, as `FieldLines` takes them; those with conditions are enough.
  ///   - isGetOrHead: Other methods get 412 where these get 304, and have no If-Modified-Since.
  public static func evaluate(
    fields: Span<UInt8>, isGetOrHead: Bool, validators: Validators
  ) -> Outcome {
    switch match(fields, "if-match", .strong, validators.etag) {
    case .matches: break
    case .differs: return .failed
    case .absent:
      if let modified = validators.modified, let date = date(fields, "if-unmodified-since", validators),
        modified > date
      {
        return .failed
      }
    }
    switch match(fields, "if-none-match", .weak, validators.etag) {
    case .matches: return isGetOrHead ? .notModified : .failed
    case .differs: return .proceed
    case .absent:
      guard isGetOrHead, let modified = validators.modified,
        let date = date(fields, "if-modified-since", validators)
      else { return .proceed }
      return modified <= date ? .notModified : .proceed
    }
  }

  /// Whether Range is to be honoured as far as If-Range goes (RFC 9110 §13.1.5): true without the field, and where
  /// its one validator is strong and the file's own. False means to send the whole file.
  public static func rangeApplies(fields: Span<UInt8>, validators: Validators) -> Bool {
    switch SingleField(fields, named: "if-range") {
    case .absent: return true
    case .several: return false
    case .one(let place):
      let value = fields.extracting(place)
      // A date never begins with a quote, nor does a strong tag begin with anything else.
      if value.count > 0, value[0] == UInt8(ascii: "\"") {
        return validators.etag?.matchesStrongly(value) ?? false
      }
      // A file may change twice within the second of its date: only a second that is over is strong (§8.8.2.2).
      guard let modified = validators.modified, modified < validators.now else { return false }
      return HTTPDate(parsing: value, now: validators.now) == modified
    }
  }

  private static func date(
    _ fields: Span<UInt8>, _ name: StaticString, _ validators: Validators
  ) -> HTTPDate? {
    guard case .one(let place) = SingleField(fields, named: name) else { return nil }
    return HTTPDate(parsing: fields.extracting(place), now: validators.now)
  }

  private enum Comparison {
    case strong
    case weak
  }

  private enum Match {
    case absent
    case matches
    case differs
  }

  /// Looks for `etag` in the lines of a field that is `*` or a list of entity-tags. All lines are read to the end,
  /// because one mistake spoils them all.
  private static func match(
    _ fields: Span<UInt8>, _ name: StaticString, _ comparison: Comparison, _ etag: EntityTag?
  ) -> Match {
    var lines = FieldLines(fields, named: name)
    var count = 0
    var hasStar = false
    var isFound = false
    while let place = lines.next() {
      count += 1
      let value = fields.extracting(place)
      if value.count == 1, value[0] == UInt8(ascii: "*") {
        hasStar = true
      } else {
        guard let isInLine = list(value, contains: etag, comparison) else { return .differs }
        isFound = isFound || isInLine
      }
    }
    if count == 0 { return .absent }
    // `*` stands for any file there is, but it stands alone: it is no member of a list.
    if hasStar { return count == 1 ? .matches : .differs }
    return isFound ? .matches : .differs
  }

  /// `nil` where the list isn't one. Empty members are passed over (RFC 9110 §5.6.1.2).
  private static func list(
    _ text: Span<UInt8>, contains etag: EntityTag?, _ comparison: Comparison
  ) -> Bool? {
    var index = 0
    var isFound = false
    var needsComma = false
    while index < text.count {
      if text[index] == UInt8(ascii: ",") {
        needsComma = false
        index += 1
      } else if text[index].isLineSpace {
        index += 1
      } else {
        guard !needsComma, let end = EntityTag.end(in: text, from: index) else { return nil }
        let tag = text.extracting(index..<end)
        if let etag, comparison == .strong ? etag.matchesStrongly(tag) : etag.matchesWeakly(tag) {
          isFound = true
        }
        needsComma = true
        index = end
      }
    }
    return isFound
  }
}
