import Access
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
  /// Who may come in.
  var authenticator: Authenticator
  /// What a check of a password has found, set before the connection that waits for it has its turn.
  var verdict: Authenticator.Verdict?
  var hosts: VirtualHosts
  /// Where plaintext requests are led to, if they are.
  let redirectPort: UInt16?
  let sites: [VirtualHost]
  /// By site, because each offers codings of its own.
  private var codingOrders: [CodingOrders]
  /// See `Service`; empty where no site has one.
  let clientPolicies: [Int]
  /// Connections last after their response; not when the server stops.
  var keepsConnections = true

  /// What `Date` says now.
  private var writtenDate = WrittenDate(HTTPDate(secondsSinceEpoch: 0))
  /// Heads that are made for one response, with the content of a short one.
  private let head: UnsafeMutableRawBufferPointer
  /// A Location on its way into a head.
  let location: UnsafeMutableRawBufferPointer
  /// A user-id and a password on their way to a check.
  let credentials: UnsafeMutableRawBufferPointer
  /// The ranges that a request asks for.
  private let ranges: UnsafeMutableBufferPointer<ByteRange>
  /// What a response has more of than its first part.
  var partsToFollow = PartsToFollow()
  /// A path, percent-decoded.
  let path: UnsafeMutableRawBufferPointer
  /// The part of `path` that is in use.
  var decodedPath: UnsafeRawBufferPointer
  /// What the path of the request is to its site; nil until it is decoded.
  var pathOutcome: PathOutcome?
  /// The path as sent.
  var sentPath = unsafe UnsafeRawBufferPointer.empty
  /// Something stands before all paths of the site, and is to be left out.
  var hasBasePath = false

  // The request that is answered: its time, who asks, and the number of the site that it is for.
  var now = WorkerClock()
  var client = Client()
  var current = 0
  /// The origin that is told that it may read the response; empty for none.
  var origin = unsafe UnsafeRawBufferPointer.empty

  /// Bytes between two ranges from which on they are parts of their own.
  private let rangeGap: Int64

  /// Room for a head with its Location, and for parts of a file from memory, which are less than the file, in bytes.
  static func headCapacity(_ limits: Limits) -> Int { 1024 + locationCapacity(limits) + limits.fileInMemory }

  /// A Location can be three times as long as the path that it is made of, and has its query.
  private static func locationCapacity(_ limits: Limits) -> Int {
    4 * limits.head.requestLine + Redirect.longestTarget
  }

  init(
    limits: Limits, files: consuming FileCache, policies: FilePolicies,
    authenticator: consuming Authenticator, service: Service
  ) {
    self.files = files
    self.authenticator = authenticator
    self.policies = policies
    hosts = VirtualHosts(policies.sites, refusesOthers: service.refusesOtherHosts)
    sites = policies.sites.map(VirtualHost.init)
    redirectPort = service.redirectPort
    clientPolicies = service.clientPolicies.allSatisfy { $0 == 0 } ? [] : service.clientPolicies
    codingOrders = policies.codings.map(CodingOrders.init)
    unsafe head = .allocate(byteCount: Self.headCapacity(limits), alignment: 64)
    unsafe location = .allocate(byteCount: Self.locationCapacity(limits), alignment: 64)
    unsafe credentials = .allocate(byteCount: limits.credentials, alignment: 64)
    rangeGap = limits.rangeGap
    unsafe ranges = .allocate(capacity: limits.ranges)
    unsafe path = .allocate(byteCount: FileCache.longestPath, alignment: 64)
    unsafe decodedPath = UnsafeRawBufferPointer(start: path.baseAddress, count: 0)
  }

  deinit {
    unsafe path.deallocate()
    unsafe credentials.deallocate()
    unsafe ranges.deallocate()
    unsafe location.deallocate()
    unsafe head.deallocate()
  }

  /// What holds for all requests of a connection.
  func requestTraits(isSecure: Bool) -> RequestHead.Traits {
    let isRouted =
      hosts.areSeveral || !clientPolicies.isEmpty || sites.contains { !$0.basePath.isEmpty }
      || !isSecure && (redirectPort != nil || sites.contains { $0.site.strictTransport != nil })
    return isRouted ? .needsRouting : []
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

  /// Writes behind a head that was composed; returns both.
  func compose(
    behind written: UnsafeRawBufferPointer, _ body: (inout OutputSpan<UInt8>) -> Void
  ) -> UnsafeRawBufferPointer {
    let room = unsafe UnsafeMutableRawBufferPointer(rebasing: head[written.count...])
    let count = unsafe written.count + write(into: room, body).count
    return unsafe UnsafeRawBufferPointer(rebasing: head[..<count])
  }

  /// Which parts of a file a request asks for.
  func select(
    fields: Span<UInt8>, size: Int64
  ) -> (selection: ByteRange.Selection, parts: UnsafeBufferPointer<ByteRange>) {
    var parts = unsafe OutputSpan(buffer: ranges, initializedCount: 0)
    let selection = ByteRange.select(fields: fields, size: size, gap: rangeGap, into: &parts)
    let count = unsafe parts.finalize(for: ranges)
    return unsafe (selection, UnsafeBufferPointer(rebasing: ranges[..<count]))
  }
}

extension Responder {
  /// What comes of a request.
  enum Decision {
    case response(Response)
    /// A disk, or the check of a password, has to be waited for; the number is that of the wait.
    case waits(UInt64)
  }

