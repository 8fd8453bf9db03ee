import TLS

/// Files, and whether they have changed. A look takes no memory: it is made all the time, also where there is none.
struct WatchedFiles {
  private let paths: [String]
  /// What the last look has seen; nil where it could not look.
  private var last: [Digest?]
  /// What was taken, or refused.
  private var settled: [Digest?]

  init(_ paths: [String]) {
    self.paths = paths
    last = paths.map { Digest(ofFile: $0) }
    settled = last
  }

  /// They have another content than what was settled, and had it at the look before, too: what is half written is not taken. They
  /// are read, and not asked for their times, which have a clock's ticks.
  var areChanged: Bool {
    mutating get {
      var (isSteady, isNew) = (true, false)
      for index in paths.indices {
        guard let seen = Digest(ofFile: paths[index]) else { return false }
        if seen != last[index] { isSteady = false }
        if seen != settled[index] { isNew = true }
        last[index] = seen
      }
      return isSteady && isNew
    }
  }

  /// What was seen last is taken, or refused.
  mutating func settle() {
    settled = last
  }

  /// What they hold now counts as taken; false if that is what was settled before.
  mutating func settleNow() -> Bool {
    last = paths.map { Digest(ofFile: $0) }
    defer { settled = last }
    return last != settled
  }

  /// As `areChanged`, and settles that.
  mutating func haveChanged() -> Bool {
    guard areChanged else { return false }
    settle()
    return true
  }
}

/// A certificate in use, and its files.
struct WatchedCertificate {
  let files: CertificateFiles
  private(set) var certificate: ServerCertificate
  private var watched: WatchedFiles
  /// For how long files may not fit each other before that is told, in milliseconds.
  private let patience: UInt64
  /// Since when they do not, in milliseconds.
  private var unfitSince: UInt64?

  init(_ files: CertificateFiles, _ passphrase: Passphrase?, patience: UInt64) throws(ContextError) {
    self.files = files
    self.patience = patience
    // Before they are read for good: what changes after this is seen.
    watched = WatchedFiles([files.certificate, files.key])
    certificate = try ServerCertificate(
      certificateFile: files.certificate, keyFile: files.key, passphrase: passphrase)
  }

  enum Change {
    case same
    case renewed
    /// One line.
    case refused(String)
  }

  mutating func look(_ passphraseFile: String?, now: UInt64) -> Change {
    guard watched.areChanged else { return .same }
    do throws(ContextError) {
      certificate = try load(try Passphrase.read(passphraseFile))
    } catch {
      let since = unfitSince ?? now
      unfitSince = since
      guard now - since >= patience else { return .same }
      settle()
      return .refused(error.description)
    }
    settle()
    return .renewed
  }

  /// Takes what the files hold now; false if they are as they were.
  mutating func reload(_ passphrase: Passphrase?) throws(ContextError) -> Bool {
    let hasChanged = watched.settleNow()
    let new = try load(passphrase)
    unfitSince = nil
    if hasChanged { certificate = new }
    return hasChanged
  }

  private func load(_ passphrase: Passphrase?) throws(ContextError) -> ServerCertificate {
    try ServerCertificate(
      certificateFile: files.certificate, keyFile: files.key, passphrase: passphrase)
  }

  private mutating func settle() {
    watched.settle()
    unfitSince = nil
  }
}
