/// A connection's requests, for nginx and for sluice, and what is known of their answers.
struct PeerQuestion: Sendable, CustomStringConvertible {
  /// TAG stands for the entity tag of the file, which each server has its own of.
  let text: String
  let isHead: Bool
  /// The file that TAG is of.
  let path: String
  /// The status of sluice's last answer where it is another than nginx's, and why.
  let difference: (status: Int, reason: String)?

  /// `line` is a request line, with HTTP/1.1 where it names no version. The connection is to be closed, unless a field says
  /// otherwise.
  init(_ line: String, _ fields: String..., sluice status: Int? = nil, because reason: String = "") {
    let line = line.contains(" HTTP/") ? line : line + " HTTP/1.1"
    let connection = fields.contains { $0.hasPrefix("Connection:") } ? [] : ["Connection: close"]
    text = ([line, "Host: localhost"] + fields + connection).map { $0 + "\r\n" }.joined() + "\r\n"
    isHead = line.hasPrefix("HEAD ")
    path = line.split(separator: " ").dropFirst().first.map(String.init) ?? "/"
    difference = status.map { ($0, reason) }
  }

  /// Exactly these bytes, whose last response ends the connection.
  init(raw text: String, sluice status: Int? = nil, because reason: String = "") {
    self.text = text
    (isHead, path) = (false, "/")
    difference = status.map { ($0, reason) }
  }

  var description: String { text.replacing("\r\n", with: "⏎") }
}

/// What of a response two servers should have in common.
struct PeerAnswer: Equatable, CustomStringConvertible {
  let status: Int
  let fields: [String: String]
  let body: [UInt8]

  init(_ response: HTTPResponse, isHead: Bool) throws {
    status = response.status
    var names = ["Location"]
    // Pages for errors and redirects are each server's own.
    switch status {
    // Accept-Ranges is not said of parts by nginx, nor with codings, of which it sends no parts. It may be: RFC 9110 §14.3.
    case 200:
      names += ["Content-Type", "Content-Length", "Last-Modified", "Vary", "Content-Encoding"]
      if response["Content-Encoding"] == nil { names.append("Accept-Ranges") }
    case 206: names += ["Content-Type", "Content-Length", "Content-Range", "Last-Modified", "Vary"]
    case 304: names += ["Content-Length", "Last-Modified", "Vary"]
    case 416: names += ["Content-Range"]
    default: break
    }
    var fields: [String: String] = [:]
    for name in names { fields[name] = response[name] }
    // Which text has a charset is a matter of configuration.
    fields["Content-Type"] = fields["Content-Type"].map { String($0.prefix { $0 != ";" }) }
    fields["closes"] = Self.closes(response) ? "yes" : "no"
    var body = status == 200 || status == 206 ? response.body : []
    if fields["Content-Type"] == "multipart/byteranges", !isHead {
      // Boundaries differ, and so may lengths.
      let parts = try MultipartBody(response).parts
      fields["Content-Length"] = nil
      fields["parts"] = parts.map {
        "\($0.fields["Content-Range"] ?? "-") \($0.fields["Content-Type"] ?? "-")"
      }
      .joined(separator: ", ")
      body = parts.flatMap(\.bytes)
    }
    (self.fields, self.body) = (fields, body)
  }

  /// RFC 9112 §9.3. To a client of HTTP/1.0, servers may answer with either version.
  private static func closes(_ response: HTTPResponse) -> Bool {
    response["Connection"]?.lowercased() == "close"
  }

  var description: String {
    let said = fields.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    return "\(status), \(said.joined(separator: ", ")), \(body.count) bytes"
  }
}

extension PeerQuestion {
  /// Asks a server for all that it answers until it closes.
  func ask(port: UInt16) throws -> [HTTPResponse] {
    let connection = try RawConnection(port: port)
    try connection.send(text.contains("TAG") ? text.replacing("TAG", with: Self.tag(path, port)) : text)
    if isHead {
      let response = try connection.response(toHead: true)
      guard try connection.rest().bytes.isEmpty else { throw TestFailure("something behind a head") }
      return [response]
    }
    // 100 (Continue) is the client's to wait for or not.
    return try HTTPResponse.all(in: connection.rest().bytes).filter { $0.status >= 200 }
  }

  private static func tag(_ path: String, _ port: UInt16) throws -> String {
    let connection = try RawConnection(port: port)
    try connection.get(path)
    guard let tag = try connection.response()["ETag"] else { throw TestFailure("no tag of \(path)") }
    return tag
  }
}
