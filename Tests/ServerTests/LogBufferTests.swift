import Testing

@testable import Server

/// Texts in lines of the access log.
@Suite struct LogBufferTests {
  private func written(_ body: (inout LogBuffer) -> Void) -> String {
    var lines = LogBuffer()
    body(&lines)
    let bytes = unsafe UnsafeRawBufferPointer(start: lines.start, count: lines.count)
    return unsafe String(decoding: bytes, as: UTF8.self)
  }

  /// Texts are looked at in parts: each byte is found in each place, in texts that end in each place.
  @Test func specialBytesAreFoundWhereverTheyAre() {
    let specials: [(byte: UInt8, escaped: String, json: String)] = [
      (0x22, "\\x22", "\\\""), (0x5C, "\\x5C", "\\\\"), (0x1F, "\\x1F", "\\u001F"),
      (0x7F, "\\x7F", "\\u007F"), (0xC3, "\\xC3", "\u{FFFD}"), (0x20, " ", " "), (0x7E, "~", "~"),
    ]
    for count in [1, 2, 15, 16, 17, 31, 32, 63, 64, 65, 80, 128, 129, 130] {
      for place in 0..<count {
        for (byte, escaped, json) in specials {
          var text = [UInt8](repeating: 0x61, count: count)
          text[place] = byte
          let (before, after) = (
            String(repeating: "a", count: place), String(repeating: "a", count: count - place - 1)
          )
          #expect(written { $0.append(escaped: text.span) } == before + escaped + after)
          #expect(written { $0.append(json: text.span) } == before + json + after)
        }
      }
    }
  }

  /// What the last line has left behind the end of this one is not taken for a part of it.
  @Test func whatLiesBehindIsNotLookedAt() {
    let text = written { lines in
      lines.append(escaped: [UInt8](repeating: 0x22, count: 40).span)
      lines.clear()
      lines.append(escaped: Array("abc".utf8).span)
    }
    #expect(text == "abc")
  }

  /// The longest line there can be has room: six texts of which each byte takes six.
  @Test func longestLine() {
    let text = [UInt8](repeating: 0x01, count: 8 << 10)
    let line = written { lines in
      for _ in 0..<6 { lines.append(json: text.span) }
    }
    #expect(line == String(repeating: "\\u0001", count: 6 * text.count))
  }
}
