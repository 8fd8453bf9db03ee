import Files
import Glibc
import HTTP
import Reactor
import TLS

/// What the access log is told of each response. Where there is none, all of this is a branch that is never taken.
extension Connection {
  /// What a TLS session is known by, once the handshake is done.
  struct SecurityFacts {
    var version: UInt16 = 0
    var cipher: UInt16 = 0
    /// See `AccessRecord.reason`.
    var reason: UInt8 = 0
    var isResumed = false
  }

  /// Begins the record of a response, whose first bytes are these. `head` is what the request was parsed from; `content` are the bytes
  /// that are to be sent of the response's content, `fileCount` those of them that are in an open file.
  @inline(never)
  mutating func beginRecord(
    _ head: Span<UInt8>, status: UInt16, content: Int64, fileCount: Int64 = 0, isMiss: Bool = false,
    _ context: inout WorkerContext
  ) {
    let places = RequestTexts(head, wantsHost: context.log.wantsHost)
    var record = AccessRecord()
    record.status = status
    record.time = context.clock.wallMilliseconds
    if began != 0 {
      record.flags.insert(.waited)
      record.time -= Int64(elapsed(context))
    }
    if isMiss { record.flags.insert(.missed) }
    if facts.isResumed { record.flags.insert(.resumed) }
    record.version = facts.version
    record.cipher = facts.cipher
    record.reason = facts.reason
    if peer == nil { peer = Socket.peer(of: transport.socket.descriptor) }
    if let peer {
      record.port = peer.port
      record.addressHigh = UInt64(truncatingIfNeeded: peer.address >> 64)
      record.addressLow = UInt64(truncatingIfNeeded: peer.address)
    }
    record.content = content
    record.bySendfile = transport.encryption == .user ? 0 : fileCount
    let own = unsafe securityNames.bytes
    for index in 0..<4 { record.ends[index] = UInt16(truncatingIfNeeded: places.ends[index]) }
    record.ends[4] = record.ends[3] &+ serverNameCount
    record.ends[5] = record.ends[3] &+ UInt16(own.count)
    let total = Int(places.ends[3])
    guard let room = unsafe context.log.begin(&record, textCount: total + own.count) else { return }
    unsafe places.copy(head, into: room)
    if unsafe !own.isEmpty {
      unsafe UnsafeMutableRawBufferPointer(rebasing: room[total...]).copyMemory(from: own)
    }
  }

  /// The same of a file from memory, with its ready head.
  @inline(never)
  mutating func beginRecord(
    _ received: Span<UInt8>, of file: FileReference, _ request: RequestHead, _ context: inout WorkerContext
  ) {
    beginRecord(
      received.extracting(..<request.count), status: 200, content: file.file.size, &context)
  }

  /// The same of a response as the responder has made it.
  @inline(never)
  mutating func beginRecord(
    _ head: Span<UInt8>, _ response: Response, isMiss: Bool, _ context: inout WorkerContext
  ) {
    let bytes = unsafe response.bytes
    let start = unsafe bytes.headCount
    var content = unsafe Int64(bytes.count - start + response.content.count) + response.fileCount
    var fileCount = response.fileCount
    if response.hasMoreParts, let length = unsafe bytes.contentLength {
      content = length
      fileCount = unsafe context.responder.partsToFollow.ranges.reduce(fileCount) { $0 + $1.count }
    }
    beginRecord(
      head, status: response.status, content: content, fileCount: fileCount, isMiss: isMiss, &context)
  }

  /// The response was sent, or will never be.
  @inline(never)
  mutating func endRecord(isWhole: Bool, _ context: inout WorkerContext) {
    if !context.log.hasDraft {
      guard !logged.isEmpty else { return }
      let kept = logged.take()
      unsafe context.log.restore(kept.bytes)
      guard context.log.hasDraft else { return }
    }
    let duration = elapsed(context)
    let left = isWhole ? (content: 0, ofFile: 0) : leftOver(context)
    context.log.change { record in
      record.duration = duration
      if isWhole {
        record.flags.insert(.isWhole)
      } else {
        record.content = max(0, record.content - left.content)
        record.bySendfile = max(0, record.bySendfile - left.ofFile)
      }
    }
    context.log.publish()
  }

  /// What was not sent of a response's content, and how much of that is the file's.
  private func leftOver(_ context: borrowing WorkerContext) -> (content: Int64, ofFile: Int64) {
    var (content, ofFile) = (Int64(outgoing.bytes.count) + outgoing.fileRest, outgoing.fileRest)
    if let file = outgoing.file, let boundary = outgoing.boundary {
      let parts = unsafe outgoing.partsToFollow
      content += unsafe context.responder.contentCount(parts, of: file, boundary) ?? 0
      ofFile = unsafe parts.reduce(ofFile) { $0 + $1.count }
    }
    return (content, ofFile)
  }

  /// The turn is over and the response is not: others may make records now.
  @inline(never)
  mutating func keepRecord(_ context: inout WorkerContext) {
    if let kept = unsafe OwnedBytes(copying: context.log.takeDraft(), within: context.memory) {
      logged = kept
    } else {
      context.log.drop()
    }
  }

  /// What the connection is about, for metrics.
  var state: ConnectionStates.State {
    switch phase {
    case .introducing, .handshaking: .handshaking
    case .receiving: headHasBegun ? .receiving : .idle
    case .discarding: .receiving
    case .loading: .waiting
    case .sending: .sending
    case .closing, .lingering: .closing
    }
  }

