import Glibc

/// A running nginx, which serves a folder on a port of its own and writes to a temporary folder only. Ends with its owner.
final class NginxProcess {
  /// Nil where it is not installed. It may be in a folder that is not in PATH.
  static let program: String? =
    TestMachine.has("nginx")
    ? "nginx" : unsafe access("/usr/sbin/nginx", X_OK) == 0 ? "/usr/sbin/nginx" : nil

  let port: UInt16
  private let process: Subprocess
  private let folder: TemporaryFolder

  /// Starts it and waits until it listens.
  init(_ root: String) throws {
    guard let program = Self.program else { throw TestFailure("nginx is not installed") }
    let folder = try TemporaryFolder()
    let path = folder.path
    // Somebody else may take the port before nginx does.
    for _ in 0..<5 {
      let port = try Self.freePort()
      try writeFile(path + "/conf", Array(Self.configuration(root, port, path).utf8))
      let process = try Subprocess([program, "-p", path, "-c", path + "/conf", "-e", path + "/log"])
      // It writes that file when it has its port.
      try waitUntil("nginx listens") {
        unsafe access(path + "/pid", F_OK) == 0 || process.exitStatus != nil
      }
      if process.exitStatus == nil {
        (self.port, self.process, self.folder) = (port, process, folder)
        return
      }
    }
    throw TestFailure(
      "nginx does not start: \(String(decoding: readFile(path + "/log") ?? [], as: UTF8.self))")
  }

  /// As like sluice as it can be told to be: with the media types, conditions and codings that sluice has by itself.
  private static func configuration(_ root: String, _ port: UInt16, _ folder: String) -> String {
    """
    daemon off;
    master_process off;
    pid \(folder)/pid;
    events {}
    http {
      access_log off;
      client_body_temp_path \(folder)/body;
      proxy_temp_path \(folder)/proxy;
      fastcgi_temp_path \(folder)/fastcgi;
      uwsgi_temp_path \(folder)/uwsgi;
      scgi_temp_path \(folder)/scgi;
      types { text/html html; text/javascript js; text/css css; text/plain txt; application/gzip gz; }
      default_type application/octet-stream;
      sendfile on;
      absolute_redirect off;
      if_modified_since before;
      gzip_static on;
      gzip_vary on;
      gzip_proxied any;
      gzip_http_version 1.0;
      server { listen 127.0.0.1:\(port); root \(root); }
    }

    """
  }

  private static func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = unsafe withUnsafeMutablePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(descriptor, address, size) == 0 ? getsockname(descriptor, address, &size) : -1
      }
    }
    guard status == 0 else { throw TestFailure("no free port: error \(errno)") }
    return UInt16(bigEndian: address.sin_port)
  }
}
