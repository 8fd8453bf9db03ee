import HTTP
import Testing

@Suite struct RequestPathTests {
  enum Result: Equatable {
    case path(String)
    case malformed
    case tooLong
    case hidden
  }

  static func decode(_ raw: String, capacity: Int? = nil) -> Result {
    let raw = raw.octets
    var outcome: RequestPath.Outcome?
    let path = text(capacity: capacity ?? raw.count) { outcome = RequestPath.decode(raw.span, into: &$0) }
    switch outcome {
    case .path: return .path(path)
    case .tooLong: return .tooLong
    case .hidden: return .hidden
    case .malformed, nil: return .malformed
    }
  }

  @Test(arguments: [
    ("/", ""), ("/a", "a"), ("/a/", "a/"), ("/a/b.txt", "a/b.txt"), ("/a/b/", "a/b/"),
    // Escapes, decoded once.
    ("/a%20b", "a b"), ("/%41%7a%5A", "AzZ"), ("/%c3%A9", "é"), ("/é", "é"), ("/a%252fb", "a%2fb"),
    (
      "/%25",
      "%"
    ),
    ("/%2525", "%25"), ("/%252e%252e/a", "%2e%2e/a"), ("/a%0Ab", "a\nb"), ("/a%3Fb%23c", "a?b#c"),
    (
      "/a+b",
      "a+b"
    ),
    ("/a%5C..%5Cb", "a\\..\\b"), ("/a\\..\\b", "a\\..\\b"),
    // Slashes.
    ("//", ""), ("///", ""), ("//a", "a"), ("/a//b", "a/b"), ("/a///b////", "a/b/"), ("/a%2Fb", "a/b"),
    ("/%2f%2Fa", "a"), ("/a/%2f", "a/"),
    // Dot segments.
    ("/.", ""), ("/./", ""), ("/./a", "a"), ("/a/.", "a/"), ("/a/./", "a/"), ("/a/./b", "a/b"),
    (
      "/././.",
      ""
    ),
    ("/a/..", ""), ("/a/../", ""), ("/a/../b", "b"), ("/a/b/..", "a/"), ("/a/b/../", "a/"),
    (
      "/a/b/../c",
      "a/c"
    ),
    ("/a/b/../../c", "c"), ("/a//..", ""), ("/a/b//../c", "a/c"), ("/a/./../b", "b"), ("/a/%2e%2E/b", "b"),
    ("/a/.%2e/b", "b"), ("/a%2f..%2fb", "b"), ("/a/b%2f%2e%2e", "a/"), ("/a/%2e", "a/"),
    // RFC 3986 §5.2.4.
    ("/a/b/c/./../../g", "a/g"),
    // Dots that are nothing special.
    ("/a.", "a."), ("/a..", "a.."), ("/a../b", "a../b"), ("/a./b", "a./b"), ("/a.b/c..d", "a.b/c..d"),
    // The one name with a dot that may be seen, and hidden ones that aren't there any more.
    ("/.well-known", ".well-known"), ("/.well-known/", ".well-known/"),
    ("/.well-known/acme-challenge/x", ".well-known/acme-challenge/x"), ("/%2ewell-known/x", ".well-known/x"),
    ("//.well-known/x", ".well-known/x"), ("/a/../.well-known/x", ".well-known/x"), ("/.git/../a", "a"),
    ("/a/.b/..", "a/"),
  ])
  func becomesTheNameOfAFile(raw: String, path: String) {
    #expect(Self.decode(raw) == .path(path))
  }

  @Test(
    arguments: [
      "", "a", "a/b", "*", "%2fa", "./a", "http://a/b",
      "/%", "/%2", "/a%", "/a%a", "/%zz", "/%g0", "/%0g", "/% 20", "/%+1", "/%-1", "/%2/e", "/a%%20",
      "/%u0041",
      "/%00", "/a%00.txt", "/a/%00", "/\u{0}", "/a\u{0}b",
      "/..", "/../", "/../a", "//..", "/./..", "/a/../..", "/a/../../b", "/a/b/../../..", "/a//../..",
      "/%2e%2e",
      "/%2e./a", "/..%2fa", "/..%2f..%2fetc%2fpasswd", "/a/..//..", "/a/./.././..", "/../a/b/c",
      "/.git/%zz", "/.git/../..",
    ] as [Wire])
  func isRefused(raw: Wire) {
    #expect(Self.decode(raw.text) == .malformed)
  }

  @Test(arguments: [
    "/.git", "/.git/", "/.git/config", "/a/.env", "/a/.b/c", "/...", "/....", "/.../a", "/..a", "/a/..b",
    "/.a.",
    "/%2egit", "/a%2f.git", "/.%67it", "/a/.well-known", "/a/.well-known/b", "/.well-known/.git",
    "/.well-knownx",
    "/.well-know", "/.Well-Known/a", "/.well-known./a", "/.%20", "/. ", "/.%2e.", "/..%20/a", "/a/../.git",
  ])
  func isHidden(raw: String) {
    #expect(Self.decode(raw) == .hidden)
  }

