extension String {
  /// As a string of JSON (RFC 8259 §7), which one of TOML may be, too, with its quotes.
  package var jsonString: String {
    var string = ""
    for scalar in unicodeScalars {
      switch scalar {
      case "\\", "\"": string += "\\\(scalar)"
      case "\u{0}"..."\u{1F}", "\u{7F}":
        let digits = String(scalar.value, radix: 16)
        string += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: string.unicodeScalars.append(scalar)
      }
    }
    return "\"\(string)\""
  }
}
