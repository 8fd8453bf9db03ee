import Testing

@testable import Files

@Suite struct ResidencyTests {
  static let window = Residency.window

  @Test func windowsEndWhereTheNextBegin() {
    for (offset, end) in [
      (0, Self.window), (1, Self.window), (Self.window - 1, Self.window), (Self.window, 2 * Self.window),
      (5 << 30 + 7, 5 << 30 + Self.window),
    ] {
      #expect(Residency.windowEnd(offset) == end)
    }
  }

  @Test func whatWasNeverSeenIsNotTrusted() {
    let residency = Residency(size: 3 * Self.window)
    for now: UInt64 in [0, 1, 999, 1_000, 1 << 32, 1 << 40] {
      for window in 0..<Int64(3) {
        let isTrusted = residency.isTrusted(window * Self.window, now: now)
        #expect(!isTrusted)
      }
    }
  }

  @Test func aWindowIsTrustedForASecond() {
    let residency = Residency(size: 3 * Self.window)
    residency.note(Self.window + 5, now: 10_000)
    for (now, expected) in [(10_000, true), (10_999, true), (11_000, false), (20_000, false)] {
      // All of it, and nothing else.
      let all = [Self.window - 1, Self.window, 2 * Self.window - 1, 2 * Self.window].map {
        residency.isTrusted($0, now: UInt64(now))
      }
      #expect(all == [false, expected, expected, false], "at \(now)")
    }
    residency.note(Self.window, now: 11_500)
    let again = residency.isTrusted(Self.window, now: 12_499)
    #expect(again)
  }

  /// Only as many windows as the size asks for: sizes around a window's end.
  @Test(arguments: [1, window - 1, window, window + 1, 5 << 30 + 7] as [Int64])
  func theLastByteHasAWindow(size: Int64) {
    let residency = Residency(size: size)
    residency.note(size - 1, now: 5)
    let isTrusted = residency.isTrusted(size - 1, now: 5)
    #expect(isTrusted)
  }

  /// The times are kept in 32 bits of milliseconds: 49 days.
  @Test(arguments: [1, 10, 500, 1_000] as [UInt64])
  func timesGoOnWhereTheirBitsEnd(before: UInt64) {
    let end: UInt64 = 1 << 32
    let residency = Residency(size: 1)
    residency.note(0, now: end - before)
    for (later, expected) in [(0, true), (999, true), (1_000, false), (5_000, false)] as [(UInt64, Bool)] {
      let isTrusted = residency.isTrusted(0, now: end - before + later)
      #expect(isTrusted == expected, "\(later)")
    }
  }

  /// A time whose bits are all zero is not taken for none.
  @Test func theTimeWithoutBitsIsATime() {
    for now: UInt64 in [0, 1 << 32, 7 << 32] {
      let residency = Residency(size: 1)
      residency.note(0, now: now)
      let isTrusted = residency.isTrusted(0, now: now + 1)
      #expect(isTrusted)
    }
  }
}
