import Testing

/// What a TLS client may say at any time, where the kernel encrypts, and where it decrypts, too.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSMessageTests {
  static let versions = [RecordProtection.tls12, RecordProtection.tls13]

  @Test(arguments: Transfer.Transport.kernel, Transfer.Transport.Moment.allCases)
  func keyUpdateIsAnswered(transport: Transfer.Transport, moment: Transfer.Transport.Moment) throws {
    try transport.expectKeyUpdateIsAnswered(moment)
  }

  @Test(arguments: RecordProtection.Cipher.allCases)
  func keyUpdateWithEachCipher(cipher: RecordProtection.Cipher) throws {
    try Transfer.Transport.kernelBothWays.expectKeyUpdateIsAnswered(.betweenRequests, cipher)
  }

  @Test(arguments: Transfer.Transport.kernel) func pipelinedKeyUpdates(transport: Transfer.Transport) throws {
    try transport.expectPipelinedKeyUpdates()
  }

  @Test(arguments: Transfer.Transport.kernel) func keyUpdateWithAFullSocket(transport: Transfer.Transport)
    throws
  {
    try transport.expectKeyUpdateWithFullSocket()
  }

  @Test(arguments: Transfer.Transport.kernel, versions)
  func alertEndsADownload(transport: Transfer.Transport, version: UInt16) throws {
    try transport.expectAlertEndsDownload(version: version)
  }

  @Test(arguments: Transfer.Transport.kernel, versions)
  func requestsDuringADownload(transport: Transfer.Transport, version: UInt16) throws {
    try transport.expectRequestsDuringDownload(version: version)
  }

  @Test(arguments: Transfer.Transport.kernel, versions)
  func recordsBehindTheLastResponse(transport: Transfer.Transport, version: UInt16) throws {
    try transport.expectRecordsBehindTheLastResponse(version: version)
  }

  @Test(arguments: Transfer.Transport.kernel) func halfCloseDuringADownload(transport: Transfer.Transport)
    throws
  {
    try transport.expectHalfCloseDuringDownload()
  }

  @Test(arguments: Transfer.Transport.kernel, versions)
  func smallRecords(transport: Transfer.Transport, version: UInt16) throws {
    for cipher in RecordProtection.Cipher.allCases {
      try transport.expectSmallRecords(version: version, cipher)
    }
  }

  @Test(arguments: Transfer.Transport.kernel, versions)
  func emptyRecordsBeforeOthers(transport: Transfer.Transport, version: UInt16) throws {
    for moment in Transfer.Transport.Moment.allCases {
      try transport.expectEmptyRecordsBefore(moment, version: version)
    }
  }

  @Test(arguments: Transfer.Transport.kernel, WrongRecord.allCases)
  func wrongRecords(transport: Transfer.Transport, wrong: WrongRecord) throws {
    try transport.expectAlert(for: wrong)
  }

  @Test(arguments: Transfer.Transport.kernel, versions)
  func warningsAreNoEnd(transport: Transfer.Transport, version: UInt16) throws {
    try transport.expectWarningsAreNoEnd(version: version)
  }

  @Test(arguments: Transfer.Transport.kernel) func cutRecord(transport: Transfer.Transport) throws {
    try transport.expectCutRecordIsNoRequest()
  }

  @Test(arguments: Transfer.Transport.kernel, [false, true])
  func twoKeyUpdatesAtOnce(transport: Transfer.Transport, inDownload: Bool) throws {
    try transport.expectTwoKeyUpdatesAtOnce(inDownload: inDownload)
  }

  @Test(arguments: Transfer.Transport.kernel) func paddedRecords(transport: Transfer.Transport) throws {
    for cipher in RecordProtection.Cipher.allCases { try transport.expectPaddedRecords(cipher) }
  }

  @Test(arguments: Transfer.Transport.kernel, versions)
  func alertBehindARequest(transport: Transfer.Transport, version: UInt16) throws {
    try transport.expectAlertBehindARequest(version: version)
  }

  @Test(arguments: Transfer.Transport.kernel, versions)
  func nothingBehindCloseNotify(transport: Transfer.Transport, version: UInt16) throws {
    try transport.expectNothingBehindCloseNotify(version: version)
  }
}
