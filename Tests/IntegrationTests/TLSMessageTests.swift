import Testing

/// What a TLS client may say at any time, where OpenSSL encrypts.
@Suite struct TLSMessageTests {
  static let versions = [RecordProtection.tls12, RecordProtection.tls13]

  @Test(arguments: Transfer.Transport.Moment.allCases)
  func keyUpdateIsAnswered(moment: Transfer.Transport.Moment) throws {
    try Transfer.Transport.userTLS.expectKeyUpdateIsAnswered(moment)
  }

  @Test func pipelinedKeyUpdates() throws {
    try Transfer.Transport.userTLS.expectPipelinedKeyUpdates()
  }

  @Test func keyUpdateWithAFullSocket() throws {
    try Transfer.Transport.userTLS.expectKeyUpdateWithFullSocket()
  }

  @Test(arguments: versions) func alertEndsADownload(version: UInt16) throws {
    try Transfer.Transport.userTLS.expectAlertEndsDownload(version: version)
  }

  @Test(arguments: versions) func requestsDuringADownload(version: UInt16) throws {
    try Transfer.Transport.userTLS.expectRequestsDuringDownload(version: version)
  }

  @Test(arguments: versions) func recordsBehindTheLastResponse(version: UInt16) throws {
    try Transfer.Transport.userTLS.expectRecordsBehindTheLastResponse(version: version)
  }

  @Test func halfCloseDuringADownload() throws {
    try Transfer.Transport.userTLS.expectHalfCloseDuringDownload()
  }

  @Test(arguments: versions, RecordProtection.Cipher.allCases)
  func smallRecords(version: UInt16, cipher: RecordProtection.Cipher) throws {
    try Transfer.Transport.userTLS.expectSmallRecords(version: version, cipher)
  }

  @Test(arguments: versions, Transfer.Transport.Moment.allCases)
  func emptyRecordsBeforeOthers(version: UInt16, moment: Transfer.Transport.Moment) throws {
    try Transfer.Transport.userTLS.expectEmptyRecordsBefore(moment, version: version)
  }

  @Test(arguments: WrongRecord.allCases) func wrongRecords(wrong: WrongRecord) throws {
    try Transfer.Transport.userTLS.expectAlert(for: wrong)
  }

  @Test(arguments: versions) func warningsAreNoEnd(version: UInt16) throws {
    try Transfer.Transport.userTLS.expectWarningsAreNoEnd(version: version)
  }

  @Test func cutRecord() throws {
    try Transfer.Transport.userTLS.expectCutRecordIsNoRequest()
  }

  @Test(arguments: [false, true]) func twoKeyUpdatesAtOnce(inDownload: Bool) throws {
    try Transfer.Transport.userTLS.expectTwoKeyUpdatesAtOnce(inDownload: inDownload)
  }

  @Test(arguments: RecordProtection.Cipher.allCases) func paddedRecords(cipher: RecordProtection.Cipher)
    throws
  {
    try Transfer.Transport.userTLS.expectPaddedRecords(cipher)
  }

  @Test(arguments: versions) func alertBehindARequest(version: UInt16) throws {
    try Transfer.Transport.userTLS.expectAlertBehindARequest(version: version)
  }

  @Test(arguments: versions) func nothingBehindCloseNotify(version: UInt16) throws {
    try Transfer.Transport.userTLS.expectNothingBehindCloseNotify(version: version)
  }
}
