import Testing

@testable import Worker

@Suite struct AcceptPauseTests {
  static let longest: UInt64 = 1_000

  /// The lengths of pauses that follow one another.
  static func lengths(_ count: Int, _ pause: inout AcceptPause) -> [UInt64] {
    (0..<count).map { _ in
      pause.begin(at: 5_000, longest: longest)
      return (pause.end ?? 0) - 5_000
    }
  }

  @Test func eachIsTwiceAsLongUpToTheLongest() {
    var pause = AcceptPause()
    #expect(pause.end == nil)
    #expect(Self.lengths(10, &pause) == [4, 8, 16, 32, 64, 128, 256, 512, 1_000, 1_000])
  }

  @Test func successMakesTheNextShort() {
    var pause = AcceptPause()
    #expect(Self.lengths(3, &pause) == [4, 8, 16])
    pause.noteSuccess()
    #expect(Self.lengths(2, &pause) == [4, 8])
  }

  @Test func itIsOverOnce() {
    var pause = AcceptPause()
    pause.begin(at: 100, longest: Self.longest)
    let found = [100, 103, 104, 105, 200].map { pause.isOver(at: $0) }
    #expect(found == [false, false, true, false, false])
    #expect(pause.end == nil)
  }

  @Test func noneIsLongerThanTheLongest() {
    var pause = AcceptPause()
    pause.begin(at: 0, longest: 1)
    #expect(pause.end == 1)
  }

  @Test func eachListenerHasItsOwn() {
    var pauses = AcceptPauses()
    #expect(pauses.count == 0)
    for longest in [-1, 256] as [Int32] { #expect(pauses.rest(at: 0, longest: longest) == longest) }
    pauses.begin(secure: false, at: 0, longest: Self.longest)
    pauses.begin(secure: false, at: 0, longest: Self.longest)
    #expect(pauses.count == 1)
    pauses.begin(secure: true, at: 2, longest: Self.longest)
    #expect(pauses.count == 2)
    #expect(pauses.rest(at: 2, longest: -1) == 4)
    #expect(pauses.rest(at: 2, longest: 3) == 3)
    #expect(pauses.rest(at: 50, longest: 256) == 0)
    let early = pauses.end(secure: false, at: 6)
    let due = pauses.end(secure: true, at: 6)
    #expect(!early && due)
    #expect(pauses.count == 1)
    #expect(pauses.rest(at: 6, longest: -1) == 2)
    let again = pauses.end(secure: true, at: 1_000)
    let last = pauses.end(secure: false, at: 8)
    #expect(!again && last && pauses.count == 0)
    pauses.noteSuccess(secure: true)
    pauses.begin(secure: true, at: 0, longest: Self.longest)
    #expect(pauses.rest(at: 0, longest: -1) == 4)
  }
}
