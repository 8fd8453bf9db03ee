internal import COpenSSL

/// Why a handshake did not come to its end.
public enum HandshakeFailure: Int, CaseIterable, Sendable {
  /// It took too long.
  case timeout
  /// The client spoke something else than TLS.
  case notTLS
  /// The client has gone.
  case closed
  /// There is no version of the protocol that both speak.
  case version
  /// There is no cipher, group, signature or application protocol that both take.
  case parameters
  /// The client has refused, with an alert: our certificate, most often.
  case refusedByClient
  /// The client's certificate is missing, or not good.
  case clientCertificate
  /// Anything else: records that are none, or out of order.
  case `protocol`

  /// What they are called in logs and metrics, by their numbers.
  public static let names = [
    "timeout", "not_tls", "closed", "version", "parameters", "refused_by_client", "client_certificate",
    "protocol",
  ]

  /// See `names`.
  public var name: String { Self.names[rawValue] }

  /// From the first error in OpenSSL's queue; `status` is what SSL_get_error(3) says.
  init(status: Int32) {
    guard status == SSL_ERROR_SSL else {
      self = .closed
      return
    }
    let reason = COpenSSL_ERR_GET_REASON(ERR_peek_error())
    self =
      switch reason {
      case SSL_R_UNEXPECTED_EOF_WHILE_READING: .closed
      case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_WRONG_SSL_VERSION,
        SSL_R_UNKNOWN_PROTOCOL, SSL_R_INAPPROPRIATE_FALLBACK:
        .version
      case SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SHARED_GROUPS,
        SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, SSL_R_NO_APPLICATION_PROTOCOL,
        SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
        .parameters
      case SSL_R_CERTIFICATE_VERIFY_FAILED, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: .clientCertificate
      case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_WRONG_VERSION_NUMBER: .notTLS
      // An alert's description, from the client: RFC 8446 §6.
      case 1000...1255: .refusedByClient
      default: .protocol
      }
  }
}
