// Enters: what was found of versions, and examples. Leaves: which gates they pass, and what is said of it.
import Foundation
import Memory
import Models
import Tensors
import Testing

@testable import Control
@testable import Repository

private func configuration(_ pairs: (String, String)...) throws -> ModelConfiguration {
    try ModelConfiguration(pairs.map { (key: $0.0, value: $0.1) }, file: "m/model.yaml")
}

struct GateRow: Sendable, CustomTestStringConvertible {
    let name: Gate.Name
    let outcome: Gate.Outcome
    let part: String
    var facts = Facts()
    var live: (differences: [String], isFinite: Bool?)?
    var pairs: [(String, String)] = []
    var testDescription: String { "\(name) \(outcome): \(part)" }

    init(
        _ name: Gate.Name, _ outcome: Gate.Outcome, _ part: String, _ facts: (inout Facts) -> Void = { _ in },
        live: (differences: [String], isFinite: Bool?)? = nil, _ pairs: [(String, String)] = []
    ) {
        (self.name, self.outcome, self.part, self.live, self.pairs) = (name, outcome, part, live, pairs)
        facts(&self.facts)
    }

    static let rows = [
        GateRow(.signature, .skipped, "no version is live"),
        GateRow(.signature, .passed, "fits", live: ([], nil)),
        GateRow(.signature, .failed, "output 'y' is gone", live: (["output 'y' is gone"], nil)),
        GateRow(.golden, .skipped, "no golden cases"),
        GateRow(.golden, .passed, "1 case as", { $0.golden = [GoldenResult(name: "a")] }),
        GateRow(
            .golden, .failed, "1 of 2 cases failed: case 'b': it is wrong",
            { $0.golden = [GoldenResult(name: "a"), GoldenResult(name: "b", difference: "it is wrong")] }),
        GateRow(
            .golden, .failed, "; and 2 more",
            { $0.golden = (0..<5).map { GoldenResult(name: "\($0)", difference: "it is wrong") } }),
        GateRow(.answers, .skipped, "no inputs of ours were run"),
        GateRow(.answers, .passed, "inputs of ours", { $0.isFinite = true }),
        GateRow(.answers, .failed, "add a golden case", { $0.refusal = "no" }),
        GateRow(.answers, .failed, "add a golden case", { $0.refusal = "no" }, live: ([], true)),
        GateRow(
            .answers, .skipped, "its golden cases decide",
            {
                $0.refusal = "no"
                $0.golden = [GoldenResult(name: "a")]
            }),
        GateRow(.answers, .skipped, "neither does the live", { $0.refusal = "no" }, live: ([], nil)),
        GateRow(.finite, .skipped, "no inputs of ours were run"),
        GateRow(.finite, .passed, "are numbers", { $0.isFinite = true }, live: ([], false)),
        GateRow(.finite, .skipped, "no live version knows better", { $0.isFinite = false }),
        GateRow(.finite, .skipped, "no live version knows better", { $0.isFinite = false }, live: ([], nil)),
        GateRow(.finite, .skipped, "no live version knows better", { $0.isFinite = false }, live: ([], false)),
        GateRow(.finite, .failed, "the live version gives numbers", { $0.isFinite = false }, live: ([], true)),
        GateRow(.latency, .skipped, "is not set", { ($0.runs, $0.p99Nanoseconds) = (9, 1_000_000) }),
        GateRow(.latency, .skipped, "takes no inputs of ours", { _ in }, [("latency_budget_milliseconds", "2")]),
        GateRow(
            .latency, .passed, "of 9 runs is 2.0 ms", { ($0.runs, $0.p99Nanoseconds) = (9, 2_000_000) },
            [("latency_budget_milliseconds", "2")]),
        GateRow(
            .latency, .failed, "is 2.001 ms, only 2.0 ms are allowed",
            { ($0.runs, $0.p99Nanoseconds) = (9, 2_000_999) }, [("latency_budget_milliseconds", "2")]),
        GateRow(.memory, .skipped, "is not set", { $0.memoryBytes = 1 << 40 }),
        GateRow(.memory, .skipped, "in a process of its own", { _ in }, [("memory_budget", "1M")]),
        GateRow(.memory, .passed, "1.0 MiB", { $0.memoryBytes = 1 << 20 }, [("memory_budget", "1M")]),
        GateRow(
            .memory, .failed, "it takes 1.5 MiB, only 1.0 MiB are allowed", { $0.memoryBytes = 3 << 19 },
            [("memory_budget", "1M")]),
    ]
}

