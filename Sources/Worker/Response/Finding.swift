import Files
import HTTP
import Reactor
import Site

/// Finding the file that a request is for.
extension Responder {
  /// What a path leads to.
  enum Found {
    case file(FileReference)
    /// What a folder holds.
    case listing(FileReference, variesByAccept: Bool)
    /// To be asked for by another path.
    case moved(Move)
    /// To be asked for elsewhere, as the site says.
    case redirected(Gate)
    case failed(Status)
    /// Not for who asks, or not yet.
    case refused(Responder.Decision)
    case waits(UInt64)
  }

  /// Where a path leads to that is not a file's own.
  enum Move {
    /// To the folder's own name, which ends with a slash.
    case toFolder
    /// To the file's own name, which does not.
    case toFile
    /// To the same path, with escapes for what a URI can't hold.
    case toEscapedTarget
    /// To the name without its ending: `about`, not `about.html`; or to the folder, for its index.
    case toCleanPath
  }

  /// A file that the cache knows by the path as sent, of the first site. A path with dot segments, double slashes or escapes is
  /// never known by that name.
  @inline(__always)
  mutating func knownFile(_ request: RequestHead, _ bytes: Span<UInt8>, now: WorkerClock) -> FileReference? {
    let path = request.path.range
    return path.isEmpty
      ? nil : files.find(bytes.extracting(path.lowerBound &+ 1..<path.upperBound), now: now.milliseconds)
  }

  /// The same of the site that the request is for.
  private mutating func knownFile(_ request: RequestHead, _ bytes: Span<UInt8>) -> FileReference? {
    let path = request.path.range
    if path.isEmpty { return nil }
    return files.find(
      bytes.extracting(path.lowerBound &+ 1..<path.upperBound), root: current, now: now.milliseconds)
  }

  mutating func find(_ request: RequestHead, _ bytes: Span<UInt8>, clock: inout WorkerClock) -> Found {
    if request.pathIsLiteral, let file = knownFile(request, bytes),
      files.isUnchanged(file), !isRedirected(file)
    {
      return admits(file) ? .file(file) : .failed(.forbidden)
    }
    switch decodePath() {
    case .name: break
    case .malformed: return .failed(.badRequest)
    case .basePath: return .moved(.toFolder)
    case .missing: return .failed(.notFound)
    }
    let gate = unsafe sites[current].hasGates ? sites[current].site.gate(of: decodedPath) : Gate()
    guard admits(gate.access) else { return .failed(.forbidden) }
    // Before anything is told that is not in the request itself.
    let needed = unsafe policies.authentications(of: decodedPath, site: current)
    if let refusal = refusal(needed, request, bytes) { return .refused(refusal) }
    if request.targetIsUnescaped { return .moved(.toEscapedTarget) }
    if gate.redirect != nil { return .redirected(gate) }
    // A file that was changed just now must not be newer than the Date (RFC 9110 §8.8.2.1).
    clock.readWallClock()
    now = clock
    if sites[current].site.hasCleanPaths, let found = findByCleanPath() { return found }
    if sites[current].mayList, unsafe decodedPath.span.namesFolder { return findInFolder(request, bytes) }
    switch unsafe look(decodedPath.span) {
    case .file(let file): return admits(file) ? .file(file) : .failed(.forbidden)
    case .directory: return .moved(.toFolder)
    case .failed(.notFound): return findOther(request, bytes)
    case .failed(let error): return .failed(Status(error))
    case .waits(let number): return .waits(number)
    }
  }

  /// What a path is to a site.
  enum PathOutcome {
    /// The name of a file, perhaps.
    case name
    /// None that there can be: hidden, too long, or not beneath the site's base path.
    case missing
    /// The site's base path, without a slash.
    case basePath
    case malformed
  }

  /// Decodes the request's path into `decodedPath`, unless that is done; without what stands before all paths of the site.
  mutating func decodePath() -> PathOutcome {
    if let pathOutcome { return pathOutcome }
    var outcome = RequestPath.Outcome.path
    unsafe decodedPath = unsafe write(into: path) { out in
      if unsafe !sentPath.isEmpty { outcome = unsafe RequestPath.decode(sentPath.span, into: &out) }
    }
    let made = place(outcome)
    pathOutcome = made
    return made
  }

