import Files
import HTTP
import Site

extension Responder {
  /// The index of a folder, or else a listing of it. A listing that was made a moment ago is taken without a look for an index: one
  /// that is new is found as soon as that one is old. Who may see the folder was asked before.
  mutating func findInFolder(_ request: RequestHead, _ bytes: Span<UInt8>) -> Found {
    let path = unsafe decodedPath.span
    if let file = files.find(path, root: current, now: now.milliseconds), files.isUnchanged(file) {
      return admits(file) ? .file(file) : .failed(.forbidden)
    }
    let wanted = ListingRequest(request, bytes)
    let varies = wanted.variesByAccept
    if let file = files.findListing(path, wanted.variant, root: current, now: now.lookTime) {
      return .listing(file, variesByAccept: varies)
    }
    var lookup = waited?.lookup(of: path, root: current, coding: wanted.variant.number)
    if lookup == nil {
      switch look(path) {
      case .file(let file): return admits(file) ? .file(file) : .failed(.forbidden)
      case .waits(let number): return .waits(number)
      case .failed(.notFound), .directory: break
      case .failed(let error): return .failed(Status(error))
      }
      guard !isMissing(path, coding: wanted.variant.number),
        sites[current].site.lists(path.indices.map { path[$0] })
      else { return findOther(request, bytes) }
      lookup = files.list(
        path, wanted.variant, root: current, now: now.lookTime, waiter: client.token)
    }
    switch lookup {
    case .file(let file): return .listing(file, variesByAccept: varies)
    case .waits(let number): return .waits(number)
    case .failed(.notFound), .directory, nil: return findOther(request, bytes)
    case .failed(let error): return .failed(Status(error))
    }
  }
}

extension Span<UInt8> {
  /// It is the root's, or ends with a slash.
  var namesFolder: Bool { isEmpty || self[count - 1] == UInt8(ascii: "/") }
}
