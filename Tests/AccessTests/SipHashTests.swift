import Testing

@testable import Access

@Suite struct SipHashTests {
  /// By OpenSSL 3.0: `openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f -macopt size:16 -in FILE SIPHASH`, with
  /// the numbers as 8 bytes each before the text.
  @Test(arguments: [
    ("", "F9CAA1FB0575A9A161CB1E688903E29C"), ("u:p", "225F62AB61214A37648DF6848E797F2C"),
    ("user:password!!!", "4FB4B2AF70FC2F4C1D97E9314683DFBD"),
    ("user:passwor", "A2E0A8146996C86C9F112A461FF8F9BE"),
  ]) func asOpenSSLHasIt(text: String, expected: String) {
    let key = SipHash.Key(low: 0x0706_0504_0302_0100, high: 0x0f0e_0d0c_0b0a_0908)
    let tag = SipHash.tag(key, (1, 2), Array(text.utf8).span)
    let bytes = [tag.low, tag.high].flatMap { word in
      (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
    let hex = bytes.map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return digits.count == 1 ? "0" + digits : digits
    }
    #expect(hex.joined() == expected)
  }

  @Test func keysDiffer() {
    let (one, other) = (SipHash.Key.random(), SipHash.Key.random())
    #expect(SipHash.tag(one, (0, 0), [1].span) != SipHash.tag(other, (0, 0), [1].span))
  }
}

@Suite struct SuccessCacheTests {
  private func tag(_ number: UInt64) -> SipHash.Tag { SipHash.Tag(low: number, high: ~number) }

  @Test func theOldestOfASetGivesWay() {
    var cache = SuccessCache(capacity: 8)
    for number in [0, 2, 4, 6] as [UInt64] { cache.insert(tag(number)) }
    for number in [0, 2, 4, 6] as [UInt64] { #expect(cache.contains(tag(number))) }
    for number in [1, 8] as [UInt64] { #expect(!cache.contains(tag(number))) }
    // Half of it is not it.
    #expect(!cache.contains(SipHash.Tag(low: 2, high: 0)))
    // Known, so that nobody gives way.
    cache.insert(tag(2))
    #expect(cache.contains(tag(0)))
    cache.insert(tag(8))
    #expect(!cache.contains(tag(0)) && cache.contains(tag(2)) && cache.contains(tag(8)))
    // The other set has not lost anything.
    cache.insert(tag(1))
    #expect(cache.contains(tag(1)) && cache.contains(tag(8)))
  }

  @Test func withoutRoom() {
    var cache = SuccessCache(capacity: 0)
    cache.insert(tag(1))
    #expect(!cache.contains(tag(1)))
  }
}
