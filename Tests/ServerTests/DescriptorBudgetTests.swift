import Glibc
import Logging
import Testing
import Worker

@testable import Server

/// Each lowers the limit of a process, so that it needs one of its own.
@Suite struct DescriptorBudgetTests {
  /// The warnings of a `fit` under this limit, and the bounds.
  static func fit(
    _ limits: Limits, under descriptors: UInt, workers: Int, folders: Int = 1
  ) throws -> (Limits, warnings: [String]) {
    var limit = rlimit(rlim_cur: min(32, descriptors), rlim_max: descriptors)
    precondition(unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
    let messages = Messages()
    let log = Logger(label: "test") { _ in Recorder(messages: messages) }
    let fitted = try DescriptorBudget.fit(limits, workers: workers, folders: folders, log: log)
    // It has raised the limit as far as it could.
    unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    precondition(limit.rlim_cur == descriptors)
    precondition(fitted.workers == workers)
    return (fitted, messages.all)
  }

  final class Messages: @unchecked Sendable {
    var all: [String] = []
  }

  /// Keeps what is logged; all by one thread.
  struct Recorder: LogHandler {
    let messages: Messages
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.warning

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { messages.all.append("\(event.level): \(event.message)") }
  }

  @Test func underAHighLimitNothingIsLowered() async {
    await #expect(processExitsWith: .success) {
      var limits = Limits()
      limits.connectionsPerWorker = 300
      limits.openFilesPerWorker = 100
      let (fitted, warnings) = try DescriptorBudgetTests.fit(limits, under: 2 * (300 + 100) + 64, workers: 2)
      precondition(fitted.connectionsPerWorker == limits.connectionsPerWorker)
      precondition(fitted.openFilesPerWorker == limits.openFilesPerWorker)
      precondition(warnings.isEmpty)
    }
  }

  /// Each host has a folder of its own that is open, and for a moment another one.
  @Test func foldersTakeTheirs() async {
    await #expect(processExitsWith: .success) {
      let (fitted, _) = try DescriptorBudgetTests.fit(Limits(), under: 1_024, workers: 2, folders: 201)
      precondition((fitted.connectionsPerWorker + fitted.openFilesPerWorker) * 2 + 64 + 400 <= 1_024)
    }
  }

  @Test func underALowLimitBothFitUnderIt() async {
    await #expect(processExitsWith: .success) {
      let (fitted, warnings) = try DescriptorBudgetTests.fit(Limits(), under: 1_024, workers: 2)
      precondition((fitted.connectionsPerWorker + fitted.openFilesPerWorker) * 2 + 64 <= 1_024)
      // Most of it is for connections.
      precondition(fitted.connectionsPerWorker >= 300 && fitted.openFilesPerWorker >= 100)
      precondition(
        warnings == [
          "warning: only \(fitted.connectionsPerWorker) connections a worker, not 8192: "
            + "the limit on open files is 1024; raise it with ulimit -n"
        ])
    }
  }

  @Test func underAnyLimitThereIsRoomForSome() async {
    await #expect(processExitsWith: .success) {
      let (fitted, warnings) = try DescriptorBudgetTests.fit(Limits(), under: 67, workers: 8)
      precondition(fitted.connectionsPerWorker == 8 && fitted.openFilesPerWorker == 8)
      precondition(warnings.count == 1)
    }
  }

  @Test func underALimitThatIsTooLowItSaysWhatToDo() async {
    await #expect(processExitsWith: .success) {
      let least: UInt = 8 + 7 * 8
      _ = try DescriptorBudgetTests.fit(Limits(), under: least, workers: 8)
      do {
        _ = try DescriptorBudgetTests.fit(Limits(), under: least - 1, workers: 8)
        preconditionFailure("it must not start")
      } catch let error as StartError {
        precondition(
          error.description == "8 workers need 64 descriptors at least, and the limit on open files is 63: "
            + "raise it with ulimit -n, or take fewer --workers")
      }
    }
  }

  @Test func boundsThatAreLowerStay() async {
    await #expect(processExitsWith: .success) {
      var limits = Limits()
      limits.connectionsPerWorker = 10
      limits.openFilesPerWorker = 9
      let (fitted, warnings) = try DescriptorBudgetTests.fit(limits, under: 1_024, workers: 1)
      precondition(fitted.connectionsPerWorker == 10 && fitted.openFilesPerWorker == 9)
      precondition(warnings.isEmpty)
    }
  }
}
