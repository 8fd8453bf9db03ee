import Files
import HTTP

/// Decides what a request is answered with: finds the file, weighs conditions and ranges, and writes heads.
@safe
struct Responder: ~Copyable {
  var files: FileCache
  /// What the site says of files.
  let policies: FilePolicies
  /// What the request that is answered has waited for, set before its connection has its turn.
  var waited: FileCache.Lookup?
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
    case .notAllowed: return .response(response(.methodNotAllowed, to: request))
    case .unknown: return .response(response(.notImplemented, to: request))
    }
    if request.expectationFails { return .response(response(.expectationFailed, to: request)) }

    switch find(request, bytes, clock: &clock, waiter) {
    case .file(let file): return response(with: file, to: request, bytes, waiter)
    case .directory: return .response(redirect(to: request, bytes))
    case .failed(let status): return .response(response(status, to: request))
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
    /// The decoded path names a folder without its slash.
    case directory
    case failed(Status)
    case waits(UInt64)
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
    let waited = waited.take()
    if waited == nil, request.pathIsLiteral, let file = knownFile(request, bytes, now: now),
      files.isUnchanged(file)
    {
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
    switch waited {
    case .file(let file): return .file(file)
    case .directory: return .directory
    case .failed(let error): return .failed(Status(error))
    case .waits, nil: break
    }
    // It was looked for already, unless decoding has changed it.
    let isNew = unsafe !request.pathIsLiteral || decodedPath.count &+ 1 != Int(request.path.count)
    if isNew, let file = unsafe files.find(decodedPath.span, now: now.milliseconds), files.isUnchanged(file) {
      return .file(file)
    }
    // A file that was changed just now must not be newer than the Date (RFC 9110 §8.8.2.1).
    clock.readWallClock()
    now = clock
    switch unsafe files.look(decodedPath.span, now: now.lookTime, waiter: waiter) {
    case .file(let file): return .file(file)
    case .directory: return .directory
    case .failed(let error): return .failed(Status(error))
    case .waits(let number): return .waits(number)
    }
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
