import HTTP
import Site

/// Which site a request is for, and whether it is answered over its connection at all.
extension Responder {
  /// Finds the site, and leaves out of the path what stands before all of the site's, if that is sent as it is. Gives the response
  /// where there is no more to say.
  mutating func route(_ request: inout RequestHead, _ bytes: Span<UInt8>) -> Response? {
    guard let number = hosts.number(of: request, in: bytes) else {
      return response(.misdirectedRequest, to: request)
    }
    current = number
    let isChallenge = isChallenge(bytes.extracting(request.path.range))
    // Who asks for it knows nothing of what stands before the site's paths.
    hasBasePath = !isChallenge && !sites[number].basePath.isEmpty
    // What is asked of the server itself is the same over both (RFC 9110 §9.3.7): there is no path to lead to.
    if let redirectPort, !client.isSecure, !isChallenge, !request.isForServer {
      return redirect(toPort: redirectPort, request, bytes)
    }
    if !isChallenge, !clientPolicies.isEmpty, clientPolicies[number] != 0,
      clientPolicies[number] != client.policy
    {
      // Over another connection it may get it (RFC 9110 §15.5.20), but not without TLS.
      return response(client.isSecure ? .misdirectedRequest : .forbidden, to: request)
    }
    guard hasBasePath else { return nil }
    if case .beneath(let start) = sites[number].place(of: bytes.extracting(request.path.range)) {
      request.dropFirstOfPath(start)
    } else {
      request.setPathIsNotLiteral()
    }
    return nil
  }

  /// Who makes certificates looks over plaintext whether we have the host: RFC 8555 §8.3. A token is in base64url: nothing by which a
  /// path could lead out of the folder.
  private func isChallenge(_ path: Span<UInt8>) -> Bool {
    let folder: StaticString = "/.well-known/acme-challenge/"
    let start = folder.utf8CodeUnitCount
    guard path.count > start, path.extracting(..<start).hasSuffix(folder) else { return false }
    return (start..<path.count).allSatisfy { index in
      switch path[index] {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }

  /// Sees whether the request's origin may read the response.
  mutating func noteOrigin(_ request: RequestHead, _ bytes: Span<UInt8>) {
    guard let place = request.origin(in: bytes), sites[current].admits(origin: place, in: bytes) else {
      return
    }
    unsafe origin = bytes.extracting(place).bytes.withUnsafeBytes { unsafe $0 }
  }

  /// Some other origin, or all, may read what the site answers.
  var isShared: Bool {
    switch sites[current].site.sharing {
    case .none: false
    case .all: true
    case .origins: unsafe !origin.isEmpty
    }
  }

  /// Ready heads say what is true of the client's connection: over plaintext there is no Strict-Transport-Security.
  var hasReadyHeads: Bool { client.isSecure || sites[current].site.strictTransport == nil }
}
