import Glibc
import Testing

/// A file that is cut while it is sent: the client must see an error, on every transport and at once.
@Suite struct TruncationTests {
  @Test(arguments: Transfer.Transport.everywhere) func cutWhileItIsSent(transport: Transfer.Transport) throws
  {
    try transport.expectCutIsTold()
  }

  @Test func cutIsToldAtOnce() throws {
    let site = try TemporarySite()
    try site.addBig("big.bin")
    let sluice = try SluiceProcess(site.path)
    let connection = try sluice.connect(receiveBuffer: 1 << 16)
    try connection.get("/big.bin")
    _ = try connection.bytes(1000)
    try site.cut("big.bin", to: 1000)
    let rest = try connection.rest(seconds: 5)
    #expect(rest.end == .reset)
    #expect(rest.bytes.count < TemporarySite.bigSize)
  }

  @Test func cutBetweenRequests() throws {
    let site = try TemporarySite()
    try site.add("file.bin", Pattern.bytes(100_000))
    let sluice = try SluiceProcess(site.path)
    let connection = try sluice.connect()
    try connection.get("/file.bin")
    #expect(try connection.response().body.count == 100_000)
    try site.cut("file.bin", to: 50_000)
    // Known to be open and not looked at since: either the new length, or an error.
    try connection.get("/file.bin")
    if let response = try? connection.response() {
      #expect(response.body.count == 50_000)
    } else {
      #expect(try sluice.stopForMetrics()["truncated"] == 1)
    }
  }

  @Test func cutBeforeARangeIsSent() throws {
    let site = try TemporarySite()
    try site.add("file.bin", Pattern.bytes(100_000))
    let sluice = try SluiceProcess(site.path)
    let first = try sluice.connect()
    try first.get("/file.bin")
    #expect(try first.response().status == 200)
    try site.cut("file.bin", to: 10)
    let second = try sluice.connect()
    try second.get("/file.bin", "Range: bytes=50000-60000\r\n")
    if let response = try? second.response() { #expect(response.status == 416) }
  }
}
