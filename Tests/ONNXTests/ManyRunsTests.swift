// Many runs: at the same time, and one after another without a trace in memory.
import Glibc
import Memory
import Tensors
import TestSupport
import Testing

@testable import ONNX

@Test func runsAtTheSameTimeDoNotMix() async throws {
    let echo = try fixtureModel("echo")
    let digits = try fixtureModel("digits")
    let image = (0..<64).map { Float($0 % 17) / 16 }
    let expected = try digits.answer([Value("image", [1, 1, 8, 8], floats: image)])
    await withTaskGroup(of: Bool.self) { group in
        for task in 0..<8 {
            group.addTask {
                for turn in 0..<100 {
                    let text = Array("task \(task) turn \(turn)\0".utf8)
                    let x = Value("x", [1, 1, 2], floats: [Float(task), Float(turn)])
                    let answers = try? echo.answer([x, Value("text", [1, 1], strings: [text])], offset: task)
                    guard answers?[0].floats == x.floats, answers?[1].strings == [text],
                        (try? digits.answer([Value("image", [1, 1, 8, 8], floats: image)])) == expected
                    else { return false }
                }
                return true
            }
        }
        for await wasRight in group { #expect(wasRight) }
    }
}

private func residentBytes() throws -> Int {
    guard let stream = unsafe fopen("/proc/self/statm", "r") else { throw SetupError(description: "no statm") }
    defer { unsafe fclose(stream) }
    var line = [CChar](repeating: 0, count: 256)
    unsafe fgets(&line, 256, stream)
    let fields = line.prefix { $0 != 0 }.map { Character(UnicodeScalar(UInt8(bitPattern: $0))) }.split(separator: " ")
    return Int(String(fields[1])).map { $0 * 4096 } ?? 0
}

/// Each of them would hold twice its bound and more if what it makes were not given back.
@Suite(.serialized) struct GivenBack {
    /// Other tests may run in this process at the same time: what grows is what grows in every round.
    private func grows(by bytes: Int, _ body: () throws -> Void) throws -> Bool {
        try body()
        for _ in 0..<4 {
            let before = try residentBytes()
            try body()
            if try residentBytes() - before < bytes { return false }
        }
        return true
    }

    @Test func values() throws {
        let echo = try fixtureModel("echo")
        let text = Value("text", [1, 1], strings: [[UInt8](repeating: 7, count: 1 << 20)])
        let x = Value("x", [1, 1, 1], floats: [1])
        #expect(try !grows(by: 128 << 20) { for _ in 0..<200 { _ = try echo.answer([x, text]) } })
    }

    @Test func valuesOfARunThatFails() throws {
        let echo = try fixtureModel("echo")
        let text = Value("text", [1, 1], strings: [[UInt8](repeating: 7, count: 1 << 20)])
        let x = Value("x", [1, 1, 1], floats: [1])
        #expect(
            try !grows(by: 128 << 20) {
                for _ in 0..<200 {
                    #expect(throws: RunError.self) { try echo.answer([x, text], arenaBytesMax: 65536) }
                }
            })
    }

    @Test func shapes() throws {
        let shape = [Int64](repeating: 1, count: Tensor.rankMax)
        let model = try session(ModelBytes.unary("Neg", shape))
        var exchange = Arena(bytesMax: 65536)
        var work = Work(inputs: List<Tensor>(), outputs: List<Int>())
        var dimensions = List<Int64>()
        for dimension in shape { try dimensions.append(dimension, in: &exchange) }
        let content = try exchange.copy([UInt8](repeating: 0, count: 4))
        try work.inputs.append(
            Tensor(name: .empty, type: .float32, shape: dimensions, content: content), in: &exchange)
        try work.outputs.append(0, in: &exchange)
        var arena = Arena(bytesMax: 65536)
        #expect(
            try !grows(by: 64 << 20) {
                for _ in 0..<150_000 {
                    arena.reset()
                    _ = try model.run(work, in: &arena)
                }
            })
    }

    @Test func sessions() throws {
        let weights = [UInt8](repeating: 0, count: 4 << 20)
        let graph = ModelBytes.graph(
            nodes: [ModelBytes.node("Add", ["x", "w"], ["y"])], inputs: [ModelBytes.value("x", 1, [1 << 20])],
            outputs: [ModelBytes.value("y", 1, [1 << 20])],
            tensors: [ModelBytes.tensor("w", 1, [1 << 20], raw: weights)])
        let file = ModelBytes.model(graph)
        #expect(try !grows(by: 128 << 20) { for _ in 0..<60 { _ = try session(file) } })
    }

    @Test func statuses() throws {
        let name = String(repeating: "n", count: 4000)
        let graph = ModelBytes.graph(
            nodes: [ModelBytes.node("Neg", [name], ["y"])], inputs: [ModelBytes.value(name, 1, [4])],
            outputs: [ModelBytes.value("y", 1, [4])])
        let model = try session(ModelBytes.model(graph), name: "statuses")
        var exchange = Arena(bytesMax: 65536)
        var work = Work(inputs: List<Tensor>(), outputs: List<Int>())
        var shape = List<Int64>()
        try shape.append(2, in: &exchange)
        // Not what `check` would let through: the runtime complains, naming the input.
        let content = try exchange.copy([UInt8](repeating: 0, count: 8))
        try work.inputs.append(Tensor(name: .empty, type: .float32, shape: shape, content: content), in: &exchange)
        try work.outputs.append(0, in: &exchange)
        var arena = Arena(bytesMax: 65536)
        #expect(
            try !grows(by: 128 << 20) {
                for _ in 0..<60_000 {
                    arena.reset()
                    do throws(RunError) {
                        _ = try model.run(work, in: &arena)
                        throw RunError.failed(log: "")
                    } catch .failed(let log) {
                        guard log.utf8.count > 4000 else { throw SetupError(description: "short: \(log)") }
                    } catch {
                        throw error
                    }
                }
            })
    }
}
