/// Which credentials were right lately, by tags that hold no password: sets of four, of which the oldest gives way.
struct SuccessCache {
  private var tags: [SipHash.Tag]
  private let mask: Int

  /// Room for `capacity` tags, a power of two, at least 4; or for none.
  init(capacity: Int) {
    precondition(capacity == 0 || capacity >= 4 && capacity & (capacity - 1) == 0)
    tags = Array(repeating: SipHash.Tag(), count: capacity)
    mask = capacity / 4 - 1
  }

  private func first(_ tag: SipHash.Tag) -> Int { 4 * (Int(truncatingIfNeeded: tag.low) & mask) }

  /// Looks at the same bytes for as long, whatever they are.
  func contains(_ tag: SipHash.Tag) -> Bool {
    if tags.isEmpty { return false }
    var found = 0
    for index in first(tag)..<first(tag) + 4 {
      let difference = (tags[index].low ^ tag.low) | (tags[index].high ^ tag.high)
      found |= difference == 0 ? 1 : 0
    }
    return found != 0
  }

  mutating func insert(_ tag: SipHash.Tag) {
    if tags.isEmpty || contains(tag) { return }
    let first = first(tag)
    for index in (first + 1..<first + 4).reversed() { tags[index] = tags[index - 1] }
    tags[first] = tag
  }
}
