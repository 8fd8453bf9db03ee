import Synchronization

/// Which state of a path somebody has seen last: how a worker learns, without a system call or a lock, that another has
/// seen a newer one, so that no worker serves a file's old state after another has served the new one.
///
/// A number for each path (several paths share one, which costs them a look now and then). Who looks at a path reads its
/// number first; who finds another state than was known moves it on before that state is served. What was seen under an
/// older number has to be looked at again.
@safe
final class Revisions: Sendable {
  private static let count = 1 << 16

  nonisolated(unsafe) private let numbers: UnsafeMutablePointer<Atomic<UInt32>>
  /// With one worker there is nobody to tell.
  let areShared: Bool

  init(areShared: Bool) {
    self.areShared = areShared
    unsafe numbers = .allocate(capacity: Self.count)
    for index in 0..<Self.count { unsafe (numbers + index).initialize(to: Atomic(0)) }
  }

  deinit {
    unsafe numbers.deinitialize(count: Self.count)
    unsafe numbers.deallocate()
  }

  /// Where the number of a path stands, by the path's hash.
  func place(of hash: UInt64) -> Place {
    unsafe Place(numbers + Int(hash >> 48))
  }

  /// The number of some paths.
  @safe
  struct Place {
    private let number: UnsafeMutablePointer<Atomic<UInt32>>

    init(_ number: UnsafeMutablePointer<Atomic<UInt32>>) {
      unsafe self.number = unsafe number
    }

    @inline(__always)
    var current: UInt32 { unsafe number.pointee.load(ordering: .acquiring) }

    /// Moves on from `seen`, which was read before the look; nil if somebody else has moved on meanwhile: then what was
    /// seen may be old already.
    func advance(from seen: UInt32) -> UInt32? {
      let (isDone, _) = unsafe number.pointee.compareExchange(
        expected: seen, desired: seen &+ 1, ordering: .acquiringAndReleasing)
      return isDone ? seen &+ 1 : nil
    }
  }

  /// All that was seen before is old.
  func advanceAll() {
    for index in 0..<Self.count { unsafe numbers[index].wrappingAdd(1, ordering: .releasing) }
  }
}
