internal import COpenSSL

/// A word that OpenSSL does not know, and those that it does.
public struct UnknownName: Equatable, Sendable {
  /// As the operator wrote it.
  public let name: String
  /// What may have been meant.
  public let known: [String]
}

extension ServerPolicy {
  /// Asks OpenSSL for each part of what is said of ciphers, suites and groups by itself: in lists of ciphers and suites it passes over
  /// names that it does not know. What it passes over, and the options that this is of: builds differ in what they know, and so do
  /// releases, and a list that was good yesterday is no reason not to serve. Throws where nothing is left then, and the first part
  /// that would have clients trust anybody or be overheard by all.
  func passedOver() throws(ContextError) -> [(part: ContextError, option: String)] {
    guard let context = unsafe SSL_CTX_new(TLS_server_method()) else {
      throw ContextError("OpenSSL cannot make a server context: \(lastOpenSSLError())")
    }
    let scratch = unsafe ScratchContext(context)
    var parts: [(ContextError, String)] = []
    if let ciphers { parts += try scratch.check(ciphers: ciphers).map { ($0, "ciphers") } }
    if let ciphersuites { parts += try scratch.check(suites: ciphersuites).map { ($0, "ciphersuites") } }
    if let groups { try scratch.check(groups: groups) }
    return parts
  }
}

/// A context that makes no sessions: what single names mean is asked of it.
@safe
private struct ScratchContext: ~Copyable {
  private let context: OpaquePointer

  init(_ context: OpaquePointer) {
    unsafe self.context = unsafe context
  }

  deinit {
    unsafe SSL_CTX_free(context)
    ERR_clear_error()
  }

  // MARK: TLS 1.2

  /// What is passed over.
  func check(ciphers list: String) throws(ContextError) -> [ContextError] {
    var passedOver: [ContextError] = []
    for (index, element) in Self.elements(of: list).enumerated() {
      // What these name is left out, put last, or a setting. Where OpenSSL has nothing of that name, as of RC4 in most builds, there is
      // nothing to leave out: `!RC4` does no harm.
      if element.first.map("!-+@".contains) ?? true { continue }
      // DEFAULT and Suite B mean something at the beginning only.
      if !selects(index == 0 ? element : "-ALL:\(element)") {
        passedOver.append(unknown(element, isFirst: index == 0))
        continue
      }
      if let fault = Cipher.fault(ofAll: unsafe Cipher.all(of: context).filter { !$0.isTLS13 }) {
        throw ContextError("'\(element)' \(fault): leave it out")
      }
    }
    if let first = passedOver.first, !selects(list) { throw first }
    return passedOver
  }

  /// As OpenSSL takes a list apart: `!` and `@` begin a new element even where nothing separates it from the last one.
  private static func elements(of list: String) -> [String] {
    list.split(whereSeparator: ": ;,".contains).flatMap { part in
      var elements: [String] = []
      for character in part {
        let isSetting = elements.last?.hasPrefix("@") ?? false
        if elements.isEmpty || "!@".contains(character) && !isSetting { elements.append("") }
        elements[elements.count - 1].append(character)
      }
      return elements
    }
  }

  private func selects(_ ciphers: String) -> Bool {
    unsafe SSL_CTX_set_cipher_list(context, ciphers) == 1
  }

  private func takes(suite: String) -> Bool {
    // It takes those of TLS 1.2 by their names in RFCs, too, and does nothing with them.
    unsafe SSL_CTX_set_ciphersuites(context, suite) == 1 && Cipher.all(of: context).contains(where: \.isTLS13)
  }

  private func unknown(_ element: String, isFirst: Bool) -> ContextError {
    if !isFirst, selects(element) {
      return ContextError("'\(element)' means something at the beginning of a list only: put it first")
    }
    if takes(suite: element) {
      return ContextError("'\(element)' is a suite of TLS 1.3: say it of ciphersuites")
    }
    let parts = element.split(separator: "+").map(String.init)
    let name = parts.first { !selects("-ALL:\($0)") }
    if name == nil, parts.count > 1 {
      return ContextError("OpenSSL knows no cipher of TLS 1.2 that is all of this: '\(element)'")
    }
    var known = ["ALL", "DEFAULT", "HIGH", "AES", "AESGCM", "CHACHA20", "DHE", "ECDHE", "aRSA", "aECDSA"]
    if selects("ALL:COMPLEMENTOFALL") {
      known += unsafe Cipher.all(of: context).filter { !$0.isTLS13 && !$0.isOpen }.map(\.name)
    }
    return ContextError(
      "OpenSSL knows no such cipher of TLS 1.2 (see openssl ciphers -s -tls1_2): '\(name ?? element)'",
      unknown: UnknownName(name: name ?? element, known: known))
  }

  // MARK: TLS 1.3

  /// What is passed over.
  func check(suites list: String) throws(ContextError) -> [ContextError] {
    var passedOver: [ContextError] = []
    for element in list.split(separator: ":") {
      let suite = element.trimmed
      if suite.isEmpty { continue }
      guard takes(suite: suite) else {
        if selects("-ALL:\(suite)") {
          passedOver.append(ContextError("'\(suite)' is of TLS 1.2: say it of ciphers"))
          continue
        }
        let known = [
          "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
          "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256",
        ]
        passedOver.append(
          ContextError(
            "OpenSSL knows no such cipher suite of TLS 1.3 (see openssl ciphers -s -tls1_3): '\(suite)'",
            unknown: UnknownName(name: suite, known: known.filter { takes(suite: $0) })))
        continue
      }
      if let fault = Cipher.fault(ofAll: unsafe Cipher.all(of: context).filter(\.isTLS13)) {
        throw ContextError("'\(suite)' \(fault): leave it out")
      }
    }
    if let first = passedOver.first, !takes(suite: list) { throw first }
    return passedOver
  }

  // MARK: Groups

  /// OpenSSL refuses the whole list, and does not say for which of them.
  func check(groups list: String) throws(ContextError) {
    if takes(groups: list) { return }
    let elements = list.split(whereSeparator: ":/".contains).map { String($0).trimmed }
    // OpenSSL 3.5: a star asks for a key share, and what begins with the others may be unknown.
    let names = elements.filter { !$0.hasPrefix("?") && !$0.hasPrefix("-") }.map { $0.drop { $0 == "*" } }
    if let name = names.map(String.init).first(where: { !takes(groups: $0) }) {
      let known = [
        "X25519MLKEM768", "SecP256r1MLKEM768", "X25519", "P-256", "P-384", "P-521", "X448", "prime256v1",
        "secp384r1", "secp521r1",
      ]
      throw ContextError(
        "OpenSSL does not know all of these groups for the key exchange: '\(name)'",
        unknown: UnknownName(name: name, known: known.filter { takes(groups: $0) }))
    }
    let repeated = elements.indices.contains { elements[..<$0].contains(elements[$0]) }
    throw ContextError(
      "OpenSSL does not take these groups for the key exchange: '\(list)'\(repeated ? ": say each once" : "")"
    )
  }

  private func takes(groups: String) -> Bool {
    unsafe COpenSSL_SSL_CTX_set1_groups_list(context, groups) == 1
  }
}

extension StringProtocol {
  /// Without spaces at its ends.
  fileprivate var trimmed: String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
