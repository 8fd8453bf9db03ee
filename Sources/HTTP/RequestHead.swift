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
  /// There is an Accept-Encoding: RFC 9110 §12.5.3.
  public internal(set) var hasAcceptEncoding = false
  /// The field lines from the first to the last that is a condition, a range or Accept-Encoding, without the last one's end.
  public internal(set) var fields = ByteView(0..<0)
  /// How many bytes the head takes up, with the empty line.
  public internal(set) var count = 0
  /// What follows the head.
  public internal(set) var content = ContentFraming.none

  /// An ordinary head, for the parser to fill in.
  @inlinable
  public init() {}

  /// One bit for all that is not so in most requests, so that one comparison tells those from the others.
  @usableFromInline
  struct Traits: OptionSet, Sendable {
    @usableFromInline let rawValue: UInt16

    @inlinable
    init(rawValue: UInt16) {
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
  /// There is a Range field: RFC 9110 §14.2.
  public var hasRange: Bool { traits.contains(.ranged) }

  /// As if the client wanted to use the connection for nothing else: RFC 9112 §9.6.
  public mutating func closeConnection() { traits.insert(.closes) }
}
