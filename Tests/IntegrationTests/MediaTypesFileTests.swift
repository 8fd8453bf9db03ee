import Glibc
import Testing

/// Media types out of a file.
@Suite struct MediaTypesFileTests {
  private let site: TemporarySite
  private let folder: TemporaryFolder
  private let file: String

  init() throws {
    site = try TemporarySite()
    for name in ["a.html", "a.foo", "a.BAR", "a.baz", "a.css", "a.unknown", "a.tar.gz"] {
      try site.add(name, "x\n")
    }
    folder = try TemporaryFolder()
    file = folder.path + "/mime.types"
  }

  private static let table = """
    # A comment, and an empty line.

    text/x-foo\t\tfoo fu   # another
    application/x-old baz
    application/x-bar .bar BAZ\r
    text/html
    text/css;charset=latin1 css
    # application/x-not html
    """

  private func expectTypes(_ sluice: SluiceProcess, _ transport: Transfer.Transport, foo: String) throws {
    for _ in 0..<2 {
      for (name, type) in [
        ("a.foo", foo), ("a.BAR", "application/x-bar"), ("a.baz", "application/x-bar"),
        ("a.css", "text/css;charset=latin1"), ("a.html", "text/html; charset=utf-8"),
        ("a.unknown", "application/octet-stream"), ("a.tar.gz", "application/gzip"),
      ] {
        let response = try Curl.get(transport.url(sluice) + "/" + name, transport.flags())
        #expect(response["Content-Type"] == type, "\(name)")
      }
    }
  }

  @Test(arguments: Transfer.Transport.everywhere) func overTheTable(transport: Transfer.Transport) throws {
    try writeFile(file, Array(Self.table.utf8))
    try expectTypes(
      transport.serve(site.path, flags: ["--mime-types", file]), transport, foo: "text/x-foo; charset=utf-8")
    try expectTypes(
      transport.serve(site.path, flags: ["--mime-types", file, "--mime", "foo=image/foo"]), transport,
      foo: "image/foo")
  }

  @Test func fromTheEnvironmentAndFromAFile() throws {
    try writeFile(file, Array(Self.table.utf8))
    let arguments = [site.path, "--port", "0", "--workers", "1"]
    let foo = "text/x-foo; charset=utf-8"
    try expectTypes(
      SluiceProcess(arguments: arguments, environment: ["SLUICE_MIME_TYPES": file], listeners: 1), .plain,
      foo: foo)
    let toml = folder.path + "/sluice.toml"
    try writeFile(toml, Array("mime-types = \"\(file)\"\n".utf8))
    try expectTypes(SluiceProcess(arguments: arguments + ["--config", toml], listeners: 1), .plain, foo: foo)
  }

  @Test(.enabled(if: readFile("/etc/mime.types") != nil, "no /etc/mime.types")) func thatOfTheSystem()
    throws
  {
    let result = try SluiceProcess.run(["check", "--mime-types", "/etc/mime.types"])
    #expect(result.exitStatus == 0, "\(result.text)")
  }

  @Test(
    arguments: [
      ("text/html html\ntypes {\n", ":2: this is no media type"),
      ("\n\nhtml text/html\n", ":3: this is no media type"),
      ("text/html html;\n", ":1: this is no media type"), ("text/\n", ":1: this is no media type"),
      ("text/html\u{0} html\n", ":1: this is no text in UTF-8"),
      ("text/" + String(repeating: "a", count: 600) + " html", ":1: this is no media type"),
    ])
  func errorsSayWhere(text: String, message: String) throws {
    try writeFile(file, Array(text.utf8))
    let result = try SluiceProcess.run(["check", "--mime-types", file])
    #expect(result.exitStatus == 64 && result.errorOutput.contains(file + message), "\(result.text)")
    #expect(result.errorOutput.split(separator: "\n").count == 1)
  }

  @Test func filesThatCannotBeUsed() throws {
    for (path, message) in [
      ("/nonexistent", "cannot read this file: No such file or directory"),
      (folder.path, "cannot read this file: Is a directory"),
      ("/dev/zero", "this file is too large: use 1048576 bytes"),
    ] {
      for option in ["--mime-types", "--config"] {
        let result = try SluiceProcess.run(["check", option, path])
        #expect(
          result.exitStatus == 64 && result.errorOutput.contains("\(path): \(message)"), "\(result.text)")
      }
    }
  }
}
