import Files
import HTTP
import TestSupport
import Testing

@testable import Server

@Suite struct DeskTests {
  /// A desk with room for heads of 32 bytes: 64 bytes of input.
  static func makeDesk() throws -> Desk {
    var limits = Limits()
    limits.head = RequestParser.Limits(requestLine: 16, head: 32, fields: 4)
    limits.filesPerWorker = 8
    limits.requestsPerTurn = 3
    limits.bytesPerTurn = 100
    var desk = Desk(limits: limits, root: try DocumentRoot(path: "/"), requiresKernelTLS: false)
    desk.beginTurn()
    return desk
  }

  /// Puts bytes where a receive would, as many as fit. Returns how many there was room for.
  @discardableResult
  static func receive(_ text: String, _ desk: inout Desk) -> Int {
    let room = unsafe desk.room()
    let bytes = Array(text.utf8.prefix(room.count))
    unsafe room.copyBytes(from: bytes)
    desk.noteReceived(bytes.count)
    return room.count
  }

  static func received(_ desk: borrowing Desk) -> String {
    unsafe String(decoding: desk.received, as: UTF8.self)
  }

  static func restore(_ text: String, isIncompleteHead: Bool, _ desk: inout Desk) {
    let bytes = Array(text.utf8)
    unsafe bytes.withUnsafeBytes { bytes in
      let owned = unsafe OwnedBytes(copying: bytes)
      desk.restore(owned, isIncompleteHead: isIncompleteHead)
    }
  }

  // MARK: Input

  @Test func whatWasReceivedIsThereUntilItIsUsed() throws {
    var desk = try Self.makeDesk()
    #expect(desk.receivedCount == 0)
    var rooms = [Self.receive("first ", &desk)]
    rooms.append(Self.receive("second", &desk))
    // Behind what is there already.
    #expect(rooms == [64, 58])
    #expect(Self.received(desk) == "first second")
    desk.useInput(6)
    #expect(Self.received(desk) == "second")
    #expect(desk.receivedCount == 6)
    desk.useInput(6)
    #expect(Self.received(desk) == "")
  }

  @Test func whatIsLeftMovesToTheFront() throws {
    var desk = try Self.makeDesk()
    Self.receive(String(repeating: "a", count: 60) + "bcde", &desk)
    desk.useInput(60)
    let room = Self.receive("fgh", &desk)
    #expect(room == 60)
    #expect(Self.received(desk) == "bcdefgh")
    // Overlapping: more is left than was used.
    desk.useInput(2)
    let more = Self.receive(String(repeating: "i", count: 100), &desk)
    #expect(more == 59)
    #expect(Self.received(desk) == "defgh" + String(repeating: "i", count: 59))
    desk.useInput(1)
    let last = Self.receive("jk", &desk)
    #expect(last == 1)
    #expect(Self.received(desk) == "efgh" + String(repeating: "i", count: 59) + "j")
  }

  @Test func roomIsWholeAgainWhenAllWasUsed() throws {
    var desk = try Self.makeDesk()
    for _ in 0..<10 {
      let room = Self.receive("0123456789012345678901234567890123456789", &desk)
      #expect(room == 64)
      desk.useInput(40)
    }
    Self.receive("rest", &desk)
    desk.dropInput()
    #expect(desk.receivedCount == 0)
    let room = Self.receive("x", &desk)
    #expect(room == 64)
    #expect(Self.received(desk) == "x")
  }

  /// A head that is still incomplete when there is no room would wait for ever: the parser refuses it before.
  @Test func thereIsRoomForAsLongAsAHeadIsIncomplete() throws {
    var desk = try Self.makeDesk()
    let filler = String(repeating: "a", count: 1)
    var head = RequestHead()
    Self.receive("GET / HTTP/1.1\r\nX: ", &desk)
    while case .incomplete = unsafe RequestParser.parse(
      desk.received.span, limits: desk.limits.head, into: &head)
    {
      let room = Self.receive(filler, &desk)
      try #require(room > 0)
    }
    #expect(desk.receivedCount <= desk.limits.head.head)
  }

  @Test func whatWasKeptIsRestored() throws {
    var desk = try Self.makeDesk()
    Self.receive("of another connection", &desk)
    desk.beginTurn()
    #expect(desk.receivedCount == 0)
    Self.restore("GET /", isIncompleteHead: true, &desk)
    #expect(Self.received(desk) == "GET /")
    #expect(desk.parsedCount == 5)
    let room = Self.receive(" HTTP", &desk)
    #expect(room == 59)
    #expect(Self.received(desk) == "GET / HTTP")
    #expect(desk.parsedCount == 5)
  }

  @Test func whatWasKeptMayFillAllTheInput() throws {
    var desk = try Self.makeDesk()
    let all = String(repeating: "p", count: 64)
    Self.restore(all, isIncompleteHead: false, &desk)
    #expect(Self.received(desk) == all)
    #expect(desk.parsedCount == 0)
    let room = Self.receive("x", &desk)
    #expect(room == 0)
    desk.useInput(10)
    let more = Self.receive("x", &desk)
    #expect(more == 10)
  }

  @Test func whatWasParsedIsForgottenWithTheInput() throws {
    var desk = try Self.makeDesk()
    for forget in 0..<3 {
      Self.restore("GET / HTTP", isIncompleteHead: true, &desk)
      switch forget {
      case 0: desk.useInput(4)
      case 1: desk.dropInput()
      default: desk.beginTurn()
      }
      #expect(desk.parsedCount == 0)
    }
  }

  // MARK: Turns

  @Test func aTurnIsUsedUpByRequests() throws {
    var desk = try Self.makeDesk()
    for _ in 0..<3 {
      #expect(desk.turnIsUsedUp == false)
      desk.requestsLeft -= 1
    }
    #expect(desk.turnIsUsedUp == true)
    desk.beginTurn()
    #expect(desk.turnIsUsedUp == false)
  }

  @Test func aTurnIsUsedUpByBytes() throws {
    var desk = try Self.makeDesk()
    #expect(desk.hasSent == false)
    desk.noteSent(1)
    #expect(desk.hasSent && !desk.turnIsUsedUp && desk.bytesLeft == 99)
    desk.noteSent(98)
    #expect(desk.turnIsUsedUp == false)
    desk.noteSent(1)
    #expect(desk.turnIsUsedUp == true)
    // What was sent at once may be more than was left.
    desk.noteSent(1_000)
    #expect(desk.turnIsUsedUp == true)
    desk.beginTurn()
    #expect(!desk.turnIsUsedUp && !desk.hasSent)
  }

  // MARK: Time

  /// At least as long as was asked for, and less than two ticks longer.
  @Test(arguments: [0, 1, 255, 256, 257, 5_000, 10_000, 75_000] as [UInt64])
  func deadlinesAreNeverEarly(milliseconds: UInt64) throws {
    let desk = try Self.makeDesk()
    let ticks = UInt64(desk.deadline(in: milliseconds) - desk.tick)
    // The current tick may be nearly over.
    #expect((ticks - 1) * 256 + 256 > milliseconds)
    #expect(ticks * 256 <= milliseconds + 256)
  }

  // MARK: Output

  @Test func whatIsComposedIsReturned() throws {
    var desk = try Self.makeDesk()
    let bytes = unsafe desk.compose { out in
      out.append("hello ")
      out.append("world")
    }
    #expect(unsafe String(decoding: bytes, as: UTF8.self) == "hello world")
    let none = unsafe desk.compose { _ in }
    #expect(unsafe none.isEmpty)
  }
}
