// swift-tools-version: 6.2
// The agents, and a client for the tests. They are one package, apart from the server's: the server's build never sees
// SwiftNIO, and SwiftNIO and BoringSSL are compiled once for all of them.
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "agents",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "vencejo-metrics", targets: ["vencejo-metrics"]),
        .executable(name: "vencejo-audit", targets: ["vencejo-audit"]),
    ],
    dependencies: [
        .package(name: "vencejo", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
    ],
    targets: [
        .executableTarget(
            name: "vencejo-metrics",
            dependencies: [
                .product(name: "Telemetry", package: "vencejo"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            path: "metrics", swiftSettings: strict),
        .executableTarget(
            name: "vencejo-audit",
            dependencies: [
                .product(name: "AuditAgent", package: "vencejo"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "audit", swiftSettings: strict),
        // A client of grpc-swift-2 that knows nothing of the server but proto/; Tests/SystemTests/test_grpc_swift.py runs it.
        .executableTarget(
            name: "grpc-swift-client",
            dependencies: [
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            path: "interop", exclude: ["generate.sh", "Generated/proto.sha256"]),
    ]
)
