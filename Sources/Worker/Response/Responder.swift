import Files
import HTTP
import Site

/// Decides what a request is answered with: finds the file, weighs conditions and ranges, and writes heads.
@safe
struct Responder: ~Copyable {
  var files: FileCache
  /// What the site says of files.
  let policies: FilePolicies
  /// What the request that is answered has waited for, set before its connection has its turn.
  var waited: FileCache.Finished?
  private let hasCleanPaths: Bool
  private let fallback: [UInt8]?
  let errorPages: [Int: [UInt8]]
  private var codingOrders = CodingOrders()
  /// Connections last after their response; not when the server stops.
  var keepsConnections = true

  /// What `Date` says now.
  private var writtenDate = WrittenDate(HTTPDate(secondsSinceEpoch: 0))
  /// Heads that are made for one response, with the content of a short one.
  private let head: UnsafeMutableRawBufferPointer
  /// A Location on its way into a head.
  let location: UnsafeMutableRawBufferPointer
  /// A path, percent-decoded.
  private let path: UnsafeMutableRawBufferPointer
  /// The part of `path` that is in use.
  var decodedPath: UnsafeRawBufferPointer
  /// The time of the request that is answered.
  var now = WorkerClock()

  /// Room for a head with its Location, in bytes.
  static func headCapacity(_ limits: Limits) -> Int { 1024 + locationCapacity(limits) }

  /// A Location can be three times as long as the path that it is made of, and has its query.
  private static func locationCapacity(_ limits: Limits) -> Int { 4 * limits.head.requestLine }

  init(limits: Limits, files: consuming FileCache, policies: FilePolicies) {
    self.files = files
    self.policies = policies
    let site = policies.site
    hasCleanPaths = site.hasCleanPaths
    // By the paths that they are asked for by: under another, the cache would know what is to be redirected.
    func request(for file: String) -> [UInt8] {
      let path = Array(file.utf8)
      let isRedirected = site.hasCleanPaths && path.span.hasSuffix(".html")
      return isRedirected ? Array(path[..<Self.cleanCount(path.span)]) : path
    }
    fallback = site.fallback.map(request)
    errorPages = site.errorPages.mapValues(request)
    unsafe head = .allocate(byteCount: Self.headCapacity(limits), alignment: 64)
    unsafe location = .allocate(byteCount: Self.locationCapacity(limits), alignment: 64)
    unsafe path = .allocate(byteCount: FileCache.longestPath, alignment: 64)
    unsafe decodedPath = UnsafeRawBufferPointer(start: path.baseAddress, count: 0)
  }

  deinit {
    unsafe path.deallocate()
    unsafe location.deallocate()
    unsafe head.deallocate()
  }

  /// What `Date` says at a time.
  mutating func date(of now: WorkerClock) -> WrittenDate {
    writtenDate.set(HTTPDate(secondsSinceEpoch: now.wallSeconds))
    return writtenDate
  }

  /// Writes into the memory for heads; returns what was written.
  func compose(_ body: (inout OutputSpan<UInt8>) -> Void) -> UnsafeRawBufferPointer {
    unsafe write(into: head, body)
  }
}

extension Responder {
  /// What comes of a request.
  enum Decision {
    case response(Response)
    /// A disk has to be waited for; the number is that of the wait.
    case waits(UInt64)
  }

  /// Decides what a request is answered with. `bytes` are what the head was parsed from; `waiter` is who is told when what
  /// has to be waited for is there.
  mutating func respond(
    to request: RequestHead, _ bytes: Span<UInt8>, clock: inout WorkerClock, waiter: UInt64
  ) -> Decision {
    now = clock
    switch request.method {
    case .get, .head: break
    case .options: return .response(response(.noContent, to: request))
    case .notAllowed: return errorResponse(.methodNotAllowed, to: request, waiter)
    case .unknown: return errorResponse(.notImplemented, to: request, waiter)
    }
    if request.expectationFails { return errorResponse(.expectationFailed, to: request, waiter) }

    switch find(request, bytes, clock: &clock, waiter) {
    case .file(let file):
      guard request.hasAcceptEncoding, file.file.mayBeCoded else {
        return response(with: file, to: request, bytes, waiter)
      }
      return codedResponse(with: file, to: request, bytes, waiter)
    case .moved(let move): return .response(redirect(move, request, bytes))
    case .failed(let status): return errorResponse(status, to: request, waiter)
    case .waits(let number): return .waits(number)
    }
  }

