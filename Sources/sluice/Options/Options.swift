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

  @Option(
    name: [.customLong("address"), .customLong("host")],
    help: "Name or address to listen on; '::' takes IPv6 and IPv4 (default: 127.0.0.1).")
  var address: String?

  @Option(help: "Port for HTTP; 0 is any free one (default: 8080).")
  var port: String?

  @Option(help: "Port for HTTPS; 0 is any free one (default: 8443).")
  var tlsPort: String?

  @Option(
    name: [.customLong("cert"), .customLong("tls-cert")],
    help: """
      PEM file with the certificate, leaf first, then intermediates. May be said several times, with a --key for each: a client gets \
      the one for the name that it asks for, and of an ECDSA and an RSA certificate for the same names the one that it likes.
      """, completion: .file())
  var cert: [String] = []

  @Option(
    name: [.customLong("key"), .customLong("tls-key")],
    help: "PEM file with the certificate's private key; of several, in the order of the certificates.",
    completion: .file())
  var key: [String] = []

  @Option(
    help: ArgumentHelp(
      "A file whose first line private keys are encrypted with.", valueName: "file"), completion: .file())
  var keyPassphraseFile: String?

  @Option(
    help: ArgumentHelp(
      """
      A file with a key for session tickets, 80 bytes or 48, as nginx has it, so that machines know each other's. May be said \
      several times, the newest first (default: a key of this process alone, changed every 8 hours).
      """, valueName: "file"), completion: .file())
  var ticketKeyFile: [String] = []

  @Option(
    help: ArgumentHelp(
      "PEM file with the authorities whose certificates clients have to show.", valueName: "file"),
    completion: .file())
  var clientCa: String?

  @Option(
    help: """
      What is done with --client-ca: require (clients without a certificate are refused; so it is where nothing is said), request \
      (they are asked for one) or off.
      """, completion: .list(["require", "request", "off"]))
  var clientAuth: String?

  @Option(
    help: ArgumentHelp(
      "PEM file with what the authorities of clients have revoked (CRL), a list for each of them.",
      valueName: "file"),
    completion: .file())
  var clientCrl: String?

  @Option(
    help: "The oldest version of TLS that is spoken: 1.2 or 1.3 (default: 1.2).",
    completion: .list(["1.2", "1.3"]))
  var tlsMin: String?

  @Option(
    help: ArgumentHelp(
      "Ciphers of TLS 1.2, as openssl-ciphers(1) has them (default: AES-GCM and ChaCha20-Poly1305 with ECDHE).",
      valueName: "list"))
  var ciphers: String?

  @Option(
    help: ArgumentHelp(
      "Cipher suites of TLS 1.3, with colons between them (default: AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305).",
      valueName: "list"))
  var ciphersuites: String?

  @Option(
    help: ArgumentHelp(
      """
      Groups for the key exchange, with colons between them, the best first (default: X25519MLKEM768 where OpenSSL has it, \
      X25519, P-256, P-384).
      """, valueName: "list"))
  var groups: String?

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
    help: """
      What to do with a slash too much or too little at the end: auto (lead to the path that a folder or a file has), strict \
      (folders are led to, files are not found) (default: auto).
      """, completion: .list(["auto", "strict"]))
  var trailingSlash: String?

  @Option(
    help: ArgumentHelp(
      "What stands before every path, and is no part of files' names: '/app'.", valueName: "path"))
  var basePath: String?

  @Option(
    help: ArgumentHelp(
      """
      Another place for a path: '/old/**=/new/*', '/blog=https://blog.example.com/:302'. The star of the target is what \
      the pattern's has matched. May be said several times (default status: 301).
      """, valueName: "from=to[:status]"))
  var redirect: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      The file to send, with 200, where there is none and the path looks like a page, not a file: '/index.html' for \
      an application of one page.
      """, valueName: "path"))
  var fallback: String?

  @Flag(
    inversion: .prefixedNo,
    help: "List folders that have no index: a page to read, or JSON for who asks for that.")
  var listing: Bool?

  @Option(
    help: ArgumentHelp(
      "The page to send with a status of an error: '404=/404.html'. May be said several times.",
      valueName: "status=path"))
  var errorPage: [String] = []

  @Option(
    help: """
      Symbolic links in the folder: beneath (those that lead to something in it are followed) or none (no link is) \
      (default: beneath).
      """, completion: .list(["beneath", "none"]))
  var symlinks: String?

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
      """
      Who may come in: '/private/**=/etc/sluice/users' asks for a password that this file (htpasswd) knows; \
      '/private/open/**=off' does not. The first pattern that fits decides.
      """, valueName: "pattern=file"))
  var auth: [String] = []

  @Option(
    help: """
      Whether passwords are asked for over HTTP, too, where something else encrypts on the way: on or off (default: off).
      """, completion: .list(["on", "off"]))
  var authOverHttp: String?

  @Option(
    help: ArgumentHelp(
      "A field for responses: 'X-Robots-Tag: none', or for some paths, '/docs/**=X-Robots-Tag: none'.",
      valueName: "[pattern=]name: value"))
  var header: [String] = []

  @Option(
    help: ArgumentHelp(
      "The media type of files with an ending: 'gpx=application/gpx+xml'.", valueName: "ending=type"))
  var mime: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      A file with media types, as /etc/mime.types is one: a type and its endings in each line. Where it is silent, the \
      server's own table holds.
      """, valueName: "file"), completion: .file())
  var mimeTypes: String?

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

  @Option(
    help: ArgumentHelp(
      "Origins whose pages may read what is served (CORS), with commas between them, or '*'.",
      valueName: "origins"))
  var cors: String?

  @Option(
    help: ArgumentHelp(
      """
      Tell browsers to come over HTTPS only, for so many seconds: '31536000', \
      '63072000;includeSubDomains;preload'. Said over HTTPS.
      """, valueName: "seconds[;…]"))
  var hsts: String?

  @Flag(
    inversion: .prefixedNo,
    help: "Answer over HTTP with nothing but the way to HTTPS, but for /.well-known/acme-challenge/.")
  var httpsRedirect: Bool?

  @Option(help: "The port of HTTPS as clients see it, if that is not --tls-port, for --https-redirect.")
  var publicHttpsPort: String?

  @Option(
    help: ArgumentHelp(
      """
      Networks of balancers, with commas between them, that say by the PROXY protocol who has connected to them: \
      '10.0.0.0/8,::1'. From these, connections without it are refused.
      """, valueName: "networks"))
  var proxyProtocol: String?

  @Flag(
    inversion: .prefixedNo,
    help: "Answer 421 to hosts that no [[host]] of the file has, and not as ROOT says.")
  var strictHosts: Bool?

  @Flag(inversion: .prefixedNo, help: "HTTP only: nothing of TLS is set up, whatever certificate is given.")
  var plaintext: Bool?

  @Flag(inversion: .prefixedNo, help: "HTTPS only.")
  var tlsOnly: Bool?

  @Option(
    help: ArgumentHelp(
      "A file for the process's number, for 'sluice reload' and those who send signals.", valueName: "file"),
    completion: .file())
  var pidFile: String?

  @Option(
    help: ArgumentHelp(
      "Seconds, 0 to 3600, to finish what is being sent when the server stops (default: 30).",
      valueName: "seconds"))
  var drain: String?

  @Option(
    help: ArgumentHelp(
      """
      Where questions about the server are answered (/metrics, /healthz, /readyz, and / for people): '127.0.0.1:9464', or the path of a \
      Unix socket.
      """, valueName: "address:port"))
  var admin: String?

  @Option(
    help: ArgumentHelp(
      "A file for a line about each response; '-' is standard output. SIGUSR1 has it opened anew.",
      valueName: "file"),
    completion: .file())
  var accessLog: String?

  @Option(
    help: "What such a line looks like: combined (as nginx has it) or json (default: combined).",
    completion: .list(["combined", "json"]))
  var accessLogFormat: String?

  @Option(
    help: "trace, debug, info, notice, warning, error or critical (default: notice).",
    completion: .list(["trace", "debug", "info", "notice", "warning", "error", "critical"]))
  var logLevel: String?
}

extension Options {
  /// What holds where nothing is said. Options that are not here have no value then.
  static let defaults = [
    "root": ".", "address": "127.0.0.1", "port": "8080", "tls-port": "8443", "ktls": "auto",
    "ktls-receive": "off", "tls-min": "1.2", "auth-over-http": "off",
    "workers": "auto", "index": "index.html", "clean-urls": "false", "listing": "false",
    "symlinks": "beneath",
    "precompressed": "br,zstd,gzip",
    "io-threads": "4", "min-send-rate": "0",
    "idle-timeout": "75", "plaintext": "false",
    "tls-only": "false", "trailing-slash": "auto", "https-redirect": "false", "strict-hosts": "false",
    "immutable": "false", "security-headers": "false", "log-level": "notice", "access-log-format": "combined",
    "drain": "30",
  ]
}
