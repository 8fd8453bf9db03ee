internal import COpenSSL

/// The library as a whole.
public enum OpenSSL {
  /// Has it stay as it is when the process ends: threads that look at certificates go on until then, and would find it taken down by
  /// exit(3). To be called before anything else of it is used.
  public static func stayUntilTheEnd() {
    _ = OPENSSL_init_crypto(COpenSSL_OPENSSL_INIT_NO_ATEXIT, nil)
  }
}
