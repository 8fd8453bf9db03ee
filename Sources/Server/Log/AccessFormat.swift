import Glibc
import Reactor
import TLS
import Worker

/// What a line of the access log looks like.
struct AccessFormat {
  private let kind: Configuration.AccessLogFormat
  /// The second that `time` is of, and how it is written.
  private var second: Int64 = .min
  private var time: [UInt8] = []
  private var address = AddressText()
  /// What the last line has begun with: the next one is of the same client, and the same second, more often than not.
  private var start: [UInt8] = []

  init(_ kind: Configuration.AccessLogFormat) {
    self.kind = kind
  }

  /// Appends the line of a record, whose texts lie one behind the other.
  mutating func append(_ record: AccessRecord, _ texts: Span<UInt8>, to lines: inout LogBuffer) {
    let seconds = record.time / 1000
    if seconds != second {
      second = seconds
      time = Self.text(of: seconds, kind)
      start = []
    }
    switch kind {
    case .combined: appendCombined(record, texts, &lines)
    case .json: appendJSON(record, texts, &lines)
    }
    lines.endLine()
  }

  private static func text(of seconds: Int64, _ kind: Configuration.AccessLogFormat) -> [UInt8] {
    var (time, parts) = (time_t(seconds), unsafe tm())
    switch kind {
    case .combined: unsafe localtime_r(&time, &parts)
    case .json: unsafe gmtime_r(&time, &parts)
    }
    var text = [UInt8](repeating: 0, count: 64)
    let format = kind == .combined ? "%d/%b/%Y:%H:%M:%S %z" : "%Y-%m-%dT%H:%M:%S"
    let count = unsafe text.withUnsafeMutableBytes { text in
      unsafe strftime(text.baseAddress!.assumingMemoryBound(to: CChar.self), text.count, format, &parts)
    }
    return Array(text[..<count])
  }

  // MARK: Combined

  /// As Apache httpd and nginx have it: the client, its certificate's subject in the place of a user, the time, the request's first line,
  /// the status, the bytes of the content, Referer and User-Agent.
  private mutating func appendCombined(
    _ record: AccessRecord, _ texts: Span<UInt8>, _ lines: inout LogBuffer
  ) {
    if address.isNew(record) || start.isEmpty {
      start = address.bytes + Array(" - - [".utf8) + time + Array("] \"".utf8)
    }
    let subject = Self.text(Self.subject, of: record, texts)
    if subject.isEmpty {
      lines.append(start.span)
    } else {
      lines.append(address.bytes.span)
      lines.append(" - \"")
      lines.append(escaped: subject)
      lines.append("\" [")
      lines.append(time.span)
      lines.append("] \"")
    }
    let line = Self.text(Self.requestLine, of: record, texts)
    if line.isEmpty { lines.append("-") } else { lines.append(escaped: line) }
    lines.append("\" ")
    lines.append(UInt64(record.status), digits: 3)
    lines.append(" ")
    lines.append(decimal: UInt64(record.content))
    lines.append(quoted: Self.text(Self.referer, of: record, texts))
    lines.append(quoted: Self.text(Self.userAgent, of: record, texts))
  }

  /// One of the texts that follow a record, by its number. Here, since what another module has is called.
  @inline(__always)
  @_lifetime(copy texts)
  private static func text(_ number: Int, of record: AccessRecord, _ texts: Span<UInt8>) -> Span<UInt8> {
    texts.extracting((number == 0 ? 0 : Int(record.ends[number &- 1]))..<Int(record.ends[number]))
  }

  /// By its bits, for the same reason.
  @inline(__always)
  private static func has(_ flag: AccessRecord.Flags, _ record: AccessRecord) -> Bool {
    record.flags.rawValue & flag.rawValue != 0
  }

  // The numbers of `AccessRecord.Text`, as constants.
  private static var requestLine: Int { 0 }
  private static var host: Int { 1 }
  private static var referer: Int { 2 }
  private static var userAgent: Int { 3 }
  private static var serverName: Int { 4 }
  private static var subject: Int { 5 }

  // MARK: JSON