  /// Decides what a request is answered with. `bytes` are what the head was parsed from.
  mutating func respond(
    to request: RequestHead, _ bytes: Span<UInt8>, clock: inout WorkerClock, client: Client
  ) -> Decision {
    now = clock
    self.client = client
    current = 0
    unsafe origin = .empty
    pathOutcome = nil
    hasBasePath = false
    unsafe sentPath = bytes.extracting(request.path.range).bytes.withUnsafeBytes { unsafe $0 }
    var request = request
    if request.needsRouting, let response = route(&request, bytes) { return .response(response) }
    if request.selectors.contains(.origin) { noteOrigin(request, bytes) }
    switch request.method {
    case .get, .head: break
    case .options:
      return .response(
        request.selectors.contains(.origin) && isShared
          ? preflightResponse(to: request) : response(.noContent, to: request))
    case .notAllowed: return errorResponse(.methodNotAllowed, to: request)
    case .unknown: return errorResponse(.notImplemented, to: request)
    }
    if request.expectationFails { return errorResponse(.expectationFailed, to: request) }

    switch find(request, bytes, clock: &clock) {
    case .file(let file):
      let selectors = RequestHead.Selectors(rawValue: file.file.selectors).intersection(request.selectors)
      if selectors.contains(.target),
        let refusal = refusal(policies.gates(file.file.policy).authentications, request, bytes)
      {
        return refusal
      }
      if !file.file.knowsWhetherItVaries {
        let all = policies.allCodings[current]
        let looked = files.lookForCodings(
          of: file, all, now: now.lookTime, waiter: client.token, waited: waited)
        if case .waits(let number) = looked { return .waits(number) }
        guard case .file = looked else { return errorResponse(.serviceUnavailable, to: request) }
      }
      guard selectors.contains(.acceptEncoding) else { return response(with: file, to: request, bytes) }
      return codedResponse(with: file, to: request, bytes)
    case .listing(let file, let variesByAccept):
      let made = response(with: file, to: request, bytes, variesByAccept: variesByAccept)
      return whenReady(made, file, to: request)
    case .moved(let move): return .response(redirect(move, request, bytes))
    case .redirected(let gate): return .response(redirect(gate, request, bytes))
    case .failed(let status): return errorResponse(status, to: request)
    case .refused(let refusal): return refusal
    case .waits(let number): return .waits(number)
    }
  }

  private mutating func response(
    with file: FileReference, to request: RequestHead, _ bytes: Span<UInt8>
  ) -> Decision {
    let made: Response
    if request.isOrdinaryButRouted, unsafe origin.isEmpty, hasReadyHeads {
      renewHead(of: file, now: now)
      made = Response(wholeOf: file)
    } else {
      made = response(with: file, to: request, bytes)
    }
    return whenReady(made, file, to: request)
  }

  /// Which codings the client likes, of those that a site offers.
  @inline(__always)
  mutating func order(of request: RequestHead, _ bytes: Span<UInt8>, site: Int) -> CodingOrder {
    codingOrders[site].order(bytes.extracting(request.fields.range))
  }

  /// The file in the coding that the client likes best, if there is one beside it, else as it is.
  private mutating func codedResponse(
    with file: FileReference, to request: RequestHead, _ bytes: Span<UInt8>
  ) -> Decision {
    let order = order(of: request, bytes, site: current)
    switch files.coded(file, order.rest, now: now.lookTime, waiter: client.token, waited: waited) {
    case .file(let chosen): return response(with: chosen, to: request, bytes)
    case .waits(let number): return .waits(number)
    case .directory, .failed: return errorResponse(.serviceUnavailable, to: request)
    }
  }

  /// A status with the operator's page for it, if there is one, else with a line of text.
  mutating func errorResponse(
    _ status: Status, challenge: Span<UInt8>? = nil, to request: RequestHead
  ) -> Decision {
    guard let page = sites[current].errorPages[Int(status.rawValue)] else {
      return .response(response(status, challenge: challenge, to: request))
    }
    switch look(page.span) {
    case .file(let file) where mayShow(file, with: status):
      let made = response(status, withPage: file, challenge: challenge, to: request)
      return whenReady(made, file, to: request, or: status)
    case .waits(let number): return .waits(number)
    case .file, .directory, .failed:
      return .response(response(status, challenge: challenge, to: request))
    }
  }

  /// `status`: what the client is told if the file can't be read; by itself, what is wrong with it.
  private mutating func whenReady(
    _ made: Response, _ file: FileReference, to request: RequestHead, or status: Status? = nil
  ) -> Decision {
    if isReady(made) { return .response(made) }
    // Before anything was sent, so that a disk that fails can still be told by a status. It is read once for that.
    switch waited?.failedPart ?? files.waitForPart(file, offset: made.fileOffset, waiter: client.token) {
    case .waits(let number): return .waits(number)
    case .file, .directory: return .response(made)
    case .failed(let error): return .response(response(status ?? Status(error), to: request))
    }
  }

  /// Whether sending it can begin without waiting for a disk.
  @inline(__always)
  func isReady(_ response: Response) -> Bool {
    guard response.fileCount > 0, let file = response.file else { return true }
    return files.readyCount(
      file, offset: response.fileOffset, count: response.fileCount, now: now.milliseconds) > 0
  }
}

extension Status {
  /// What a client is told of a file that can't be served.
  init(_ error: FileError) {
    self =
      switch error {
      case .notFound: .notFound
      case .forbidden: .forbidden
      case .exhausted: .serviceUnavailable
      case .inputOutput: .internalServerError
      }
  }
}
