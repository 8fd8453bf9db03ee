/// A response as it came over the wire, taken apart. Made for tests: it is strict, and knows Content-Length only.
struct HTTPResponse {
  let statusLine: String
  let fields: [(name: String, value: String)]
  var body: [UInt8] = []

  /// Parses a head without the empty line at its end.
  init(head: [UInt8]) throws {
    var lines: [String] = []
    var line: [UInt8] = []
    for byte in head {
      if byte == 0x0A {
        guard line.last == 0x0D else { throw TestFailure("bare LF in a response head") }
        lines.append(String(decoding: line.dropLast(), as: UTF8.self))
        line = []
      } else {
        line.append(byte)
      }
    }
    guard line.isEmpty, let first = lines.first else { throw TestFailure("no head: \(lines)") }
    statusLine = first
    fields = try lines.dropFirst().map { line in
      guard let colon = line.firstIndex(of: ":"), line[line.index(after: colon)...].hasPrefix(" ") else {
        throw TestFailure("no field line: \(line)")
      }
      return (String(line[..<colon]), String(line[line.index(colon, offsetBy: 2)...]))
    }
  }

  var status: Int { Int(statusLine.dropFirst(9).prefix(3)) ?? 0 }
  var text: String { String(decoding: body, as: UTF8.self) }

  /// The value of a field that must not stand twice; nil without it.
  subscript(name: String) -> String? {
    let values = fields.filter { $0.name.lowercased() == name.lowercased() }
    return values.count == 1 ? values[0].value : values.isEmpty ? nil : "(\(values.count) times)"
  }

  var contentLength: Int? { self["Content-Length"].flatMap { Int($0) } }

  /// Whether this status never has a body.
  var isBodiless: Bool { status < 200 || status == 204 || status == 304 }

  /// Parses what came until the connection's end: responses one behind the other, to requests that were no HEAD.
  static func all(in bytes: [UInt8]) throws -> [HTTPResponse] {
    var responses: [HTTPResponse] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let end = rest.firstRange(of: Array("\r\n\r\n".utf8)) else {
        throw TestFailure("half a head: \(String(decoding: rest, as: UTF8.self))")
      }
      var response = try HTTPResponse(head: Array(rest[..<end.lowerBound] + [0x0D, 0x0A]))
      let length = response.isBodiless ? 0 : response.contentLength ?? 0
      guard rest.endIndex - end.upperBound >= length else { throw TestFailure("half a body") }
      response.body = Array(rest[end.upperBound..<end.upperBound + length])
      rest = rest[(end.upperBound + length)...]
      responses.append(response)
    }
    return responses
  }
}
