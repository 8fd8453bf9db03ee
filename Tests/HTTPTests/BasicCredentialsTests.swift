import Testing

@testable import HTTP

@Suite struct BasicCredentialsTests {
  /// `user-id`, `password`; nil if there are none.
  static func decode(_ fields: String, room: Int = 64) -> [String]? {
    var bytes = [UInt8](repeating: 0, count: room)
    var count: Int?
    var written = 0
    unsafe bytes.withUnsafeMutableBufferPointer { buffer in
      var out = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
      count = BasicCredentials.decode(fields: Array(fields.utf8).span, into: &out)
      written = unsafe out.finalize(for: buffer)
    }
    guard let count else { return nil }
    return [
      String(decoding: bytes[..<count], as: UTF8.self),
      String(decoding: bytes[(count + 1)..<written], as: UTF8.self),
    ]
  }

  @Test func examplesOfRFC7617() {
    #expect(
      Self.decode("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n") == ["Aladdin", "open sesame"])
    #expect(Self.decode("Authorization: Basic dGVzdDoxMjPCow==") == ["test", "123£"])
  }

  @Test func spellings() {
    for fields in [
      "authorization:basic YTpi", "AUTHORIZATION: BASIC YTpi", "Authorization: Basic    YTpi  ",
      "Accept-Encoding: gzip\r\nAuthorization: Basic YTpi\r\nRange: bytes=0-1\r\n",
    ] { #expect(Self.decode(fields) == ["a", "b"], "\(fields)") }
    #expect(Self.decode("Authorization: Basic OmI=") == ["", "b"])
    #expect(Self.decode("Authorization: Basic YTo=") == ["a", ""])
    // The password may have colons.
    #expect(Self.decode("Authorization: Basic YTpiOmM=") == ["a", "b:c"])
  }

  @Test(arguments: [
    "", "Range: bytes=0-1", "Authorization:", "Authorization: Basic", "Authorization: Basic ",
    "Authorization: YTpi",
    "Authorization: Bearer YTpi", "Authorization: BasicYTpi", "Authorization: Basic\tYTpi",
    // Two of them.
    "Authorization: Basic YTpi\r\nAuthorization: Basic YTpi\r\n",
    // No colon; control characters.
    "Authorization: Basic YWI=", "Authorization: Basic YQA6Yg==", "Authorization: Basic YTpiCg==",
    "Authorization: Basic YTpifw==", "Authorization: Basic AAAA",
    // Base64: no padding, too much of it, in the middle, other alphabets, white space, bits that mean nothing.
    "Authorization: Basic YTo", "Authorization: Basic YTpi====", "Authorization: Basic YT=i",
    "Authorization: Basic Y===", "Authorization: Basic ====", "Authorization: Basic YTo=YTpi",
    "Authorization: Basic YTo_", "Authorization: Basic YTp-", "Authorization: Basic YTpi YTpi",
    "Authorization: Basic YTo/YT=", "Authorization: Basic YTp=", "Authorization: Basic Ojq=",
    "Authorization: Basic YTpiOh==", "Authorization: Basic YTpi,", "Authorization: Basic YTpi\"",
  ]) func none(fields: String) {
    #expect(Self.decode(fields) == nil)
  }

  @Test func lengths() {
    let text = "Authorization: Basic " + String(repeating: "OmFh", count: 10)
    #expect(Self.decode(text, room: 30) != nil)
    #expect(Self.decode(text, room: 29) == nil)
  }
}
