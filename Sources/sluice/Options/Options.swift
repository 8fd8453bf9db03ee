import ArgumentParser

/// Every option there is, as a flag of the command line. The environment and the file have them by the same names: see
/// `Settings`. All of them are texts here, whatever they mean, so that a wrong one is told in one way, whoever says it.
struct Options: ParsableArguments {
  @Argument(help: "The folder to serve (default: the current one).", completion: .directory)
  var root: String?

  @Option(
    help: ArgumentHelp(
      "A TOML file that has what flags and the environment leave out.", valueName: "file"),
    completion: .file(extensions: ["toml"]))
  var config: String?

  @Option(help: "Name or address to listen on; '::' takes IPv6 and IPv4 (default: 127.0.0.1).")
  var host: String?

  @Option(help: "Port for HTTP; 0 is any free one (default: 8080).")
  var port: String?

  @Option(help: "Port for HTTPS; 0 is any free one (default: 8443).")
  var tlsPort: String?

  @Option(
    name: [.customLong("cert"), .customLong("tls-cert")],
    help: "PEM file with the certificate, leaf first, then intermediates.", completion: .file())
  var cert: String?

  @Option(
    name: [.customLong("key"), .customLong("tls-key")], help: "PEM file with the certificate's private key.",
    completion: .file())
  var key: String?

  @Option(
    help: """
      Who encrypts: auto (the kernel where it can, else OpenSSL), require (the kernel or nobody), off (OpenSSL) \
      (default: auto).
      """, completion: .list(["auto", "require", "off"]))
  var ktls: String?

  @Option(
    help: """
      Whether the kernel decrypts what clients send, too, where it encrypts: on or off. It makes idle connections \
      small; see SECURITY.md (default: off).
      """, completion: .list(["on", "off"]))
  var ktlsReceive: String?

  @Option(help: "Worker threads: a number, or auto for one a CPU (default: auto).")
  var workers: String?

  @Option(
    help: """
      Memory for small files, for all workers together: bytes, or with K, M or G (default: a sixteenth of what \
      this process may have).
      """)
  var cacheMemory: String?

  @Option(help: "Threads that wait for disks, 1 to 64, so that workers need not (default: 4).")
  var ioThreads: String?

  @Option(
    help: ArgumentHelp(
      """
      Bytes, or with K or M, that a client must take in a second, over 30 s; 0: it may be as slow as it likes \
      (default: 0).
      """, valueName: "bytes"))
  var minSendRate: String?

  @Option(
    help: ArgumentHelp(
      "Seconds, 1 to 86400, that a connection may wait for its next request (default: 75).",
      valueName: "seconds"))
  var idleTimeout: String?

  @Option(
    help: "Names of the files that stand for their folder, the first that is there (default: index.html).")
  var index: String?

  @Flag(
    inversion: .prefixedNo,
    help: "Let /about lead to about.html, and /about.html to /about.")
  var cleanUrls: Bool?

  @Option(
    help: ArgumentHelp(
      """
      The file to send, with 200, where there is none and the path looks like a page, not a file: '/index.html' for \
      an application of one page.
      """, valueName: "path"))
  var fallback: String?

  @Option(
    help: ArgumentHelp(
      "The page to send with a status from 403 on: '404=/404.html'. May be said several times.",
      valueName: "status=path"))
  var errorPage: [String] = []

  @Option(
    help: """
      Codings that are looked for beside files (app.js.br, .zst, .gz) and sent to who accepts them, the best first; or off \
      (default: br,zstd,gzip).
      """)
  var precompressed: String?

  @Option(
    help: ArgumentHelp(
      "Cache-Control for files: '/assets/**=max-age=3600', '*.html=no-cache'. The first pattern that fits decides.",
      valueName: "pattern=value"))
  var cacheControl: [String] = []

  @Option(
    help: ArgumentHelp(
      "A field for responses with files: 'X-Robots-Tag: none', or for some, '/docs/**=X-Robots-Tag: none'.",
      valueName: "[pattern=]name: value"))
  var header: [String] = []

  @Option(
    help: ArgumentHelp(
      "The media type of files with an ending: 'gpx=application/gpx+xml'.", valueName: "ending=type"))
  var mime: [String] = []

  @Flag(
    inversion: .prefixedNo,
    help:
      "Let clients keep files for a year whose names hold a hash, as build tools make them: main.3f9a1c2b.js."
  )
  var immutable: Bool?

  @Flag(
    inversion: .prefixedNo,
    help:
      "Add the fields that scanners of web sites ask for, from nosniff to a strict Content-Security-Policy.")
  var securityHeaders: Bool?

  @Flag(inversion: .prefixedNo, help: "HTTP only: nothing of TLS is set up, whatever certificate is given.")
  var plaintext: Bool?

  @Flag(inversion: .prefixedNo, help: "HTTPS only.")
  var tlsOnly: Bool?

  @Option(
    help: "trace, debug, info, notice, warning, error or critical (default: notice).",
    completion: .list(["trace", "debug", "info", "notice", "warning", "error", "critical"]))
  var logLevel: String?
}

extension Options {
  /// What holds where nothing is said. Options that are not here have no value then.
  static let defaults = [
    "root": ".", "host": "127.0.0.1", "port": "8080", "tls-port": "8443", "ktls": "auto",
    "ktls-receive": "off",
    "workers": "auto", "index": "index.html", "clean-urls": "false", "precompressed": "br,zstd,gzip",
    "io-threads": "4", "min-send-rate": "0",
    "idle-timeout": "75", "plaintext": "false",
    "tls-only": "false", "immutable": "false", "security-headers": "false", "log-level": "notice",
  ]
}
