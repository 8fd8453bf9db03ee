import Glibc

/// How often each function of a running `sluice` was called, as callgrind counts it.
struct CallCounts {
  /// A function: where it is (the file's name without folders), and its name.
  struct Function: Hashable {
    let object: String
    let name: String
  }

  private(set) var calls: [Function: Int] = [:]

  /// Serves `requests` GETs for `name` on one plaintext connection, under callgrind.
  init(_ binary: String, site: TemporarySite, name: String, requests: Int) throws {
    let folder = try TemporaryFolder()
    // Valgrind does not understand the debugging information of newer compilers.
    let stripped = folder.path + "/sluice"
    try Shell.require(["strip", "--strip-debug", "-o", stripped, binary])
    let output = folder.path + "/calls"
    // Deterministic hashing, or option parsing takes a few calls more or less from run to run.
    let prefix = [
      "env", "SWIFT_DETERMINISTIC_HASHING=1", "valgrind", "--tool=callgrind", "--compress-strings=no",
      "--callgrind-out-file=\(output)",
    ]
    let sluice = try SluiceProcess(site.path, prefix: prefix, binary: stripped)
    do {
      let connection = try sluice.connect()
      for _ in 0..<requests {
        try connection.get("/\(name)")
        guard try connection.response().status == 200 else { throw TestFailure("not served") }
      }
    }
    try sluice.stop()
    guard let bytes = readFile(output) else {
      throw TestFailure("callgrind wrote nothing: \(sluice.process.errorOutput)")
    }
    count(String(decoding: bytes, as: UTF8.self))
  }

  /// Callgrind's format: `cob=` and `cfn=` name the function that the next `calls=COUNT …` line is about; without
  /// `cob=` it is in the same file as the caller, which `ob=` has named.
  private mutating func count(_ text: String) {
    var (object, calledObject, name) = ("", "", "")
    for line in text.split(separator: "\n") {
      if line.hasPrefix("ob=") {
        object = Self.fileName(line.dropFirst(3))
      } else if line.hasPrefix("fn=") {
        calledObject = object
      } else if line.hasPrefix("cob=") {
        calledObject = Self.fileName(line.dropFirst(4))
      } else if line.hasPrefix("cfn=") {
        name = String(line.dropFirst(4))
      } else if line.hasPrefix("calls="), let count = Int(line.dropFirst(6).prefix { $0.isNumber }) {
        calls[Function(object: calledObject, name: name), default: 0] += count
        calledObject = object
      }
    }
  }

  private static func fileName(_ path: Substring) -> String {
    path.split(separator: "/").last.map(String.init) ?? ""
  }

  /// What was called more often than in `other`, and how much more often.
  func more(than other: CallCounts) -> [Function: Int] {
    calls.reduce(into: [:]) { more, entry in
      let difference = entry.value - other.calls[entry.key, default: 0]
      if difference > 0 { more[entry.key] = difference }
    }
  }
}
