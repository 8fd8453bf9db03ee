public import Logging
public import Site
public import TLS
public import Worker

/// Where a certificate is.
public struct CertificateFiles: Hashable, Sendable {
  /// PEM file: the leaf certificate, then the intermediates.
  public var certificate: String
  /// PEM file: the private key of the leaf.
  public var key: String

  /// Names the parts.
  public init(certificate: String, key: String) {
    self.certificate = certificate
    self.key = key
  }
}

/// Whose certificates clients may show.
public struct ClientCertificates: Hashable, Sendable {
  /// PEM file: the certificates of authorities.
  public var authorities: String
  /// PEM file: what they have revoked (CRL).
  public var revocations: String?
  /// Clients without one are refused.
  public var areRequired: Bool

  /// Names the parts.
  public init(authorities: String, revocations: String?, areRequired: Bool) {
    self.authorities = authorities
    self.revocations = revocations
    self.areRequired = areRequired
  }
}

/// What the user wants served, and how.
public struct Configuration: Equatable, Sendable {
  /// Whether bodies are encrypted by the kernel.
  public enum KernelTLSMode: String, CaseIterable, Sendable {
    /// Where the kernel can; OpenSSL does it elsewhere.
    case auto
    /// Only so: the server doesn't start, or closes the connection, where the kernel can't.
    case require
    /// Never; the kernel isn't asked.
    case off
  }

  /// Where questions about the server are answered.
  public enum AdminPlace: Equatable, Sendable {
    case address(host: String, port: UInt16)
    /// Of a Unix socket.
    case path(String)

    /// As the operator writes it.
    public var text: String {
      switch self {
      case .address(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
      case .path(let path): path
      }
    }
  }

  /// What a line of the access log looks like.
  public enum AccessLogFormat: String, CaseIterable, Sendable {
    /// As Apache httpd and nginx have it.
    case combined
    /// An object in JSON (RFC 8259), with all that is known.
    case json
  }

  /// Where responses are noted.
  public struct AccessLog: Equatable, Sendable {
    /// A file, which is appended to; `-` for standard output.
    public var path: String
    /// What a line looks like.
    public var format: AccessLogFormat

    /// Names the parts.
    public init(path: String, format: AccessLogFormat) {
      self.path = path
      self.format = format
    }
  }

  /// The HTTPS listener.
  public struct Secure: Equatable, Sendable {
    /// 0 to 65535; 0 is any free port.
    public var port: UInt16
    /// For hosts that have none of their own, at least one. Each is for the names in it, and the first one for all others; of those
    /// for the same names a client gets the one whose kind of key it likes.
    public var certificates: [CertificateFiles]
    /// Those of hosts that have some, by the numbers of their sites.
    public var hostCertificates: [Int: [CertificateFiles]] = [:]
    /// Whose certificates clients have to show, or may; nil: they are not asked for any.
    public var clients: ClientCertificates?
    /// The same of hosts that say it for themselves, by the numbers of their sites.
    public var hostClients: [Int: ClientCertificates?] = [:]
    /// What private keys are encrypted with: the first line of a file.
    public var passphraseFile: String?
    /// What session tickets are encrypted with, the newest first, as nginx has it; nobody else's where there are none.
    public var ticketKeyFiles: [String] = []
    /// The oldest version that is spoken.
    public var oldestVersion = KernelTLS.Version.tls12
    /// Of TLS 1.2, as openssl-ciphers(1) has them; nil for the server's own choice.
    public var ciphers: String?
    /// Of TLS 1.3.
    public var ciphersuites: String?
    /// For the key exchange.
    public var groups: String?
    /// Who encrypts.
    public var kernelTLS: KernelTLSMode
    /// The kernel decrypts what is received, too, where it encrypts.
    public var receivesInKernel = false

    /// Names the parts.
    public init(port: UInt16, certificates: [CertificateFiles], kernelTLS: KernelTLSMode) {
      self.port = port
      self.certificates = certificates
      self.kernelTLS = kernelTLS
    }
  }

  /// What is served; the first one is for hosts that no other has.
  public var sites: [Site]
  /// Hosts that no site has are answered with 421 (Misdirected Request).
  public var refusesOtherHosts = false
  /// Over plaintext there is nothing but the way to HTTPS.
  public var redirectsToHTTPS = false
  /// The port of HTTPS as clients see it; nil: the one that is listened on.
  public var publicSecurePort: UInt16?
  /// Balancers that say who has connected to them, by the PROXY protocol.
  public var proxies: [Network] = []
  /// Name or address to listen on.
  public var host: String
  /// The plaintext listener's port (0: any free one); nil for none.
  public var port: UInt16?
  /// The HTTPS listener; nil for none.
  public var secure: Secure?
  /// Worker threads, at least 1.
  public var workers: Int
  /// Bytes of small files that all workers together keep in memory; nil for a part of what the process may have.
  public var cacheMemory: Int?
  /// A file for the process's number; nil for none.
  public var pidFile: String?
  /// Where questions about the server are answered; nil for nowhere.
  public var admin: AdminPlace?
  /// What is served, to be told: `0.1.0`.
  public var version = ""
  /// Where each response is noted; nil for nowhere.
  public var accessLog: AccessLog?
  /// What is worth a line of the server's own log.
  public var logLevel = Logger.Level.notice
  /// All bounds.
  public var limits = Limits()

  /// Names the parts.
  public init(sites: [Site], host: String, port: UInt16?, secure: Secure?, workers: Int) {
    self.sites = sites
    self.host = host
    self.port = port
    self.secure = secure
    self.workers = workers
  }
}
