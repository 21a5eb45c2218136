// Options, seen in the runtime's own account of the session: this is what proves the numbers of their slots.
import Tensors
import Testing

@testable import ONNX

/// The line in which the runtime tells what it was asked for.
private func account(_ name: String, _ change: (inout SessionOptions) -> Void) throws -> String {
    var options = SessionOptions()
    options.verbose = true
    change(&options)
    _ = try session(ModelBytes.unary(), name: name, options)
    return try #require(Shared.lines.containing(": \(name): Session Options").first)
}

@Test func defaultsReachTheRuntime() throws {
    let line = try account("options-defaults") { _ in }
    for part in [
        "execution_mode:0 ", "enable_mem_pattern:1 ", "enable_cpu_mem_arena:1 ", "session_logid:options-defaults ",
        "session_log_severity_level:1 ", "use_per_session_threads:1 ", "graph_optimization_level:4 ",
        "intra_op_param:OrtThreadPoolParams { thread_pool_size: 1 ",
        "inter_op_param:OrtThreadPoolParams { thread_pool_size: 1 ", "session.load_model_format: ONNX ",
    ] {
        #expect(line.contains(part), "\(part) in \(line)")
    }
}

@Test(arguments: [
    ("intra", "use_per_session_threads:0 "), ("inter", "use_per_session_threads:0 "),
    ("parallel", "execution_mode:1 "),
    ("pattern", "enable_mem_pattern:0 "), ("arena", "enable_cpu_mem_arena:0 "),
    ("entry", "session.intra_op.allow_spinning: 0 "), ("format", "session.load_model_format: ONNX "),
])
func eachOptionReachesTheRuntime(option: String, part: String) throws {
    let line = try account("options-\(option)") { options in
        switch option {
        case "intra": options.intraOpThreads = 3
        case "inter": options.interOpThreads = 2
        case "parallel": options.executionMode = .parallel
        case "pattern": options.memoryPattern = false
        case "arena": options.cpuArena = false
        case "format": options.entries = [.init(key: "session.load_model_format", value: "ORT")]
        default: options.entries = [.init(key: "session.intra_op.allow_spinning", value: "0")]
        }
    }
    #expect(line.contains(part), "\(line)")
}

/// The runtime's own numbers; its highest stands for `all`, whatever the number that asked for it.
@Test(arguments: zip(SessionOptions.GraphOptimization.allCases, [0, 1, 2, 4]))
func optimizationLevels(level: SessionOptions.GraphOptimization, number: Int) throws {
    let line = try account("options-level-\(number)") { $0.graphOptimization = level }
    #expect(line.contains("graph_optimization_level:\(number) "))
}

@Test func anEntryThatTheRuntimeRefusesIsNoTrap() {
    var options = SessionOptions()
    options.entries = [.init(key: String(repeating: "k", count: 100_000), value: "v")]
    let error = #expect(throws: LoadError.self) { try session(ModelBytes.unary(), name: "entry", options) }
    #expect(error?.sentence.contains("refuses it") == true)
    #expect(error?.log.isEmpty == false)
}

@Test func warningsGoToTheLogUnderTheModelsName() throws {
    let graph = ModelBytes.graph(
        nodes: [ModelBytes.node("Neg", ["x"], ["y"])], inputs: [ModelBytes.value("x", 1, [-1])],
        outputs: [ModelBytes.value("y", 1, [-1])],
        tensors: [ModelBytes.tensor("never_used", 1, [1], raw: [0, 0, 0, 0])])
    _ = try session(ModelBytes.model(graph), name: "quiet")
    let lines = Shared.lines.containing(": quiet: ")
    #expect(lines.contains { $0.hasPrefix("onnxruntime warning: ") && $0.contains("never_used") })
    #expect(!lines.contains { $0.hasPrefix("onnxruntime info") })
}
