internal import COpenSSL

extension ServerPolicy {
  /// What is taken as it is said, and is hardly meant.
  public enum Caution: Equatable, Sendable {
    /// Ciphers of TLS 1.2, by their names, with which who gets the private key later can read what was recorded.
    case noForwardSecrecy([String])
    /// Ciphers with less than 128 bits of security, and the option that they are of.
    case weak([String], option: String)
    /// Weaker keys and signatures are taken than OpenSSL would take by itself.
    case lowerSecurityLevel(Int, usual: Int)
    /// Ciphers of TLS 1.2, which is not spoken.
    case unused
    /// A part of what was said to an option, of which OpenSSL has nothing, and why.
    case passedOver(String, unknown: UnknownName?, option: String)
  }

  /// What there is to say of ciphers, suites and groups that somebody has chosen. Throws what is wrong with them: that OpenSSL has
  /// nothing for them, or that clients would trust anybody or be overheard by all.
  public func cautions() throws(ContextError) -> [Caution] {
    guard ciphers != nil || ciphersuites != nil || groups != nil else { return [] }
    let passedOver = try passedOver()
    let effect = try CipherEffect(of: self)
    // By a security level of 0, which a list may ask for, with words that mean others, too: ALL.
    let open = effect.ciphers.filter(\.isOpen)
    if let name = open.first?.name, let fault = Cipher.fault(ofAll: open) {
      throw ContextError("'\(name)', which is among these, \(fault): add !aNULL and !eNULL")
    }
    var cautions: [Caution] = []
    if ciphers != nil, oldestVersion == .tls13 { cautions.append(.unused) }
    for (part, option) in passedOver {
      let caution = Caution.passedOver(part.description, unknown: part.unknown, option: option)
      if !cautions.contains(caution) { cautions.append(caution) }
    }
    let bare = effect.ciphers.filter { !$0.hasForwardSecrecy }.map(\.name)
    if !bare.isEmpty { cautions.append(.noForwardSecrecy(bare)) }
    for (isTLS13, option) in [(false, "ciphers"), (true, "ciphersuites")] {
      let weak = effect.ciphers.filter { $0.isTLS13 == isTLS13 && $0.bits < 128 }.map(\.name)
      if !weak.isEmpty { cautions.append(.weak(weak, option: option)) }
    }
    if effect.securityLevel < effect.usualSecurityLevel {
      cautions.append(.lowerSecurityLevel(effect.securityLevel, usual: effect.usualSecurityLevel))
    }
    return cautions
  }
}

/// What comes of a policy.
struct CipherEffect {
  /// Those that may come to use: of the versions that are spoken, and not below the security level.
  let ciphers: [Cipher]
  /// See SSL_CTX_set_security_level(3).
  let securityLevel: Int
  /// What it is where nobody says anything of it.
  let usualSecurityLevel: Int

  init(of policy: ServerPolicy) throws(ContextError) {
    let context = try unsafe ServerContext.makeContext(policy)
    defer { unsafe SSL_CTX_free(context) }
    guard let plain = unsafe SSL_CTX_new(TLS_server_method()), let ssl = unsafe SSL_new(context) else {
      throw ContextError("OpenSSL cannot make a server context: \(lastOpenSSLError())")
    }
    let supported = unsafe SSL_get1_supported_ciphers(ssl)
    ciphers = unsafe Cipher.all(in: supported)
    unsafe COpenSSL_sk_SSL_CIPHER_free(supported)
    securityLevel = unsafe Int(SSL_CTX_get_security_level(context))
    usualSecurityLevel = unsafe Int(SSL_CTX_get_security_level(plain))
    unsafe SSL_free(ssl)
    unsafe SSL_CTX_free(plain)
  }
}
