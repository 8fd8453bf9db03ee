import Glibc
import Testing

/// A system call of the data plane, and what Linux may say when it fails: the ERRORS of its manual page, and what is known
/// of sockets, disks and network file systems. Not among them: what only a mistake of ours would bring about (EBADF,
/// EFAULT), EINTR, since no signal is delivered to these threads, and EAGAIN of transfers, which epoll makes good.
struct CallFault: Sendable {
  /// When a call fails.
  enum Moment: Sendable, CaseIterable {
    case first, second, fifth, always

    var rule: String {
      switch self {
      case .first: ":when=1"
      case .second: ":when=2"
      case .fifth: ":when=5"
      case .always: ""
      }
    }
  }

  /// As strace has it: several names are one call that has changed its name.
  let calls: String
  let errors: [String]
  var transports = Transfer.Transport.everywhere
  var moments = Moment.allCases
  /// What holds meanwhile so that the call is made at all.
  var others: [String] = []
  /// What a client may be told, besides that its connection breaks.
  var statuses: Set<Int> = []
  /// Clients may have to wait until the call succeeds again.
  var mayWait = false

  private static let socketErrors = [
    "ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETDOWN", "ENOTCONN", "ENOBUFS", "ENOMEM", "EPERM",
    "EACCES", "EIO",
  ]
  /// So that a helper thread does the work: what the page cache does not hold.
  private static let notCached = ["preadv2:error=EAGAIN"]

  static let all = [
    CallFault(calls: "recvfrom", errors: ["ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENOMEM", "ENOTCONN"]),
    CallFault(calls: "sendto", errors: socketErrors),
    // Few: it is for parts of files in memory, and for what libssl tells the kernel's end of a session.
    CallFault(
      calls: "sendmsg", errors: socketErrors, transports: [.plain, .kernelTLS], moments: [.first, .always]),
    CallFault(
      calls: "sendfile", errors: socketErrors + ["EINVAL", "EOVERFLOW", "ESTALE"],
      transports: [.plain, .kernelTLS]),
    // What libssl sends a handshake with.
    CallFault(calls: "write", errors: socketErrors, transports: [.userTLS, .kernelTLS], mayWait: true),
    // Most connections without TLS have been answered before they would be waited for.
    CallFault(
      calls: "epoll_ctl", errors: ["ENOMEM", "ENOSPC", "EPERM"], transports: [.plain],
      moments: [.first, .second, .always]),
    CallFault(
      calls: "epoll_ctl", errors: ["ENOMEM", "ENOSPC", "EPERM"], transports: [.userTLS, .kernelTLS]),
    // It has no other error, and can't have that for ever.
    CallFault(calls: "epoll_pwait", errors: ["EINTR"], moments: [.first, .second, .fifth]),
    CallFault(
      calls: "accept4",
      errors: [
        "EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EPERM", "EINVAL", "ECONNABORTED", "EPROTO", "ENETDOWN",
        "ENOPROTOOPT", "EHOSTDOWN", "ENONET", "EHOSTUNREACH", "EOPNOTSUPP", "ENETUNREACH", "ETIMEDOUT",
      ], mayWait: true),
    CallFault(
      calls: "openat2",
      errors: [
        "EACCES", "EPERM", "EMFILE", "ENFILE", "ENOMEM", "EIO", "ELOOP", "ENXIO", "ENODEV", "EAGAIN", "EXDEV",
        "EINTR", "ETXTBSY", "EOVERFLOW", "ESTALE", "ETIMEDOUT", "ENOENT", "ENOTDIR", "ENOSYS",
      ], statuses: [403, 404, 500, 503]),
    CallFault(
      calls: "openat2", errors: ["EACCES", "EMFILE", "ENOMEM", "EIO", "EAGAIN", "ESTALE", "EINTR"],
      others: notCached, statuses: [403, 404, 500, 503]),
    CallFault(
      calls: "fstat,newfstatat", errors: ["EIO", "ENOMEM", "EOVERFLOW", "ESTALE"], statuses: [500, 503]),
    CallFault(
      calls: "fstat,newfstatat", errors: ["EIO", "ESTALE"], others: notCached, statuses: [500, 503]),
    CallFault(
      calls: "preadv2",
      errors: ["EIO", "ENOMEM", "EOPNOTSUPP", "EAGAIN", "EINVAL", "ENOSYS", "EPERM", "ESTALE"],
      statuses: [500, 503]),
    CallFault(
      calls: "pread64", errors: ["EIO", "ENOMEM", "ESTALE", "EINTR", "EISDIR"], others: notCached,
      statuses: [500, 503]),
    // The counters that threads wake one another with.
    CallFault(
      calls: "read", errors: ["EINTR", "EAGAIN"], moments: [.first, .second, .fifth], others: notCached,
      statuses: [503]),
    CallFault(
      calls: "write", errors: ["EINTR", "EAGAIN"], transports: [.plain], moments: [.first, .second, .fifth],
      others: notCached, statuses: [503], mayWait: true),
    CallFault(calls: "shutdown", errors: ["ENOTCONN", "EIO"]),
    CallFault(calls: "mmap", errors: ["ENOMEM", "EAGAIN"]),
    CallFault(calls: "munmap", errors: ["ENOMEM"]),
    CallFault(calls: "brk,mmap,mprotect,mremap", errors: ["ENOMEM"]),
  ]