  private mutating func response(
    with file: FileReference, to request: RequestHead, _ bytes: Span<UInt8>, _ waiter: UInt64
  ) -> Decision {
    let made: Response
    if request.isOrdinary {
      renewHead(of: file, now: now)
      made = Response(wholeOf: file)
    } else {
      made = response(with: file, to: request, bytes)
    }
    return whenReady(made, file, to: request, waiter)
  }

  /// The file in the coding that the client likes best, if there is one beside it, else as it is.
  private mutating func codedResponse(
    with file: FileReference, to request: RequestHead, _ bytes: Span<UInt8>, _ waiter: UInt64
  ) -> Decision {
    let order = codingOrders.order(bytes.extracting(request.fields.range), offered: policies.codings)
    switch files.coded(file, order.rest, now: now.lookTime, waiter: waiter, waited: waited) {
    case .file(let chosen): return response(with: chosen, to: request, bytes, waiter)
    case .waits(let number): return .waits(number)
    case .directory, .failed: return errorResponse(.serviceUnavailable, to: request, waiter)
    }
  }

  /// A status with the operator's page for it, if there is one, else with a line of text.
  private mutating func errorResponse(_ status: Status, to request: RequestHead, _ waiter: UInt64) -> Decision
  {
    guard let page = errorPages[Int(status.rawValue)] else { return .response(response(status, to: request)) }
    switch look(page.span, waiter) {
    case .file(let file):
      return whenReady(response(status, withPage: file, to: request), file, to: request, waiter)
    case .waits(let number): return .waits(number)
    case .directory, .failed: return .response(response(status, to: request))
    }
  }

  private mutating func whenReady(
    _ made: Response, _ file: FileReference, to request: RequestHead, _ waiter: UInt64
  ) -> Decision {
    if isReady(made) { return .response(made) }
    // Before anything was sent, so that a disk that fails can still be told by a status.
    switch files.waitForPart(file, offset: made.fileOffset, waiter: waiter) {
    case .waits(let number): return .waits(number)
    case .file, .directory: return .response(made)
    case .failed(let error): return .response(response(Status(error), to: request))
    }
  }

  /// Whether sending it can begin without waiting for a disk.
  @inline(__always)
  func isReady(_ response: Response) -> Bool {
    guard response.fileCount > 0, let file = response.file else { return true }
    return files.readyCount(
      file, offset: response.fileOffset, count: response.fileCount, now: now.milliseconds) > 0
  }

  // MARK: Finding the file

  private enum Found {
    case file(FileReference)
    /// To be asked for by another path.
    case moved(Move)
    case failed(Status)
    case waits(UInt64)
  }

  /// Where a path leads to that is not a file's own.
  enum Move {
    /// To the folder's own name, which ends with a slash.
    case toFolder
    /// To the name without its ending: `about`, not `about.html`; or to the folder, for its index.
    case toCleanPath
  }

  /// A file that the cache knows by the path as sent. A path with dot segments, double slashes or escapes is never known
  /// by that name.
  @inline(__always)
  mutating func knownFile(_ request: RequestHead, _ bytes: Span<UInt8>, now: WorkerClock) -> FileReference? {
    let path = request.path.range
    return path.isEmpty
      ? nil : files.find(bytes.extracting(path.lowerBound &+ 1..<path.upperBound), now: now.milliseconds)
  }

