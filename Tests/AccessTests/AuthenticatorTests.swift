import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Access

@Suite struct AuthenticatorTests {
  /// What checks have found, for one to wait for.
  private final class Answers: Sendable {
    private let found = Mutex<[PasswordCheck]>([])

    func add(_ check: PasswordCheck) { found.withLock { $0.append(check) } }
    func take() -> [PasswordCheck] {
      found.withLock { found in
        defer { found = [] }
        return found
      }
    }
  }

  /// A file with `ann`, whose password is `secret`.
  private static func passwords(_ folder: TemporaryFolder, capacity: Int = 8) throws -> Passwords {
    try folder.write("users", "ann:\(PasswordHashTests.hashes[1])\n")
    return try #require(
      Passwords(files: [try PasswordFile(path: folder("users"))], capacity: capacity))
  }

  /// Asks, and waits if that takes a check.
  private static func isRight(
    _ text: String, _ authenticator: inout Authenticator, _ answers: Answers
  ) throws -> Bool {
    let bytes = Array(text.utf8)
    let userCount = try #require(bytes.firstIndex(of: UInt8(ascii: ":")))
    switch authenticator.check(bytes.span, userCount: userCount, file: 0, waiter: 7) {
    case .right: return true
    case .overloaded: throw SetUpError("check")
    case .waits(let number):
      while true {
        for check in answers.take() {
          guard let finished = authenticator.finish(check) else { throw SetUpError("no wait") }
          #expect(finished.identifier == number && finished.waiters == [7] && finished.verdict.file == 0)
          return finished.verdict.isRight
        }
        usleep(1000)
      }
    }
  }

  @Test func checksAndRemembers() throws {
    let folder = try TemporaryFolder()
    let passwords = try Self.passwords(folder)
    let answers = Answers()
    let thread = try TestThread { passwords.runChecks() }
    defer { _ = thread }
    var authenticator = Authenticator(passwords, remembered: 64, answer: { answers.add($0) })
    func expect(_ text: String, _ expected: Bool, _ authenticator: inout Authenticator) throws {
      let isRight = try Self.isRight(text, &authenticator, answers)
      #expect(isRight == expected, "\(text)")
    }
    for _ in 0..<2 {
      try expect("ann:secret", true, &authenticator)
      let checks = authenticator.counts.checks
      #expect(checks == 1)
    }
    for wrong in ["ann:Secret", "ann:", ":secret", "bob:secret", "ann:secret:", "an:nsecret"] {
      // What is wrong is not remembered.
      for _ in 0..<2 { try expect(wrong, false, &authenticator) }
    }
    let counts = authenticator.counts
    #expect(counts.checks == 13 && counts.wrong == 12)
    // A new state of the file: what was right is no more.
    try folder.write("users", "bob:\(PasswordHashTests.hashes[1])\n")
    #expect(passwords.files[0].look() == nil && passwords.files[0].look() == nil)
    try expect("ann:secret", false, &authenticator)
    try expect("bob:secret", true, &authenticator)
  }

  @Test func thoseWhoWaitForTheSameShareACheck() throws {
    let passwords = try Self.passwords(try TemporaryFolder(), capacity: 2)
    var authenticator = Authenticator(passwords, remembered: 64, answer: { _ in })
    var outcomes: [Authenticator.Outcome] = []
    // No thread takes any.
    for (waiter, text) in ["ann:a", "ann:a", "ann:b", "ann:c", "ann:a"].enumerated() {
      outcomes.append(
        authenticator.check(Array(text.utf8).span, userCount: 3, file: 0, waiter: UInt64(waiter)))
    }
    guard case .waits(let number) = outcomes[0] else {
      Issue.record("\(outcomes)")
      return
    }
    #expect(Authenticator.isOwn(number))
    #expect(outcomes[1] == outcomes[0] && outcomes[4] == outcomes[0])
    #expect(outcomes[2] == .waits(number + 1) && outcomes[3] == .overloaded)
    let counts = authenticator.counts
    #expect(counts.checks == 2 && counts.overloads == 1)
    let check = PasswordCheck(identifier: number, isRight: true)
    let finished = authenticator.finish(check)
    #expect(finished?.waiters == [0, 1, 4] && finished?.verdict.isRight == true)
    let known = authenticator.check(Array("ann:a".utf8).span, userCount: 3, file: 0, waiter: 6)
    #expect(known == .right)
    let again = authenticator.finish(check)
    #expect(again == nil)
  }
}
