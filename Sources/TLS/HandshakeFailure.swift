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
  /// The client's certificate is not good, for another reason than those below.
  case clientCertificate
  /// Anything else: records that are none, or out of order.
  case `protocol`
  /// The client has shown no certificate, and has to.
  case clientCertificateMissing
  /// No authority that we know has signed the client's certificate.
  case clientCertificateUnknown
  /// The client's certificate, or one that it hangs on, has expired or is not valid yet.
  case clientCertificateExpired
  /// The client's certificate has been revoked.
  case clientCertificateRevoked
  /// Whether it has been revoked can't be told: there is no list of its authority's, or one that is out of date.
  case revocationUnknown

  /// What they are called in logs and metrics, by their numbers.
  public static let names = [
    "timeout", "not_tls", "closed", "version", "parameters", "refused_by_client", "client_certificate",
    "protocol", "client_certificate_missing", "client_certificate_unknown", "client_certificate_expired",
    "client_certificate_revoked", "client_revocation_unknown",
  ]

  /// See `names`.
  public var name: String { Self.names[rawValue] }

  /// From the first error in OpenSSL's queue; `status` is what SSL_get_error(3) says, and `verifyResult` what SSL_get_verify_result(3)
  /// does.
  init(status: Int32, verifyResult: Int32) {
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
      case SSL_R_CERTIFICATE_VERIFY_FAILED: HandshakeFailure(verifyResult: verifyResult)
      case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: .clientCertificateMissing
      case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_WRONG_VERSION_NUMBER: .notTLS
      // An alert's description, from the client: RFC 8446 §6.
      case 1000...1255: .refusedByClient
      default: .protocol
      }
  }

  /// Of a client's certificate that is not good, from X509_verify_cert(3).
  init(verifyResult: Int32) {
    self =
      switch verifyResult {
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
        X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED:
        .clientCertificateUnknown
      case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID: .clientCertificateExpired
      case X509_V_ERR_CERT_REVOKED: .clientCertificateRevoked
      case X509_V_ERR_UNABLE_TO_GET_CRL, X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, X509_V_ERR_CRL_HAS_EXPIRED,
        X509_V_ERR_CRL_NOT_YET_VALID, X509_V_ERR_CRL_SIGNATURE_FAILURE,
        X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD, X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD,
        X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, X509_V_ERR_DIFFERENT_CRL_SCOPE,
        X509_V_ERR_CRL_PATH_VALIDATION_ERROR, X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
        .revocationUnknown
      default: .clientCertificate
      }
  }
}
