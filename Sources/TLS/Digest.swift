internal import COpenSSL
internal import Glibc

/// SHA-256, where it only has to be told whether something is the same.
public struct Digest: Hashable, Sendable {
  private var words = SIMD4<UInt64>(repeating: 0)

  /// Of bytes.
  public init(_ bytes: [UInt8]) {
    var count: UInt32 = 0
    unsafe withUnsafeMutableBytes(of: &words) { words in
      _ = unsafe EVP_Digest(
        bytes, bytes.count, words.baseAddress?.assumingMemoryBound(to: UInt8.self), &count, EVP_sha256(), nil)
    }
  }

  /// Of what a file holds; where it can't be read, of the reason; the same for all that are no regular files. Takes no memory of
  /// Swift's, for the lack of which the process would end: nil if there is none.
  public init?(ofFile path: String) {
    // O_NONBLOCK: should it be a FIFO, opening it must not wait for a writer.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else {
      if errno == EMFILE || errno == ENFILE || errno == ENOMEM { return nil }
      words[0] = UInt64(bitPattern: Int64(errno))
      return
    }
    defer { close(descriptor) }
    // What a pipe or a device has to say may never end.
    guard InputFile.otherKind(of: descriptor) == nil else {
      words[0] = UInt64(bitPattern: -1)
      return
    }
    guard let context = unsafe EVP_MD_CTX_new() else { return nil }
    defer { unsafe EVP_MD_CTX_free(context) }
    guard unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else { return nil }
    // As much as is taken from the stack.
    let isRead = unsafe withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { part in
      // Of a key, perhaps.
      defer { unsafe OPENSSL_cleanse(part.baseAddress, part.count) }
      while true {
        let count = unsafe read(descriptor, part.baseAddress, part.count)
        // A folder, for one.
        if count < 0 { return unsafe EVP_DigestUpdate(context, "!", 1) == 1 }
        if count == 0 { return true }
        guard unsafe EVP_DigestUpdate(context, part.baseAddress, count) == 1 else { return false }
      }
    }
    guard isRead else { return nil }
    let isDone = unsafe withUnsafeMutableBytes(of: &words) { words in
      unsafe EVP_DigestFinal_ex(context, words.baseAddress?.assumingMemoryBound(to: UInt8.self), nil) == 1
    }
    if !isDone { return nil }
  }

  /// All 32 of them.
  var bytes: [UInt8] { unsafe withUnsafeBytes(of: words) { unsafe Array($0) } }
}