  private mutating func find(
    _ request: RequestHead, _ bytes: Span<UInt8>, clock: inout WorkerClock, _ waiter: UInt64
  ) -> Found {
    if request.pathIsLiteral, let file = knownFile(request, bytes, now: now), files.isUnchanged(file) {
      return .file(file)
    }
    var outcome = RequestPath.Outcome.path
    unsafe decodedPath = unsafe write(into: path) { out in
      if !request.path.isEmpty {
        outcome = RequestPath.decode(bytes.extracting(request.path.range), into: &out)
      }
    }
    switch outcome {
    case .path: break
    case .malformed: return .failed(.badRequest)
    case .hidden, .tooLong: return .failed(.notFound)
    }
    // A file that was changed just now must not be newer than the Date (RFC 9110 §8.8.2.1).
    clock.readWallClock()
    now = clock
    if hasCleanPaths, unsafe decodedPath.span.hasSuffix(".html"), let found = findByCleanPath(waiter) {
      return found
    }
    switch unsafe look(decodedPath.span, waiter) {
    case .file(let file): return .file(file)
    case .directory: return .moved(.toFolder)
    case .failed(.notFound): return findFallback(waiter)
    case .failed(let error): return .failed(Status(error))
    case .waits(let number): return .waits(number)
    }
  }

  /// What a path leads to: from the cache, or by a look, or as a helper thread has found out.
  private mutating func look(_ path: Span<UInt8>, _ waiter: UInt64) -> FileCache.Lookup {
    if let file = files.find(path, now: now.milliseconds), files.isUnchanged(file) { return .file(file) }
    return waited?.lookup(of: path) ?? files.look(path, now: now.lookTime, waiter: waiter)
  }

  /// `about.html` is to be asked for as `about`, and `docs/index.html` as `docs/`, if that leads to the same file. Nil if not.
  private mutating func findByCleanPath(_ waiter: UInt64) -> Found? {
    let path = unsafe decodedPath.span
    switch look(path.extracting(..<Self.cleanCount(path)), waiter) {
    case .file(let file): return file.file.isNamed(path) ? .moved(.toCleanPath) : nil
    case .waits(let number): return .waits(number)
    case .directory, .failed: return nil
    }
  }

  /// How much of a path that ends with `.html` is left: all but that, and but the name of an index.
  static func cleanCount(_ path: Span<UInt8>) -> Int {
    let short = path.extracting(..<(path.count - 5))
    let isIndex =
      short.hasSuffix("index") && (short.count == 5 || short[short.count - 6] == UInt8(ascii: "/"))
    return isIndex ? short.count - 5 : short.count
  }

  /// What is sent where there is no file: the application's page, if the path looks like one of its own.
  private mutating func findFallback(_ waiter: UInt64) -> Found {
    guard let fallback, unsafe !decodedPath.span.looksLikeFile else { return .failed(.notFound) }
    switch look(fallback.span, waiter) {
    case .file(let file): return .file(file)
    case .waits(let number): return .waits(number)
    case .directory, .failed: return .failed(.notFound)
    }
  }
}

extension Span<UInt8> {
  fileprivate func hasSuffix(_ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard self.count >= count else { return false }
    for index in 0..<count where unsafe self[self.count - count + index] != text.utf8Start[index] {
      return false
    }
    return true
  }

  /// The last segment of the path has a dot, as names of files do, and pages of applications do not.
  fileprivate var looksLikeFile: Bool {
    var index = count
    while index > 0, self[index - 1] != UInt8(ascii: "/") {
      index -= 1
      if self[index] == UInt8(ascii: ".") { return true }
    }
    return false
  }
}

extension Status {
  /// What a client is told of a file that can't be served.
  fileprivate init(_ error: FileError) {
    self =
      switch error {
      case .notFound: .notFound
      case .forbidden: .forbidden
      case .exhausted: .serviceUnavailable
      case .inputOutput: .internalServerError
      }
  }
}
