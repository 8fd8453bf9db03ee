public import Site
public import Worker

/// What the user wants served, and how.
public struct Configuration: Sendable {
  /// Whether bodies are encrypted by the kernel.
  public enum KernelTLSMode: String, CaseIterable, Sendable {
    /// Where the kernel can; OpenSSL does it elsewhere.
    case auto
    /// Only so: the server doesn't start, or closes the connection, where the kernel can't.
    case require
    /// Never; the kernel isn't asked.
    case off
  }

  /// The HTTPS listener.
  public struct Secure: Sendable {
    /// 0 to 65535; 0 is any free port.
    public var port: UInt16
    /// PEM file: the leaf certificate, then the intermediates.
    public var certificateFile: String
    /// PEM file: the private key of the leaf.
    public var keyFile: String
    /// Who encrypts.
    public var kernelTLS: KernelTLSMode
    /// The kernel decrypts what is received, too, where it encrypts.
    public var receivesInKernel = false

    /// Names the parts.
    public init(port: UInt16, certificateFile: String, keyFile: String, kernelTLS: KernelTLSMode) {
      self.port = port
      self.certificateFile = certificateFile
      self.keyFile = keyFile
      self.kernelTLS = kernelTLS
    }
  }

  /// What is served.
  public var site: Site
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
  /// All bounds.
  public var limits = Limits()

  /// Names the parts.
  public init(site: Site, host: String, port: UInt16?, secure: Secure?, workers: Int) {
    self.site = site
    self.host = host
    self.port = port
    self.secure = secure
    self.workers = workers
  }
}
