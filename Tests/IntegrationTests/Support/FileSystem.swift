import Glibc
import Testing

/// The kinds of file systems that sites lie on. They differ in what their clocks tell.
enum FileSystem: String, Sendable, CustomTestStringConvertible {
  /// Where temporary folders are.
  case ordinary
  /// tmpfs: nothing is written back, and a store through mmap changes no time.
  case memory
  /// ext4 with inodes of 128 bytes: times in whole seconds.
  case coarse

  /// Those that need no rights.
  static let everywhere = [ordinary] + (unsafe access("/dev/shm", W_OK) == 0 ? [memory] : [])

  static let lacksMounts = "mounting a file needs root, mkfs.ext4 and loop devices"
  /// Whether `coarse` can be had.
  static let canMount: Bool = TestMachine.isRoot && TestMachine.has("mkfs.ext4") && (try? Mount()) != nil

  var testDescription: String { rawValue }

  /// An empty folder on it.
  func folder() throws -> Folder {
    switch self {
    case .ordinary: try Temporary()
    case .memory: try InMemory()
    case .coarse: try Mount()
    }
  }

  /// A folder that goes with its owner.
  class Folder {
    let path: String

    fileprivate init(_ path: String) {
      self.path = path
    }
  }

  private final class Temporary: Folder {
    private let folder: TemporaryFolder

    init() throws {
      folder = try TemporaryFolder()
      super.init(folder.path)
    }
  }

  private final class InMemory: Folder {
    init() throws {
      var name = "/dev/shm/sluice-tests.XXXXXX".utf8CString
      let path = unsafe name.withUnsafeMutableBufferPointer { buffer in
        unsafe mkdtemp(buffer.baseAddress!).map { unsafe String(cString: $0) }
      }
      guard let path else { throw TestFailure("cannot make a folder in /dev/shm") }
      super.init(path)
    }

    deinit {
      _ = try? Shell.run(["rm", "-rf", path])
    }
  }

  private final class Mount: Folder {
    private let folder: TemporaryFolder

    init() throws {
      folder = try TemporaryFolder()
      let (image, point) = (folder.path + "/image", folder.path + "/mounted")
      try writeFile(image, [])
      guard unsafe truncate(image, 64 << 20) == 0, unsafe mkdir(point, 0o755) == 0 else {
        throw TestFailure("cannot make an image")
      }
      try Shell.require(["mkfs.ext4", "-q", "-I", "128", "-O", "^metadata_csum", image])
      try Shell.require(["mount", "-o", "loop", image, point])
      super.init(point)
    }

    deinit {
      _ = try? Shell.run(["umount", "-l", path])
    }
  }
}
