import Glibc
import Testing

/// Every system call of the data plane fails, in every way that Linux may let it fail: while it does, a client sees what
/// is right, an error, or that its connection breaks; and afterwards all is as it was.
///
/// A selection; all with SLUICE_FAULTS=all (scripts/test.sh --faults); all of one call with its name instead.
@Suite(.enabled(if: FaultInjection.isPossible, Comment(rawValue: FaultInjection.lacks)))
struct FaultTests {
  private static let wanted = unsafe getenv("SLUICE_FAULTS").map { unsafe String(cString: $0) }
  static let hasAll = wanted == "all"

  private static func cases(_ transports: Set<Transfer.Transport>) -> [CallFault.Case] {
    guard let wanted else { return CallFault.selection(transports) }
    return CallFault.cases(transports).filter { hasAll || $0.fault.calls.contains(wanted) }
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
    try waitUntil("the connection is gone", seconds: 10) {
      try sluice.openKinds().count { $0 == "socket:" } == (transport == .plain ? 1 : 2)
    }
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
      transport, from: before, newFiles: ["big.bin", "large.bin", "new.bin"])
    #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    #expect(try sluice.stop() == 0)
  }

  @Test(arguments: Transport.everywhere, FaultTests.hasAll ? [13, 100, 1000, 70_000] : [100, 70_000])
  func shortSends(transport: Transport, longest: Int)
    throws
  {
    try expectAsEver(transport, [(.longestSend, longest)])
  }

  @Test(arguments: Transport.everywhere, FaultTests.hasAll ? [100, 5000] : [5000]) func shortReads(
    transport: Transport, longest: Int
  ) throws {
    // By the worker, and by helper threads.
    for error in [0, EAGAIN] {
      try expectAsEver(transport, [(.longestRead, longest), (.cachedReadError, Int(error))], Exchange.all)
    }
  }

  @Test(arguments: Transport.everywhere, FaultTests.hasAll ? [EIO, EINTR, ENOSPC] : [EIO]) func failingClose(
    transport: Transport, error: Int32
  ) throws {
    try expectAsEver(transport, [(.closeError, Int(error))])
  }

  /// Nobody can say what the page cache holds, or nothing is there: helper threads do it all.
  @Test(arguments: Transport.everywhere, FaultTests.hasAll ? [ENOSYS, EPERM, EOPNOTSUPP, ENOMEM] : [ENOSYS])
  func failingQuestions(transport: Transport, error: Int32) throws {
    try expectAsEver(transport, [(.cachestatError, Int(error))])
    for read in FaultTests.hasAll ? [EAGAIN, EOPNOTSUPP, EINVAL, ENOSYS, EPERM] : [EPERM] {
      try expectAsEver(
        transport, [(.cachestatError, Int(error)), (.cachedReadError, Int(read))], Exchange.all)
    }
  }
}

/// An allocation fails: the process goes on, and whoever needed the memory is refused. In the release build: the other one
/// allocates in places where nobody would think of it.
@Suite(
  .enabled(if: FailingCalls.isPossible, Comment(rawValue: FailingCalls.lacks)),
  .enabled(if: TestMachine.releaseBinary != nil, "needs a release build: set SLUICE_RELEASE_BINARY"))
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
      let sluice = try transport.serve(
        FaultSite.path, prefix: calls.prefix, binary: TestMachine.releaseBinary ?? SluiceProcess.binary)
      self.sluice = sluice
      for exchange in Exchange.all {
        let verdict = exchange.verdict(transport, sluice)
        if verdict != .right { throw TestFailure("before, \(exchange.name): \(verdict)") }
      }
      let count = transport == .plain ? 1 : 2
      try waitUntil("all connections are gone", seconds: 20) {
        try sluice.openKinds().count { $0 == "socket:" } == count
      }
      before = try sluice.openKinds()
    }

    /// What was wrong while these allocations failed, and whether any did.
    func faults(_ exchanges: [Exchange], _ numbers: ClosedRange<Int>, size: Int, isCold: Bool) throws
      -> (faults: [String], hasFailed: Bool)
    {
      // Until all has to be looked at again.
      usleep(550_000)
      calls[.cachedReadError] = isCold ? Int(EAGAIN) : 0
      calls.failAllocations(numbers, ofAtLeast: size)
      var faults: [String] = []
      for exchange in exchanges {
        let verdict = exchange.verdict(transport, sluice, seconds: 3)
        switch verdict {
        case .right, .broken, .refused(500), .refused(503): break
        case .refused, .stalled, .wrong: faults.append("\(exchange.name): \(verdict)")
        }
        // One that dies takes its time.
        if verdict != .right { usleep(200_000) }
        if let status = sluice.process.exitStatus {
          sluice.signal(0)
          return (["ended with \(status) in \(calls.lastFault(in: sluice.process.errorOutput))"], true)
        }
      }
      calls.endFailingAllocations()
      calls[.cachedReadError] = 0
      let hasFailed = calls[.memoryFaults] > 0
      let verdict = exchanges[0].verdict(transport, sluice, seconds: 20)
      if verdict != .right { faults.append("\(exchanges[0].name) afterwards: \(verdict)") }
      return (faults, hasFailed)
    }
  }

  private static let exchanges = Exchange.all + Exchange.slow
  /// Small ones are few and do not grow with what clients do: they are tried with all others.
  private static let sizes = FaultTests.hasAll ? [0, 64, 1024, 16 << 10, 100 << 10] : [4096]

  /// One after the other, each of them for itself.
  @Test(arguments: Transport.everywhere, [false, true])
  func eachAllocation(transport: Transport, isCold: Bool) throws {
    // Many of them are libssl's.
    let step = transport == .plain ? 1 : FaultTests.hasAll ? 11 : 50
    var (subject, seen): (Subject?, Set<String>) = (nil, [])
    for exchange in FaultTests.hasAll ? Self.exchanges : [Exchange.slow[0]] {
      var number = 1
      // A server that has ended costs time.
      while number < 2000, seen.count < 12 {
        let current = try subject ?? Subject(transport)
        subject = current
        let result = try current.faults(
          [exchange], number...number, size: FaultTests.hasAll ? 0 : 1024, isCold: isCold)
        for fault in result.faults where seen.insert(fault).inserted {
          Issue.record("\(exchange.name), allocation \(number): \(fault)")
        }
        if current.sluice.process.exitStatus != nil { subject = nil }
        guard result.hasFailed else { break }
        number += step
      }
    }
  }

  /// All that are so large, for a while.
  @Test(arguments: Transport.everywhere, sizes)
  func allAllocations(transport: Transport, size: Int) throws {
    for isCold in [false, true] {
      let subject = try Subject(transport)
      let result = try subject.faults(Self.exchanges, 1...Int.max, size: size, isCold: isCold)
      #expect(result.faults.isEmpty, "\(result.faults.joined(separator: "\n"))")
      guard subject.sluice.process.exitStatus == nil else { continue }
      let recovery = try subject.sluice.expectRecovery(transport, from: subject.before)
      #expect(recovery.isEmpty, "\(recovery.joined(separator: "\n"))")
    }
  }
}
