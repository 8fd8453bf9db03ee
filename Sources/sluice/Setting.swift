import ArgumentParser
import Glibc

/// An option's value: from the flag, else from SLUICE_<OPTION> in the environment, else the default.
enum Setting {
  static func value<Value: ExpressibleByArgument>(
    _ flag: Value?, _ option: String
  ) throws -> Value? {
    if let flag { return flag }
    guard let text = environment(option) else { return nil }
    guard let value = Value(argument: text) else {
      let hint = (Value.self as? any OptionValue.Type).map { ": use \($0.expected)" } ?? ""
      throw ValidationError("the value '\(text)' of \(variable(option)) is invalid\(hint)")
    }
    return value
  }

  /// A flag that was not given: what the environment says of it.
  static func flag(_ option: String) throws -> Bool {
    guard let text = environment(option) else { return false }
    switch text.lowercased() {
    case "1", "true", "yes", "on": return true
    case "0", "false", "no", "off": return false
    default: throw ValidationError("the value '\(text)' of \(variable(option)) is invalid: use 1 or 0")
    }
  }

  private static func variable(_ option: String) -> String {
    "SLUICE_" + option.uppercased().replacing("-", with: "_")
  }

  /// Empty is as good as unset.
  private static func environment(_ option: String) -> String? {
    guard let value = unsafe getenv(variable(option)) else { return nil }
    let text = unsafe String(cString: value)
    return text.isEmpty ? nil : text
  }
}
