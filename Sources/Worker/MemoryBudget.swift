/// What a worker may keep in memory for its connections, and what it keeps.
struct MemoryBudget {
  /// In bytes.
  let limit: Int
  private(set) var used = 0

  init(limit: Int) {
    self.limit = limit
  }

  /// Whether there is room for so much more.
  func hasRoom(for count: Int) -> Bool { count <= limit - used }

  fileprivate mutating func take(_ count: Int) { used += count }

  fileprivate mutating func giveBack(_ count: Int) { used -= count }
}

/// A part of a worker's budget, given back with its owner. The budget must live longer.
@safe
struct MemoryShare: ~Copyable {
  private let budget: UnsafeMutablePointer<MemoryBudget>
  let count: Int

  /// `count` bytes, not negative; nil if the budget has no room for them.
  init?(of budget: UnsafeMutablePointer<MemoryBudget>, _ count: Int) {
    guard unsafe budget.pointee.hasRoom(for: count) else { return nil }
    unsafe budget.pointee.take(count)
    unsafe self.budget = unsafe budget
    self.count = count
  }

  deinit {
    unsafe budget.pointee.giveBack(count)
  }
}
