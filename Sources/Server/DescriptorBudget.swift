import Glibc
import Logging
import Worker

/// How many connections and files the process's limit on descriptors allows: `getrlimit(2)`, RLIMIT_NOFILE.
enum DescriptorBudget {
  /// For standard streams and the like.
  private static let reserved = 64

  /// What the process can't do without: 8 of its own, for each worker a poller, two wakers, two listeners, a reserve and a
  /// connection, and for each folder that is served one more, two while it becomes another.
  private static func least(workers: Int, folders: Int) -> Int { 8 + 7 * workers + 2 * (folders - 1) }

  /// Raises the limit as far as the process may, and lowers the bounds to what fits under it.
  static func fit(
    _ limits: Limits, workers: Int, folders: Int = 1, log: Logger
  ) throws(StartError) -> Limits {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      var limits = limits
      limits.workers = workers
      return limits
    }
    limit.rlim_cur = limit.rlim_max
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)

    let least = least(workers: workers, folders: folders)
    guard limit.rlim_cur >= least else {
      throw StartError(
        """
        \(workers) workers \(folders == 1 ? "" : "and \(folders) folders ")need \(least) descriptors at least, and the limit on open files is \(limit.rlim_cur): \
        raise it with ulimit -n, or take fewer --workers
        """)
    }
    let available = max(
      16, (Int(clamping: limit.rlim_cur) - max(reserved + 2 * (folders - 1), least)) / workers)
    var fitted = limits
    fitted.workers = workers
    // Connections come first, but for some files; what they leave is for more of these.
    let someFiles = min(limits.openFilesPerWorker, max(8, min(1024, available / 4)))
    fitted.connectionsPerWorker = min(limits.connectionsPerWorker, available - someFiles)
    fitted.openFilesPerWorker = min(limits.openFilesPerWorker, available - fitted.connectionsPerWorker)
    if fitted.connectionsPerWorker < limits.connectionsPerWorker {
      log.warning(
        """
        only \(fitted.connectionsPerWorker) connections a worker, not \(limits.connectionsPerWorker): \
        the limit on open files is \(limit.rlim_cur); raise it with ulimit -n
        """)
    }
    return fitted
  }
}
