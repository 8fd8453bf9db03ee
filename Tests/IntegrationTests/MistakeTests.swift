import Testing

/// What people write who have read no documentation, or that of another server: where it is wrong, and what to do instead.
@Suite struct MistakeTests {
  /// What `sluice check` says of a file, a line each, with `FILE` for its path and `ROOT` for the folder that it serves.
  private func told(_ text: [UInt8], status: Int32, flags: [String] = []) throws -> [String] {
    let (folder, root) = (try TemporarySite(), try TemporarySite())
    try root.add("index.html", "home\n")
    try root.add("about.html", "about\n")
    let text = String(decoding: text, as: UTF8.self).replacing("ROOT", with: root.path)
    try folder.add("c.toml", text)
    let result = try SluiceProcess.run(["check", "--config", folder.path + "/c.toml"] + flags)
    #expect(result.exitStatus == status, "\(result.text)")
    return result.errorOutput.split(separator: "\n").map {
      String($0).replacing(folder.path + "/c.toml", with: "FILE").replacing(root.path, with: "ROOT")
    }
  }

  @Test(
    arguments: [
      // Line 1 is the root.
      (
        "idle-timeout = \"1h\"",
        "FILE:2: the value '1h' of idle-timeout is invalid: use a number of seconds from 1 to 86400 (1h is 3600)"
      ),
      ("drain = \"30s\"", "(30s is 30)"), ("hsts = \"1y\"", "(1y is 31536000)"),
      ("cache-memory = \"10MB\"", "(10MB is 10M)"),
      ("idle-timeout = 7.5", "FILE:2: the value '7.5' of idle-timeout"),
      ("address = \"0.0.0.0:80\"", "one name or address without a port"),
      ("address = \"*\"", "or :: for all of IPv6"),
      ("port = [80, 81]", "FILE:2: port takes one value, not a list: use a number"),
      ("root = \"x\"", "FILE:2: 'root' is said twice: leave one out"),
      ("address = 127.0.0.1", "FILE:2: texts stand in quotes: address = \"127.0.0.1\""),
      ("pid-file = /run/x", "FILE:2: texts stand in quotes: pid-file = \"/run/x\""),
      ("listing = on", "FILE:2: use listing = true"), ("listing = False", "FILE:2: use listing = false"),
      ("port = 80;", "FILE:2: leave out the semicolon"), ("port: 80", "FILE:2: use KEY = VALUE in each line"),
      ("server {", "FILE:2: use KEY = VALUE"), ("address = “::1”", "FILE:2: quotes have to be straight ones"),
      ("pid-file = \"/run", "FILE:2: a quote is missing"),
      ("pid-file = \"C:\\x\"", "FILE:2: a backslash begins an escape"),
      ("[[path]]\nmatch = \"/a\"\n[path]\nmatch = \"/b\"", "FILE:4: each section has two brackets: [[path]]"),
      ("deny = [\"all\"]", "FILE:2: 'deny' is said in a [[path]], not of all"),
      ("names = [\"a\"]", "FILE:2: 'names' is said in a [[host]], not of all"),
      ("file_server = true", "FILE:2: unknown key 'file_server': use root"),
      ("http-port = 80", "FILE:2: unknown key 'http-port': use port"),
      ("redir = \"/a /b\"", "FILE:2: unknown key 'redir': use redirect"),
      // The other patterns were not kept from anybody.
      (
        "[[path]]\nmatch = [\"/a\", \"/b\"]\ndeny = [\"all\"]",
        "FILE:3: match takes one value, not a list: use braces"
      ),
      ("[[path]]\nmatch = \"/a\"\nredirect = [\"/b\", \"/c\"]", "FILE:4: redirect takes one value"),
      (
        "[[path]]\nmatch = \"/a\"\nheaders = { set = { X-A = {} } }",
        "FILE:4: the value of the header X-A must be a text"
      ),
      (
        "header = [\"/a: b\"]",
        "'/a' is no name of a header: use NAME: VALUE for all files, PATTERN=NAME: VALUE"
      ),
      (
        "header = [\"X-A: b\\r\\nX-B: c\"]",
        "FILE:2: the value of the header X-A holds a control character: use one line"
      ),
      ("mime = [\"*.gpx=a/b\"]", "use ENDING=TYPE"),
      ("tls-only = true", "FILE:2: tls-only needs a certificate: cert and key"),
      ("ktls = \"require\"", "FILE:2: ktls require needs a certificate: cert and key"),
      ("client-ca = \"/x\"", "FILE:2: client-ca needs a certificate of the server's: cert and key"),
      ("https-redirect = true", "FILE:2: https-redirect needs both HTTP and HTTPS: cert and key"),
      ("strict-hosts = true", "FILE:2: strict-hosts needs hosts"),
      ("auth = [\"/a=/x\"]", "FILE:2: auth needs HTTPS"),
      ("[[path]]\nmatch = \"/a\"\nauth = \"/x\"", "FILE:3: auth needs HTTPS"),
      ("mime-types = \"/none\"", "FILE:2: mime-types: /none: cannot read this file"),
      (
        "auth-over-http = true\nauth = [\"/a=/none/1\", \"/b=/none/2\"]",
        "FILE:3: auth: /none/2: cannot read this file with passwords"
      ),
      ("[[host]]\nnames = [\"a\"]\nroot = \"/none\"", "FILE:4: root: /none: cannot serve this folder"),
      (
        "[[host]]\nnames = [\"a\"]\nroot = \"~/www\"",
        "FILE:4: root: ~/www: cannot serve this folder: No such file or directory: only shells know '~'"
      ),
      ("[[host]]\nnames = [\"a\"]\nroot = \"none\"", "No such file or directory: relative paths begin in /"),
    ])
  func error(text: String, expected: String) throws {
    let lines = try told(Array("root = \"ROOT\"\n\(text)\n".utf8), status: 64)
    #expect(lines.contains { $0.contains(expected) }, "\(lines)")
  }