@Test(arguments: GateRow.rows)
func gates(row: GateRow) throws {
    let configuration = try ModelConfiguration(row.pairs.map { (key: $0.0, value: $0.1) }, file: "m/model.yaml")
    let live = row.live.map {
        LiveFacts(differences: $0.differences, isFinite: $0.isFinite, isRefusing: $0.isFinite == nil)
    }
    let gates = row.facts.gates(configuration, beside: live)
    #expect(gates.map(\.name) == [.signature, .golden, .answers, .finite, .latency, .memory])
    let gate = try #require(gates.first { $0.name == row.name })
    #expect(gate.outcome == row.outcome)
    #expect(gate.sentence.contains(row.part), "\(gate.sentence)")
    // What callers would notice is for the swap to say.
    #expect(gates.faults.isEmpty == (row.outcome != .failed || row.name == .signature))
    #expect(
        gates.steps(model: "m", version: 7).contains { $0.contains("gate \(row.name.rawValue)") }
            == (gate.outcome == .failed || gate.isAskedFor))
}

struct ToleranceRow: Sendable {
    let type: ElementType
    let got: Double
    let wanted: Double
    let holds: Bool
    var pairs: [(String, String)] = []
}

@Test(arguments: [
    ToleranceRow(type: .float32, got: 1.00009, wanted: 1, holds: true),
    ToleranceRow(type: .float32, got: 1.0002, wanted: 1, holds: false),
    ToleranceRow(type: .float32, got: 1e-5, wanted: 0, holds: true),
    ToleranceRow(type: .float32, got: 2e-5, wanted: 0, holds: false),
    ToleranceRow(type: .float64, got: 1.0000005, wanted: 1, holds: true),
    ToleranceRow(type: .float64, got: 1.00009, wanted: 1, holds: false),
    ToleranceRow(type: .float16, got: 1.019, wanted: 1, holds: true),
    ToleranceRow(type: .float16, got: 1.03, wanted: 1, holds: false),
    ToleranceRow(type: .float32, got: .nan, wanted: .nan, holds: true),
    ToleranceRow(type: .float32, got: .nan, wanted: 1, holds: false),
    ToleranceRow(type: .float32, got: 1, wanted: .nan, holds: false),
    ToleranceRow(type: .float32, got: .infinity, wanted: .infinity, holds: true),
    ToleranceRow(type: .float32, got: -.infinity, wanted: .infinity, holds: false),
    ToleranceRow(type: .float32, got: 1, wanted: .infinity, holds: false),
    ToleranceRow(type: .float32, got: 1.4, wanted: 1, holds: true, pairs: [("golden_atol", "0.5")]),
    ToleranceRow(type: .float32, got: 1.4, wanted: 1, holds: true, pairs: [("golden_rtol", "0.5")]),
    ToleranceRow(
        type: .float32, got: 1.000001, wanted: 1, holds: false, pairs: [("golden_rtol", "0"), ("golden_atol", "0")]),
])
func tolerances(row: ToleranceRow) throws {
    let configuration = try ModelConfiguration(row.pairs.map { (key: $0.0, value: $0.1) }, file: "m/model.yaml")
    let tolerance = try #require(Tolerance(row.type, configuration))
    #expect(tolerance.holds(row.got, row.wanted) == row.holds)
}

@Test func wholeNumbersAndTextsAreExact() throws {
    let loose = try configuration(("golden_atol", "9"), ("golden_rtol", "9"))
    for type in [ElementType.bool, .uint8, .int64, .uint64, .bytes] { #expect(Tolerance(type, loose) == nil) }
}

// MARK: - Examples

private func npy(_ descr: String, _ shape: String, _ content: [UInt8]) -> [UInt8] {
    let header = Array("{'descr': '\(descr)', 'fortran_order': False, 'shape': \(shape), }".utf8)
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.count), 0] + header + content
}

private func floats(_ values: Float...) -> [UInt8] {
    values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) } }
}

private func differs(_ got: NamedTensor, from expected: [UInt8]?, as name: String = "y") throws -> String? {
    let files = expected.map { [GoldenFiles.File(isInput: false, tensor: name, bytes: $0)] } ?? []
    let example = try GoldenCase(GoldenFiles(name: "a", files: files))
    var arena = Arena(bytesMax: 1 << 20)
    var tensors = List<Tensor>()
    try tensors.append(got.tensor(in: &arena), in: &arena)
    return example.difference(tensors)
}

