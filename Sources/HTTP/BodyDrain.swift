// A file server has no use for the body of a request, but has to know where it ends: the next byte is the next
// request. A body that could end in two places would let one request hide another, so nothing here is forgiven.

/// Passes over the body of one request, in as many pieces as it comes (RFC 9112 §6 and §7).
public struct BodyDrain: Sendable {
  /// What a piece has led to.
  public enum Progress: Equatable, Sendable {
    /// All of the piece belongs to the body, and there is more to come.
    case needMore
    /// The body ends after so many bytes of this piece; the next request begins there.
    case finished(consumed: Int)
    /// 400: the chunked coding is broken. The connection can't be used any more.
    case malformed
    /// 413: the body is or would be longer than the limit. The connection can't be used any more.
    case tooLarge
  }

  /// The most bytes of one line of the chunked coding, with its CRLF: a chunk's size and extensions, or a trailer.
  public static var maximumLineLength: Int { 4096 }

  private var phase: Phase
  /// Bytes left of the payload that is being passed over: of the body, or of one chunk.
  private var payload: Int64
  /// Bytes of the body that may still come, payload and framing.
  private var budget: Int64
  /// Bytes so far of a line of the chunked coding.
  private var lineLength = 0

  /// A body with a Content-Length (RFC 9112 §6.2).
  ///
  /// - Parameters:
  ///   - length: Bytes that are still to come; 0 or more.
  ///   - limit: The most of them that will be passed over; 0 or more.
  public init(length: Int64, limit: Int64) {
    precondition(length >= 0 && limit >= 0)
    self.phase = length == 0 ? .finished : length > limit ? .tooLarge : .body
    self.payload = length
    self.budget = limit
  }

  /// A body with `Transfer-Encoding: chunked` (RFC 9112 §7.1).
  ///
  /// - Parameter limit: The most bytes that will be passed over, payload and framing; 0 or more.
  public init(chunkedWithLimit limit: Int64) {
    precondition(limit >= 0)
    self.phase = .sizeStart
    self.payload = 0
    self.budget = limit
  }

  /// Takes the next piece, which may go beyond the end of the body. How the body is cut into pieces makes no
  /// difference. Once it has ended, in whichever way, more pieces get the same answer and none is consumed.
  public mutating func consume(_ bytes: Span<UInt8>) -> Progress {
    var position = 0
    while true {
      switch phase {
      case .finished: return .finished(consumed: position)
      case .malformed: return .malformed
      case .tooLarge: return .tooLarge
      default: break
      }
      if position == bytes.count { return .needMore }
      if phase == .body || phase == .chunk {
        position += skipPayload(atMost: bytes.count - position)
      } else if budget == 0 {
        phase = .tooLarge
      } else {
        budget -= 1
        phase = phaseAfter(bytes[position])
        position += 1
      }
    }
  }

  /// The budget holds: nothing gets here whose length hasn't been compared with it.
  private mutating func skipPayload(atMost available: Int) -> Int {
    let count = min(payload, Int64(available))
    payload -= count
    budget -= count
    if payload == 0 { phase = phase == .chunk ? .chunkCR : .finished }
    return Int(count)
  }

  /// What comes next. Names follow the grammar: `5;name=value;name="value" CR LF hello CR LF 0 CR LF trailer: x CR LF CR LF`.
  private enum Phase {
    case body
    case sizeStart
    case size
    case spaceBeforeSemicolon
    case nameStart
    case name
    case spaceAfterName
    case valueStart
    case value
    case quoted
    case quotedPair
    case quoteEnd
    case sizeLF
    case chunk
    case chunkCR
    case chunkLF
    case trailerStart
    case trailerName
    case trailerValue
    case trailerLF
    case lastLF
    case finished
    case malformed
    case tooLarge
  }

