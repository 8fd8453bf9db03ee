import Access
import Files
import Glibc
import HTTP
import Site

/// Who may know of a path: RFC 9110 §11, RFC 7617.
extension Responder {
  /// What a request is answered with that does not satisfy all that is `needed`; nil if it does.
  mutating func refusal(
    _ needed: AuthenticationSet, _ request: RequestHead, _ bytes: Span<UInt8>
  ) -> Decision? {
    let rest = needed.subtracting(client.satisfied)
    if rest.isEmpty { return nil }
    // Who asked for a password here would have it sent in the clear.
    guard client.isSecure || sites[current].site.allowsAuthenticationOverHTTP else {
      return .response(response(.forbidden, to: request, text: "403 Forbidden: ask for this over HTTPS"))
    }
    for (number, challenge) in policies.challenges[current].enumerated()
    where rest.contains(AuthenticationSet(number)) {
      switch check(challenge.file, bytes.extracting(request.fields.range)) {
      case .right: client.satisfied.insert(AuthenticationSet(number))
      case .wrong:
        return unsafe errorResponse(.unauthorized, challenge: challenge.lines.span, to: request)
      case .waits(let number): return .waits(number)
      case .overloaded: return .response(response(.tooManyRequests, to: request))
      }
    }
    return nil
  }

  private enum Check {
    case right
    case wrong
    case waits(UInt64)
    case overloaded
  }

  private mutating func check(_ file: Int, _ fields: Span<UInt8>) -> Check {
    if let verdict = client.verdict, verdict.file == file { return verdict.isRight ? .right : .wrong }
    var userCount: Int?
    let text = unsafe write(into: credentials) {
      userCount = BasicCredentials.decode(fields: fields, into: &$0)
    }
    defer { unsafe explicit_bzero(credentials.baseAddress!, text.count) }
    guard let userCount else { return .wrong }
    switch unsafe authenticator.check(text.span, userCount: userCount, file: file, waiter: client.token) {
    case .right: return .right
    case .waits(let number): return .waits(number)
    case .overloaded: return .overloaded
    }
  }

  /// Whether a page for a status may be shown to who has asked: the one that asks for credentials is for those who have none, and the
  /// one that refuses for those who are refused.
  func mayShow(_ page: FileReference, with status: Status) -> Bool {
    if status == .unauthorized { return true }
    return client.satisfied.isSuperset(of: policies.gates(page.file.policy).authentications)
      && (status == .forbidden || admits(page))
  }
}
