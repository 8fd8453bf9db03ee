/// Users and their hashed passwords: what an htpasswd file says, a line `USER:HASH` each. Empty lines and those that begin with `#`
/// say nothing.
struct PasswordTable: Sendable {
  private let hashes: [[UInt8]: PasswordHash]
  /// In the order of the file.
  private let all: [PasswordHash]

  /// What is wrong with a file.
  struct Fault: Error, Equatable {
    /// From 1 on.
    let line: Int
    /// What, and what to do.
    let description: String
  }

  /// Why a line is none.
  private struct LineFault: Error {
    let description: String
  }

  /// The most users that a file may have.
  static let mostUsers = 100_000

  /// `path` stands in what is said of faults, which hold no hash.
  init(_ bytes: [UInt8], path: String) throws(Fault) {
    var hashes: [[UInt8]: PasswordHash] = [:]
    var all: [PasswordHash] = []
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      if line.isEmpty || line.first == UInt8(ascii: "#") { continue }
      do throws(LineFault) {
        let (user, hash) = try Self.entry(line, path: path)
        guard hashes.updateValue(hash, forKey: user) == nil else {
          throw LineFault(
            description: "'\(Self.name(user))' is here a second time: leave one of the lines out")
        }
        all.append(hash)
        guard all.count <= Self.mostUsers else {
          throw LineFault(description: "there are more than \(Self.mostUsers) users")
        }
      } catch {
        throw Fault(line: index + 1, description: error.description)
      }
    }
    self.hashes = hashes
    self.all = all
  }

  private static func entry(
    _ line: ArraySlice<UInt8>, path: String
  ) throws(LineFault) -> ([UInt8], PasswordHash) {
    guard line.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
      throw LineFault(description: "there is a control character")
    }
    let parts = line.split(
      separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count > 1, !parts[0].isEmpty else {
      throw LineFault(description: "this is no line of an htpasswd file: use USER:HASH")
    }
    let user = Array(parts[0])
    do throws(PasswordHash.Fault) {
      return (user, try PasswordHash(parts[1]))
    } catch {
      let advice = error.isForm ? ": set it anew by: htpasswd -B '\(path)' '\(name(user))'" : ""
      throw LineFault(description: "the password of '\(name(user))' \(error.description)\(advice)")
    }
  }

  private static func name(_ user: [UInt8]) -> String { String(decoding: user, as: UTF8.self) }

  /// The hash of a user's password; for one that there is not, another user's, so that both take as long: always the same one
  /// for a name, by `key`. Nil only if there are no users.
  func hash(of user: [UInt8], key: SipHash.Key) -> (hash: PasswordHash, isOwn: Bool)? {
    if let hash = hashes[user] { return (hash, true) }
    if all.isEmpty { return nil }
    let number = SipHash.tag(key, (0, 0), user.span).low % UInt64(all.count)
    return (all[Int(number)], false)
  }
}
