import Files
import HTTP
import Site

/// Decides what a request is answered with: finds the file, weighs conditions and ranges, and writes heads.
@safe
struct Responder: ~Copyable {
  var files: FileCache
  /// Connections last after their response; not when the server stops.
  var keepsConnections = true

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

  init(limits: Limits, site: Site, root: DocumentRoot) {
    files = FileCache(root: root, capacity: limits.filesPerWorker, inMemory: limits.fileInMemory)
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

  /// Writes into the memory for heads; returns what was written.
  func compose(_ body: (inout OutputSpan<UInt8>) -> Void) -> UnsafeRawBufferPointer {
    unsafe write(into: head, body)
  }
}

extension Responder {
  /// Decides what a request is answered with. `bytes` are what the head was parsed from.
  mutating func respond(
    to request: RequestHead, _ bytes: Span<UInt8>, clock: inout WorkerClock
  ) -> Response {
    now = clock
    switch request.method {
    case .get, .head: break
    case .options: return response(.noContent, to: request)
    case .notAllowed: return response(.methodNotAllowed, to: request)
    case .unknown: return response(.notImplemented, to: request)
    }
    if request.expectationFails { return response(.expectationFailed, to: request) }

    switch find(request, bytes, clock: &clock) {
    case .file(let file):
      if request.isOrdinary {
        renewHead(of: file, now: now)
        return Response(wholeOf: file)
      }
      return response(with: file, to: request, bytes)
    case .directory: return redirect(to: request, bytes)
    case .failed(let status): return response(status, to: request)
    }
  }

  // MARK: Finding the file

  private enum Found {
    case file(FileReference)
    /// The decoded path names a folder without its slash.
    case directory
    case failed(Status)
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
    _ request: RequestHead, _ bytes: Span<UInt8>, clock: inout WorkerClock
  ) -> Found {
    if request.pathIsLiteral, let file = knownFile(request, bytes, now: now) { return .file(file) }
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
    if let file = unsafe files.find(decodedPath.span, now: now.milliseconds) { return .file(file) }
    // A file that was changed just now must not be newer than the Date (RFC 9110 §8.8.2.1).
    clock.readWallClock()
    now = clock
    switch unsafe files.load(decodedPath.span, now: now.milliseconds, wallSeconds: now.wallSeconds) {
    case .file(let file): return .file(file)
    case .directory: return .directory
    case .failed(.notFound): return .failed(.notFound)
    case .failed(.forbidden): return .failed(.forbidden)
    case .failed(.exhausted): return .failed(.serviceUnavailable)
    case .failed(.inputOutput): return .failed(.internalServerError)
    }
  }
}
