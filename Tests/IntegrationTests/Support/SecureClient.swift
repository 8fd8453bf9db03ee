/// `openssl s_client`, the other client that we did not write.
enum SecureClient {
  private static func command(_ port: UInt16, _ flags: [String]) throws -> [String] {
    let pair = try TestCertificates.shared.get()
    // Any of them may be the server's.
    return ["openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-partial_chain"] + flags
      + (flags.contains("-CAfile") ? [] : ["-CAfile", pair.ecdsa.certificate])
  }

  /// Connects and waits at its own prompt: a line `K` or `k` sends a KeyUpdate, `R` renegotiates, `Q` quits.
  static func interactive(_ port: UInt16, _ flags: [String] = []) throws -> Subprocess {
    let client = try Subprocess(command(port, flags), stdin: .socket)
    try waitUntil("s_client is connected") {
      client.output.contains("\n---\n") && client.output.contains("Verify return code")
        || client.exitStatus != nil
    }
    return client
  }

  /// Connects, shakes hands, and closes; what s_client says of it.
  static func handshake(_ port: UInt16, _ flags: [String] = []) throws -> String {
    let client = try interactive(port, flags)
    client.send("Q\n")
    try client.wait()
    return client.output + client.errorOutput
  }

  /// Connects, sends what it is told to, and puts out what comes until the server closes. Its exit status is 0 if that
  /// was in good order.
  static func quiet(_ port: UInt16, _ flags: [String] = []) throws -> Subprocess {
    try Subprocess(command(port, ["-quiet"] + flags), stdin: .socket)
  }

  /// Sends a request as it is and returns everything that comes until the server closes.
  static func exchange(_ port: UInt16, _ request: String, _ flags: [String] = []) throws -> Shell.Result {
    let client = try quiet(port, flags)
    client.send(request)
    let status = try client.wait()
    return Shell.Result(
      exitStatus: status, outputBytes: client.outputBytes, errorOutput: client.errorOutput)
  }
}
