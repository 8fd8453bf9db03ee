extension Array where Element: Equatable {
  /// Each once, where it comes first. For few: it takes the square of their number.
  package var unique: [Element] {
    reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }
}