  /// The response will not be sent at once: from now on its time counts.
  mutating func noteSlow(_ context: inout WorkerContext) {
    if began == 0, phase == .sending {
      context.metrics.slowSends += 1
      began = max(1, UInt32(truncatingIfNeeded: context.clock.milliseconds))
    }
  }

  /// Since the request was taken up, in milliseconds, if that is not in this turn.
  func elapsed(_ context: borrowing WorkerContext) -> UInt32 {
    began == 0 ? 0 : UInt32(truncatingIfNeeded: context.clock.milliseconds) &- began
  }

  /// What the handshake has settled.
  mutating func noteSecurity(_ context: inout WorkerContext) {
    facts = transport.securityFacts
    guard context.log.isOn else { return }
    let (server, subject) = transport.securityNames
    let memory = unsafe context.memory
    unsafe (server + subject).withUnsafeBytes { bytes in
      guard let kept = unsafe OwnedBytes(copying: bytes, within: memory) else { return }
      securityNames = kept
      serverNameCount = UInt16(server.count)
    }
  }
}

/// Where what the log wants of a request's head is.
@safe
private struct RequestTexts {
  /// Where each of them begins in the head.
  private var starts = SIMD4<Int32>(repeating: 0)
  /// Where they end when they lie one behind the other.
  private(set) var ends = SIMD4<Int32>(repeating: 0)
  /// A text is cut there.
  private static var longest: Int { 8 << 10 }

  @inline(__always)
  init(_ head: Span<UInt8>, wantsHost: Bool) {
    var counts = SIMD4<Int32>(repeating: 0)
    unsafe head.withUnsafeBufferPointer { head in
      var position = unsafe head.count > 1 && head[0] == UInt8(ascii: "\r") ? 2 : 0
      // The first line, then fields until an empty one.
      while position < head.count {
        let end = unsafe Self.lineEnd(head, position)
        if end == position { break }
        var (text, start) = (0, position)
        if counts[0] != 0 {
          guard let field = unsafe Self.field(head, position, end, wantsHost) else {
            position = end &+ 2
            continue
          }
          (text, start) = field
        }
        if counts[text] == 0 {
          starts[text] = Int32(truncatingIfNeeded: start)
          counts[text] = Int32(truncatingIfNeeded: min(end &- start, Self.longest))
        }
        position = end &+ 2
      }
    }
    var end: Int32 = 0
    for text in 0..<4 {
      end &+= counts[text]
      ends[text] = end
    }
  }

  private static func lineEnd(_ head: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    guard let first = head.baseAddress, let found = unsafe memchr(first + start, 0x0D, head.count &- start)
    else { return head.count }
    return unsafe UnsafeRawPointer(first).distance(to: UnsafeRawPointer(found))
  }

  /// Which text a field line has, and where it begins.
  private static func field(
    _ head: UnsafeBufferPointer<UInt8>, _ line: Int, _ end: Int, _ wantsHost: Bool
  ) -> (text: Int, start: Int)? {
    let (text, name): (AccessRecord.Text, StaticString)
    switch unsafe head[line] | 0x20 {
    case UInt8(ascii: "h") where wantsHost: (text, name) = (.host, "host:")
    case UInt8(ascii: "r"): (text, name) = (.referer, "referer:")
    case UInt8(ascii: "u"): (text, name) = (.userAgent, "user-agent:")
    default: return nil
    }
    let count = name.utf8CodeUnitCount
    guard end &- line > count, let first = head.baseAddress,
      unsafe strncasecmp(
        UnsafeRawPointer(first + line).assumingMemoryBound(to: CChar.self),
        UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), count) == 0
    else { return nil }
    var start = line &+ count
    while start < end, unsafe head[start] == UInt8(ascii: " ") || head[start] == UInt8(ascii: "\t") {
      start &+= 1
    }
    return (text.rawValue, start)
  }

  @inline(__always)
  func copy(_ head: Span<UInt8>, into room: UnsafeMutableRawBufferPointer) {
    unsafe head.withUnsafeBufferPointer { head in
      guard let from = head.baseAddress, let to = room.baseAddress else { return }
      var position = 0
      for text in 0..<4 {
        let end = Int(ends[text])
        if end > position { unsafe memcpy(to + position, from + Int(starts[text]), end &- position) }
        position = end
      }
    }
  }
}

extension UnsafeRawBufferPointer {
  /// Bytes of a response's head, with the empty line.
  fileprivate var headCount: Int { unsafe end(of: "\r\n\r\n", before: count) ?? count }

  /// The status of a response that begins here.
  var status: UInt16 {
    guard count > 12 else { return 0 }
    return unsafe self[9..<12].reduce(0) { $0 * 10 + UInt16($1 & 0xF) }
  }

  /// What a response's head says of its content.
  fileprivate var contentLength: Int64? {
    guard let place = unsafe end(of: "\r\nContent-Length: ", before: headCount) else { return nil }
    return unsafe self[place...].prefix { $0 >= 0x30 && $0 <= 0x39 }.reduce(0) { $0 * 10 + Int64($1 & 0xF) }
  }

  /// Where a text that begins with CR ends for the first time.
  private func end(of text: StaticString, before limit: Int) -> Int? {
    guard let start = baseAddress else { return nil }
    var position = 0
    while position + text.utf8CodeUnitCount <= limit,
      let found = unsafe memchr(start + position, 0x0D, limit - position)
    {
      position = unsafe start.distance(to: UnsafeRawPointer(found))
      let end = position + text.utf8CodeUnitCount
      if end <= limit, unsafe memcmp(start + position, text.utf8Start, text.utf8CodeUnitCount) == 0 {
        return end
      }
      position += 1
    }
    return nil
  }
}
