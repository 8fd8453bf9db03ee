/// Which paths a rule is for: `/assets/**`, `*.js`, `/docs/*.{html,pdf}`.
///
/// `*` stands for anything within a segment, `**` for anything at all, `?` for one character of a segment, and `{a,b}` for one
/// of several texts. What begins with a slash is held against the whole path, what does not against the end of it, from any slash
/// on. What ends with a slash stands for all that is beneath. Letters have their case, and there are no escapes. What looks like a
/// regular expression is refused: as a pattern it would fit nothing, and keep nobody out.
public struct PathPattern: Sendable, Hashable {
  /// As the operator wrote it.
  public let text: String
  /// Without braces: any of these will do.
  private let alternatives: [[UInt8]]

  /// The most alternatives that braces may make.
  private static let mostAlternatives = 256

  /// Nil for a text that is empty, has braces that do not fit, or looks like a regular expression.
  public init?(_ text: String) {
    let isExpression =
      text.hasPrefix("^") || text.hasPrefix("~") || text.hasSuffix("$") || text.contains("\\")
    guard !text.isEmpty, !isExpression, !text.utf8.contains(0), let expanded = Self.expand(Array(text.utf8))
    else {
      return nil
    }
    self.text = text
    alternatives = expanded.map { alternative in
      let rooted = alternative.first == UInt8(ascii: "/") ? alternative : Array("**/".utf8) + alternative
      return rooted.last == UInt8(ascii: "/") ? rooted + Array("**".utf8) : rooted
    }
  }

  /// How many bytes of a path stand before and behind what the star stands for, with its first slash, if all else is literal:
  /// `/old/**`, `/blog/*.html`. Nil where there is another number of stars, or anything else that may vary.
  public var star: (before: Int, after: Int)? {
    guard alternatives.count == 1, text.hasPrefix("/"), !alternatives[0].contains(UInt8(ascii: "?")),
      let first = alternatives[0].firstIndex(of: UInt8(ascii: "*")),
      let last = alternatives[0].lastIndex(of: UInt8(ascii: "*")), last - first <= 1
    else { return nil }
    return (first, alternatives[0].count - last - 1)
  }

  /// The paths that fit, if nothing but braces varies.
  var literals: [[UInt8]]? {
    alternatives.contains { $0.contains(where: "*?".utf8.contains) } ? nil : alternatives
  }

  /// What all paths that fit begin with.
  var beginning: [UInt8] { text.hasPrefix("/") ? Array(text.utf8.prefix { !"*?{".utf8.contains($0) }) : [] }

  /// Paths that fit, one for each choice of braces: `star` is what `*` and `?` stand for, `any` what `**` does.
  func samples(star: String, any: String) -> [[UInt8]] {
    alternatives.map { alternative in
      let text = String(decoding: alternative, as: UTF8.self)
      // What is not rooted begins with `**/`, which stands for any slash.
      let rooted = text.hasPrefix("**/") ? "/" + (any.isEmpty ? "" : any + "/") + text.dropFirst(3) : text
      return Array(
        rooted.replacing("**", with: any).replacing("*", with: star).replacing("?", with: star.prefix(1)).utf8
      )
    }
  }

  /// Paths that fit, with characters that no pattern has where there are stars: another pattern that all of them fit is for all paths that
  /// this one is for.
  public var probes: [[UInt8]] {
    [("\u{1}", ""), ("\u{1}\u{2}", "\u{1}\u{2}"), ("\u{1}\u{2}", "\u{1}\u{2}/\u{2}\u{1}")].flatMap(samples)
  }

  /// Nil where braces do not fit, or make too many.
  private static func expand(_ text: [UInt8]) -> [[UInt8]]? {
    guard let open = text.firstIndex(of: UInt8(ascii: "{")) else {
      return text.contains(UInt8(ascii: "}")) ? nil : [text]
    }
    guard let close = text[open...].firstIndex(of: UInt8(ascii: "}")),
      !text[(open + 1)..<close].contains(UInt8(ascii: "{")), !text[..<open].contains(UInt8(ascii: "}")),
      let rests = expand(Array(text[(close + 1)...]))
    else { return nil }
    let choices = text[(open + 1)..<close].split(
      separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    guard choices.count * rests.count <= mostAlternatives else { return nil }
    return choices.flatMap { choice in rests.map { Array(text[..<open]) + choice + $0 } }
  }

  /// Whether a path, with its first slash, is meant, or lies beneath one that is: for rules that keep somebody out, where a folder
  /// that is named without its slash has to mean what is in it.
  public func covers(_ path: [UInt8]) -> Bool {
    alternatives.contains { Self.matches($0.span, path.span, orBeneath: true) }
  }

  /// Whether a path, with its first slash, is meant.
  public func matches(_ path: [UInt8]) -> Bool {
    alternatives.contains { Self.matches($0.span, path.span, orBeneath: false) }
  }

  /// Goes back to the last star that can take more: steps are bounded by the product of the lengths, and are as many as the path is long
  /// where `**` stands before a slash only. Clients choose the paths.
  private static func matches(_ pattern: Span<UInt8>, _ path: Span<UInt8>, orBeneath: Bool) -> Bool {
    let (star, slash) = (UInt8(ascii: "*"), UInt8(ascii: "/"))
    var (next, place) = (0, 0)
    // What stands behind a star, and where in the path it is tried next.
    var segmentStar: (next: Int, place: Int)?
    var pathStar: (next: Int, place: Int)?
    while true {
      if next < pattern.count, pattern[next] == star {
        next += 1
        if next < pattern.count, pattern[next] == star {
          next += 1
          pathStar = (next, place)
          segmentStar = nil
        } else {
          segmentStar = (next, place)
        }
        continue
      }
      if next < pattern.count, place < path.count,
        pattern[next] == path[place] || pattern[next] == UInt8(ascii: "?") && path[place] != slash
      {
        next += 1
        place += 1
        continue
      }
      if next == pattern.count, place == path.count || orBeneath && path[place] == slash { return true }
      if let last = segmentStar, last.place < path.count, path[last.place] != slash {
        segmentStar = (last.next, last.place + 1)
        (next, place) = (last.next, last.place + 1)
        continue
      }
      guard let last = pathStar, last.place < path.count else { return false }
      segmentStar = nil
      pathStar = (last.next, last.place + 1)
      (next, place) = (last.next, last.place + 1)
    }
  }
}
