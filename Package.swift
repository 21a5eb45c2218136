// swift-tools-version: 6.2
// The floor plan. A target names only what stands below it; the build refuses an import that is not named here
// (--explicit-target-dependency-import-check error, see Makefile).
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// What a release build adds, each measured on identity S:
/// - Rooms are modules; the optimizer joins their small generic functions with their callers (List.append, the wire
///   reader): a call is decoded and encoded in half the time.
/// - Exclusive access to a class's properties is checked when compiling, and while running in debug builds and so in all
///   tests; the checks at run time were a fifth of a shard's time.
let joined: [SwiftSetting] =
    strict + [
        .unsafeFlags(["-cross-module-optimization", "-enforce-exclusivity=unchecked"], .when(configuration: .release))
    ]

/// Floor 0: a door to one C library, opened by one room.
/// `static`: a release build takes the archive, where that was measured to be faster.
func door(_ name: String, library: String? = nil, static archive: String? = nil) -> Target {
    var settings: [LinkerSetting] = []
    if let library {
        settings.append(
            archive == nil ? .linkedLibrary(library) : .linkedLibrary(library, .when(configuration: .debug)))
    }
    if let archive { settings.append(.linkedLibrary(":\(archive)", .when(configuration: .release))) }
    return .target(name: name, path: "Sources/Doors/\(name)", linkerSettings: settings)
}

/// Floor 1: what bytes are, what they mean, how they are proven.
func ground(_ name: String, _ below: [String] = [], _ settings: [SwiftSetting] = []) -> Target {
    .target(
        name: name, dependencies: below.map { .byName(name: $0) }, path: "Sources/\(name)",
        swiftSettings: joined + settings)
}

/// Floor 2: a room: ground and at most one door, never another room.
func room(_ name: String, door: String? = nil, _ settings: [SwiftSetting] = []) -> Target {
    ground(name, ["Memory", "Tensors", "Protobuf", "Cryptography"] + (door.map { [$0] } ?? []), settings)
}

func tests(_ name: String, _ more: [String] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: ([name, "TestSupport"] + more).map { .byName(name: $0) },
        path: "Tests/\(name)Tests", swiftSettings: strict)
}

/// For targets whose tests run something hundreds of thousands of times: optimized in debug builds too, which takes a tenth of
/// the time. Overflow, bounds and exclusive access are checked all the same. The tests themselves are not: to optimize them takes
/// more than it saves.
let optimized: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug))]

/// Which commit this is, if whoever builds says it. SwiftPM's own answer (`Context.gitInformation`) is kept with the manifest, and
/// names an earlier commit in later builds.
let revision = Context.environment["VENCEJO_REVISION"] ?? ""

let ground = ["Memory", "Tensors", "Protobuf", "Cryptography"]
let rooms = [
    "Reactor", "TLS", "HTTP2", "GRPC", "PredictionAPI", "OpenInference", "Health", "Reflection", "Models", "Repository",
    "Batching", "Rollout", "Experiments", "ServerMetrics", "Spans", "Identity", "ONNX",
]

