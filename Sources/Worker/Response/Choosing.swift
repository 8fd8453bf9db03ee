import Files
import HTTP
import Site

/// The short way to a file that is known, where there are several for a path: by host, or by coding.
extension Responder {
  /// The file for an ordinary request, if nothing has to be looked at, decided or written for it; else nil. It is as the long way
  /// (`respond`) would have it. `now`: milliseconds of the monotonic clock. The request is `inout` though it is only read: else the compiler (6.3) copies it.
  @inline(never)
  mutating func chosenFile(
    _ request: inout RequestHead, _ bytes: Span<UInt8>, isSecure: Bool, now: UInt64
  ) -> FileReference? {
    // Without a host or a coding to choose, the file is not in memory, or not known.
    guard request.isOrdinaryButRouted, clientPolicies.isEmpty,
      request.needsRouting || request.selectors.contains(.acceptEncoding)
    else { return nil }
    var (site, path) = (0, request.path.range)
    if request.needsRouting {
      guard isSecure || redirectPort == nil,
        let number = hosts.number(of: request, in: bytes),
        isSecure || sites[number].site.strictTransport == nil
      else { return nil }
      site = number
      guard case .beneath(let start) = sites[number].place(of: bytes.extracting(path)) else { return nil }
      path = path.lowerBound + start..<path.upperBound
    }
    guard !path.isEmpty,
      let file = files.find(
        bytes.extracting(path.lowerBound + 1..<path.upperBound), root: site, now: now)
    else { return nil }
    let selectors = file.file.selectors & request.selectors.rawValue
    if selectors == 0 { return file.file.isInMemory ? file : nil }
    guard selectors == RequestHead.Selectors.acceptEncoding.rawValue else { return nil }
    let order = order(of: request, bytes, site: site)
    guard let chosen = files.knownCoded(file, order.rest, now: now), chosen.file.isInMemory
    else {
      return nil
    }
    return chosen
  }
}