  private mutating func phaseAfter(_ byte: UInt8) -> Phase {
    lineLength += 1
    if lineLength > Self.maximumLineLength { return .malformed }
    switch (phase, byte) {
    case (.sizeStart, _):
      payload = 0
      return addSizeDigit(byte)
    case (.size, 0x0D): return .sizeLF
    case (.size, UInt8(ascii: ";")): return .nameStart
    // White space may stand around the semicolon and the equals sign, and not at the end of the line (§7.1.1).
    case (.size, 0x20), (.size, 0x09): return .spaceBeforeSemicolon
    case (.size, _): return addSizeDigit(byte)
    case (.sizeLF, 0x0A): return phaseAfterSize()

    case (.chunkCR, 0x0D): return .chunkLF
    case (.chunkLF, 0x0A): return startLine(.sizeStart)

    case (.trailerStart, 0x0D): return .lastLF
    case (.trailerStart, _): return Self.isToken(byte) ? .trailerName : .malformed
    case (.trailerName, UInt8(ascii: ":")): return .trailerValue
    case (.trailerName, _): return Self.isToken(byte) ? .trailerName : .malformed
    case (.trailerValue, 0x0D): return .trailerLF
    case (.trailerValue, _): return Self.isText(byte) ? .trailerValue : .malformed
    case (.trailerLF, 0x0A): return startLine(.trailerStart)
    case (.lastLF, 0x0A): return .finished
    default: return phaseInExtension(byte)
    }
  }

  /// Extensions mean nothing here, but one that is not what the grammar says (RFC 9112 §7.1.1) may end elsewhere in
  /// someone else's eyes.
  private func phaseInExtension(_ byte: UInt8) -> Phase {
    switch (phase, byte) {
    case (.spaceBeforeSemicolon, UInt8(ascii: ";")): return .nameStart
    case (.spaceBeforeSemicolon, _): return byte.isLineSpace ? .spaceBeforeSemicolon : .malformed

    case (.nameStart, _): return byte.isLineSpace ? .nameStart : Self.isToken(byte) ? .name : .malformed
    case (.name, UInt8(ascii: "=")), (.spaceAfterName, UInt8(ascii: "=")): return .valueStart
    case (.name, 0x20), (.name, 0x09): return .spaceAfterName
    case (.name, _): return Self.isToken(byte) ? .name : phaseAfterExtension(byte)
    case (.spaceAfterName, UInt8(ascii: ";")): return .nameStart
    case (.spaceAfterName, _): return byte.isLineSpace ? .spaceAfterName : .malformed

    case (.valueStart, UInt8(ascii: "\"")): return .quoted
    case (.valueStart, _): return byte.isLineSpace ? .valueStart : Self.isToken(byte) ? .value : .malformed
    case (.value, _): return Self.isToken(byte) ? .value : phaseAfterExtension(byte)
    case (.quoted, UInt8(ascii: "\"")): return .quoteEnd
    case (.quoted, UInt8(ascii: "\\")): return .quotedPair
    case (.quoted, _), (.quotedPair, _): return Self.isText(byte) ? .quoted : .malformed
    case (.quoteEnd, _): return phaseAfterExtension(byte)
    default: return .malformed
    }
  }

  private func phaseAfterExtension(_ byte: UInt8) -> Phase {
    switch byte {
    case UInt8(ascii: ";"): .nameStart
    case 0x20, 0x09: .spaceBeforeSemicolon
    case 0x0D: .sizeLF
    default: .malformed
    }
  }

  private mutating func addSizeDigit(_ byte: UInt8) -> Phase {
    guard let digit = byte.hexadecimalValue, payload <= Int64.max >> 4 else { return .malformed }
    payload = payload << 4 | Int64(digit)
    return .size
  }

  /// A chunk that breaks the limit is refused for its size alone, before any of it has come.
  private mutating func phaseAfterSize() -> Phase {
    if payload == 0 { return startLine(.trailerStart) }
    return payload > budget ? .tooLarge : startLine(.chunk)
  }

  private mutating func startLine(_ phase: Phase) -> Phase {
    lineLength = 0
    return phase
  }

  /// What quotes and trailers may hold: anything but control characters. A bare LF in an extension is where others have
  /// seen a line end and let a request slip through.
  private static func isText(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte != 0x7F || byte == 0x09
  }

  /// What the names of trailers and extensions are made of (tchar, RFC 9110 §5.6.2). A line that isn't a trailer at all
  /// may be the start of a request to someone else's eyes.
  private static func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x00...0x20, 0x7F...0xFF: false
    case UInt8(ascii: "\""), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ","), UInt8(ascii: "/"),
      UInt8(ascii: ":"), UInt8(ascii: ";"), UInt8(ascii: "<"), UInt8(ascii: "="), UInt8(ascii: ">"),
      UInt8(ascii: "?"), UInt8(ascii: "@"), UInt8(ascii: "["), UInt8(ascii: "\\"), UInt8(ascii: "]"),
      UInt8(ascii: "{"), UInt8(ascii: "}"):
      false
    default: true
    }
  }
}
