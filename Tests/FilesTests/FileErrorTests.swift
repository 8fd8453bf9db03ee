import Glibc
import Testing

@testable import Files

@Suite struct FileErrorTests {
  @Test(
    arguments: [
      (ENOENT, .notFound), (ENOTDIR, .notFound), (EXDEV, .notFound), (ELOOP, .notFound),
      (ENAMETOOLONG, .notFound),
      (ENXIO, .notFound), (ENODEV, .notFound), (EINVAL, .notFound),
      (EACCES, .forbidden), (EPERM, .forbidden),
      (EMFILE, .exhausted), (ENFILE, .exhausted), (ENOMEM, .exhausted), (EAGAIN, .exhausted),
      (EIO, .inputOutput), (ESTALE, .inputOutput), (ENOSYS, .inputOutput), (0, .inputOutput),
    ] as [(Int32, FileError)])
  func errors(code: Int32, error: FileError) {
    #expect(FileError(errno: code) == error)
  }
}
