// Enters: fixtures, and models made by hand. Leaves: answers as arrays, which tests compare.
import Foundation
import Glibc
import Memory
import Synchronization
import Tensors
import TestSupport

@testable import ONNX

struct SetupError: Error, CustomStringConvertible { let description: String }

/// Lines that the runtime logged. One runtime per process: all tests share it, so look for a model's name. It logs where the
/// target that opened it first says, so each of them (ServingTests too) passes lines on to whoever listens.
final class Lines: Sendable {
    static let passed = Notification.Name("a line of ONNX Runtime")

    private let lines = Mutex<[String]>([])

    init() {
        _ = NotificationCenter.default.addObserver(forName: Self.passed, object: nil, queue: nil) { [self] in
            if let line = $0.object as? String { append(line) }
        }
    }

    func append(_ line: String) { lines.withLock { $0.append(line) } }
    func containing(_ text: String) -> [String] { lines.withLock { $0.filter { $0.contains(text) } } }
}

enum Shared {
    static let lines = Lines()
    static let path = unsafe getenv("VENCEJO_ONNXRUNTIME").map { unsafe String(cString: $0) }
    private static let opened = Result<Runtime, any Error> {
        guard let path else {
            throw SetupError(
                description: "VENCEJO_ONNXRUNTIME is not set: it must be the path of libonnxruntime.so "
                    + "\(Runtime.testedVersion) or later")
        }
        return try Runtime(path: path) { NotificationCenter.default.post(name: Lines.passed, object: $0) }
    }

    static func runtime() throws -> Runtime {
        _ = lines
        return try opened.get()
    }
}

func session(_ file: [UInt8], name: String = "test", _ options: SessionOptions = SessionOptions()) throws -> Session {
    let runtime = try Shared.runtime()
    return try unsafe file.withUnsafeBytes { bytes in
        try unsafe Session(runtime: runtime, name: name, file: ByteView(bytes), options: options)
    }
}

func fixtureModel(_ name: String, _ version: Int = 1) throws -> Session {
    try session(Fixtures.bytes("models/\(name)/\(version)/model.onnx"), name: name)
}

extension Value {
    init(_ name: String, _ shape: [Int64], strings: [[UInt8]]) {
        self.init(name, .bytes, shape, strings.flatMap { raw([UInt32($0.count)]) + $0 })
    }

    var strings: [[UInt8]] {
        var (found, rest) = ([[UInt8]](), bytes[...])
        while rest.count >= 4 {
            let length = (0..<4).reduce(0) { $0 | Int(rest[rest.startIndex + $1]) << (8 * $1) }
            found.append(Array(rest.dropFirst(4).prefix(length)))
            rest = rest.dropFirst(4 + length)
        }
        return found
    }
}

extension Session {
    /// Runs as the corridor does: check, then run. Contents lie `offset` bytes behind a multiple of 64.
    func answer(
        _ inputs: [Value], outputs: [String] = [], offset: Int = 0, arenaBytesMax: Int = 64 << 20
    ) throws -> [Value] {
        var exchange = Arena(bytesMax: 64 << 20)
        var call = Call()
        for input in inputs {
            var shape = List<Int64>()
            for dimension in input.shape { try shape.append(dimension, in: &exchange) }
            let bytes = [UInt8](repeating: 0, count: offset) + input.bytes
            let padded = try unsafe bytes.withUnsafeBytes { bytes in
                try unsafe exchange.copy(ByteView(bytes), alignment: 64)
            }
            try call.inputs.append(
                Tensor(
                    name: exchange.copy(input.name), type: input.type, shape: shape, content: padded.dropFirst(offset)),
                in: &exchange)
        }
        for output in outputs { try call.outputs.append(exchange.copy(output), in: &exchange) }
        let work = try check(call, in: &exchange)
        var arena = Arena(firstChunkBytes: 256, bytesMax: arenaBytesMax)
        let answers = try run(work, in: &arena)
        return answers.array.map(Value.init)
    }
}
