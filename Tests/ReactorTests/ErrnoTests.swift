import Glibc
import Reactor
import Testing

@Suite struct ErrnoTests {
  @Test(arguments: [
    (EADDRINUSE, "Address already in use (98)"), (ENOENT, "No such file or directory (2)"),
  ])
  func saysWhatItMeansWithTheNumber(code: Int32, description: String) {
    #expect(Errno(rawValue: code).description == description)
  }

  @Test func currentIsThatOfTheLastFailedCall() {
    #expect(close(-1) == -1)
    #expect(Errno.current == Errno(rawValue: EBADF))
  }
}
