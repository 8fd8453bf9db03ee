import Testing

/// Keep-alive, pipelining, and when a connection ends.
@Suite struct PersistenceTests {
  private let sluice: SluiceProcess

  init() throws {
    sluice = try SluiceProcess(TemporarySite.common().path)
  }

  @Test func manyRequestsOnOneConnection() throws {
    let url = try sluice.url("http") + "/hello.txt"
    let result = try Curl.run(
      Array(repeating: url, count: 200) + ["-w", "%{num_connects} ", "-o", "/dev/null"])
    #expect(result.exitStatus == 0)
    do {
      let connection = try sluice.connect()
      for _ in 0..<200 {
        try connection.get("/hello.txt")
        #expect(try connection.response().text == "hello\n")
      }
    }
    #expect(try sluice.stopForMetrics()["connections"] == 2)
  }

  @Test func closeOnRequest() throws {
    for option in ["close", "Close", "foo, close", "close, keep-alive", "keep-alive ,\tclose"] {
      let connection = try sluice.connect()
      try connection.get("/hello.txt", "Connection: \(option)\r\n")
      let response = try connection.response()
      #expect(response["Connection"] == "close", "\(option)")
      #expect(response.text == "hello\n")
      let rest = try connection.rest()
      #expect(rest.bytes.isEmpty && rest.end == .closed, "\(option)")
    }
  }

  @Test func requestsBehindACloseAreNotAnswered() throws {
    let connection = try sluice.connect()
    let request = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n"
    try connection.send(request + "Connection: close\r\n\r\n" + request + "\r\n")
    let rest = try connection.rest()
    #expect(try HTTPResponse.all(in: rest.bytes).count == 1)
    #expect(rest.end == .closed)
  }

  @Test func otherConnectionOptionsMeanNothing() throws {
    let connection = try sluice.connect()
    for option in ["keep-alive", "Upgrade", "closed", "x-close", ""] {
      try connection.get("/hello.txt", "Connection: \(option)\r\nUpgrade: h2c\r\n")
      #expect(try connection.response().status == 200)
    }
  }

  @Test func http10ClosesByDefault() throws {
    let connection = try sluice.connect()
    try connection.send("GET /hello.txt HTTP/1.0\r\n\r\n")
    let rest = try connection.rest()
    let responses = try HTTPResponse.all(in: rest.bytes)
    #expect(responses.count == 1 && rest.end == .closed)
    #expect(responses[0].statusLine == "HTTP/1.1 200 OK" && responses[0].text == "hello\n")
    #expect(responses[0]["Connection"] == "close")
  }

  @Test func http10KeepsAliveOnRequest() throws {
    let connection = try sluice.connect()
    for _ in 0..<3 {
      try connection.send("GET /16385.bin HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
      let response = try connection.response()
      #expect(response["Connection"]?.lowercased() == "keep-alive")
      #expect(Pattern.matches(response.body) && response.body.count == 16385)
    }
    try connection.send("GET /hello.txt HTTP/1.0\r\n\r\n")
    #expect(try connection.response().text == "hello\n")
    #expect(try connection.rest().end == .closed)
  }

  @Test func apacheBenchLikeClient() throws {
    let result = try Curl.run(["-0", "-i", sluice.url("http") + "/1024.bin"])
    let responses = try HTTPResponse.all(in: result.outputBytes)
    #expect(responses.count == 1 && Pattern.matches(responses[0].body))
  }

  @Test func pipelinedInOnePacket() throws {
    let connection = try sluice.connect()
    let sizes = (0..<20).map { TemporarySite.sizes[$0 % TemporarySite.sizes.count] }
    let requests = sizes.map { "GET /\($0).bin HTTP/1.1\r\nHost: localhost\r\n\r\n" }
    try connection.send(requests.joined())
    for size in sizes {
      let response = try connection.response()
      #expect(response.status == 200)
      #expect(response.body.count == size && Pattern.matches(response.body), "\(size)")
    }
    #expect(connection.isSilent(seconds: 0.1))
  }

  @Test func pipelinedWithDifferentAnswers() throws {
    let connection = try sluice.connect()
    let host = "Host: localhost\r\n"
    try connection.send(
      "GET /hello.txt HTTP/1.1\r\n\(host)\r\nHEAD /big.bin HTTP/1.1\r\n\(host)\r\nGET /none HTTP/1.1\r\n\(host)\r\n"
        + "OPTIONS * HTTP/1.1\r\n\(host)\r\nGET /big.bin HTTP/1.1\r\n\(host)Range: bytes=5-9\r\n\r\n"
        + "POST / HTTP/1.1\r\n\(host)\r\nGET /1.bin HTTP/1.1\r\n\(host)Connection: close\r\n\r\n")
    var statuses: [Int] = []
    for index in 0..<7 { statuses.append(try connection.response(toHead: index == 1).status) }
    #expect(statuses == [200, 200, 404, 204, 206, 405, 200])
    #expect(try connection.rest().end == .closed)
  }

  @Test func pipelinedByTheThousand() throws {
    // More than one turn, more than the receive buffer.
    let connection = try sluice.connect()
    let count = 3000
    let request = "GET /1.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"
    try connection.send(String(repeating: request, count: count - 1))
    try connection.get("/1.bin", "Connection: close\r\n")
    let responses = try HTTPResponse.all(in: connection.rest().bytes)
    #expect(responses.count == count)
    #expect(responses.allSatisfy { $0.status == 200 && $0.body.count == 1 })
  }

  @Test func pipelinedBigFiles() throws {
    // Four times 1 MiB + 1, then what was asked for while they were sent.
    let connection = try sluice.connect(receiveBuffer: 8192)
    let request = "GET /1048577.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"
    try connection.send(String(repeating: request, count: 4))
    try connection.get("/hello.txt")
    for _ in 0..<4 { #expect(try Pattern.matches(connection.response().body)) }
    #expect(try connection.response().text == "hello\n")
  }

  @Test func requestCutAnywhere() throws {
    let request = Array("GET /1023.bin HTTP/1.1\r\nHost: localhost\r\nRange: bytes=1-9\r\n\r\n".utf8)
    let connection = try sluice.connect()
    for cut in 1..<request.count {
      try connection.send(Array(request[..<cut]))
      try connection.send(Array(request[cut...]))
      let response = try connection.response()
      #expect(response.status == 206 && response.body == Pattern.bytes(9, from: 1), "\(cut)")
    }
  }

  @Test func closingWithoutARequestHarmsNobody() throws {
    for _ in 0..<10 { _ = try sluice.connect() }
    let half = try sluice.connect()
    try half.send("GET /hello")
    half.endSending()
    let rest = try half.rest()
    #expect(rest.bytes.isEmpty)
    #expect(try Curl.get(sluice.url("http") + "/hello.txt").text == "hello\n")
  }
}
