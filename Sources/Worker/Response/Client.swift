import Access
import Site

/// Who has sent the request that is answered.
struct Client {
  /// What its connection is known by.
  var token: UInt64 = 0
  /// Its socket.
  var descriptor: Int32 = -1
  /// It has come over TLS.
  var isSecure = false
  /// Its address, if that is known: see `Socket.peerAddress`.
  var address: UInt128?
  /// The certificates that it had to show: see `Service.clientPolicies`.
  var policy = 0
  /// Paths that it has waited for in vain: see `FileCache.mark`. There are only so many that a request may lead to.
  var missing = SIMD4<UInt32>()
  /// What a check of the request's password has found, if it has waited for one.
  var verdict: Authenticator.Verdict?
  /// What its credentials have satisfied so far.
  var satisfied: AuthenticationSet = []
}
