import Access
import Files
import HTTP
import Site
import Testing

@testable import Worker

@Suite struct WorkerContextTests {
  /// A context with room for heads of 32 bytes: 64 bytes of input.
  static func makeContext(receivedAtOnce: Int = 64) throws -> WorkerContext {
    var limits = Limits()
    limits.receivedAtOnce = receivedAtOnce
    limits.head = RequestParser.Limits(requestLine: 16, head: 32, fields: 4)
    limits.requestsPerTurn = 3
    limits.bytesPerTurn = 100
    return try makeContext(limits)
  }

  /// A context with these bounds, for files of the whole machine.
  static func makeContext(_ limits: Limits) throws -> WorkerContext {
    let (root, site) = (try DocumentRoot(path: "/"), Site(root: "/"))
    let loader = try #require(FileLoader(inMemory: limits.fileInMemory, capacity: 8))
    let bounds = FileCache.Bounds(memory: 1 << 20, openFiles: 8, inMemory: limits.fileInMemory)
    let files = FileCache(roots: [(root, FileNames())], loader: loader, bounds: bounds) { _ in }
    var context = WorkerContext(
      limits: limits, files: files, policies: FilePolicies(sites: [site]),
      authenticator: try noPasswords(),
      service: Service([ServedSite(site, root: root)], passwords: try none()), log: nil,
      troubles: Troubles(supervisor: try SharedWaker()))
    context.beginTurn()
    return context
  }

