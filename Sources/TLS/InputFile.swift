internal import Glibc

/// A file of an operator's that is about to be read.
enum InputFile {
  /// Opens it; the caller closes it. Throws, with its name and `what` was to be read, if it can't be read, or is no regular file:
  /// nobody knows when a FIFO or a device has said all, if it ever has, and what is read twice would be empty then.
  static func open(_ file: String, _ what: String) throws(ContextError) -> Int32 {
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    let descriptor = unsafe Glibc.open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else { throw fault(file, what, unsafe String(cString: strerror(errno))) }
    if let kind = otherKind(of: descriptor) {
      close(descriptor)
      throw fault(file, what, "it is a \(kind)")
    }
    return descriptor
  }

  /// Throws what `open` would.
  static func require(_ file: String, _ what: String) throws(ContextError) {
    close(try open(file, what))
  }

  /// What it is that has been opened, if it is no regular file.
  static func otherKind(of descriptor: Int32) -> StaticString? {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { return "file that nothing is known of" }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return nil
    case S_IFDIR: return "directory"
    case S_IFIFO: return "pipe: put a file in its place"
    default: return "device: put a file in its place"
    }
  }

  private static func fault(_ file: String, _ what: String, _ reason: String) -> ContextError {
    ContextError("\(file): cannot read \(what): \(reason)")
  }
}
