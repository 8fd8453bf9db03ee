import Glibc

/// Requests on one connection, and what is right for an answer to them: for tests in which calls fail.
struct Exchange: Sendable {
  /// A response that is right.
  struct Answer: Sendable {
    var status = 200
    var body: [UInt8] = []
    /// The body is not compared.
    var isText = false
    /// It has these parts of a file instead.
    var parts: [Range<Int>] = []
  }

  /// What a client has seen.
  enum Verdict: Equatable {
    /// All answers, and they are right.
    case right
    /// Right answers, then one with this status instead.
    case refused(Int)
    /// Right answers, or the beginning of them, and then the end of the connection, which nobody can take for the end
    /// of a response.
    case broken
    /// Nothing for too long.
    case stalled
    /// What no client must see.
    case wrong(String)
  }

  let name: String
  /// What is sent; with a pause between the parts.
  let parts: [String]
  let answers: [Answer]
  /// The client takes in little.
  var isSlow = false

  /// What is told of the requests to a server with `FaultSite`. The last request ends the connection.
  static let all = [
    Exchange("pipeline", ["/hello.txt", "/16384.bin", "/none.txt", "/1024.bin"]),
    Exchange("large", ["/large.bin"]),
    Exchange("range", ["/big.bin"], "Range: bytes=100000-3099999\r\n"),
    Exchange("short range", ["/1024.bin"], "Range: bytes=10-19\r\n"),
    Exchange("several ranges", ["/big.bin"], "Range: bytes=5000000-7999999,0-99,1000-1000\r\n"),
    Exchange("folders", ["/folder", "/folder/", "/plain", "/none"]),
    Exchange("new names", ["/new.txt", "/new.bin"]),
    Exchange("two large", ["/large.bin", "/large.bin", "/hello.txt"]),
  ]

  /// Those that wait for room in the socket, and those whose head comes in two parts.
  static let slow = [
    Exchange("slow", Array(repeating: "/16384.bin", count: 60), isSlow: true),
    Exchange("slow and large", ["/large.bin", "/big.bin"], "Range: bytes=0-2999999\r\n", isSlow: true),
    Exchange("half heads", ["/hello.txt", "/large.bin", "/1024.bin"], inHalves: true),
  ]

  init(_ name: String, _ paths: [String], _ last: String = "", isSlow: Bool = false, inHalves: Bool = false) {
    self.name = name
    self.isSlow = isSlow
    let requests = paths.enumerated().map { index, path in
      let fields = index == paths.count - 1 ? "Connection: close\r\n\(last)" : ""
      return "GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n"
    }
    parts =
      inHalves
      ? requests.flatMap { [String($0.prefix(9)), String($0.dropFirst(9))] } : [requests.joined()]
    answers = paths.enumerated().map { index, path in
      FaultSite.answer(to: path, range: index == paths.count - 1 ? last : "")
    }
  }

  /// Asks, and judges what comes.
  func verdict(
    _ transport: Transfer.Transport, _ sluice: SluiceProcess, seconds: Double = Patience.seconds
  ) -> Verdict {
    guard let client = try? TransportClient(transport, sluice, receiveBuffer: isSlow ? 4096 : nil) else {
      return .wrong("no connection")
    }
    for part in parts {
      // What can't be sent because the server has closed gets no answer.
      try? client.send(part)
      if parts.count > 1 { usleep(20_000) }
    }
    return verdict(of: client, seconds: seconds)
  }

  /// Judges what comes for a client that has sent these requests.
  func verdict(of client: TransportClient, seconds: Double) -> Verdict {
    guard let rest = try? client.rest(seconds: seconds) else { return .stalled }
    // A record that is missing, or under another key.
    for sign in ["bad record mac", "bad_record_mac", "decryption failed"]
    where client.complaint.contains(sign) {
      return .wrong(client.complaint)
    }
    return verdict(of: rest.bytes, isWhole: rest.isWhole)
  }