  /// Not with a sanitizer, which can do without no memory.
  private static let ofMemory: Set = ["mmap", "munmap", "brk,mmap,mprotect,mremap"]

  /// Calls that may not be made at all meanwhile.
  private static let mayBeUnused: Set = [
    "mmap", "munmap", "brk,mmap,mprotect,mremap", "epoll_pwait", "shutdown", "read",
  ]
}

extension CallFault {
  /// One of them, on one transport.
  struct Case: Sendable, CustomTestStringConvertible {
    let fault: CallFault
    let error: String
    let moment: Moment
    let transport: Transfer.Transport

    var testDescription: String {
      let others = fault.others.isEmpty ? "" : " with \(fault.others.joined(separator: ", "))"
      return "\(transport): \(fault.calls) \(error) \(moment)\(others)"
    }
  }

  private static var possible: [CallFault] {
    TestMachine.isSanitized ? all.filter { !ofMemory.contains($0.calls) } : all
  }

  /// Every case of these transports.
  static func cases(_ transports: Set<Transfer.Transport>) -> [Case] {
    possible.flatMap { fault in
      fault.errors.flatMap { error in
        fault.moments.flatMap { moment in
          fault.transports.filter(transports.contains).map {
            Case(fault: fault, error: error, moment: moment, transport: $0)
          }
        }
      }
    }
  }

  /// A case of each call, with each moment and transport now and then.
  static func selection(_ transports: Set<Transfer.Transport>) -> [Case] {
    possible.enumerated().compactMap { index, fault in
      let transports = fault.transports.filter(transports.contains)
      guard !transports.isEmpty else { return nil }
      return Case(
        fault: fault, error: fault.errors[index % fault.errors.count],
        moment: index % 2 == 0 ? fault.moments[fault.moments.count - 1] : fault.moments[0],
        transport: transports[index / 2 % transports.count])
    }
  }
}

extension CallFault.Case {
  /// The fault comes, is there while clients ask for everything, and goes again. What was wrong, if anything.
  func faults() throws -> [String] {
    let sluice = try transport.serve(FaultSite.path)
    for exchange in Exchange.all where exchange.name != "new names" {
      let verdict = exchange.verdict(transport, sluice)
      if verdict != .right { throw TestFailure("before the fault, \(exchange.name): \(verdict)") }
    }
    // A connection that has had an answer already.
    let kept = Exchange("kept", ["/hello.txt", "/16384.bin", "/1024.bin"])
    let client = try TransportClient(transport, sluice)
    try client.get("/hello.txt", kept: true)
    try waitUntil("the first response has come") { client.hasReceived }
    // Until all has to be looked at again, and connections are gone.
    usleep(600_000)
    let before = try sluice.openKinds().filter { !$0.hasPrefix("socket:") }
    let listeners = transport == .plain ? 1 : 2

    var faults: [String] = []
    let rule = "\(fault.calls):error=\(error)\(moment.rule)"
    let injection = try FaultInjection(sluice.process, fault.others + [rule])
    try? client.get("/16384.bin", kept: true)
    var patience = 4.0
    for exchange in Exchange.all {
      let verdict = exchange.verdict(transport, sluice, seconds: patience)
      switch verdict {
      case .right, .broken: break
      case .refused(let status) where fault.statuses.contains(status): break
      case .stalled where fault.mayWait: patience = 0.3
      case .stalled:
        patience = 0.5
        faults.append("\(exchange.name): \(verdict)")
      case .refused, .wrong: faults.append("\(exchange.name): \(verdict)")
      }
    }
    // Under strace, who spins uses little of a processor, but makes one call after the other.
    let (calls, ticks) = try (injection.failedCalls.count, sluice.processorTicks())
    usleep(500_000)
    let used = try sluice.processorTicks() - ticks
    let more = injection.failedCalls.count - calls
    if used >= 20 || more >= 50 {
      faults.append("busy meanwhile: \(more) calls, \(used) hundredths of a second in 0.5 s")
    }
    try injection.end()
    if injection.failedCalls.isEmpty, !fault.isRare { faults.append("nothing has failed") }

    try? client.get("/1024.bin")
    switch kept.verdict(of: client, seconds: 20) {
    case .right, .broken: break
    case .refused(let status) where fault.statuses.contains(status): break
    case let verdict: faults.append("kept connection: \(verdict)")
    }
    let expected = before + Array(repeating: "socket:", count: listeners)
    faults += try sluice.expectRecovery(transport, from: expected, newFiles: ["new.bin"])
    if sluice.process.exitStatus == nil {
      let status = try sluice.stop()
      if status != 0 { faults.append("exit status \(status)") }
    } else {
      faults.append(String(sluice.process.errorOutput.suffix(2000)))
      sluice.signal(0)
    }
    return faults
  }
}

extension CallFault {
  fileprivate var isRare: Bool { Self.mayBeUnused.contains(calls) }
}
