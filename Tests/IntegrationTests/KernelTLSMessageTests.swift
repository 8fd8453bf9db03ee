import Testing

/// What a TLS client may say at any time, where the kernel encrypts.
@Suite(.serialized, .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)))
struct KernelTLSMessageTests {
  static let versions = [RecordProtection.tls12, RecordProtection.tls13]

  @Test(arguments: Transfer.Transport.Moment.allCases)
  func keyUpdateIsAnswered(moment: Transfer.Transport.Moment) throws {
    try Transfer.Transport.kernelTLS.expectKeyUpdateIsAnswered(moment)
  }

  @Test func pipelinedKeyUpdates() throws {
    try Transfer.Transport.kernelTLS.expectPipelinedKeyUpdates()
  }

  @Test(arguments: versions) func alertEndsADownload(version: UInt16) throws {
    try Transfer.Transport.kernelTLS.expectAlertEndsDownload(version: version)
  }

  @Test(arguments: versions) func requestsDuringADownload(version: UInt16) throws {
    try Transfer.Transport.kernelTLS.expectRequestsDuringDownload(version: version)
  }

  @Test func halfCloseDuringADownload() throws {
    try Transfer.Transport.kernelTLS.expectHalfCloseDuringDownload()
  }

  @Test(arguments: versions, RecordProtection.Cipher.allCases)
  func smallRecords(version: UInt16, cipher: RecordProtection.Cipher) throws {
    try Transfer.Transport.kernelTLS.expectSmallRecords(version: version, cipher)
  }
}