  private func verdict(of bytes: [UInt8], isWhole: Bool) -> Verdict {
    var rest = bytes[...]
    for (index, answer) in answers.enumerated() {
      // Between two responses, even an end in good order says that there are no more.
      if rest.isEmpty { return .broken }
      guard let end = rest.prefix(2000).firstRange(of: Array("\r\n\r\n".utf8)) else {
        return isWhole ? .wrong("half a head, and an end in good order") : .broken
      }
      guard let head = try? HTTPResponse(head: Array(rest[..<end.lowerBound] + [0x0D, 0x0A])) else {
        return .wrong("no head: \(String(decoding: rest[..<end.lowerBound], as: UTF8.self))")
      }
      let length = head.isBodiless ? 0 : head.contentLength ?? 0
      let body = rest[end.upperBound...].prefix(length)
      rest = rest[end.upperBound...].dropFirst(length)
      let isRight = head.status == answer.status
      if isRight, !answer.parts.isEmpty, body.count == length {
        var response = head
        response.body = Array(body)
        let parts = try? MultipartBody(response).parts
        guard let parts, parts.map(\.range) == answer.parts,
          parts.allSatisfy({ Pattern.matches($0.bytes, from: $0.range.lowerBound) })
        else { return .wrong("other parts in \(index)") }
      } else if isRight, !answer.isText {
        if length != answer.body.count { return .wrong("\(length) bytes for answer \(index)") }
        let isSame = unsafe body.withUnsafeBytes { body in
          unsafe answer.body.withUnsafeBytes {
            unsafe body.isEmpty || memcmp(body.baseAddress!, $0.baseAddress!, body.count) == 0
          }
        }
        if !isSame { return .wrong("other bytes in \(index)") }
      }
      if body.count < length {
        return isWhole ? .wrong("\(body.count) of \(length) bytes, and an end in good order") : .broken
      }
      if !isRight { return head.status >= 400 ? .refused(head.status) : .wrong("status \(head.status)") }
    }
    return rest.isEmpty ? .right : .wrong("\(rest.count) bytes too many")
  }
}

/// A site for `Exchange`.
enum FaultSite {
  private static let shared = Result {
    let site = try TemporarySite()
    for size in [1024, 16384] { try site.add("\(size).bin", Pattern.bytes(size)) }
    for name in files.keys.sorted() where name != "folder/" {
      if name == "folder/index.html" { try site.addFolder("folder") }
      try site.add(name, Pattern.bytes(files[name] ?? 0))
    }
    try site.add("hello.txt", "hello\n")
    return site
  }

  /// The sizes of files whose content is the pattern's.
  private static let files = [
    "1024.bin": 1024, "16384.bin": 16384, "large.bin": 1 << 20 + 1, "big.bin": 16 << 20, "plain": 100,
    "new.txt": 300, "new.bin": 30_000, "folder/index.html": 200,
  ]

  static var path: String { get throws { try shared.get().path } }

  static func answer(to path: String, range: String) -> Exchange.Answer {
    if path == "/folder" { return Exchange.Answer(status: 301, isText: true) }
    if path == "/hello.txt" { return Exchange.Answer(body: Array("hello\n".utf8)) }
    let name = path == "/folder/" ? "folder/index.html" : String(path.dropFirst())
    guard let size = files[name] else { return Exchange.Answer(status: 404, isText: true) }
    let parts = range.matches(of: /(\d+)-(\d+)/).compactMap { match in
      if let first = Int(match.1), let last = Int(match.2) { first..<last + 1 } else { nil }
    }
    if parts.count > 1 { return Exchange.Answer(status: 206, isText: true, parts: parts) }
    if let part = parts.first {
      return Exchange.Answer(status: 206, body: Pattern.bytes(part.count, from: part.lowerBound))
    }
    return Exchange.Answer(body: Pattern.bytes(size))
  }
}

extension SluiceProcess {
  /// What it has open: files by their paths, everything else by its kind, sorted.
  func openKinds() throws -> [String] {
    try descriptors().split(separator: "\n").compactMap { line in
      guard let arrow = line.firstRange(of: " -> ") else { return nil }
      let target = String(line[arrow.upperBound...])
      return target.hasPrefix("/") ? target : String(target.prefix { $0 != "[" })
    }.sorted()
  }

  /// What does not hold, of what must when calls have failed and don't any more: all is answered rightly, nothing is open
  /// but what was `before` and these files, and nobody is busy.
  func expectRecovery(
    _ transport: Transfer.Transport, from before: [String], newFiles: [String] = []
  ) throws -> [String] {
    var faults: [String] = []
    for exchange in Exchange.all {
      let verdict = exchange.verdict(transport, self, seconds: 20)
      if verdict != .right { faults.append("afterwards, \(exchange.name): \(verdict)") }
    }
    let expected = try (before + newFiles.map { try FaultSite.path + "/" + $0 }).sorted()
    var open: [String] = []
    try? waitUntil("nothing more is open", seconds: 15) {
      open = try openKinds()
      return open == expected
    }
    if open != expected {
      let more = open.difference(from: expected).map { "\($0)" }
      faults.append("open: \(more.joined(separator: ", "))")
    }
    let ticks = try processorTicks()
    usleep(300_000)
    let used = try processorTicks() - ticks
    if used >= 6 { faults.append("\(used) hundredths of 0.3 s busy afterwards") }
    if process.exitStatus != nil { faults.append("it has ended") }
    return faults
  }
}
