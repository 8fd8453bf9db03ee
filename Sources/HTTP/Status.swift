/// A response's status: RFC 9110 §15. Those that Sluice sends.
public enum Status: UInt16, Sendable {
  case `continue` = 100
  case ok = 200
  case noContent = 204
  case partialContent = 206
  case movedPermanently = 301
  case found = 302
  case seeOther = 303
  case notModified = 304
  case temporaryRedirect = 307
  case permanentRedirect = 308
  case badRequest = 400
  case unauthorized = 401
  case forbidden = 403
  case notFound = 404
  case methodNotAllowed = 405
  case requestTimeout = 408
  case preconditionFailed = 412
  case contentTooLarge = 413
  case uriTooLong = 414
  case rangeNotSatisfiable = 416
  case misdirectedRequest = 421
  case expectationFailed = 417
  case tooManyRequests = 429
  case requestHeaderFieldsTooLarge = 431
  case internalServerError = 500
  case notImplemented = 501
  case serviceUnavailable = 503
  case httpVersionNotSupported = 505

  /// The code with its reason phrase, as in a status line.
  public var line: StaticString {
    switch self {
    case .continue: "100 Continue"
    case .ok: "200 OK"
    case .noContent: "204 No Content"
    case .partialContent: "206 Partial Content"
    case .movedPermanently: "301 Moved Permanently"
    case .found: "302 Found"
    case .seeOther: "303 See Other"
    case .notModified: "304 Not Modified"
    case .temporaryRedirect: "307 Temporary Redirect"
    case .permanentRedirect: "308 Permanent Redirect"
    case .badRequest: "400 Bad Request"
    case .unauthorized: "401 Unauthorized"
    case .forbidden: "403 Forbidden"
    case .notFound: "404 Not Found"
    case .methodNotAllowed: "405 Method Not Allowed"
    case .requestTimeout: "408 Request Timeout"
    case .preconditionFailed: "412 Precondition Failed"
    case .contentTooLarge: "413 Content Too Large"
    case .uriTooLong: "414 URI Too Long"
    case .rangeNotSatisfiable: "416 Range Not Satisfiable"
    case .expectationFailed: "417 Expectation Failed"
    case .misdirectedRequest: "421 Misdirected Request"
    case .tooManyRequests: "429 Too Many Requests"
    case .requestHeaderFieldsTooLarge: "431 Request Header Fields Too Large"
    case .internalServerError: "500 Internal Server Error"
    case .notImplemented: "501 Not Implemented"
    case .serviceUnavailable: "503 Service Unavailable"
    case .httpVersionNotSupported: "505 HTTP Version Not Supported"
    }
  }
}
