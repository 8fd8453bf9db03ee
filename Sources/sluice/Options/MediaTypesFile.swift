import Site

/// A table of media types as `/etc/mime.types` is one: in each line a type, and behind it the endings of names that have it. A word that
/// begins with `#` begins a comment.
struct MediaTypesFile {
  /// By the ending in lower case; of several lines, the last one's holds. Text has a charset.
  private(set) var types: [String: String] = [:]
  /// What is wrong with it first, with file and line.
  private(set) var problem: String?

  init(path: String, at occasion: TextFile.Occasion) {
    do throws(TextFile.Fault) {
      let text = try TextFile.read(path, at: occasion)
      // With a carriage return before it, a line feed is another character.
      let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
      for (index, line) in lines.enumerated() {
        let words = line.split(whereSeparator: \.isWhitespace).prefix { !$0.hasPrefix("#") }
        guard let type = words.first else { continue }
        guard let type = MediaType.valid(String(type)), words.dropFirst().allSatisfy(Self.isEnding) else {
          problem =
            "\(path):\(index + 1): this is no media type with endings: use TYPE ENDING…, such as 'text/html html htm'"
          return
        }
        for ending in words.dropFirst() {
          types[MediaType.ending(ending)] = MediaType.withCharset(type)
        }
      }
    } catch {
      problem = error.description
    }
  }

  private static func isEnding(_ word: Substring) -> Bool {
    word.utf8.allSatisfy { !"/;{}".utf8.contains($0) }
  }
}
