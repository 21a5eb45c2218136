// swift-tools-version: 6.2
// A client that knows nothing of this server but proto/: grpc-swift-2 with generated stubs. A package of its own, so that
// the server's build never sees what it needs. Tests/SystemTests/test_grpc_swift.py builds and runs it.
import PackageDescription

let package = Package(
    name: "grpc-swift-client",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/grpc/grpc-swift-2", exact: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", exact: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf", exact: "2.4.1"),
        .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "grpc-swift-client",
            dependencies: [
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2", package: "grpc-swift-nio-transport"),
                .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            path: "Sources", exclude: ["Generated/proto.sha256"])
    ]
)