  private mutating func place(_ outcome: RequestPath.Outcome) -> PathOutcome {
    switch outcome {
    case .path, .hidden: break
    case .malformed, .tooLong:
      unsafe decodedPath = UnsafeRawBufferPointer(rebasing: path[..<0])
      return outcome == .malformed ? .malformed : .missing
    }
    guard hasBasePath else { return outcome == .hidden ? .missing : .name }
    let place = unsafe sites[current].place(of: decodedPath.span, isDecoded: true)
    if case .beneath(let start) = place {
      unsafe decodedPath = UnsafeRawBufferPointer(rebasing: decodedPath[(start + 1)...])
      return unsafe RequestPath.isHidden(decodedPath.span) ? .missing : .name
    }
    unsafe decodedPath = UnsafeRawBufferPointer(rebasing: decodedPath[..<0])
    if case .base = place { return .basePath }
    return .missing
  }

  /// What a path leads to: from the cache, or by a look, or as a helper thread has found out.
  mutating func look(_ path: Span<UInt8>) -> FileCache.Lookup {
    if let file = files.find(path, root: current, now: now.milliseconds), files.isUnchanged(file) {
      return .file(file)
    }
    if isMissing(path) { return .failed(.notFound) }
    return waited?.lookup(of: path, root: current)
      ?? files.look(path, root: current, now: now.lookTime, waiter: client.token)
  }

  /// Whether the request has waited for a path in vain. Wherever it leads to more than one, what is missing would else be waited
  /// for again and again.
  func isMissing(_ path: Span<UInt8>, coding: UInt8 = 0) -> Bool {
    any(client.missing .!= 0) && any(client.missing .== files.mark(path, root: current, coding: coding))
  }

  /// `about.html` is to be asked for as `about`, and `docs/index.html` or `docs/index` as `docs/`, if that leads to the same file. Nil
  /// if not.
  private mutating func findByCleanPath() -> Found? {
    let path = unsafe decodedPath.span
    let cleanPath = path.extracting(..<path.cleanCount)
    if cleanPath.count == path.count { return nil }
    let isWhole = path.hasSuffix(".html")
    if !isWhole {
      switch look(path) {
      // A file of that very name has no other.
      case .file(let file): if file.file.isNamed(path) { return nil }
      case .waits(let number): return .waits(number)
      case .directory, .failed: return nil
      }
    }
    switch look(cleanPath) {
    case .file(let file):
      guard file.file.isNamed(path, ending: isWhole ? "" : ".html") else { return nil }
      return admits(file) ? .moved(.toCleanPath) : .failed(.forbidden)
    case .waits(let number): return .waits(number)
    case .directory, .failed: return nil
    }
  }

  /// What may be meant where there is no file: the one of this name without the slash, or the application's page.
  mutating func findOther(_ request: RequestHead, _ bytes: Span<UInt8>) -> Found {
    let path = unsafe decodedPath.span
    if path.count > 1, path[path.count - 1] == UInt8(ascii: "/"), !sites[current].site.isStrictWithSlashes {
      // Whether there is such a file is for those who may have it.
      let name = unsafe UnsafeRawBufferPointer(rebasing: decodedPath.dropLast())
      if unsafe client.satisfied.isSuperset(of: policies.authentications(of: name, site: current)) {
        switch look(path.extracting(..<(path.count - 1))) {
        case .file(let file): return admits(file) ? .moved(.toFile) : .failed(.forbidden)
        case .waits(let number): return .waits(number)
        case .directory, .failed: break
        }
      }
    }
    guard let fallback = sites[current].fallback(for: path) else { return .failed(.notFound) }
    switch look(fallback.span) {
    case .file(let file): return admits(file) ? .file(file) : .failed(.forbidden)
    case .waits(let number): return .waits(number)
    case .directory, .failed: return .failed(.notFound)
    }
  }
}

/// What a site says of who may have something, and where it is to be asked for.
extension Responder {
  /// The path that the file is known by is to be asked for elsewhere.
  private func isRedirected(_ file: FileReference) -> Bool {
    file.file.selectors & RequestHead.Selectors.target.rawValue != 0
      && policies.gates(file.file.policy).isRedirected
  }

  /// Whether the client may have a file: by the rules for the path that it was asked for by, and for its own.
  func admits(_ file: FileReference) -> Bool {
    guard file.file.selectors & RequestHead.Selectors.target.rawValue != 0 else { return true }
    return admits(policies.gates(file.file.policy).access)
  }

  private func admits(_ access: [AccessRule]) -> Bool {
    if access.isEmpty { return true }
    // Without an address it has gone.
    guard let address = client.address ?? Socket.peerAddress(of: client.descriptor) else { return false }
    return access.allSatisfy { $0.admits(address) }
  }
}
