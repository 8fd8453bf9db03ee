import Files
import HTTP
import Site

/// What the site says of files, as it stands in heads. A number stands for all files of which it says the same: it is asked
/// when a file comes into the cache, and not for a request.
@safe
final class FilePolicies {
  /// A policy, written.
  @safe
  struct Entry {
    /// `Content-Type: …`, with its line's end.
    let type: UnsafeRawBufferPointer
    /// All other fields, each with its line's end.
    let fields: UnsafeRawBufferPointer
    let hasServer: Bool
    let hasEntityTag: Bool
    let hasLastModified: Bool
  }

  let site: Site
  private var numbers: [Key: Int32] = [:]
  /// What the site offers, its favourite first.
  let codings: [ContentCoding]

  private struct Key: Hashable {
    let policy: FilePolicy
    let coding: ContentCoding?
  }
  private var entries: [Entry] = []

  init(site: Site) {
    self.site = site
    codings = site.codings.compactMap { token in ContentCoding.allCases.first { "\($0.token)" == token } }
  }

  /// How the site's paths become names of files.
  var fileNames: FileNames {
    FileNames(
      indexes: site.indexes, endings: site.hasCleanPaths ? [".html"] : [],
      codings: ContentCoding.allCases.map(\.ending))
  }

  deinit {
    for entry in entries {
      unsafe entry.type.deallocate()
      unsafe entry.fields.deallocate()
    }
  }

  subscript(number: Int32) -> Entry { entries[Int(number)] }

  /// For the cache. `path` is relative to the root, and a file's own.
  func describe(_ path: Span<UInt8>, coding: UInt8) -> FileDescription {
    let key = Key(
      policy: site.policy(of: path.indices.map { path[$0] }), coding: ContentCoding(rawValue: coding))
    let number = numbers[key] ?? add(key)
    let entry = entries[Int(number)]
    return unsafe FileDescription(
      policy: number, headCount: ResponseHead.maximumFileCount + entry.type.count + entry.fields.count,
      codings: coding == 0 && key.policy.coding == nil && MediaType.isCompressible(key.policy.mediaType)
        ? codings.reduce(0) { $0 | 1 << $1.rawValue } : 0)
  }

  private func add(_ key: Key) -> Int32 {
    let policy = key.policy
    let coding = key.coding.map { "\($0.token)" } ?? policy.coding
    func copy(_ fields: [Field]) -> UnsafeRawBufferPointer {
      let text = fields.map { "\($0.name): \($0.value)\r\n" }.joined()
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
      unsafe copy.copyBytes(from: text.utf8)
      return UnsafeRawBufferPointer(copy)
    }
    let number = Int32(entries.count)
    unsafe entries.append(
      Entry(
        type: copy(
          [Field(type: policy.mediaType)] + (coding.map { [Field(coding: $0)] } ?? [])),
        fields: copy(policy.fields),
        hasServer: policy.hasServer,
        hasEntityTag: policy.hasEntityTag, hasLastModified: policy.hasLastModified))
    numbers[key] = number
    return number
  }
}
