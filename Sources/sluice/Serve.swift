public import ArgumentParser
public import Logging
public import Server
import Site
import Worker

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve a folder (the default command).",
    discussion: """
      Without a certificate: HTTP on --port. With one: HTTP on --port and HTTPS on --tls-port.
      Every option can come from the environment, too: SLUICE_PORT for --port, SLUICE_TLS_PORT for --tls-port \
      and so on; SLUICE_ROOT for ROOT. The flag wins.
      """)

  @Argument(help: "The folder to serve (default: the current one).", completion: .directory)
  var root: String?

  @Option(help: "Name or address to listen on; '::' takes IPv6 and IPv4 (default: 127.0.0.1).")
  var host: String?

  @Option(help: "Port for HTTP; 0 is any free one (default: 8080).", transform: PortNumber.parse)
  var port: PortNumber?

  @Option(help: "Port for HTTPS; 0 is any free one (default: 8443).", transform: PortNumber.parse)
  var tlsPort: PortNumber?

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
      """)
  var ktls: Configuration.KernelTLSMode?

  @Option(
    help: """
      Whether the kernel decrypts what clients send, too, where it encrypts: on or off. It makes idle connections \
      small; see SECURITY.md (default: off).
      """)
  var ktlsReceive: Switch?

  @Option(
    help: "Worker threads: a number, or auto for one a CPU (default: auto).", transform: WorkerCount.parse)
  var workers: WorkerCount?

  @Option(
    help: """
      Memory for small files, for all workers together: bytes, or with K, M or G (default: a sixteenth of what \
      this process may have).
      """, transform: ByteCount.parse)
  var cacheMemory: ByteCount?

  @Option(
    help: "Threads that wait for disks, 1 to 64, so that workers need not (default: 4).",
    transform: ThreadCount.parse)
  var ioThreads: ThreadCount?

  @Option(
    help: ArgumentHelp(
      """
      Bytes, or with K or M, that a client must take in a second, over 30 s; 0: it may be as slow as it likes \
      (default: 0).
      """, valueName: "bytes"), transform: SendRate.parse)
  var minSendRate: SendRate?

  @Option(
    help: ArgumentHelp(
      "Seconds, 1 to 86400, that a connection may wait for its next request (default: 75).",
      valueName: "seconds"),
    transform: SecondCount.parse)
  var idleTimeout: SecondCount?

  @Flag(help: "HTTP only: nothing of TLS is set up, whatever certificate is given.")
  var plaintext = false

  @Flag(help: "HTTPS only.")
  var tlsOnly = false

  @Option(help: "trace, debug, info, notice, warning, error or critical (default: notice).")
  var logLevel: Logger.Level?

  func run() throws {
    let configuration = try configuration()
    let level = try Setting.value(logLevel, "log-level") ?? .notice
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = level
      return handler
    }
    do {
      try Server.run(configuration, log: Logger(label: "sluice"), announce: standardError)
    } catch {
      throw Failure(description: error.description)
    }
  }

  private func configuration() throws -> Configuration {
    // A flag wins over the other one's variable, too.
    let plaintext = try self.plaintext || !self.tlsOnly && Setting.flag("plaintext")
    let tlsOnly = try self.tlsOnly || !self.plaintext && Setting.flag("tls-only")
    if plaintext && tlsOnly { throw ValidationError("--plaintext and --tls-only exclude each other") }
    let secure = plaintext ? nil : try secureConfiguration()
    if tlsOnly && secure == nil { throw ValidationError("--tls-only needs a certificate: --cert and --key") }
    let port = tlsOnly ? nil : try Setting.value(port, "port")?.number ?? 8080
    if let port, port != 0, port == secure?.port {
      throw ValidationError("--port and --tls-port are both \(port): HTTP and HTTPS need a port each")
    }
    var configuration = Configuration(
      site: Site(root: try Setting.value(root, "root") ?? "."),
      host: try Setting.value(host, "host") ?? "127.0.0.1",
      port: port,
      secure: secure,
      workers: try Setting.value(workers, "workers")?.count ?? WorkerCount.automatic)
    configuration.cacheMemory = try Setting.value(cacheMemory, "cache-memory")?.bytes
    if let threads = try Setting.value(ioThreads, "io-threads") {
      configuration.limits.ioThreads = threads.count
    }
    configuration.minimumSendRate = try Setting.value(minSendRate, "min-send-rate")?.bytes ?? 0
    if let idle = try Setting.value(idleTimeout, "idle-timeout") {
      configuration.limits.idleMilliseconds = UInt64(idle.seconds) * 1_000
    }
    return configuration
  }

  private func secureConfiguration() throws -> Configuration.Secure? {
    let mode = try Setting.value(ktls, "ktls") ?? .auto
    let port = try Setting.value(tlsPort, "tls-port")?.number ?? 8443
    let certificate = try Setting.value(cert, "cert") ?? Setting.value(nil, "tls-cert")
    let key = try Setting.value(key, "key") ?? Setting.value(nil, "tls-key")
    let receives = try Setting.value(ktlsReceive, "ktls-receive") == .on
    if receives && mode == .off {
      throw ValidationError("--ktls-receive on needs the kernel: use it with --ktls auto or require")
    }
    switch (certificate, key) {
    case (let certificate?, let key?):
      var secure = Configuration.Secure(
        port: port, certificateFile: certificate, keyFile: key, kernelTLS: mode)
      secure.receivesInKernel = receives
      return secure
    case (nil, nil):
      if mode == .require { throw ValidationError("--ktls require needs a certificate: --cert and --key") }
      if receives { throw ValidationError("--ktls-receive on needs a certificate: --cert and --key") }
      return nil
    case (_?, nil): throw ValidationError("--cert needs the certificate's private key, too: --key FILE")
    case (nil, _?): throw ValidationError("--key needs the certificate that it belongs to, too: --cert FILE")
    }
  }
}

extension Configuration.KernelTLSMode: ExpressibleByArgument {}

/// Something that is on or off.
enum Switch: String, CaseIterable, ExpressibleByArgument {
  case on, off
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
