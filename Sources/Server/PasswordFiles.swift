import Access
import Glibc
import Logging
import Reactor
import Site
import Worker

extension PasswordFile {
  /// The files with passwords that sites name, read. One that could be downloaded is an error.
  static func all(of sites: [Site]) throws(StartError) -> [PasswordFile] {
    var files: [PasswordFile] = []
    for path in Site.passwordFiles(of: sites) { files.append(try read(path, sites: sites)) }
    return files
  }

  /// One of them.
  static func read(_ path: String, sites: [Site]) throws(StartError) -> PasswordFile {
    guard !sites.contains(where: { $0.serves(fileAt: path) }) else {
      throw StartError("\(path): this file with passwords lies in the served folder: move it out of there")
    }
    do throws(PasswordFileError) {
      return try PasswordFile(path: path)
    } catch {
      throw StartError(error.description)
    }
  }
}

extension Passwords {
  /// The files with threads that check passwords, and one that sees files change, until its `end`. Without files there are none.
  static func start(_ files: [PasswordFile], limits: Limits, log: Logger) throws(Errno) -> Passwords {
    guard let passwords = Passwords(files: files, capacity: limits.passwordQueue) else {
      throw Errno.current
    }
    if files.isEmpty { return passwords }
    for _ in 0..<limits.passwordThreads {
      try Thread.detach(stackBytes: 512 << 10) { passwords.runChecks() }
    }
    try Thread.detach(stackBytes: 512 << 10) {
      passwords.watch { log.error("\($0); what it said before stays in use") }
    }
    return passwords
  }
}
