import Glibc
import Testing

/// Every system call of the data plane fails, in every way that Linux may let it fail: while it does, a client sees what
/// is right, an error, or that its connection breaks; and afterwards all is as it was.
///
/// A selection, or all with SLUICE_FAULTS=all (scripts/test.sh --faults).
@Suite(.enabled(if: FaultInjection.isPossible, Comment(rawValue: FaultInjection.lacks)))
struct FaultTests {
  static let hasAll = unsafe getenv("SLUICE_FAULTS").map { unsafe String(cString: $0) } == "all"

  private static func cases(_ transports: Set<Transfer.Transport>) -> [CallFault.Case] {
    hasAll ? CallFault.cases(transports) : CallFault.selection(transports)
  }

  @Test(arguments: cases([.plain, .userTLS])) func failingCall(of case: CallFault.Case) throws {
    let faults = try `case`.faults()
    #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
  }

  @Test(
    .enabled(if: TestMachine.hasKernelTLS, Comment(rawValue: TestMachine.lacksKernelTLS)),
    arguments: cases([.kernelTLS]))
  func failingCallKernelTLS(of case: CallFault.Case) throws {
    let faults = try `case`.faults()
    #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
  }
}

/// Calls that do less than they could, a close that fails, and memory that is not to be had.
@Suite(.enabled(if: FailingCalls.isPossible, Comment(rawValue: FailingCalls.lacks)))
struct PartialCallTests {
  typealias Transport = Transfer.Transport

  /// Serves with these orders: all is as ever.
  private func expectAsEver(
    _ transport: Transport, _ orders: [(FailingCalls.Order, Int)],
    _ exchanges: [Exchange] = Exchange.all + Exchange.slow
  ) throws {
    let calls = try FailingCalls()
    let sluice = try transport.serve(FaultSite.path, prefix: calls.prefix)
    _ = Exchange("first", ["/hello.txt"]).verdict(transport, sluice)
    try waitUntil("the connection is gone", seconds: 10) { try sluice.openKinds().filter { $0 == "socket:" }.count == (transport == .plain ? 1 : 2) }
    let before = try sluice.openKinds()
    for (order, value) in orders { calls[order] = value }
    for round in 0..<2 {
      for exchange in exchanges {
        let verdict = exchange.verdict(transport, sluice, seconds: 20)
        #expect(verdict == .right, "\(exchange.name)")
      }
      // What is known is looked at again.
      if round == 0 { usleep(600_000) }
    }
    #expect(calls[.faults] > 0)
    for (order, _) in orders { calls[order] = 0 }
    let faults = try sluice.expectRecovery(
      transport, from: before, newFiles: ["big.bin", "large.bin", "new.bin"], "")
    #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    #expect(try sluice.stop() == 0)
  }

  @Test(arguments: Transport.everywhere, [13, 1000, 70_000]) func shortSends(transport: Transport, longest: Int)
    throws
  {
    try expectAsEver(transport, [(.longestSend, longest)])
  }

  @Test(arguments: Transport.everywhere, [100, 5000]) func shortReads(transport: Transport, longest: Int) throws {
    try expectAsEver(transport, [(.longestRead, longest)])
    try expectAsEver(transport, [(.longestRead, longest), (.cachedReadError, Int(EAGAIN))])
  }

  @Test(arguments: Transport.everywhere, [EIO, EINTR, ENOSPC]) func failingClose(
    transport: Transport, error: Int32
  ) throws {
    try expectAsEver(transport, [(.closeError, Int(error))])
  }

  /// Nobody can say what the page cache holds, or nothing is there: helper threads do it all.
  @Test(arguments: Transport.everywhere, [ENOSYS, EPERM, EOPNOTSUPP, ENOMEM])
  func failingQuestions(transport: Transport, error: Int32) throws {
    try expectAsEver(transport, [(.cachestatError, Int(error))])
    for read in [EAGAIN, EOPNOTSUPP, EINVAL, ENOSYS, EPERM] {
      try expectAsEver(
        transport, [(.cachestatError, Int(error)), (.cachedReadError, Int(read))], Exchange.all)
    }
  }
}

/// An allocation fails: the process goes on, and whoever needed the memory is refused.
@Suite(.enabled(if: FailingCalls.isPossible, Comment(rawValue: FailingCalls.lacks)))
struct FailingAllocationTests {
  typealias Transport = Transfer.Transport

  /// A server that may be short of memory.
  private final class Subject {
    let calls: FailingCalls
    let sluice: SluiceProcess
    let transport: Transport
    let before: [String]

    init(_ transport: Transport) throws {
      calls = try FailingCalls()
      self.transport = transport
      sluice = try transport.serve(FaultSite.path, prefix: calls.prefix)
      _ = try sluice.expectRecovery(transport, from: [], "")
      before = try sluice.openKinds()
    }

    /// The verdicts while these allocations fail, if any is not allowed; nil if there were not so many.
    func faults(_ exchanges: [Exchange], _ numbers: ClosedRange<Int>, size: Int) throws -> [String]? {
      // Until all has to be looked at again.
      usleep(550_000)
      calls.failAllocations(numbers, ofAtLeast: size)
      var faults: [String] = []
      for exchange in exchanges {
        switch exchange.verdict(transport, sluice, seconds: 3) {
        case .right, .broken, .refused(500), .refused(503): break
        case let verdict: faults.append("\(exchange.name): \(verdict)")
        }
        if sluice.process.exitStatus != nil { break }
      }
      calls.endFailingAllocations()
      if let status = sluice.process.exitStatus {
        sluice.signal(0)
        return ["ended with \(status) after \(exchanges.map(\.name)):\n\(sluice.process.errorOutput)"]
      }
      let hasFailed = calls[.faults] > 0
      let verdict = exchanges[0].verdict(transport, sluice, seconds: 20)
      if verdict != .right { faults.append("afterwards: \(verdict)") }
      return hasFailed || !faults.isEmpty ? faults : nil
    }
  }

  private static var exchanges: [Exchange] { Exchange.all + Exchange.slow }

  /// One after the other.
  @Test(arguments: Transport.everywhere, [false, true])
  func eachAllocation(transport: Transport, isCold: Bool) throws {
    var subject: Subject?
    let step = FaultTests.hasAll ? 1 : 40
    for exchange in Self.exchanges {
      var number = 1
      while number < 4000 {
        let current = try subject ?? Subject(transport)
        subject = current
        current.calls[.cachedReadError] = isCold ? Int(EAGAIN) : 0
        let faults = try current.faults([exchange], number...number, size: 0)
        guard let faults else { break }
        if !faults.isEmpty {
          Issue.record("\(exchange.name), allocation \(number): \(faults.joined(separator: "\n"))")
        }
        if current.sluice.process.exitStatus != nil { subject = nil }
        number += step
      }
    }
  }

  /// All that are so large, for a while.
  @Test(arguments: Transport.everywhere, [0, 64, 1024, 16 << 10, 100 << 10])
  func allAllocations(transport: Transport, size: Int) throws {
    for isCold in [false, true] {
      let subject = try Subject(transport)
      subject.calls[.cachedReadError] = isCold ? Int(EAGAIN) : 0
      let faults = try subject.faults(Self.exchanges, 1...Int.max, size: size) ?? []
      #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
      guard subject.sluice.process.exitStatus == nil else { continue }
      subject.calls[.cachedReadError] = 0
      let recovery = try subject.sluice.expectRecovery(
        transport, from: subject.before, newFiles: [], "")
      #expect(recovery.isEmpty, "\(recovery.joined(separator: "\n"))")
    }
  }
}