  static func none() throws -> Passwords { try #require(Passwords(files: [], capacity: 0)) }

  static func noPasswords() throws -> Authenticator {
    Authenticator(try none(), remembered: 0, answer: { _ in })
  }

  /// Puts bytes where a receive would, as many as fit. Returns how many there was room for.
  @discardableResult
  static func receive(_ text: String, _ context: inout WorkerContext) -> Int {
    let room = unsafe context.room()
    let bytes = Array(text.utf8.prefix(room.count))
    unsafe room.copyBytes(from: bytes)
    context.noteReceived(bytes.count)
    return room.count
  }

  static func received(_ context: borrowing WorkerContext) -> String {
    unsafe String(decoding: context.received, as: UTF8.self)
  }

  static func restore(_ text: String, parsed: Int, _ context: inout WorkerContext) {
    let bytes = Array(text.utf8)
    unsafe bytes.withUnsafeBytes { bytes in
      let owned = unsafe OwnedBytes(copying: bytes, within: context.memory)
      context.restore(owned ?? OwnedBytes(), parsed: parsed)
    }
  }

  // MARK: Input

  @Test func whatWasReceivedIsThereUntilItIsUsed() throws {
    var context = try Self.makeContext()
    #expect(context.receivedCount == 0)
    var rooms = [Self.receive("first ", &context)]
    rooms.append(Self.receive("second", &context))
    // Behind what is there already.
    #expect(rooms == [64, 58])
    #expect(Self.received(context) == "first second")
    context.useInput(6)
    #expect(Self.received(context) == "second")
    #expect(context.receivedCount == 6)
    context.useInput(6)
    #expect(Self.received(context) == "")
  }

  @Test func whatIsLeftMovesToTheFront() throws {
    var context = try Self.makeContext()
    Self.receive(String(repeating: "a", count: 60) + "bcde", &context)
    context.useInput(60)
    let room = Self.receive("fgh", &context)
    #expect(room == 60)
    #expect(Self.received(context) == "bcdefgh")
    // Overlapping: more is left than was used.
    context.useInput(2)
    let more = Self.receive(String(repeating: "i", count: 100), &context)
    #expect(more == 59)
    #expect(Self.received(context) == "defgh" + String(repeating: "i", count: 59))
    context.useInput(1)
    let last = Self.receive("jk", &context)
    #expect(last == 1)
    #expect(Self.received(context) == "efgh" + String(repeating: "i", count: 59) + "j")
  }

  @Test func roomIsWholeAgainWhenAllWasUsed() throws {
    var context = try Self.makeContext()
    for _ in 0..<10 {
      let room = Self.receive("0123456789012345678901234567890123456789", &context)
      #expect(room == 64)
      context.useInput(40)
    }
    Self.receive("rest", &context)
    context.dropInput()
    #expect(context.receivedCount == 0)
    let room = Self.receive("x", &context)
    #expect(room == 64)
    #expect(Self.received(context) == "x")
  }

  /// A head that is still incomplete when there is no room would wait for ever: the parser refuses it before.
  @Test func thereIsRoomForAsLongAsAHeadIsIncomplete() throws {
    var context = try Self.makeContext()
    let filler = String(repeating: "a", count: 1)
    var head = RequestHead()
    Self.receive("GET / HTTP/1.1\r\nX: ", &context)
    while case .incomplete = unsafe RequestParser.parse(
      context.received.span, limits: context.limits.head, into: &head)
    {
      let room = Self.receive(filler, &context)
      try #require(room > 0)
    }
    #expect(context.receivedCount <= context.limits.head.head)
  }

  @Test func onlySoMuchIsReceivedAtOnce() throws {
    var context = try Self.makeContext(receivedAtOnce: 10)
    let rooms = ["0123456789", "abc", String(repeating: "x", count: 100)].map { Self.receive($0, &context) }
    #expect(rooms == [10, 10, 10])
    #expect(context.receivedCount == 23)
    Self.receive(String(repeating: "y", count: 100), &context)
    Self.receive(String(repeating: "y", count: 100), &context)
    Self.receive(String(repeating: "y", count: 100), &context)
    // To the end of the input.
    let rest = [Self.receive("0123456789", &context), Self.receive("0123456789", &context)]
    #expect(rest == [10, 1])
  }

  @Test func newConnectionsNeedMemory() throws {
    var limits = Limits()
    limits.connectionMemory = limits.sessionMemory + limits.sessionBufferMemory
    let context = try Self.makeContext(limits)
    let (plain, secure) = (
      context.hasMemoryForConnection(secure: false), context.hasMemoryForConnection(secure: true)
    )
    #expect(plain && secure)
    let share = unsafe MemoryShare(of: context.memory, 1)
    let (plainLater, secureLater) = (
      context.hasMemoryForConnection(secure: false), context.hasMemoryForConnection(secure: true)
    )
    #expect(plainLater && !secureLater)
    _ = consume share
    let all = unsafe MemoryShare(of: context.memory, limits.connectionMemory)
    let plainAtLast = context.hasMemoryForConnection(secure: false)
    #expect(plainAtLast == false)
    _ = consume all
  }

  @Test func whatWasKeptIsRestored() throws {
    var context = try Self.makeContext()
    Self.receive("of another connection", &context)
    context.beginTurn()
    #expect(context.receivedCount == 0)
    Self.restore("GET /", parsed: 5, &context)
    #expect(Self.received(context) == "GET /")
    #expect(context.parsedCount == 5)
    let room = Self.receive(" HTTP", &context)
    #expect(room == 59)
    #expect(Self.received(context) == "GET / HTTP")
    #expect(context.parsedCount == 5)
  }

  @Test func whatWasKeptMayFillAllTheInput() throws {
    var context = try Self.makeContext()
    let all = String(repeating: "p", count: 64)
    Self.restore(all, parsed: 0, &context)
    #expect(Self.received(context) == all)
    #expect(context.parsedCount == 0)
    let room = Self.receive("x", &context)
    #expect(room == 0)
    context.useInput(10)
    let more = Self.receive("x", &context)
    #expect(more == 10)
  }

  @Test func whatWasParsedIsForgottenWithTheInput() throws {
    var context = try Self.makeContext()
    for forget in 0..<3 {
      Self.restore("GET / HTTP", parsed: 10, &context)
      switch forget {
      case 0: context.useInput(4)
      case 1: context.dropInput()
      default: context.beginTurn()
      }
      #expect(context.parsedCount == 0)
    }
  }

  // MARK: Turns

  @Test func aTurnIsUsedUpByRequests() throws {
    var context = try Self.makeContext()
    for _ in 0..<3 {
      #expect(context.turnIsUsedUp == false)
      context.requestsLeft -= 1
    }
    #expect(context.turnIsUsedUp == true)
    context.beginTurn()
    #expect(context.turnIsUsedUp == false)
  }

  @Test func aTurnIsUsedUpByBytes() throws {
    var context = try Self.makeContext()
    #expect(context.hasSent == false)
    context.noteSent(1)
    #expect(context.hasSent && !context.turnIsUsedUp && context.bytesLeft == 99)
    context.noteSent(98)
    #expect(context.turnIsUsedUp == false)
    context.noteSent(1)
    #expect(context.turnIsUsedUp == true)
    // What was sent at once may be more than was left.
    context.noteSent(1_000)
    #expect(context.turnIsUsedUp == true)
    context.beginTurn()
    #expect(!context.turnIsUsedUp && !context.hasSent)
  }

  // MARK: Time

  /// At least as long as was asked for, and less than two ticks longer.
  @Test(arguments: [0, 1, 255, 256, 257, 5_000, 10_000, 75_000] as [UInt64])
  func deadlinesAreNeverEarly(milliseconds: UInt64) throws {
    let context = try Self.makeContext()
    let ticks = UInt64(context.deadline(in: milliseconds) - context.tick)
    // The current tick may be nearly over.
    #expect((ticks - 1) * 256 + 256 > milliseconds)
    #expect(ticks * 256 <= milliseconds + 256)
  }

  // MARK: Output

  @Test func whatIsComposedIsReturned() throws {
    let context = try Self.makeContext()
    let bytes = unsafe context.responder.compose { out in
      out.append("hello ")
      out.append("world")
    }
    #expect(unsafe String(decoding: bytes, as: UTF8.self) == "hello world")
    let none = unsafe context.responder.compose { _ in }
    #expect(unsafe none.isEmpty)
  }
}