@Test(
    arguments: [
        (npy("<f4", "(2,)", floats(1, 2)), nil),
        (npy("<f4", "(2,)", floats(1, 2.0001)), nil),
        (npy("<f4", "(2,)", floats(1.5, 3)), "output 'y' is 2.0 at element 1, not 3.0"),
        (npy("<f4", "(1, 2)", floats(1, 2)), "output 'y' is of shape [2], not [1, 2]"),
        (npy("<f8", "(1,)", [UInt8](repeating: 0, count: 8)), "output 'y' is FP32, not FP64"),
    ] as [([UInt8], String?)])
func examplesAreCompared(expected: [UInt8], difference: String?) throws {
    let got = NamedTensor(name: "y", type: .float32, shape: [2], content: floats(1, 2))
    #expect(try differs(got, from: expected) == difference)
}

@Test func whatNobodySaysAnythingOfMustBeNumbers() throws {
    let got = NamedTensor(name: "y", type: .float32, shape: [2], content: floats(1, .nan))
    #expect(try differs(got, from: nil) == "output 'y' is NaN or infinite at element 1")
    #expect(try differs(got, from: npy("<f4", "(2,)", floats(1, .nan))) == nil)
    #expect(try differs(got, from: npy("<f4", "(2,)", floats(1, 2))) == "output 'y' is nan at element 1, not 2.0")
    #expect(try differs(got, from: npy("<f4", "(2,)", floats(1, 2)), as: "z") == "the model has no output 'z'")
    let numbers = NamedTensor(name: "y", type: .int8, shape: [2], content: [1, 2])
    #expect(try differs(numbers, from: nil) == nil)
    #expect(try differs(numbers, from: npy("|i1", "(2,)", [1, 3])) == "output 'y' holds other elements than expected")
}

@Test func aFileThatIsNoArrayIsAFailure() throws {
    let place = Place()
    try place.file("m/model.yaml", "engine=identity")
    try place.file("m/1/golden/a/input.x.npy", "no array")
    let shop = try Workshop(place)
    try shop.start()
    // No order wants it live; by its number it answers.
    #expect(shop.lines == ["m 1 blue ready"])
    let report = try #require(shop.reports.withLock { $0.first })
    let gate = try #require(report.gates.first { $0.name == .golden })
    #expect(gate.outcome == .failed && gate.sentence.contains("one of its files is no array"), "\(gate.sentence)")
    #expect(shop.standing("m", 1)?.version?.faults.count == 1)
}

/// What is loaded is what was tried.
@Test(arguments: [true, false])
func aFileThatChangedAfterItsTrialIsRefused(isSame: Bool) throws {
    let place = Place()
    try place.fixture("diabetes/1", as: "m/1")
    let shop = try Workshop(place)
    let tried = shop.loader.trial("m", 1)
    #expect(tried.failure == nil && tried.digest.count == 64 && tried.facts.runs == Prober.runs)
    #expect(tried.facts.isFinite == true && tried.inputs.map(\.type) == ["FP32"])
    if !isSame { try place.fixture("digits/1", as: "n/1") }
    let file = FileManager.default
    if !isSame {
        try file.removeItem(atPath: "\(place.path)/m/1/model.onnx")
        try file.moveItem(atPath: "\(place.path)/n/1/model.onnx", toPath: "\(place.path)/m/1/model.onnx")
    }
    func load() throws(LoadError) -> LoadedVersion {
        try shop.loader.load(shop.plans[0], 1, checking: .beside(live: nil, tried: tried)) {}
    }
    if isSame {
        #expect(try load().hexDigest == tried.digest)
    } else {
        let error = #expect(throws: LoadError.self) { try load() }
        #expect(
            error?.sentence.contains("changed after it was tried") == true && error?.log.contains(tried.digest) == true)
    }
}

/// What does not load is told, not thrown: another process reads it.
@Test(arguments: [("m", "no ONNX model"), ("nobody", "'nobody' does not exist in the repository")])
func aTrialThatFails(model: String, part: String) throws {
    let place = Place()
    try place.file("m/1/model.onnx", "no model")
    let report = try Workshop(place).loader.trial(model, 1)
    #expect(report.failure?.contains(part) == true, "\(report.failure ?? "")")
}
