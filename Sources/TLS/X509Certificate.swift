internal import COpenSSL
internal import Glibc

/// What a certificate says. Belongs to whoever has lent it.
@safe
struct X509Certificate {
  let pointer: OpaquePointer

  /// When it expires, in seconds since 1970.
  var expiry: Int64 { unsafe seconds(X509_get0_notAfter(pointer)) }

  /// From when it is valid, in seconds since 1970.
  var start: Int64 { unsafe seconds(X509_get0_notBefore(pointer)) }

  /// Whose it is.
  var subject: [UInt8] { unsafe text(ofName: X509_get_subject_name(pointer)) }

  /// Who has signed it.
  var issuer: [UInt8] { unsafe text(ofName: X509_get_issuer_name(pointer)) }

  /// The names of hosts in subjectAltName, dNSName and iPAddress; addresses as URLs have them.
  var names: [String] {
    guard
      let extensionValue = unsafe X509_get_ext_d2i(pointer, NID_subject_alt_name, nil, nil)
    else { return [] }
    let all = OpaquePointer(extensionValue)
    defer { unsafe GENERAL_NAMES_free(all) }
    return unsafe (0..<COpenSSL_sk_GENERAL_NAME_num(all)).compactMap { index in
      var type: Int32 = 0
      guard let name = unsafe COpenSSL_sk_GENERAL_NAME_value(all, index),
        let value = unsafe GENERAL_NAME_get0_value(name, &type)
      else { return nil }
      let string = OpaquePointer(value)
      switch type {
      case GEN_DNS: return unsafe String(decoding: Self.bytes(of: string), as: UTF8.self)
      case GEN_IPADD: return unsafe Self.address(Array(Self.bytes(of: string)))
      default: return nil
      }
    }
  }

  private static func bytes(of string: OpaquePointer) -> UnsafeBufferPointer<UInt8> {
    let string = unsafe UnsafePointer<ASN1_STRING>(string)
    return unsafe UnsafeBufferPointer(
      start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string)))
  }

  private static func address(_ bytes: [UInt8]) -> String? {
    guard bytes.count == 4 || bytes.count == 16 else { return nil }
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = bytes.count == 4 ? AF_INET : AF_INET6
    guard unsafe inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return nil }
    let written = unsafe text.withUnsafeBufferPointer { unsafe String(cString: $0.baseAddress!) }
    return family == AF_INET ? written : "[\(written)]"
  }
}

/// A list of revoked certificates (CRL, RFC 5280 §5). Belongs to whoever has lent it.
@safe
struct X509RevocationList {
  let pointer: OpaquePointer

  /// From when it is good, in seconds since 1970.
  var start: Int64 { unsafe seconds(X509_CRL_get0_lastUpdate(pointer)) }

  /// When the next one is due, in seconds since 1970; nil if it does not say.
  var expiry: Int64? {
    guard let time = unsafe X509_CRL_get0_nextUpdate(pointer) else { return nil }
    return unsafe seconds(time)
  }

  /// Who has made it.
  var issuer: [UInt8] { unsafe text(ofName: X509_CRL_get_issuer(pointer)) }
}

/// In seconds since 1970.
private func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
  var parts = unsafe tm()
  guard unsafe ASN1_TIME_to_tm(time, &parts) == 1 else { return 0 }
  return unsafe Int64(timegm(&parts))
}

/// A distinguished name as RFC 4514 has it, as OpenSSL writes it: at most 1023 bytes.
private func text(ofName name: OpaquePointer?) -> [UInt8] {
  guard let output = unsafe BIO_new(BIO_s_mem()) else { return [] }
  defer { unsafe BIO_free(output) }
  unsafe X509_NAME_print_ex(output, name, 0, COpenSSL_XN_FLAG_RFC2253)
  var text = [UInt8](repeating: 0, count: 1023)
  let count = unsafe BIO_read(output, &text, Int32(text.count))
  return Array(text[..<Int(max(0, count))])
}
