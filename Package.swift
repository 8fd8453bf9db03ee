// swift-tools-version: 6.2
import PackageDescription

// One module a room. An arrow may only point down:
//
//   sluice ─► Server ─► Worker ─► Site, Files, Access, TLS, HTTP, Reactor ─► CLinux, COpenSSL, CCrypt
//
// Server is the control plane, Worker the data plane. Site, Files, Access, TLS, HTTP and Reactor do not know each other; Worker
// puts them together.

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableExperimentalFeature("Lifetimes"),
]

let package = Package(
  name: "sluice",
  products: [
    .executable(name: "sluice", targets: ["sluice"])
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
  ],
  targets: [
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CCrypt", providers: [.apt(["libcrypt-dev"])]),
    .target(name: "CLinux"),

    .target(name: "Reactor", dependencies: ["CLinux"], swiftSettings: strict),
    .target(name: "HTTP", swiftSettings: strict),
    .target(name: "TLS", dependencies: ["CLinux", "COpenSSL"], swiftSettings: strict),
    .target(name: "Files", dependencies: ["CLinux"], swiftSettings: strict),
    .target(name: "Access", dependencies: ["CLinux", "CCrypt"], swiftSettings: strict),

    .target(name: "Site", swiftSettings: strict),

    .target(
      name: "Worker", dependencies: ["Site", "Files", "Access", "TLS", "HTTP", "Reactor"],
      swiftSettings: strict),
    .target(
      name: "Server",
      dependencies: [
        "Worker", "Site", "Files", "Access", "TLS", "HTTP", "Reactor", "CLinux",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),

    .executableTarget(
      name: "sluice",
      dependencies: [
        "Server", "Worker", "Site", "TLS", "CLinux",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "TOMLKit", package: "TOMLKit"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),

    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(name: "ReactorTests", dependencies: ["Reactor", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "HTTPTests", dependencies: ["HTTP", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "TLSTests", dependencies: ["TLS", "COpenSSL", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "FilesTests", dependencies: ["Files", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "AccessTests", dependencies: ["Access", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "SiteTests", dependencies: ["Site"], swiftSettings: strict),
    .testTarget(
      name: "WorkerTests",
      dependencies: ["Worker", "Site", "Files", "Access", "TLS", "HTTP", "Reactor", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "ServerTests",
      dependencies: [
        "Server", "Worker", "Site", "TLS", "TestSupport", .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .executableTarget(name: "slow-disk", path: "Tests/SlowDisk"),
    .testTarget(
      name: "IntegrationTests", dependencies: ["sluice", "slow-disk", "CLinux", "COpenSSL", "TestSupport"],
      swiftSettings: strict),
  ]
)
