import Testing

/// Disks that are slow, hung or broken: a worker waits for none of them.
///
/// One after the other, because some of them wait for a limit and need the processor for nothing else.
@Suite(.serialized, .enabled(if: SlowDisk.isAvailable, Comment(rawValue: SlowDisk.lacksFUSE)))
struct SlowDiskTests {
  typealias Transport = Transfer.Transport

  @Test(arguments: Transport.everywhere, Transport.Stage.allCases)
  func hotFilesGoOn(transport: Transport, stage: Transport.Stage) throws {
    try transport.expectHotFilesGoOn(while: stage)
  }

  @Test(arguments: Transport.everywhere) func slowAllTheTime(transport: Transport) throws {
    try transport.expectSlowFilesAreServed()
  }

  /// From memory and from an open file.
  @Test(arguments: Transport.everywhere, [4096, 1 << 20])
  func oneLoadForMany(transport: Transport, size: Int) throws {
    try transport.expectOneLoad(size: size)
  }

  @Test(arguments: Transport.everywhere) func hungForGood(transport: Transport) throws {
    try transport.expectHungRequestsEnd()
  }

  @Test(arguments: Transport.everywhere) func manyHungFiles(transport: Transport) throws {
    try transport.expectFloodOfHungFilesIsSurvived(count: 250)
  }

  @Test(arguments: [SlowDisk.Operation.open, .lookup])
  func manyFilesThatHangEarlier(operation: SlowDisk.Operation) throws {
    try Transport.plain.expectFloodOfHungFilesIsSurvived(count: 250, while: operation)
  }

  @Test(arguments: Transport.everywhere, TransportClient.Departure.allCases)
  func clientGoesAway(transport: Transport, departure: TransportClient.Departure) throws {
    try transport.expectNothingIsLeft(after: departure)
  }

  @Test(arguments: Transport.everywhere, [4096, 1 << 20])
  func replacedWhileItIsLoaded(transport: Transport, size: Int) throws {
    try transport.expectReplacedFileIsNotMixed(size: size)
  }

  @Test(arguments: Transport.everywhere, [4096, 1 << 20])
  func removedWhileItIsLoaded(transport: Transport, size: Int) throws {
    try transport.expectRemovedFileIsWholeOrGone(size: size)
  }

  @Test(arguments: Transport.everywhere) func evictedWhileItIsSent(transport: Transport) throws {
    try transport.expectEvictedPagesAreReadAgain()
  }

  @Test(arguments: Transport.everywhere) func severalParts(transport: Transport) throws {
    try transport.expectPartsWaitForTheDisk()
  }

  @Test(arguments: Transport.everywhere) func everyWayToAFile(transport: Transport) throws {
    try transport.expectEveryWayToAFile()
  }

  @Test(arguments: Transport.everywhere) func readErrors(transport: Transport) throws {
    try transport.expectErrorsAreTold()
  }

  @Test(arguments: Transport.everywhere) func everyKindOfAnswer(transport: Transport) throws {
    try transport.expectEveryKindOfAnswer()
  }

  @Test(arguments: Transport.everywhere) func ownDiskGoesOn(transport: Transport) throws {
    try transport.expectOwnDiskGoesOn()
  }

  @Test(arguments: Transport.everywhere) func pipelined(transport: Transport) throws {
    try transport.expectPipelinedAnswersInOrder()
  }

  @Test(arguments: Transport.everywhere) func requestsWithContent(transport: Transport) throws {
    try transport.expectContentIsPassedOver()
  }

  @Test(arguments: Transport.everywhere) func lastResponses(transport: Transport) throws {
    try transport.expectLastResponsesAreWhole()
  }

  @Test(arguments: Transport.everywhere) func stopWhileAReadHangs(transport: Transport) throws {
    try transport.expectStopInTime(while: .read)
  }

  @Test(arguments: [SlowDisk.Operation.open, .lookup])
  func stopWhileItHangs(operation: SlowDisk.Operation) throws {
    try Transport.plain.expectStopInTime(while: operation)
  }
}
