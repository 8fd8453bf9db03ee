public import Logging

import Files
import Glibc
import Reactor
import Site
import Worker

/// Why the server can't start: one line that says what to do.
public struct StartError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// The control plane: puts everything in place, starts the workers, and waits for the signal to stop.
public enum Server {
  /// Serves until SIGTERM or SIGINT, then finishes what is being sent, 30 s at most; a second signal ends the
  /// process at once, and so does a worker that hangs, 2 s later (exit code 1). Other signals are noted in the log.
  /// `announce` gets one line a listener when all workers take connections:
  /// `listening https://127.0.0.1:8443 tls=1.2,1.3 ktls=on`.
  public static func run(
    _ configuration: Configuration, log: Logger, announce: (String) -> Void
  ) throws(StartError) {
    // OpenSSL's control messages on a kernel TLS socket lack MSG_NOSIGNAL (openssl#23033).
    signal(SIGPIPE, SIG_IGN)
    MachineMemory.shareArena()
    do {
      let signals = try Signals()
      let root = try DocumentRoot(
        path: configuration.site.root, isShared: configuration.workers > 1)
      if !root.followsLinks {
        log.warning(
          "no openat2 here (Linux 5.6, and allowed by the sandbox): symbolic links in the folder are not followed"
        )
      }
      let secure = try configuration.secure.map { secure throws(StartError) in try SecureSetup(secure) }
      var limits = ConnectionMemory.fit(
        try DescriptorBudget.fit(configuration.limits, workers: configuration.workers, log: log),
        workers: configuration.workers)
      limits.cacheMemory = configuration.cacheMemory ?? Limits.cacheMemory(of: MachineMemory.bytes)
      var pool = try WorkerPool(limits: limits)
      let loader = try FileLoader.start(root: root, limits: limits)
      var binding = try Binding(configuration, context: secure?.context)
      for _ in 0..<configuration.workers {
        try pool.start(
          try binding.listeners(), site: configuration.site, root: root, loader: loader,
          requiresKernelTLS: secure?.requiresKernelTLS ?? false)
      }
      try pool.work(until: signals, log: log) {
        if let url = binding.plainURL { announce("listening \(url)") }
        if let url = binding.secureURL, let secure { announce("listening \(url) \(secure.description)") }
      }
    } catch {
      throw StartError("\(error)")
    }
  }
}

extension FileLoader {
  /// A loader with its helper threads, which live as long as the process.
  fileprivate static func start(root: DocumentRoot, limits: Limits) throws(Errno) -> FileLoader {
    guard let loader = FileLoader(root: root, inMemory: limits.fileInMemory, capacity: limits.ioQueue) else {
      throw Errno.current
    }
    // They read and call the kernel, no more.
    _ = try Thread(stackBytes: 512 << 10) { loader.run(onlyNear: true) }
    for _ in 0..<limits.ioThreads { _ = try Thread(stackBytes: 512 << 10) { loader.run() } }
    return loader
  }
}
