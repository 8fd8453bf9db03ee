import Testing

@testable import TLS

@Suite struct OutboxTests {
  static func bytes(_ outbox: borrowing Outbox) -> [UInt8] { unsafe Array(outbox.bytes) }

  static func append(_ bytes: [UInt8], to outbox: inout Outbox) -> Bool {
    unsafe bytes.withUnsafeBytes { unsafe outbox.append($0) }
  }

  @Test func bytesComeOutInOrder() {
    var outbox = Outbox(capacity: 10)
    #expect(outbox.count == 0 && outbox.room == 10)
    for part in [[1, 2, 3], [], [4], [5, 6]] as [[UInt8]] {
      let fits = Self.append(part, to: &outbox)
      #expect(fits)
    }
    let bytes = Self.bytes(outbox)
    #expect(bytes == [1, 2, 3, 4, 5, 6])
    #expect(outbox.count == 6 && outbox.room == 4)
  }

  @Test func whatDoesNotFitIsNotBegun() {
    var outbox = Outbox(capacity: 4)
    var fits = [Self.append([1, 2, 3], to: &outbox)]
    fits.append(Self.append([4, 5], to: &outbox))
    fits.append(Self.append([6], to: &outbox))
    fits.append(Self.append([7], to: &outbox))
    #expect(fits == [true, false, true, false])
    let bytes = Self.bytes(outbox)
    #expect(bytes == [1, 2, 3, 6])
    #expect(outbox.room == 0)
  }

  @Test func clearingMakesRoom() {
    var outbox = Outbox(capacity: 2)
    _ = Self.append([1, 2], to: &outbox)
    outbox.clear()
    #expect(outbox.count == 0 && outbox.room == 2)
    _ = Self.append([3], to: &outbox)
    let bytes = Self.bytes(outbox)
    #expect(bytes == [3])
  }
}
