import Files
import HTTP

/// Which listing of a folder a request asks for.
struct ListingRequest {
  private(set) var variant = ListingVariant()
  /// Accept has decided about the format, since the query says nothing of it.
  private(set) var variesByAccept = true

  /// `?sort=name|size|time&order=asc|desc&format=html|json`, and Accept. Anything else is passed over. `bytes` are what the head
  /// was parsed from.
  init(_ request: RequestHead, _ bytes: Span<UInt8>) {
    let query = bytes.extracting(request.query.range)
    var start = 1
    while start < query.count {
      var end = start
      while end < query.count, query[end] != UInt8(ascii: "&") { end += 1 }
      read(query.extracting(start..<end))
      start = end + 1
    }
    if variesByAccept, Accept.prefersJSON(fields: request.fieldLines(bytes)) { variant.format = .json }
  }

  private mutating func read(_ parameter: Span<UInt8>) {
    if parameter.equals("sort=name") {
      variant.key = .name
    } else if parameter.equals("sort=size") {
      variant.key = .size
    } else if parameter.equals("sort=time") {
      variant.key = .time
    } else if parameter.equals("order=asc") {
      variant.isDescending = false
    } else if parameter.equals("order=desc") {
      variant.isDescending = true
    } else if parameter.equals("format=html") {
      variant.format = .html
      variesByAccept = false
    } else if parameter.equals("format=json") {
      variant.format = .json
      variesByAccept = false
    }
  }
}

extension Span<UInt8> {
  fileprivate func equals(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    for index in indices where unsafe self[index] != text.utf8Start[index] { return false }
    return true
  }
}
