import ArgumentParser
import CLinux

/// An option's value that has bounds: whoever misses them is told what they are.
protocol OptionValue: ExpressibleByArgument {
  /// What there may be, behind "use".
  static var expected: String { get }
}

extension OptionValue {
  /// Throws what the command line or the environment should have said.
  static func parse(_ text: String) throws -> Self {
    guard let value = Self(argument: text) else { throw ValidationError("use \(expected)") }
    return value
  }
}

/// A TCP port; 0 is any free one.
struct PortNumber: OptionValue {
  static let expected = "a number from 0 to 65535"
  let number: UInt16

  init?(argument: String) {
    guard let number = UInt16(argument) else { return nil }
    self.number = number
  }
}

/// A number of worker threads, 1 to 256, or `auto`.
struct WorkerCount: OptionValue {
  static let expected = "auto, or a number from 1 to 256"
  let count: Int

  /// One a CPU that this process may run on.
  static var automatic: Int { min(max(1, Int(CLinux_cpuCount())), 256) }

  init?(argument: String) {
    guard let count = argument == "auto" ? Self.automatic : Int(argument), (1...256).contains(count) else {
      return nil
    }
    self.count = count
  }
}

/// A number of helper threads.
struct ThreadCount: OptionValue {
  static let expected = "a number from 1 to 64"
  let count: Int

  init?(argument: String) {
    guard let count = Int(argument), (1...64).contains(count) else { return nil }
    self.count = count
  }
}

/// A time in whole seconds, up to a day.
struct SecondCount: OptionValue {
  static let expected = "a number from 1 to 86400"
  let seconds: Int

  init?(argument: String) {
    guard let seconds = Int(argument), (1...86_400).contains(seconds) else { return nil }
    self.seconds = seconds
  }
}

/// A number of bytes: digits, and perhaps K, M or G for the powers of 1024.
struct ByteCount: OptionValue {
  static let expected = "a number of bytes, or one with K, M or G"
  let bytes: Int

  init?(argument: String) {
    let units: [Character: Int] = ["K": 10, "M": 20, "G": 30]
    let shift = argument.last.flatMap { units[Character($0.uppercased())] }
    guard let number = Int(shift == nil ? argument : String(argument.dropLast())), number >= 0,
      number <= Int.max >> (shift ?? 0)
    else { return nil }
    bytes = number << (shift ?? 0)
  }
}

/// A number of bytes a second.
struct SendRate: OptionValue {
  static let expected = "a number of bytes below 4G, or one with K or M"
  let bytes: UInt32

  init?(argument: String) {
    guard let count = ByteCount(argument: argument), let bytes = UInt32(exactly: count.bytes) else {
      return nil
    }
    self.bytes = bytes
  }
}
