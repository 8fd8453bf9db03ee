internal import COpenSSL

/// What OpenSSL's functions are told: OSSL_PARAM(3). Good for as long as what it points to.
enum Parameter {
  static func text(_ name: StaticString, _ value: StaticString) -> OSSL_PARAM {
    unsafe OSSL_PARAM_construct_utf8_string(
      UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self),
      UnsafeMutablePointer(mutating: UnsafeRawPointer(value.utf8Start).assumingMemoryBound(to: CChar.self)), 0
    )
  }

  static func octets(_ name: StaticString, _ value: StaticString) -> OSSL_PARAM {
    unsafe octets(name, UnsafeMutableRawPointer(mutating: value.utf8Start), value.utf8CodeUnitCount)
  }

  static func octets(_ name: StaticString, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> OSSL_PARAM {
    unsafe OSSL_PARAM_construct_octet_string(
      UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), bytes, count)
  }
}
