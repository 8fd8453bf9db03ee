internal import CLinux
internal import Glibc

extension FolderLister {
  /// Lists a folder: a resource in memory, up to `inMemory` bytes, or in a file that has no name (`memfd_create(2)`), so that it
  /// can be sent as files are. Nil if only a thread that may wait for any file system can.
  func list(
    _ path: [CChar], _ variant: ListingVariant, in root: RootFolder, number: Int = 0, _ patience: Patience,
    inMemory: Int
  ) -> LoadedFile? {
    // Before the look: what changes after that is newer than what is found.
    let time = LookTime.now()
    switch FolderReader(lister: self).read(path, for: variant, in: root, number: number, patience) {
    case .leavesFileSystem: return nil
    case .failed(let error): return LoadedFile(outcome: .failed(error), at: time)
    case .contents(let contents, let status):
      let bytes = render(contents, variant)
      let tag = unsafe bytes.withUnsafeBytes { unsafe ContentHash.of($0) }
      return LoadedFile(outcome: Self.resource(bytes, status, inMemory: inMemory), tag: tag, at: time)
    }
  }

  /// `status` is that of the folder, for what has none of its own.
  private static func resource(
    _ bytes: [UInt8], _ status: FileStatus, inMemory: Int
  ) -> LoadedFile.Outcome {
    unsafe bytes.withUnsafeBytes { bytes in
      let isSmall = bytes.count <= inMemory
      let content = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<(isSmall ? bytes.count : 0)])
      guard let copy = unsafe FileContent(copying: content) else { return .failed(.exhausted) }
      if isSmall { return .file(descriptor: -1, status, copy, isResident: true) }
      switch unsafe write(bytes) {
      case .success(let (descriptor, status)):
        return .file(descriptor: descriptor, status, copy, isResident: true)
      case .failure(let error): return .failed(error)
      }
    }
  }

  private static func write(_ bytes: UnsafeRawBufferPointer) -> Result<(Int32, FileStatus), FileError> {
    let descriptor = unsafe CLinux_memfdCreate("listing", CLinux_MFD_CLOEXEC)
    guard descriptor >= 0 else { return .failure(FileError(errno: errno)) }
    var done = 0
    while done < bytes.count {
      let count = unsafe Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      guard count > 0 else {
        close(descriptor)
        return .failure(.exhausted)
      }
      done += count
    }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      close(descriptor)
      return .failure(.inputOutput)
    }
    return .success((descriptor, FileStatus(status)))
  }
}
