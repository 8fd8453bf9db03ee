import Files
import Glibc
import HTTP

/// Responses with several parts of a file: RFC 9110 §15.3.7.2.
extension Responder {
  /// What is composed has all that is in memory: `head`, and all parts of a small file, or what is said of the first part of an
  /// open one. Nil where that would be as many bytes as the whole file or more, or no boundary is to be had.
  mutating func response(
    _ head: consuming ResponseHead, with parts: UnsafeBufferPointer<ByteRange>, of file: FileReference,
    to request: RequestHead
  ) -> Response? {
    guard let boundary = MultipartBoundary(), let count = unsafe contentCount(parts, of: file, boundary),
      let first = unsafe parts.first
    else { return nil }
    head.boundary = boundary
    head.contentLength = count
    let fields = unsafe policies[file.file.policy].fields(for: client)
    var response = unsafe finish(head, request, fields: fields.span)
    if file.file.isInMemory {
      unsafe response.bytes = compose(behind: response.bytes) { out in
        for index in parts.indices {
          let part = unsafe parts[index]
          appendHead(of: part, of: file, boundary, to: &out)
          unsafe out.append(
            copying: file.file.content.span.extracting(Int(part.lowerBound)..<Int(part.upperBound)))
        }
        boundary.appendEnd(to: &out)
      }
    } else {
      unsafe response.bytes = compose(behind: response.bytes) {
        appendHead(of: first, of: file, boundary, to: &$0)
      }
      response.setContent(of: file, from: first.lowerBound, count: first.count)
      response.hasMoreParts = true
      unsafe partsToFollow = PartsToFollow(
        boundary: boundary, ranges: UnsafeBufferPointer(rebasing: parts.dropFirst()))
    }
    return response
  }

  /// What is sent before a part of a file.
  func composeHead(
    of part: ByteRange, of file: FileReference, _ boundary: MultipartBoundary
  ) -> UnsafeRawBufferPointer {
    unsafe compose { appendHead(of: part, of: file, boundary, to: &$0) }
  }

  /// What is sent after the last part.
  func composeEnd(_ boundary: MultipartBoundary) -> UnsafeRawBufferPointer {
    unsafe compose { boundary.appendEnd(to: &$0) }
  }

  private func appendHead(
    of part: ByteRange, of file: FileReference, _ boundary: MultipartBoundary, to out: inout OutputSpan<UInt8>
  ) {
    unsafe boundary.appendPartHead(
      part, ofSize: file.file.size, type: policies[file.file.policy].type.span, to: &out)
  }

  /// The bytes of all parts with what is said of them, found by saying it; nil if the file has no more. The parts do not overlap,
  /// so that they are no more than it.
  func contentCount(
    _ parts: UnsafeBufferPointer<ByteRange>, of file: FileReference, _ boundary: MultipartBoundary
  ) -> Int64? {
    var saved = unsafe file.file.size - Int64(composeEnd(boundary).count)
    for index in parts.indices {
      let part = unsafe parts[index]
      saved -= unsafe part.count + Int64(composeHead(of: part, of: file, boundary).count)
    }
    return saved > 0 ? file.file.size - saved : nil
  }
}

extension MultipartBoundary {
  /// One that was never used; nil if the kernel has no random numbers.
  fileprivate init?() {
    var words: (UInt64, UInt64) = (0, 0)
    let status = unsafe withUnsafeMutableBytes(of: &words) { unsafe getentropy($0.baseAddress!, $0.count) }
    guard status == 0 else { return nil }
    self.init(words.0, words.1)
  }
}
