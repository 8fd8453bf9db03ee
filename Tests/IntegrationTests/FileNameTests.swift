import Glibc
import Testing

/// Names of files at their bounds, and targets that are no URIs.
@Suite struct FileNameTests {
  @Test(arguments: Transfer.Transport.everywhere) func names(transport: Transfer.Transport) throws {
    let site = try TemporarySite()
    let longest = String(repeating: "n", count: 251) + ".txt"
    try site.add(longest, "long\n")
    try site.addFolder("größe")
    try site.add("größe/ä b.txt", "umlaut\n")
    // Names that are no UTF-8.
    try Shell.require(
      ["sh", "-ec", "printf 'latin\\n' > $(printf 'gr\\366\\337e.txt'); mkdir $(printf '\\377')"],
      workingFolder: site.path)
    let sluice = try transport.serve(site.path, flags: ["--clean-urls"])
    func get(_ path: String, _ arguments: [String] = []) throws -> HTTPResponse {
      try Curl.get(transport.url(sluice) + path, transport.flags() + arguments)
    }
    // The names of its codings, and that with the ending of a clean path, would be too long.
    for accepted in ["identity", "br, gzip, zstd"] {
      #expect(try get("/\(longest)", ["-H", "Accept-Encoding: \(accepted)"]).text == "long\n")
    }
    #expect(try get("/n\(longest)").status == 404)
    #expect(try get("/\(String(repeating: "n", count: 255))").status == 404)
    let latin = try get("/gr%F6%DFe.txt")
    #expect(latin.text == "latin\n" && latin["Content-Type"] == "text/plain; charset=utf-8")
    #expect(try get("/gr%C3%B6%C3%9Fe.txt").status == 404)
    #expect(try get("/%FF")["Location"] == "/%FF/")
    #expect(try get("/%FF?a|b")["Location"] == "/%FF/?a%7Cb")

    for (target, location) in [
      ("/größe/ä%20b.txt", "/gr%C3%B6%C3%9Fe/%C3%A4%20b.txt"), ("/größe", "/gr%C3%B6%C3%9Fe"),
      ("//größe//", "/gr%C3%B6%C3%9Fe/"), ("/ö/../ä?ü=%20", "/%C3%A4?%C3%BC=%20"), ("/?ü", "/?%C3%BC"),
      // What is no file is redirected as well.
      ("/nichts/ß", "/nichts/%C3%9F"),
    ] {
      for method in ["GET", "HEAD"] {
        let response = try send(
          "\(method) \(target) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", transport, sluice)
        #expect(
          response.hasPrefix("HTTP/1.1 301 ") && response.contains("\r\nLocation: \(location)\r\n"),
          "\(response)")
      }
    }
    for target in ["/../ü", "/%zzü", "/%00ü"] {
      let response = try send(
        "GET \(target) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", transport, sluice)
      #expect(response.hasPrefix("HTTP/1.1 400 "), "\(target)")
    }
    #expect(
      try send("GET /.ü HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", transport, sluice).hasPrefix(
        "HTTP/1.1 404 "))
    // Whoever follows gets the file.
    let followed = try Curl.run(transport.flags() + ["-L", transport.url(sluice) + "/größe/ä%20b.txt"])
    #expect(followed.output == "umlaut\n")
  }

  private func send(_ request: String, _ transport: Transfer.Transport, _ sluice: SluiceProcess) throws
    -> String
  {
    let client = try TransportClient(transport, sluice)
    try client.send(request)
    return String(decoding: try client.rest().bytes, as: UTF8.self)
  }
}
