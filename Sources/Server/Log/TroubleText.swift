import Logging
import TLS
import Worker

extension Troubles.Record {
  var level: Logger.Level { kind.level }
}

extension Troubles.Kind {
  /// What clients do is worth a line for who looks for it.
  var level: Logger.Level {
    switch self {
    // But this is not the client's doing.
    case .handshake(.revocationUnknown): .warning
    case .handshake, .introduction: .info
    default: .warning
    }
  }

  /// What has happened.
  var text: String {
    switch self {
    case .forbidden: "permission denied: answered with 403"
    case .inputOutput: "the disk, or what stands for it, has failed: answered with 500, or cut off"
    case .exhausted: "no descriptor or no memory is free, or too many wait for the disk: answered with 503"
    case .truncated: "became shorter while it was sent, or could not be read to its end: cut off"
    case .connectionLimit: "a connection was closed at once: the worker has as many as it may"
    case .descriptors: "a connection was closed at once: no descriptor is free"
    case .memory: "a connection was closed: there is no memory for it"
    case .accepting: "connections can't be accepted"
    case .receiving: "the kernel does not receive for a connection"
    case .introduction: "a balancer has not said who has connected to it (PROXY protocol)"
    case .handshake(let failure): "a handshake has failed (\(failure.name))"
    }
  }

  /// What to do, or what happens next.
  var advice: String? {
    switch self {
    case .forbidden: "let the server's user read it, and look into the folders above it"
    case .truncated: "write to another name, and rename"
    case .connectionLimit, .descriptors: "raise the limit on open files (ulimit -n)"
    case .memory: "give it more memory"
    case .accepting: "trying again every second at least"
    case .receiving: "OpenSSL does"
    case .handshake(.revocationUnknown): "renew the list of what was revoked (--client-crl)"
    case .inputOutput, .exhausted, .introduction, .handshake: nil
    }
  }
}
