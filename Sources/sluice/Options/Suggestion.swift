import Glibc

/// What somebody may have meant.
enum Suggestion {
  /// What words of nginx, Caddy, Apache httpd and static-web-server are here. Names of options stand in backquotes: as flags they have
  /// hyphens before them.
  private static let wordsOfOtherServers = [
    "listen": "`address`, `port` and `tls-port`",
    "bind": "`address`, `port` and `tls-port`",
    "http_port": "`port`",
    "https_port": "`tls-port`",
    "server_name": "[[host]] with names = [\"example.com\"]",
    "server": "[[host]] with names = [\"example.com\"]",
    "servername": "[[host]] with names = [\"example.com\"]",
    "virtualhost": "[[host]] with names = [\"example.com\"]",
    "site": "[[host]] with names = [\"example.com\"]",
    "location": "[[path]] with match = \"/images/**\"",
    "alias": "`root`, or `redirect`",
    "documentroot": "`root`",
    "file_server": "`root`: files are all that is served",
    "ssl_certificate": "`cert`",
    "sslcertificatefile": "`cert`",
    "tls": "`cert` and `key`",
    "ssl": "`cert` and `key`",
    "certificate": "`cert`",
    "ssl_certificate_key": "`key`",
    "sslcertificatekeyfile": "`key`",
    "ssl_client_certificate": "`client-ca`",
    "ssl_verify_client": "`client-auth`",
    "ssl_crl": "`client-crl`",
    "ssl_password_file": "`key-passphrase-file`",
    "ssl_session_ticket_key": "`ticket-key-file`",
    "ssl_protocols": "`tls-min`",
    "ssl_ciphers": "`ciphers`, and `ciphersuites` for TLS 1.3",
    "ssl_ecdh_curve": "`groups`",
    "gzip": "`precompressed`, for files that lie beside: app.js.gz",
    "gzip_static": "`precompressed`",
    "brotli": "`precompressed`, for files that lie beside: app.js.br",
    "brotli_static": "`precompressed`",
    "compress": "`precompressed`, for files that lie beside: app.js.gz",
    "compression": "`precompressed`, for files that lie beside: app.js.gz",
    "compression_static": "`precompressed`",
    "encode": "`precompressed`, for files that lie beside: app.js.gz",
    "autoindex": "`listing`",
    "browse": "`listing`",
    "directory_listing": "`listing`",
    "directoryindex": "`index`",
    "try_files": "`fallback`, or `clean-urls`",
    "spa": "`fallback`",
    "page_fallback": "`fallback`",
    "error_page": "`error-page`",
    "page404": "`error-page` with 404=/404.html",
    "handle_errors": "`error-page` with 404=/404.html",
    "errordocument": "`error-page` with 404=/404.html",
    "expires": "`cache-control` with PATTERN=max-age=3600",
    "add_header": "headers = { set = { Name = \"value\" } } in a [[path]], or `header`",
    "rewrite": "`redirect`",
    "redir": "`redirect`",
    "return": "`redirect`, which may have a status, or `https-redirect`",
    "auth_basic": "`auth`, and realm in a [[path]]",
    "auth_basic_user_file": "`auth`",
    "basic_auth": "`auth`, and realm in a [[path]]",
    "basicauth": "`auth`, and realm in a [[path]]",
    "worker_processes": "`workers`",
    "threads_multiplier": "`workers`",
    "keepalive_timeout": "`idle-timeout`",
    "disable_symlinks": "`symlinks`",
    "default_type": "`mime`, or type in a [[path]]",
    "types": "`mime` with ENDING=TYPE",
    "cors_allow_origins": "`cors`",
    "log": "`access-log`, and `log-level` for the server's own",
    "log_file": "`access-log`; the server's own log is standard error",
    "log_format": "`access-log-format`",
    "error_log": "`log-level`; the log is standard error",
    "verbose": "`log-level` with debug",
    "stub_status": "`admin`",
    "metrics": "`admin`",
    "pid": "`pid-file`",
    "set_real_ip_from": "`proxy-protocol`",
    "trusted_proxies": "`proxy-protocol`",
    "user": "the service manager's: the process stays who starts it",
    "proxy_pass": "another server: this one serves files",
    "reverse_proxy": "another server: this one serves files",
    "php_fastcgi": "another server: this one serves files",
  ]

