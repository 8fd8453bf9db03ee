import Testing

@testable import HTTP

/// The table against the grammars that it stands for, for all 256 bytes.
@Suite struct ByteClassTests {
  static let digits = "0123456789"
  static let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
  static let unreserved = letters + digits + "-._~"
  static let subDelimiters = "!$&'()*+,;="

  static func members(_ bytesOfClass: ByteClass) -> Set<UInt8> {
    Set((0...UInt8.max).filter { bytesOfClass.contains($0) })
  }

  @Test func tokensAreThoseOfRFC9110() {
    #expect(Self.members(.token) == Set("!#$%&'*+-.^_`|~\(Self.digits)\(Self.letters)".utf8))
  }

  @Test func pathsAreVisibleASCIIWithoutDelimiters() {
    let visible = Set<UInt8>(0x21...0x7E)
    #expect(Self.members(.path) == visible.subtracting("\"#<>?".utf8))
    // Nothing that RFC 3986 §3.3 allows is missing.
    #expect(Self.members(.path).isSuperset(of: "\(Self.unreserved)\(Self.subDelimiters):@/%".utf8))
  }

  @Test func literalPathsAreLikePathsButForThePercentSign() {
    #expect(Self.members(.literalPath) == Self.members(.path).subtracting("%".utf8))
  }

  @Test func queriesAreLikePathsButForTheQuestionMark() {
    #expect(Self.members(.query) == Self.members(.path).union("?".utf8))
  }

  @Test func authoritiesAreThoseOfRFC3986WithoutUserInformation() {
    #expect(Self.members(.authority) == Set("\(Self.unreserved)\(Self.subDelimiters)%:[]".utf8))
  }

  @Test func noClassHasControlsOrBytesBeyondASCII() {
    let others = Set<UInt8>(0...0x20).union(0x7F...0xFF)
    for bytesOfClass in [ByteClass.token, .path, .literalPath, .query, .authority] {
      #expect(Self.members(bytesOfClass).isDisjoint(with: others))
    }
  }

  @Test func digitsAreTen() {
    #expect(Set((0...UInt8.max).filter(\.isDigit)) == Set(Self.digits.utf8))
  }

  /// What the parser leans on: among the bytes of a token, only a letter becomes a letter, a hyphen or a digit,
  /// which are all that the names it looks for consist of.
  @Test func lowercasingMapsNothingElseIntoANameOfAField() {
    for byte in Self.members(.token) {
      let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
      if isUpper {
        #expect(byte.lowercased == byte + 32)
      } else if Set("abcdefghijklmnopqrstuvwxyz0123456789-".utf8).contains(byte.lowercased) {
        #expect(byte.lowercased == byte)
      }
    }
  }

  /// The eight bytes at once against the single ones: every byte, in every place, beside others.
  @Test(arguments: ["aaaaaaaaaaaaaaaa", "Z9.-:0az\r\n\r\nGET ", "/....../\r\nX: y\r\n"], [false, true])
  func plainCharactersEndWhereTheFirstOtherByteStands(text: String, andSlash: Bool) {
    let plain = Set("\(Self.letters)\(Self.digits)-.\(andSlash ? "/" : "")".utf8)
    for place in 0..<16 {
      for byte in UInt8.min...UInt8.max {
        var octets = Array(text.utf8)
        octets[place] = byte
        var cursor = Cursor(octets.span)
        cursor.skipPlainCharacters(andSlash: andSlash)
        let end = octets.firstIndex { !plain.contains($0) } ?? octets.count
        if cursor.position != end { Issue.record("\(octets): \(cursor.position) instead of \(end)") }
      }
    }
  }

  @Test func ofLessThanEightBytesNoneIsPassedOver() {
    let octets = Array("a.b-8080".utf8)
    for count in 0..<8 {
      var cursor = Cursor(octets.span.extracting(first: count))
      cursor.skipPlainCharacters(andSlash: false)
      #expect(cursor.position == 0)
    }
  }
}
