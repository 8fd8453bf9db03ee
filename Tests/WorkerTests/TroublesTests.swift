import Reactor
import TLS
import Testing

@testable import Worker

/// What the operator is told of: some of each kind in a minute.
@Suite struct TroublesTests {
  private func make() throws -> Troubles { Troubles(supervisor: try SharedWaker()) }

  private func take(_ troubles: Troubles) -> [Troubles.Record] {
    var records: [Troubles.Record] = []
    while let record = troubles.takeFirst() { records.append(record) }
    return records
  }

  @Test func someOfEachKindAreTold() throws {
    let troubles = try make()
    #expect(!troubles.areOpen && take(troubles).isEmpty)
    for number in 0..<8 {
      let path = Array("a/\(number)".utf8)
      troubles.note(.forbidden, path: path.span, root: 3)
      troubles.note(.accepting, error: Errno(rawValue: 12))
    }
    troubles.note(.handshake(.version), peer: Socket.Peer(address: 1, port: 7))
    let records = take(troubles)
    #expect(records.filter { $0.kind == .forbidden }.map(\.pathText) == (0..<5).map { "a/\($0)" })
    #expect(records.filter { $0.kind == .forbidden }.allSatisfy { $0.root == 3 && $0.peer == nil })
    #expect(records.filter { $0.kind == .accepting }.map(\.error.rawValue) == [12])
    #expect(records.last?.kind == .handshake(.version) && records.last?.peer?.port == 7)
    #expect(records.count == 7 && take(troubles).isEmpty)
    #expect(troubles.areOpen && troubles.takeUntold(now: 0).isEmpty)
    let untold = troubles.takeUntold(now: .max)
    #expect(untold.map(\.count) == [3, 7])
    #expect(untold.map(\.kind) == [.forbidden, .accepting])
    // And all begins anew.
    #expect(!troubles.areOpen && troubles.takeUntold(now: .max).isEmpty)
    let empty: [UInt8] = []
    troubles.note(.forbidden, path: empty.span, root: 0)
    #expect(take(troubles).map(\.pathText) == [""])
  }

  @Test func numbersAreThoseOfPlaces() {
    #expect(Troubles.Kind.all.map(\.number) == Array(Troubles.Kind.all.indices))
  }

  @Test func longPathsAreCut() throws {
    let troubles = try make()
    for count in [256, 257, 5_000] {
      let path = [UInt8](repeating: 65, count: count)
      troubles.note(.inputOutput, path: path.span, root: 0)
    }
    let whole = String(repeating: "A", count: 256)
    #expect(take(troubles).map(\.pathText) == [whole, whole + "…", whole + "…"])
  }
}
