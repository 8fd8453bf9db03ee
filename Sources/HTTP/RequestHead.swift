/// Where something lies in the bytes that a request was parsed from.
@frozen
public struct ByteView: Equatable, Sendable {
  /// Offset of the first byte.
  public var start: Int32
  /// How many bytes.
  public var count: Int32

  @inlinable @inline(__always)
  init(_ range: Range<Int>) {
    start = Int32(truncatingIfNeeded: range.lowerBound)
    count = Int32(truncatingIfNeeded: range.upperBound &- range.lowerBound)
  }

  /// The offsets as a range.
  public var range: Range<Int> { Int(start)..<Int(start) &+ Int(count) }
  /// True for no bytes.
  public var isEmpty: Bool { count == 0 }
}

/// What a request's content takes up after the head: RFC 9112 §6.
@frozen
public enum ContentFraming: Equatable, Sendable {
  /// Nothing.
  case none
  /// This many bytes, at least one.
  case length(Int64)
  /// Transfer-Encoding: chunked.
  case chunked
}

/// A request's head: RFC 9112 §2 to §5. Holds offsets into the bytes that it was parsed from, no bytes.
@frozen
public struct RequestHead: Sendable {
  /// What is asked for.
  public internal(set) var method = Method.get
  /// What sets the request apart from an ordinary one.
  @usableFromInline var traits: Traits = []
  /// The path of the target as sent, with its slash, without the query. Empty for `*` and for an absolute
  /// form without path.
  public internal(set) var path = ByteView(0..<0)
  /// The query as sent, with its question mark, or empty.
  public internal(set) var query = ByteView(0..<0)
  /// What it says of itself that may decide which response a resource has.
  public internal(set) var selectors = Selectors.target
  /// The field lines from the first to the last that is a condition, a range, Accept-Encoding, Origin or Authorization, without
  /// the last one's end.
  public internal(set) var fields = ByteView(0..<0)
  /// How many bytes the head takes up, with the empty line.
  public internal(set) var count = 0
  /// What follows the head.
  public internal(set) var content = ContentFraming.none

  /// An ordinary head, for the parser to fill in.
  @inlinable
  public init() {}

  /// One bit for all that is not so in most requests, so that one comparison tells those from the others.
  @frozen
  public struct Traits: OptionSet, Sendable {
    /// A bit for each.
    public let rawValue: UInt16

    /// Takes the bits.
    @inlinable
    public init(rawValue: UInt16) {
      self.rawValue = rawValue
    }

    static var notGet: Traits { Traits(rawValue: 1 << 0) }
    static var escapedPath: Traits { Traits(rawValue: 1 << 1) }
    static var forServer: Traits { Traits(rawValue: 1 << 2) }
    static var http10: Traits { Traits(rawValue: 1 << 3) }
    static var closes: Traits { Traits(rawValue: 1 << 4) }
    static var expectsContinue: Traits { Traits(rawValue: 1 << 5) }
    static var expectationFails: Traits { Traits(rawValue: 1 << 6) }
    static var conditional: Traits { Traits(rawValue: 1 << 7) }
    static var ranged: Traits { Traits(rawValue: 1 << 8) }
    @usableFromInline static var hasContent: Traits { Traits(rawValue: 1 << 9) }
    /// Which site it is for has to be found out, or whether it is answered at all over its connection.
    public static var needsRouting: Traits { Traits(rawValue: 1 << 10) }
    static var unescapedTarget: Traits { Traits(rawValue: 1 << 11) }
    /// The server takes no further one on its connection, and says so.
    public static var last: Traits { Traits(rawValue: 1 << 12) }
  }

  /// What may decide which response a resource has, beside the method and the traits: what a resource depends on has the
  /// same bits, so that one operation tells whether a request has to be looked at more closely.
  @frozen
  public struct Selectors: OptionSet, Sendable {
    /// A bit for each.
    public let rawValue: UInt8

    /// Takes the bits.
    @inlinable
    public init(rawValue: UInt8) {
      self.rawValue = rawValue
    }

    /// What every request has: for resources of which each request has to be looked at.
    public static var target: Selectors { Selectors(rawValue: 1 << 0) }
    /// Accept-Encoding: RFC 9110 §12.5.3.
    public static var acceptEncoding: Selectors { Selectors(rawValue: 1 << 1) }
    /// Origin: RFC 6454 §7.
    public static var origin: Selectors { Selectors(rawValue: 1 << 2) }
  }