  private mutating func appendJSON(
    _ record: AccessRecord, _ texts: Span<UInt8>, _ lines: inout LogBuffer
  ) {
    lines.append("{\"time\":\"")
    lines.append(time.span)
    lines.append(UInt8(ascii: "."))
    lines.append(UInt64(record.time % 1000), digits: 3)
    lines.append("Z\",\"client\":\"")
    address.append(record, to: &lines)
    lines.append("\",\"client_port\":")
    lines.append(decimal: UInt64(record.port))
    let line = Self.text(Self.requestLine, of: record, texts)
    let first = line.indices.first { line[$0] == UInt8(ascii: " ") } ?? line.count
    let last = line.indices.last { $0 > first && line[$0] == UInt8(ascii: " ") } ?? line.count
    lines.append(",\"method\":\"", json: line.extracting(..<first))
    lines.append(
      ",\"target\":\"", json: line.extracting(min(first + 1, last)..<last))
    lines.append(
      ",\"protocol\":\"", json: line.extracting(min(last + 1, line.count)...))
    lines.append(",\"host\":\"", json: Self.text(Self.host, of: record, texts))
    lines.append(",\"status\":")
    lines.append(decimal: UInt64(record.status))
    lines.append(",\"bytes\":")
    lines.append(decimal: UInt64(record.content))
    lines.append(",\"sendfile_bytes\":")
    lines.append(decimal: UInt64(record.bySendfile))
    lines.append(",\"copied_bytes\":")
    lines.append(decimal: UInt64(max(0, record.content - record.bySendfile)))
    lines.append(",\"duration_ms\":")
    lines.append(decimal: UInt64(record.duration))
    lines.append(",\"referer\":\"", json: Self.text(Self.referer, of: record, texts))
    lines.append(",\"user_agent\":\"", json: Self.text(Self.userAgent, of: record, texts))
    lines.append(Self.has(.missed, record) ? ",\"cache\":\"miss\"" : ",\"cache\":\"hit\"")
    lines.append(Self.has(.waited, record) ? ",\"waited\":true" : ",\"waited\":false")
    lines.append(Self.has(.isWhole, record) ? ",\"complete\":true" : ",\"complete\":false")
    if record.version == 0 {
      lines.append(",\"transport\":\"plain\"}")
    } else {
      appendSecurity(record, texts, &lines)
    }
  }

  private mutating func appendSecurity(
    _ record: AccessRecord, _ texts: Span<UInt8>, _ lines: inout LogBuffer
  ) {
    lines.append(record.reason == 0 ? ",\"transport\":\"kernel_tls\"" : ",\"transport\":\"user_tls\"")
    if record.reason > 0 {
      lines.append(",\"ktls_off\":\"")
      lines.append(Array(KernelTLS.Reason.names[Int(record.reason) - 1].utf8).span)
      lines.append(UInt8(ascii: "\""))
    }
    lines.append(record.version == 0x0304 ? ",\"tls\":\"1.3\"" : ",\"tls\":\"1.2\"")
    lines.append(",\"cipher\":\"")
    lines.append(Array(KernelTLS.cipherName(record.cipher).utf8).span)
    lines.append(Self.has(.resumed, record) ? "\",\"resumed\":true" : "\",\"resumed\":false")
    lines.append(",\"sni\":\"", json: Self.text(Self.serverName, of: record, texts))
    lines.append(",\"client_subject\":\"", json: Self.text(Self.subject, of: record, texts))
    lines.append(UInt8(ascii: "}"))
  }
}

/// The text of the last address: a client has several responses.
private struct AddressText {
  private var high: UInt64 = 0
  private var low: UInt64 = 0
  private(set) var bytes: [UInt8] = []

  /// Takes the address of a record; true if it is another one than the last.
  @inline(__always)
  mutating func isNew(_ record: AccessRecord) -> Bool {
    if record.addressLow == low, record.addressHigh == high, !bytes.isEmpty { return false }
    take(record)
    return true
  }

  private mutating func take(_ record: AccessRecord) {
    (high, low) = (record.addressHigh, record.addressLow)
    bytes = Array(Socket.Peer(address: UInt128(high) << 64 | UInt128(low), port: 0).addressText.utf8)
  }

  mutating func append(_ record: AccessRecord, to lines: inout LogBuffer) {
    _ = isNew(record)
    lines.append(bytes.span)
  }
}

extension LogBuffer {
  /// `,"name":"text"` if there is a text.
  fileprivate mutating func append(_ name: StaticString, json bytes: Span<UInt8>) {
    if bytes.isEmpty { return }
    append(name)
    append(json: bytes)
    append(UInt8(ascii: "\""))
  }

  /// `"text"`, or `"-"` if there is none.
  fileprivate mutating func append(quoted bytes: Span<UInt8>) {
    append(" \"")
    if bytes.isEmpty { append(UInt8(ascii: "-")) } else { append(escaped: bytes) }
    append(UInt8(ascii: "\""))
  }
}
