import Glibc
import TestSupport
import Testing

@testable import Access

@Suite struct PasswordFileTests {
  let folder: TemporaryFolder
  var path: String { folder("users") }

  init() throws {
    folder = try TemporaryFolder()
  }

  private func write(_ users: [String], to name: String = "users") throws {
    try folder.write(name, users.map { "\($0):\(PasswordHashTests.hashes[1])\n" }.joined())
  }

  private func isKnown(_ user: String, in file: PasswordFile) -> Bool {
    file.currentTable.hash(of: Array(user.utf8), key: SipHash.Key(low: 1, high: 2))?.isOwn == true
  }

  @Test func aChangeIsTakenWhenItWasSeenTwice() throws {
    try write(["ann"])
    let file = try PasswordFile(path: path)
    let first = file.currentGeneration
    #expect(file.look() == nil && file.look() == nil)
    #expect(file.currentGeneration == first && isKnown("ann", in: file))
    try write(["bob"])
    #expect(file.look() == nil && file.currentGeneration == first && isKnown("ann", in: file))
    #expect(file.look() == nil && file.currentGeneration != first)
    #expect(!isKnown("ann", in: file) && isKnown("bob", in: file))
    // By rename, and back to what it was once.
    try write(["ann"], to: "new")
    #expect(unsafe rename(folder("new"), path) == 0)
    #expect(file.look() == nil && isKnown("bob", in: file))
    #expect(file.look() == nil && isKnown("ann", in: file) && file.currentGeneration == first + 2)
  }

  @Test func aStateThatDoesNotStayIsNotTaken() throws {
    try write(["ann"])
    let file = try PasswordFile(path: path)
    try folder.write("users", "")
    #expect(file.look() == nil)
    try write(["ann"])
    #expect(file.look() == nil && file.look() == nil)
    #expect(isKnown("ann", in: file) && file.currentGeneration == 1)
  }

  @Test func aBadStateIsToldOnceAndNotTaken() throws {
    try write(["ann"])
    let file = try PasswordFile(path: path)
    try folder.write("users", "ann:secret\n")
    #expect(file.look() == nil)
    let error = try #require(file.look())
    #expect(error.description.hasPrefix("\(path):1: the password of 'ann' is kept unsafely"))
    #expect(!error.description.contains("secret"))
    #expect(file.look() == nil && isKnown("ann", in: file) && file.currentGeneration == 1)
    #expect(unsafe unlink(path) == 0)
    #expect(file.look() == nil)
    #expect(try #require(file.look()).description.hasSuffix("No such file or directory"))
    #expect(file.look() == nil && isKnown("ann", in: file))
    // Good again.
    try write(["bob"])
    #expect(file.look() == nil && file.look() == nil && isKnown("bob", in: file))
  }

  @Test func whatIsNoFile() throws {
    let missing = #expect(throws: PasswordFileError.self) { try PasswordFile(path: path) }
    #expect(
      missing?.description == "\(path): cannot read this file with passwords: No such file or directory")
    let directory = #expect(throws: PasswordFileError.self) { try PasswordFile(path: folder.path) }
    #expect(directory?.description.hasSuffix("Is a directory") == true)
    #expect(unsafe mkfifo(path, 0o600) == 0)
    let fifo = #expect(throws: PasswordFileError.self) { try PasswordFile(path: path) }
    #expect(
      fifo?.description
        == "\(path): cannot read this file with passwords: it is a pipe or a device: put a file in its place")
  }
}