let package = Package(
    name: "vencejo",
    products: [
        .executable(name: "vencejo", targets: ["vencejo"]),
        // for agents, which are packages of their own (agents/README.md)
        .library(name: "Telemetry", type: .static, targets: ["Telemetry", "StructuredLog"]),
        .library(
            name: "AuditAgent", type: .static,
            targets: [
                "AuditAgent", "AuditReports", "Audit", "Keyrings", "Cryptography", "Memory", "StructuredLog",
            ]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // 0 doors
        door("CLinux"), door("CFiles"), door("CNghttp2", library: "nghttp2", static: "libnghttp2.a"),
        door("CSSL", library: "ssl"),
        door("CCrypto", library: "crypto"), door("CZlib", library: "z"), door("COnnxRuntime"), door("CClock"),
        .target(
            name: "CRevision", path: "Sources/Doors/CRevision",
            cSettings: [.define("VENCEJO_REVISION", to: "\"\(revision)\"")]),
        // 1 ground
        ground("Memory", [], [.enableExperimentalFeature("Lifetimes")]), ground("Tensors", ["Memory"]),
        ground("Protobuf", ["Memory"]), ground("JSON", ["Memory"]),
        ground("Cryptography", ["Memory", "CCrypto"]), ground("RecordRing", ["Memory"], optimized),
        // 2 rooms
        room("Reactor", door: "CLinux"), room("TLS", door: "CSSL"), room("HTTP2", door: "CNghttp2"),
        room("GRPC", door: "CZlib"), room("PredictionAPI"), room("OpenInference"), room("Health"), room("Reflection"),
        room("Models"), room("Repository", door: "CFiles"), room("Batching"), room("Rollout", optimized),
        room("Experiments", optimized),
        room("ServerMetrics", door: "CRevision", optimized), room("Spans"), room("Identity"),
        room("ONNX", door: "COnnxRuntime"),
        //   Opens files of its own, and no door.
        ground("Keyrings", ["Memory", "JSON", "Cryptography"]),
        // 3 corridor
        //   Control loads what Serving leases: it knows the corridor, the corridor does not know it.
        ground("Serving", ground + rooms + ["RecordRing"]),
        ground("Control", ground + rooms + ["RecordRing", "Serving"]),
        //   Bench is the other end of the wire: it loads servers, ours or another, and knows nothing of Serving.
        ground(
            "Bench",
            ["Memory", "Tensors", "Protobuf", "Reactor", "TLS", "HTTP2", "GRPC", "PredictionAPI", "OpenInference"]),
        // 4 street
        //   What the agents need beside their windows: pure, so that it is tested with the rest.
        .target(
            name: "StructuredLog", dependencies: ["Memory", .product(name: "Logging", package: "swift-log")],
            swiftSettings: strict),
        ground("Audit", ["Memory", "JSON", "Protobuf", "Cryptography"], optimized),
        ground("AuditReports", ["Audit", "Memory", "JSON", "Protobuf", "Cryptography"], optimized),
        //   Reads rings, writes the log, and asks the kernel for its clock.
        ground(
            "AuditAgent",
            [
                "Memory", "JSON", "Protobuf", "Cryptography", "Audit", "RecordRing", "Keyrings", "ServerMetrics",
                "CClock",
            ],
            optimized),
        ground("Telemetry", ["Memory", "GRPC", "ServerMetrics", "Spans", "Reactor"]),
        .executableTarget(
            name: "vencejo",
            dependencies: (ground + rooms + ["RecordRing", "Keyrings", "Serving", "Control", "Bench"]).map {
                .byName(name: $0)
            } + [
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                "StructuredLog", "Yams",
            ],
            path: "Sources/vencejo", swiftSettings: strict),
        // counted, not shipped: Tests/Benchmarks/budgets.py
        .executableTarget(
            name: "micro",
            dependencies: [
                "Memory", "Tensors", "Protobuf", "HTTP2", "GRPC", "PredictionAPI", "OpenInference", "Batching",
                "ServerMetrics",
            ],
            path: "Tests/Benchmarks/Micro", swiftSettings: joined),
        // tests
        .target(
            name: "TestSupport", dependencies: ["Memory", "Tensors", "Protobuf"], path: "Tests/Support",
            swiftSettings: strict),
        tests("Memory"), tests("Tensors", ["Memory"]), tests("Protobuf", ["Memory"]), tests("Cryptography", ["Memory"]),
        tests("RecordRing", ["Memory"]),
        tests("Reactor", ["Memory"]), tests("TLS", ["Memory"]), tests("HTTP2", ["Memory"]), tests("GRPC", ["Memory"]),
        tests("PredictionAPI", ["Memory", "Tensors", "Protobuf"]),
        tests("OpenInference", ["Memory", "Tensors", "Protobuf"]),
        tests("Health", ["Memory"]), tests("Reflection", ["Memory"]), tests("Models", ["Memory", "Tensors"]),
        tests("Repository", ["Cryptography", "Memory", "Tensors"]), tests("Batching", ["Memory", "Tensors"]),
        tests("Rollout", ["Memory", "Tensors"]), tests("Experiments", ["Memory"]),
        tests("ServerMetrics", ["Memory", "Tensors", "Protobuf"]), tests("Spans", ["Memory", "Protobuf"]),
        tests("Audit", ["Memory", "Cryptography"]),
        tests("AuditReports", ["Audit", "Memory", "Cryptography"]),
        tests("AuditAgent", ["Memory", "Cryptography", "Audit", "RecordRing", "Keyrings", "ServerMetrics"]),
        tests("Telemetry", ["Memory", "GRPC", "ServerMetrics", "Spans"]),
        .testTarget(
            name: "StructuredLogTests",
            dependencies: ["StructuredLog", .product(name: "Logging", package: "swift-log")], swiftSettings: strict),
        tests("Identity", ["Memory", "Tensors"]),
        tests("JSON", ["Memory"]), tests("Keyrings", ["Memory", "Cryptography"]),
        tests("ONNX", ["Memory", "Tensors"]),
        tests("Serving", ground + rooms), tests("Control", ground + rooms + ["Serving"]),
        tests("Bench", ["Memory", "Tensors", "GRPC", "PredictionAPI", "OpenInference"]),
    ]
)