  @Test func filesThatAreNoText() throws {
    let folder = try TemporaryFolder()
    for (bytes, expected) in [
      ([0xFF, 0xFE, 0x61, 0], ":1: this is no text in UTF-8: save the file as UTF-8, not as UTF-16"),
      (Array("#\n# caf".utf8) + [0xE9, 0x0A], ":2: this is no text in UTF-8: save the file as UTF-8"),
    ] as [([UInt8], String)] {
      try writeFile(folder.path + "/c.toml", bytes)
      let result = try SluiceProcess.run(["check", "--config", folder.path + "/c.toml"])
      #expect(result.exitStatus == 64 && result.errorOutput.contains("c.toml\(expected)"), "\(result.text)")
    }
    // Windows' editors begin so; line ends and tabs do not matter.
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    #expect(
      try told(mark + Array("root\t=\t\"ROOT\"\r\n\r\nprot = 1\r\n".utf8), status: 64) == [
        "sluice: FILE:3: unknown key 'prot': did you mean 'port'?"
      ])
  }

  /// What could be said in several ways is taken in all of them.
  @Test func whatIsMeantIsTaken() throws {
    let text = """
      root = "ROOT"
      index = ["index.html", "index.htm"]
      precompressed = ["br", "gzip"]
      cors = ["https://a.example", "https://b.example"]
      proxy-protocol = ["10.0.0.0/8", "::1"]
      """
    #expect(try told(Array(text.utf8), status: 0) == [])
  }

  @Test(
    arguments: [
      (
        "redirect = [\"/**=/index.html\"]",
        "FILE:2: this redirect never ends: '/x' leads to '/index.html', then to '/index.html'"
      ),
      (
        "redirect = [\"/b=/c\", \"/c=/b\"]",
        "FILE:2: this redirect never ends: '/b' leads to '/c', then to '/b'"
      ),
      ("redirect = [\"/d/**=/d/e/*\"]", "'/d/x' leads to '/d/e/x', then to '/d/e/e/x'"),
      (
        "clean-urls = true\nredirect = [\"/about=/about.html\"]",
        "FILE:3: this redirect never ends: '/about' leads to '/about.html', then to '/about'"
      ),
      (
        "[[host]]\nnames = [\"a.example\"]\nroot = \"ROOT\"\nredirect = [\"/**=http://a.example/*\"]",
        "FILE:5: this redirect never ends: '/x' leads to 'http://a.example/x'"
      ),
      ("fallback = \"/app.html\"", "FILE:2: fallback: ROOT/app.html: there is no such file"),
      ("error-page = [\"404=/404.html\"]", "FILE:2: error-page: ROOT/404.html: there is no such file"),
      (
        "error-page = [\"404=/index.html\", \"404=/about.html\"]",
        "FILE:2: the page for 404 is said twice: '/about.html' holds"
      ),
      ("[[path]]\nmatch = \"/a/\"\nfallback = \"/a.html\"", "ROOT/a.html: there is no such file"),
      (
        "index = \"home.html,home.htm\"",
        "FILE:2: index: ROOT has no home.html or home.htm: '/' is not found there"
      ),
      (
        "fallback = \"/index.php\"",
        "FILE:2: fallback: programs are not run: everybody gets 'index.php' as it is written"
      ),
      (
        "cache-control = [\"/a%20b=no-store\"]",
        "FILE:2: the pattern '/a%20b' fits no path: write characters as they are"
      ),
      ("cache-control = [\"//a=no-store\"]", "its slashes are single"),
      (
        "[[path]]\nmatch = \"https://a.example/b\"\ntype = \"a/b\"",
        "FILE:3: the pattern 'https://a.example/b' fits no path: it is a path, without a host"
      ),
      (
        "[[path]]\nmatch = \"/a?x=1\"\ntype = \"a/b\"",
        "FILE:3: the pattern '/a?x=1' fits no path: queries are not looked at"
      ),
      ("[[path]]\nmatch = \"/img/.*\"\ntype = \"a/b\"", "there are no regular expressions"),
      ("[[path]]\nmatch = \"/(a|b)/\"\ntype = \"a/b\"", "there are no regular expressions"),
      ("[[path]]\nmatch = \"/blog/:slug\"\ntype = \"a/b\"", "use '*'"),
      ("[[path]]\nmatch = \"/a/../b\"\ntype = \"a/b\"", "paths have no dot segments"),
      (
        "base-path = \"/app\"\ncache-control = [\"/app/x=no-store\"]",
        "FILE:3: the pattern '/app/x' fits no path: patterns have no base-path"
      ),
      ("[[path]]\nmatch = \"/a\"", "FILE:3: nothing is said of '/a'"),
      ("redirect = [\"/a/**=/b/$1\"]", "FILE:2: '/b/$1' is sent as it is: there are no variables"),
      (
        "cache-control = [\"/**=no-store\"]\n[[path]]\nmatch = \"/a/\"\ncache-control = \"no-cache\"",
        "FILE:4: cache-control of '/a/' never holds: '/**' (FILE:2) comes first"
      ),
      (
        "[[path]]\nmatch = \"*.js\"\nheaders = { remove = [\"X-A\"] }\n[[path]]\nmatch = \"/b/*.js\"\nheaders = { set = { x-a = \"b\" } }",
        "FILE:6: header x-a of '/b/*.js' never holds: '*.js' (FILE:3)"
      ),
      ("ticket-key-file = \"/none\"", "FILE:2: ticket-key-file has no effect without cert and key"),
      ("ciphers = \"x\"", "FILE:2: ciphers has no effect without cert and key"),
      ("tls-min = 1.3", "FILE:2: tls-min has no effect without cert and key"),
      ("hsts = 5", "FILE:2: hsts has no effect without cert and key"),
      ("access-log-format = \"json\"", "FILE:2: access-log-format has no effect without access-log"),
      ("public-https-port = 443", "FILE:2: public-https-port has no effect without https-redirect"),
    ])
  func warning(text: String, expected: String) throws {
    let lines = try told(Array("root = \"ROOT\"\n\(text)\n".utf8), status: 0)
    #expect(
      lines.allSatisfy { $0.hasPrefix("sluice: warning: ") } && lines.contains { $0.contains(expected) },
      "\(lines)")
  }

  /// What looks like one of these and is none.
  @Test(
    arguments: [
      "redirect = [\"/a=/b\", \"/b=/c\", \"/old/**=/*\"]",
      "[[host]]\nnames = [\"a.example\"]\nroot = \"ROOT\"\nredirect = [\"/b=http://www.a.example/b\", \"/**=https://a.example/*\"]",
      "base-path = \"/app\"\nredirect = [\"/old=/app/new\"]", "fallback = \"/index.html\"",
      "error-page = [\"404=/about.html\", \"403=/about.html\"]",
      "cache-control = [\"/a/*=no-store\", \"/a/**=no-cache\", \"*.{js,css}=private\"]\n[[path]]\nmatch = \"/a/\"\ntype = \"a/b\"",
      "cache-control = [\"**=no-store\"]\n[[host]]\nnames = [\"a\"]\nroot = \"ROOT\"\n[[host.path]]\nmatch = \"/a\"\ncache-control = \"no-cache\"",
      "plaintext = true\nciphers = \"x\"",
    ])
  func noWarning(text: String) throws {
    #expect(try told(Array("root = \"ROOT\"\n\(text)\n".utf8), status: 0) == [])
  }

  @Test(
    arguments: [
      ("--root", "use a folder without a flag: sluice FOLDER"),
      ("--listen", "use --address, --port and --tls-port"),
      ("--redir", "use --redirect"), ("--autoindex", "use --listing"),
      ("--try_files", "use --fallback, or --clean-urls"),
      ("--server-name", "use [[host]] with names = [\"example.com\"] in a file: --config FILE"),
      ("--file-server", "use FOLDER"), ("-p", "use --port"), ("--bind=x", "use --address"),
      ("--prot", "did you mean '--port'?"),
    ])
  func flag(flag: String, expected: String) throws {
    for command in [[], ["check"]] {
      let result = try SluiceProcess.run(command + [flag, "x"])
      #expect(
        result.exitStatus == 64
          && result.errorOutput.contains("sluice: unknown option '\(flag.prefix { $0 != "=" })"),
        "\(result.text)")
      #expect(result.errorOutput.contains(expected), "\(result.text)")
    }
  }

  @Test func commandsThatThereAreNot() throws {
    let root = try TemporarySite()
    try root.add("index.html", "home\n")
    for (word, meant) in [
      ("serv", "serve"), ("server", "serve"), ("start", "serve"), ("run", "serve"), ("chekc", "check"),
      ("test", "check"),
      ("version", "--version"),
    ] {
      for arguments in [[word], [word, root.path]] {
        let result = try SluiceProcess.run(arguments)
        #expect(result.exitStatus != 0)
        #expect(
          result.errorOutput.hasPrefix(
            "sluice: there is neither a command nor a folder '\(word)': did you mean 'sluice \(meant)'?"),
          "\(result.text)")
      }
    }
  }

  /// What stops `serve` is what `check` says, with its place; all of it, not only the first.
  @Test func serveSaysWhatCheckSays() throws {
    let certificates = try TestCertificates.shared.get()
    let (pair, other) = (certificates.ecdsa, certificates.rsa)
    for (text, expected) in [
      ("root = \"/none\"", ["c.toml:2: root: /none: cannot serve this folder: No such file or directory\n"]),
      (
        "cert = \"\(pair.key)\"\nkey = \"\(pair.certificate)\"\nticket-key-file = \"/none/ticket\"\nclient-ca = \"/none/ca\"",
        [
          "c.toml:4: ticket-key-file: /none/ticket: ", "c.toml:5: client-ca: /none/ca: ",
          "c.toml:2: cert: \(pair.key): this is a private key, and no certificate",
        ]
      ),
      (
        "cert = \"\(pair.certificate)\"\nkey = \"\(pair.key)\"\nciphers = \"x\"\ngroups = \"x\"",
        [
          "c.toml:4: ciphers: OpenSSL knows no such cipher of TLS 1.2 (see openssl ciphers -s -tls1_2): 'x'",
          "c.toml:5: groups: OpenSSL does not know all of these groups for the key exchange: 'x'",
        ]
      ),
      (
        "cert = \"\(pair.certificate)\"\nkey = \"\(pair.key)\"\n[[host]]\nnames = [\"a\"]\nroot = \".\"\ncert = \"\(other.certificate)\"\nkey = \"\(pair.key)\"",
        ["c.toml:8: key: \(pair.key): this private key does not fit"]
      ),
    ] {
      let folder = try TemporarySite()
      try folder.add("c.toml", "port = 0\n\(text)\n")
      let check = try SluiceProcess.run(["check", "--config", folder.path + "/c.toml"])
      #expect(
        check.exitStatus == 64 && check.errorOutput.split(separator: "\n").count == expected.count,
        "\(check.text)")
      for line in expected { #expect(check.errorOutput.contains("\(folder.path)/\(line)"), "\(check.text)") }
      let serve = try SluiceProcess.run(["--config", folder.path + "/c.toml"])
      #expect(
        serve.exitStatus == 1 && serve.errorOutput.contains("sluice: \(folder.path)/\(expected[0])"),
        "\(serve.text)")
    }
    // From elsewhere.
    let variable = try SluiceProcess.run([], environment: ["SLUICE_ROOT": "/none", "SLUICE_PORT": "0"])
    #expect(
      variable.exitStatus == 1 && variable.errorOutput.hasPrefix("sluice: SLUICE_ROOT: /none: "),
      "\(variable.text)")
    let service = try SluiceProcess.run(["check"], environment: ["SLUICE_PORT": "tcp://10.0.0.1:80"])
    #expect(service.errorOutput.contains("enableServiceLinks: false"), "\(service.text)")
  }

  /// The option is named that it was read for, whatever other one names the same file.
  @Test func aFileOfSeveralOptions() throws {
    let pair = try TestCertificates.ecdsa
    let own = ["--cert", pair.certificate, "--key", pair.key]
    for (flags, expected) in [
      (own + ["--client-ca", pair.key], "--client-ca: \(pair.key): no certificate of an authority in it"),
      (
        own + ["--client-ca", pair.certificate, "--client-crl", pair.certificate],
        "--client-ca and --client-crl: \(pair.certificate): no usable list of revoked certificates in it"
      ),
      (own + ["--ticket-key-file", pair.key], "--ticket-key-file: \(pair.key): a ticket key has 80 bytes"),
      (own + ["--auth", "/a/**=\(pair.certificate)"], "--auth: \(pair.certificate):1: "),
      (
        ["--cert", pair.certificate, "--key", pair.certificate],
        "--cert and --key: \(pair.certificate): no usable private key in it"
      ),
    ] {
      let check = try SluiceProcess.run(["check"] + flags)
      #expect(check.exitStatus == 64 && check.errorOutput.hasPrefix("sluice: \(expected)"), "\(check.text)")
      #expect(check.errorOutput.split(separator: "\n").count == 1, "\(check.text)")
      let serve = try SluiceProcess.run(["--port", "0", "--tls-port", "0"] + flags)
      #expect(serve.exitStatus == 1 && serve.errorOutput.hasPrefix("sluice: \(expected)"), "\(serve.text)")
    }
    // Of a file, with the line; of several places, those who name it.
    let folder = try TemporarySite()
    try folder.add(
      "c.toml", "cert = \"\(pair.certificate)\"\nkey = \"\(pair.key)\"\nclient-ca = \"\(pair.key)\"\n")
    let file = folder.path + "/c.toml"
    let check = try SluiceProcess.run(["check", "--config", file])
    #expect(check.errorOutput.contains("sluice: \(file):3: client-ca: \(pair.key): "), "\(check.text)")
    let variable = try SluiceProcess.run(
      ["check", "--cert", pair.key, "--key", pair.key], environment: ["SLUICE_CLIENT_CA": pair.key])
    let lines = variable.errorOutput.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("sluice: SLUICE_CLIENT_CA: \(pair.key): ") }, "\(lines)")
    #expect(lines.contains { $0.hasPrefix("sluice: --cert and --key: \(pair.key): ") }, "\(lines)")
    #expect(lines.count == 2, "\(lines)")
  }
}
