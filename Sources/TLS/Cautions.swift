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
