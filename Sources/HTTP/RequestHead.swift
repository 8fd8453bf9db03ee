/// Where something lies in the bytes that a request was parsed from.
public struct ByteView: Equatable, Sendable {
  /// Offset of the first byte.
  public var start: Int32
  /// How many bytes.
  public var count: Int32

  init(_ range: Range<Int>) {
    start = Int32(truncatingIfNeeded: range.lowerBound)
    count = Int32(truncatingIfNeeded: range.count)
  }

  /// The offsets as a range.
  public var range: Range<Int> { Int(start)..<Int(start + count) }
  /// True for no bytes.
  public var isEmpty: Bool { count == 0 }
}

/// What a request's content takes up after the head: RFC 9112 §6.
public enum ContentFraming: Equatable, Sendable {
  /// Nothing.
  case none
  /// This many bytes, at least one.
  case length(Int64)
  /// Transfer-Encoding: chunked.
  case chunked
}

/// A request's head: RFC 9112 §2 to §5. Holds offsets into the bytes that it was parsed from, no bytes.
public struct RequestHead: Sendable {
  /// What is asked for.
  public internal(set) var method = Method.unknown
  /// The path of the target as sent, with its slash, without the query. Empty for `*` and for an absolute
  /// form without path.
  public internal(set) var path = ByteView(0..<0)
  /// The query as sent, with its question mark, or empty.
  public internal(set) var query = ByteView(0..<0)
  /// The path holds no percent escape: its bytes are what they seem.
  public internal(set) var pathIsLiteral = true
  /// The target is `*` (RFC 9112 §3.2.4): about the server, not about a file.
  public internal(set) var isForServer = false
  /// HTTP/1.0, whose clients know neither persistence by default nor 100 (Continue).
  public internal(set) var isHTTP10 = false
  /// The client wants to use the connection again: RFC 9112 §9.3.
  public internal(set) var keepsAlive = true
  /// `Expect: 100-continue`: RFC 9110 §10.1.1.
  public internal(set) var expectsContinue = false
  /// An `Expect` that we can't meet: 417.
  public internal(set) var expectationFails = false
  /// There is an If-… field: RFC 9110 §13.1.
  public internal(set) var isConditional = false
  /// There is a Range field: RFC 9110 §14.2.
  public internal(set) var hasRange = false
  /// What follows the head.
  public internal(set) var content = ContentFraming.none
  /// The field lines, each ended by CRLF, without the empty line.
  public internal(set) var fields = ByteView(0..<0)
  /// How many bytes the head takes up, with the empty line.
  public internal(set) var count = 0

  init() {}
}
