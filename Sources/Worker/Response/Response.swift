import Files
import HTTP

/// What is to be sent in answer to a request. The bytes are the responder's or a cached file's: good until
/// the next request is looked at.
@safe
struct Response {
  /// The head, perhaps with the content behind it.
  var bytes: UnsafeRawBufferPointer
  /// Content in memory, to be sent with `bytes`.
  var content = unsafe UnsafeRawBufferPointer.empty
  /// Content in an open file, to be sent after `bytes`.
  var file: FileReference?
  var fileOffset: Int64 = 0
  var fileCount: Int64 = 0
  /// The responder's `partsToFollow` are sent after that.
  var hasMoreParts = false
  var keepsAlive = true
}

/// The parts of a file behind the first that is sent: good until the next request is looked at.
@safe
struct PartsToFollow {
  var boundary = MultipartBoundary(0, 0)
  var ranges = unsafe UnsafeBufferPointer<ByteRange>(start: nil, count: 0)
}

extension Response {
  var status: UInt16 { unsafe bytes.status }

  /// A whole file, with its ready head.
  init(wholeOf file: FileReference) {
    if file.file.isInMemory {
      unsafe self.init(bytes: file.file.headAndContent)
    } else {
      unsafe self.init(bytes: UnsafeRawBufferPointer(file.file.head), file: file, fileCount: file.file.size)
    }
  }

  /// Sends a part of a file behind the head.
  mutating func setContent(of file: FileReference, from offset: Int64, count: Int64) {
    if file.file.isInMemory {
      unsafe content = unsafe UnsafeRawBufferPointer(
        rebasing: file.file.content[Int(offset)..<Int(offset + count)])
    } else {
      self.file = file
      fileOffset = offset
      fileCount = count
    }
  }
}
