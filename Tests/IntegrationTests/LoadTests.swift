import Testing

/// wrk, for a second: every request is answered, and answered with 2xx.
@Suite(.enabled(if: TestMachine.has("wrk"), "wrk is missing: apt-get install wrk"))
struct LoadTests {
  @Test(arguments: Transfer.Transport.everywhere, ["hello.txt", "16384.bin", "102400.bin"])
  func shortRun(transport: Transfer.Transport, name: String) throws {
    try transport.expectLoadIsServed(name)
  }
}
