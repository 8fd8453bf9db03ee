import Worker

/// How much of the machine's memory is for what workers keep for their connections.
enum ConnectionMemory {
  /// One part in so many of all that there is.
  private static let part = 4
  /// What a worker has at least: it serves some connections, however little there is.
  static let least = 1 << 20

  /// Lowers the bound to the worker's part of `memory`, in bytes.
  static func fit(_ limits: Limits, workers: Int, memory: Int = MachineMemory.bytes) -> Limits {
    var fitted = limits
    fitted.connectionMemory = max(least, min(limits.connectionMemory, memory / part / workers))
    return fitted
  }
}
