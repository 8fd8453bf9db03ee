import Testing

/// Disks that are slow, hung or broken, where the kernel encrypts and reads the file itself.
@Suite(
  .serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)),
  .enabled(if: SlowDisk.isAvailable, Comment(rawValue: SlowDisk.lacksFUSE)))
struct KernelTLSSlowDiskTests {
  /// Few, for an emulated machine must be done with them before those who wait for the disk have waited too long.
  private static let hotRequests = 40
  private let transport = Transfer.Transport.kernelTLS

  /// On all transports: this kernel is another than the one that the other tests run on.
  @Test(arguments: Transfer.Transport.allCases) func hotFilesGoOn(transport: Transfer.Transport) throws {
    try transport.expectHotFilesGoOn(while: .read, count: Self.hotRequests)
  }

  @Test(arguments: Transfer.Transport.Stage.allCases.filter { $0 != .read })
  func hotFilesGoOnAtOtherStages(stage: Transfer.Transport.Stage) throws {
    try transport.expectHotFilesGoOn(while: stage, count: Self.hotRequests)
  }

  @Test func oneLoadForMany() throws {
    try transport.expectOneLoad(size: 1 << 20)
  }

  @Test func hungForGood() throws {
    try transport.expectHungRequestsEnd()
  }

  @Test(arguments: TransportClient.Departure.allCases)
  func clientGoesAway(departure: TransportClient.Departure) throws {
    try transport.expectNothingIsLeft(after: departure)
  }

  @Test func evictedWhileItIsSent() throws {
    try transport.expectEvictedPagesAreReadAgain()
  }

  @Test func severalParts() throws {
    try transport.expectPartsWaitForTheDisk()
  }

  @Test func readErrors() throws {
    try transport.expectErrorsAreTold()
  }

  @Test func pipelined() throws {
    try transport.expectPipelinedAnswersInOrder()
  }

  @Test func stopWhileItHangs() throws {
    try transport.expectStopInTime(while: .read)
  }
}
