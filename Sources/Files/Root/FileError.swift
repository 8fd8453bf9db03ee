internal import Glibc

/// Why a file can't be served.
public enum FileError: Error, Sendable {
  /// There is none, or nothing that can be served, or it lies outside of the root.
  case notFound
  /// The file system does not let us read it.
  case forbidden
  /// No file descriptor or no memory is free, or too many wait for a disk: a matter of time.
  case exhausted
  /// The disk, or what stands for it, has failed.
  case inputOutput

  init(errno code: Int32) {
    self =
      switch code {
      // EXDEV: leads out of the root. ELOOP: links in a circle, or a magic link. ENXIO, ENODEV: a socket, a
      // device without driver.
      case ENOENT, ENOTDIR, EXDEV, ELOOP, ENAMETOOLONG, ENXIO, ENODEV, EINVAL: .notFound
      case EACCES, EPERM: .forbidden
      case EMFILE, ENFILE, ENOMEM, EAGAIN: .exhausted
      default: .inputOutput
      }
  }
}