  /// The same for the letters of flags.
  private static let letters = [
    "p": "--port", "a": "--address", "c": "--config", "d": "a folder without a flag: sluice FOLDER",
    "r": "a folder without a flag: sluice FOLDER", "root": "a folder without a flag: sluice FOLDER",
    "directory": "a folder without a flag: sluice FOLDER", "v": "--version", "l": "--log-level",
  ]

  /// What a word of another server is here, as a file says it.
  static func ofOtherServers(_ word: String) -> String? {
    wordsOfOtherServers[word.lowercased().replacing("-", with: "_")]?.replacing("`", with: "")
  }

  /// The line for a flag that there is not: `known` are those that there are.
  static func text(forFlag flag: String, of known: [String]) -> String {
    let word = String(flag.drop { $0 == "-" }.prefix { $0 != "=" })
    let name = word.lowercased().replacing("-", with: "_")
    if let meant = letters[name] { return "unknown option '\(flag)': use \(meant)" }
    if let meant = wordsOfOtherServers[name] {
      let flags = meant.replacing("`root`", with: "FOLDER").replacing(/`([a-z-]+)`/) { "--\($0.output.1)" }
      let inFile = flags.contains("[[") && !flags.contains("--")
      return "unknown option '\(flag)': use \(flags)\(inFile ? " in a file: --config FILE" : "")"
    }
    return "unknown option '\(flag)'\(text(for: word, of: known, mark: "--"))"
  }

  /// What other servers call commands.
  private static let commands = [
    "start": "serve", "run": "serve", "server": "serve", "file-server": "serve", "up": "serve",
    "validate": "check", "test": "check", "configtest": "check", "lint": "check", "restart": "reload",
    "version": "--version",
  ]

  /// Said of a first word that is no command and names nothing in the current folder: nil if no command is near.
  static func text(forCommand word: String, of known: [String]) -> String? {
    guard !word.hasPrefix("-"), !word.contains("/"), !known.contains(word), unsafe access(word, F_OK) != 0,
      let meant = commands[word.lowercased()] ?? nearest(to: word, of: known)
    else { return nil }
    return "there is neither a command nor a folder '\(word)': did you mean 'sluice \(meant)'?"
  }

  /// `: did you mean 'port'?`, or nothing if no word is near. `mark`: what stands before each word.
  static func text(for word: String, of words: [String], mark: String = "") -> String {
    nearest(to: word, of: words).map { ": did you mean '\(mark)\($0)'?" } ?? ""
  }

  private static func nearest(to word: String, of words: [String]) -> String? {
    // Of two that are as near, the one that begins alike.
    let nearest = words.map { (distance(word, $0), $0) }.min { one, other in
      (one.0, -word.commonPrefix(with: one.1)) < (other.0, -word.commonPrefix(with: other.1))
    }
    guard let (distance, meant) = nearest, distance <= (word.count < 4 ? 1 : max(2, word.count / 3)) else {
      return nil
    }
    return meant
  }

  /// How many characters have to be changed, added, left out, or swapped with the next one (optimal string alignment). An
  /// underscore is as good as a hyphen, and a capital as a small letter.
  private static func distance(_ one: String, _ other: String) -> Int {
    let (one, other) = (one.plain, other.plain)
    var rows = [Array(0...other.count)]
    for (index, character) in one.enumerated() {
      var row = [index + 1]
      for (place, wanted) in other.enumerated() {
        var best = min(
          rows[index][place] + (character == wanted ? 0 : 1), rows[index][place + 1] + 1, row[place] + 1)
        if index > 0, place > 0, character == other[place - 1], one[index - 1] == wanted {
          best = min(best, rows[index - 1][place - 1] + 1)
        }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[one.count][other.count]
  }
}

extension String {
  fileprivate var plain: [Character] { Array(lowercased().replacing("_", with: "-")) }

  /// How many characters both begin with.
  fileprivate func commonPrefix(with other: String) -> Int {
    zip(self, other).prefix { $0 == $1 }.count
  }
}