  /// GET over HTTP/1.1, on a connection that lasts, with a literal path, and without conditions, range, expectation
  /// or content: all of the below is as usual.
  @inlinable
  public var isOrdinary: Bool { traits.rawValue == 0 }
  /// Bytes follow the head: `content` is not `none`.
  @inlinable
  public var hasContent: Bool { traits.contains(.hasContent) }
  /// The path holds no percent escape: its bytes are what they seem.
  public var pathIsLiteral: Bool { !traits.contains(.escapedPath) }
  /// The target holds bytes beyond ASCII, which is no URI: to be asked for once more, with escapes (RFC 9112 §3.2).
  public var targetIsUnescaped: Bool { traits.contains(.unescapedTarget) }
  /// The target is `*` (RFC 9112 §3.2.4): about the server, not about a file.
  public var isForServer: Bool { traits.contains(.forServer) }
  /// HTTP/1.0, whose clients know neither persistence by default nor 100 (Continue).
  public var isHTTP10: Bool { traits.contains(.http10) }
  /// The client wants to use the connection again: RFC 9112 §9.3.
  public var keepsAlive: Bool { !traits.contains(.closes) }
  /// `Expect: 100-continue`: RFC 9110 §10.1.1.
  public var expectsContinue: Bool { traits.contains(.expectsContinue) }
  /// An `Expect` that we can't meet: 417.
  public var expectationFails: Bool { traits.contains(.expectationFails) }
  /// There is an If-… field: RFC 9110 §13.1.
  public var isConditional: Bool { traits.contains(.conditional) }
  /// As `isOrdinary`, but that routing may be needed.
  public var isOrdinaryButRouted: Bool { traits.subtracting(.needsRouting).isEmpty }
  /// As that, but that it may be conditional.
  public var isOrdinaryButConditional: Bool { traits.subtracting([.needsRouting, .conditional]).isEmpty }
  /// See `Traits.needsRouting`.
  public var needsRouting: Bool { traits.contains(.needsRouting) }
  /// There is a Range field: RFC 9110 §14.2.
  public var hasRange: Bool { traits.contains(.ranged) }

  /// Leaves out the first bytes of the path.
  public mutating func dropFirstOfPath(_ count: Int) {
    path.start += Int32(truncatingIfNeeded: count)
    path.count -= Int32(truncatingIfNeeded: count)
  }

  /// As if the path had escapes: for one that is not what it is compared with by its bytes.
  public mutating func setPathIsNotLiteral() { traits.insert(.escapedPath) }

  /// The value of Origin (RFC 6454 §7), if there is one, in the bytes that the head was parsed from.
  public func origin(in bytes: Span<UInt8>) -> Range<Int>? {
    guard selectors.contains(.origin),
      case .one(let place) = SingleField(bytes.extracting(fields.range), named: "origin")
    else { return nil }
    let start = fields.range.lowerBound
    return start + place.lowerBound..<start + place.upperBound
  }

  /// All field lines, for `FieldLines`; `bytes` are what the head was parsed from. Nothing remembers where they begin: only who asks
  /// for what the parser passes over needs them.
  @_lifetime(copy bytes)
  public func fieldLines(_ bytes: Span<UInt8>) -> Span<UInt8> {
    let target = max(path.range.upperBound, query.range.upperBound)
    let end = bytes.firstIndex(of: .lineFeed, from: target)
    return bytes.extracting(min(end + 1, count)..<count)
  }

  /// As if the client wanted to use the connection for nothing else: RFC 9112 §9.6.
  public mutating func closeConnection() { traits.insert(.closes) }
}

extension RequestHead {
  /// Where the value of Host begins, in the bytes that the head was parsed from, if that is the first field and spelled as nearly all
  /// clients do, behind a target that is a path; else nil.
  @inline(__always)
  public func firstHost(in bytes: Span<UInt8>) -> Int? {
    let end = query.isEmpty ? path.range.upperBound : query.range.upperBound
    // " HTTP/1.1" and the line's end, and "Host: ".
    let start = end &+ 17
    guard path.start > 0, bytes[Int(path.start) &- 1] == .space, start < bytes.count,
      unsafe bytes.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: start &- 6, as: UInt32.self)
        == 0x7473_6F48,
      bytes[start &- 2] == .colon, bytes[start &- 1] == .space
    else { return nil }
    return start
  }

  /// The authority that the request is for, as sent, in the bytes that it was parsed from: that of an absolute form, else the Host
  /// field's value (RFC 9112 §3.2.2). Nil for an HTTP/1.0 request that names none.
  ///
  /// Looked for when it is asked for, because most servers have one host, and need not know.
  public func authority(in bytes: Span<UInt8>) -> Range<Int>? {
    // One empty line may come first.
    let start = bytes.count > 0 && bytes[0] == .carriageReturn ? 2 : 0
    let target = bytes.firstIndex(of: .space, from: start) + 1
    let lineEnd = bytes.firstIndex(of: .carriageReturn, from: target)
    if target < lineEnd, bytes[target] != .slash, bytes[target] != .asterisk {
      // "http:" and two slashes: the parser has seen to that.
      let start = min(bytes.firstIndex(of: .slash, from: target) + 2, lineEnd)
      var end = start
      while end < lineEnd, bytes[end] != .slash, bytes[end] != .questionMark, bytes[end] != .space {
        end += 1
      }
      if start < end { return start..<end }
    }
    let fields = min(lineEnd + 2, bytes.count)..<bytes.count
    // There is one at most: the parser has seen to that, too.
    var hosts = FieldLines(bytes.extracting(fields), named: "host")
    guard let place = hosts.next(), !place.isEmpty else { return nil }
    return place.lowerBound + fields.lowerBound..<place.upperBound + fields.lowerBound
  }
}
