import Testing

@testable import Access

@Suite struct PasswordTableTests {
  static let key = SipHash.Key(low: 1, high: 2)
  static let hashes = PasswordHashTests.hashes

  static func table(_ text: String) throws -> PasswordTable {
    try PasswordTable(Array(text.utf8), path: "/etc/users")
  }

  static func hash(_ user: String, in table: PasswordTable) -> (text: String, isOwn: Bool)? {
    table.hash(of: Array(user.utf8), key: key).map { found in
      (String(decoding: found.hash.text.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self), found.isOwn)
    }
  }

  @Test func users() throws {
    let table = try Self.table(
      """
      # who may come in
      ann:\(Self.hashes[0])\r
      bob:\(Self.hashes[5]):a remark

      jörg b.:\(Self.hashes[6])
      """)
    for (user, hash) in [("ann", Self.hashes[0]), ("bob", Self.hashes[5]), ("jörg b.", Self.hashes[6])] {
      let found = try #require(Self.hash(user, in: table))
      #expect(found == (hash, true))
    }
  }

  @Test func anUnknownUserHasSomebodysHash() throws {
    let table = try Self.table("ann:\(Self.hashes[0])\nbob:\(Self.hashes[5])\n")
    var seen: Set<String> = []
    for number in 0..<100 {
      let found = try #require(Self.hash("user \(number)", in: table))
      #expect(!found.isOwn)
      let again = try #require(Self.hash("user \(number)", in: table))
      #expect(again == found)
      seen.insert(found.text)
    }
    #expect(seen == [Self.hashes[0], Self.hashes[5]])
    #expect(Self.hash("ann", in: try Self.table("# nobody\n")) == nil)
  }

  static let faults = [
    (
      "ann:\(hashes[0])\nbob:secret\n", 2,
      "the password of 'bob' is kept unsafely (as it is, or by DES): set it anew by: htpasswd -B '/etc/users' 'bob'"
    ),
    ("\n#\nann:\(hashes[0])\nann:\(hashes[1])", 4, "'ann' is here a second time: leave one of the lines out"),
    ("ann", 1, "this is no line of an htpasswd file: use USER:HASH"),
    (":\(hashes[0])", 1, "this is no line of an htpasswd file: use USER:HASH"),
    ("a\tb:\(hashes[0])", 1, "there is a control character"),
    ("a\0b:\(hashes[0])", 1, "there is a control character"),
    (
      "ann:$2y$16$drILeycgLUeU63XDqwGqDOqflgSDX81mOoSXNR9I/Sufh075r1X9a", 1,
      "the password of 'ann' takes too long to check: use a cost of 15 or less"
    ),
  ]

  @Test(arguments: faults) func faultsWithTheirLines(text: String, line: Int, description: String) {
    let error = #expect(throws: PasswordTable.Fault.self) { try Self.table(text) }
    #expect(error == PasswordTable.Fault(line: line, description: description))
  }
}