  @Test func roomForTheInputIsEnoughAndLessIsNoticed() {
    #expect(Self.decode("/abc", capacity: 3) == .path("abc"))
    #expect(Self.decode("/abc", capacity: 2) == .tooLong)
    #expect(Self.decode("/abc/", capacity: 3) == .tooLong)
    #expect(Self.decode("/%61%62", capacity: 2) == .path("ab"))
    #expect(Self.decode("/", capacity: 0) == .path(""))
    #expect(Self.decode("////", capacity: 0) == .path(""))
    #expect(Self.decode("/a", capacity: 0) == .tooLong)
    #expect(Self.decode("/.env", capacity: 2) == .tooLong)
  }

  /// The same with strings and arrays, at leisure.
  static func model(_ decoded: String) -> Result {
    var names: [Substring] = []
    let segments = decoded.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    for segment in segments {
      switch segment {
      case "", ".": break
      case "..":
        if names.popLast() == nil { return .malformed }
      default: names.append(segment)
      }
    }
    let isDirectory = ["", ".", ".."].contains(segments.last ?? "")
    if names.contains(where: { $0.hasPrefix(".") }) { return .hidden }
    return .path(names.joined(separator: "/") + (isDirectory && !names.isEmpty ? "/" : ""))
  }

  @Test func everyShortPathIsWhatTheModelSays() {
    let plain = ["a", ".", "/"]
    let escaped = ["%61", "%2e", "%2F"]
    var wrong: [String] = []
    for length in 0...8 {
      var count = 1
      for _ in 0..<length { count *= 3 }
      for number in 0..<count {
        var digits = number
        var decoded = "/"
        var raw = "/"
        for index in 0..<length {
          decoded += plain[digits % 3]
          // Escaped here and there, in a way that depends on the path.
          raw += (number + index) % 4 == 0 ? escaped[digits % 3] : plain[digits % 3]
          digits /= 3
        }
        let expected = Self.model(decoded)
        if Self.decode(decoded) != expected || Self.decode(raw) != expected { wrong.append(raw) }
      }
    }
    #expect(wrong == [])
  }

  static func encode(_ path: [UInt8], capacity: Int) -> (isComplete: Bool, text: String) {
    var isComplete = false
    let text = text(capacity: capacity) { isComplete = RequestPath.encode(path.span, to: &$0) }
    return (isComplete, text)
  }

  @Test(
    arguments: [
      ("", ""), ("a/b/", "a/b/"), ("a b", "a%20b"), ("é", "%C3%A9"), ("100%", "100%25"),
      ("a?b#c", "a%3Fb%23c"),
      ("azAZ09-._~!$&'()*+,;=:@/", "azAZ09-._~!$&'()*+,;=:@/"),
      ("\u{0}\u{1F}\u{7F}\r\n", "%00%1F%7F%0D%0A"), ("\"<>[\\]^`{|}", "%22%3C%3E%5B%5C%5D%5E%60%7B%7C%7D"),
    ] as [(Wire, String)])
  func encodedForLocation(path: Wire, encoded: String) {
    let path = path.text.octets
    let length = encoded.utf8.count
    #expect(Self.encode(path, capacity: path.count * 3) == (true, encoded))
    #expect(Self.encode(path, capacity: length) == (true, encoded))
    if length > 0 { #expect(!Self.encode(path, capacity: length - 1).isComplete) }
  }

  @Test func everyByteComesBack() {
    for byte in UInt8(1)...255 where byte != UInt8(ascii: "/") {
      let path: [UInt8] = [UInt8(ascii: "a"), byte]
      let encoded = "/" + Self.encode(path, capacity: 6).text
      #expect(encoded.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "?") })
      let decoded = octets(capacity: 6) { out in
        let outcome = RequestPath.decode(encoded.octets.span, into: &out)
        #expect(outcome == .path)
      }
      #expect(decoded == path)
    }
  }

  /// RFC 3986 §3.4: escapes stay, all else that can't stand there becomes one.
  @Test(
    arguments: [
      ("", ""), ("?", "?"), ("?a=b&c=%20/?@:", "?a=b&c=%20/?@:"), ("?é", "?%C3%A9"), ("?%C3é", "?%C3%C3%A9"),
      ("?a[]={}|^\\`", "?a%5B%5D=%7B%7D%7C%5E%5C%60"), ("?\r\nX: y", "?%0D%0AX:%20y"),
    ])
  func queriesAreEncoded(query: String, encoded: String) {
    let octets = Array(query.utf8)
    for room in 0...encoded.utf8.count {
      let written = [UInt8](capacity: room) { out in
        #expect(RequestPath.encode(target: octets.span, to: &out) == (room == encoded.utf8.count))
      }
      if room == encoded.utf8.count { #expect(written == Array(encoded.utf8)) }
    }
  }
}
