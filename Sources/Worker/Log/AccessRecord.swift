/// What the access log says of a response: numbers, and how long the texts are that follow them, one behind the other.
package struct AccessRecord: BitwiseCopyable {
  /// Bytes of all of it, with the texts: a multiple of 8. 0: what follows is at the start of the ring.
  var size: UInt32 = 0
  /// 100 to 599.
  package var status: UInt16 = 0
  package var flags: Flags = []
  /// When the request was taken up, in milliseconds since 1970.
  package var time: Int64 = 0
  /// Until the last byte was given to the kernel, in milliseconds.
  package var duration: UInt32 = 0
  /// The client's.
  package var port: UInt16 = 0
  /// 0 without TLS, else 0x0303 or 0x0304.
  package var version: UInt16 = 0
  /// As IANA has it: RFC 8446 §B.4.
  package var cipher: UInt16 = 0
  /// Why OpenSSL encrypts: the number of a `KernelTLS.Reason`, plus 1; 0 where the kernel does, or nobody.
  package var reason: UInt8 = 0
  /// The client's address, as IPv6 writes it, in two halves.
  package var addressHigh: UInt64 = 0
  package var addressLow: UInt64 = 0
  /// Bytes of the content that were sent.
  package var content: Int64 = 0
  /// Those of them that came from an open file by sendfile(2).
  package var bySendfile: Int64 = 0
  /// Where each of the texts ends.
  package var ends = InlineArray<6, UInt16>(repeating: 0)

  package struct Flags: OptionSet, BitwiseCopyable, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The TLS session went on with an earlier one.
    package static var resumed: Flags { Flags(rawValue: 1 << 0) }
    /// The file was not in the cache.
    package static var missed: Flags { Flags(rawValue: 1 << 1) }
    /// A disk, or the check of a password, was waited for.
    package static var waited: Flags { Flags(rawValue: 1 << 2) }
    /// All of it was sent.
    package static var isWhole: Flags { Flags(rawValue: 1 << 3) }
  }

  /// The texts, in this order.
  package enum Text: Int, CaseIterable, Sendable {
    /// The request's first line, as sent.
    case requestLine
    /// The value of Host.
    case host
    case referer
    case userAgent
    /// The name that the client has asked for in the handshake.
    case serverName
    /// Whose certificate it has shown.
    case subject
  }

  /// Bytes before the texts.
  static var headerSize: Int { (MemoryLayout<AccessRecord>.size + 7) & ~7 }
}
