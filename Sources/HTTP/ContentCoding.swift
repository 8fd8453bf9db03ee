/// A coding of content that lies in a file beside the original: RFC 9110 §8.4.1.
public enum ContentCoding: UInt8, CaseIterable, Sendable {
  /// RFC 7932
  case brotli = 1
  /// RFC 8878
  case zstd
  /// RFC 1952
  case gzip

  /// As Content-Encoding and Accept-Encoding have it.
  public var token: StaticString {
    switch self {
    case .brotli: "br"
    case .zstd: "zstd"
    case .gzip: "gzip"
    }
  }

  /// What the name of such a file ends with.
  public var ending: String {
    switch self {
    case .brotli: ".br"
    case .zstd: ".zst"
    case .gzip: ".gz"
    }
  }
}

/// The codings that a client prefers to none, the best first: what Accept-Encoding comes to (RFC 9110 §12.5.3).
public struct CodingOrder: Equatable, Sendable, Sequence, IteratorProtocol {
  /// Their raw values: a byte for each, the first one lowest; 0 behind the last.
  public private(set) var rest: UInt32 = 0

  /// None.
  public init() {}

  /// - Parameters:
  ///   - fields: Lines of the header section, as `FieldLines` takes them. Several Accept-Encoding are one list.
  ///   - offered: What there may be, the server's favourite first: it decides between codings that the client likes equally.
  public init(fields: Span<UInt8>, offered: [ContentCoding]) {
    var weights = Weights()
    var lines = FieldLines(fields, named: "accept-encoding")
    while let place = lines.next() { weights.read(fields.extracting(place)) }
    // The most liked first, and of equals the one that is offered first: each is put before those that are liked less.
    var chosen: [ContentCoding] = []
    for coding in offered {
      let weight = weights.of(coding)
      guard weight > 0, weight >= weights.identity else { continue }
      chosen.insert(coding, at: chosen.firstIndex { weights.of($0) < weight } ?? chosen.endIndex)
    }
    for coding in chosen.reversed() { rest = rest << 8 | UInt32(coding.rawValue) }
  }

  /// The next best; nil behind the last.
  public mutating func next() -> ContentCoding? {
    defer { rest >>= 8 }
    return ContentCoding(rawValue: UInt8(truncatingIfNeeded: rest))
  }

  /// What a client gives each coding, in thousandths; 0 is a refusal.
  private struct Weights {
    private var brotli: UInt16?
    private var zstd: UInt16?
    private var gzip: UInt16?
    private var others: UInt16 = 0
    /// Of no coding: if nothing is said of it, anything is better.
    private(set) var identity: UInt16 = 0

    func of(_ coding: ContentCoding) -> UInt16 {
      switch coding {
      case .brotli: brotli ?? others
      case .zstd: zstd ?? others
      case .gzip: gzip ?? others
      }
    }

    mutating func read(_ value: Span<UInt8>) {
      var start = 0
      while start <= value.count {
        let end = value.firstIndex(of: .comma, from: start)
        readMember(value, value.trimmed(start..<end))
        start = end + 1
      }
    }

    /// `gzip`, `br;q=0.5`, `*;q=0`. What is neither is passed over.
    private mutating func readMember(_ value: Span<UInt8>, _ member: Range<Int>) {
      let semicolon = Swift.min(
        value.firstIndex(of: UInt8(ascii: ";"), from: member.lowerBound), member.upperBound)
      let name = value.trimmed(member.lowerBound..<semicolon)
      guard !name.isEmpty,
        let weight = semicolon == member.upperBound
          ? 1000 : value.weight(value.trimmed(semicolon + 1..<member.upperBound))
      else { return }
      if value.equalsIgnoringCase(name, "br") {
        brotli = weight
      } else if value.equalsIgnoringCase(name, "zstd") {
        zstd = weight
      } else if value.equalsIgnoringCase(name, "gzip") || value.equalsIgnoringCase(name, "x-gzip") {
        gzip = weight
      } else if value.equalsIgnoringCase(name, "identity") {
        identity = weight
      } else if name.count == 1, value[name.lowerBound] == .asterisk {
        others = weight
      }
    }
  }
}

/// What the last Accept-Encoding has come to: browsers all say the same, and mostly nothing else that matters.
public struct CodingOrders: Sendable {
  /// What there may be, the server's favourite first.
  public let offered: [ContentCoding]
  private var text = TextMemo()
  private var last = CodingOrder()

  /// None yet.
  public init(offered: [ContentCoding]) {
    self.offered = offered
  }

  /// As `CodingOrder(fields:offered:)`.
  public mutating func order(_ fields: Span<UInt8>) -> CodingOrder {
    if text.matches(fields) { return last }
    last = CodingOrder(fields: fields, offered: offered)
    // Of several lines, one may hold a password, which nobody is to keep.
    if fields.firstIndex(of: .carriageReturn, from: 0) == fields.count {
      text.set(fields)
    } else {
      text = TextMemo()
    }
    return last
  }
}
