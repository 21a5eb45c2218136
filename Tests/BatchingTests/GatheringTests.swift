// Enters: calls' tensors, from a seed. Leaves: a batch of them, and of its outputs each call's own bytes again.
import Memory
import Tensors
import TestSupport
import Testing

@testable import Batching

/// What a call sends for each input: a type and the dimensions behind the first.
private struct Input {
    var type: ElementType
    var dimensions: [Int64]

    func value(rows: Int, position: Int, _ random: inout SplitMix) -> Value {
        let elements = dimensions.reduce(rows) { $0 * Int($1) }
        var bytes: [UInt8] = []
        for _ in 0..<elements {
            let size = type.byteCount ?? random.below(20)
            if type == .bytes { bytes += raw([UInt32(size)]) }
            bytes += random.bytes(size)
        }
        return Value("in \(position)", type, [Int64(rows)] + dimensions, bytes)
    }
}

/// Of an identity, gathered and scattered: each call gets its own bytes back, whatever the types and the numbers of rows.
@Test func eachCallGetsItsOwnBytesBack() throws {
    for seed in 1...200 as ClosedRange<UInt64> {
        var random = SplitMix(seed: seed)
        let inputs = (0..<1 + random.below(4)).map { _ in
            Input(
                type: ElementType.allCases[random.below(14)],
                dimensions: (0..<random.below(3)).map { _ in Int64(random.below(random.below(5) == 0 ? 1 : 4)) })
        }
        let bench = Bench()
        let calls = (0..<1 + random.below(20)).map { _ in
            let rows = 1 + random.below(random.below(3) == 0 ? 30 : 2)
            return inputs.indices.map { inputs[$0].value(rows: rows, position: $0, &random) }
        }
        let works = try calls.map { try bench.work($0) }
        for work in works { #expect(work.fits(works[0]) && works[0].fits(work), "seed \(seed)") }
        let batch = try Gathering.gather(works.count, { works[$0] }, in: &bench.arena)

        let rows = calls.reduce(0) { $0 + Int($1[0].shape[0]) }
        #expect(batch.rows == rows && batch.outputs == works[0].outputs, "seed \(seed)")
        for (position, tensor) in batch.inputs.array.enumerated() {
            let expected = Value(
                "in \(position)", inputs[position].type, [Int64(rows)] + inputs[position].dimensions,
                calls.flatMap { $0[position].bytes })
            #expect(Value(tensor) == expected, "seed \(seed)")
            #expect(try tensor.check() >= 0 && (tensor.content.isEmpty || tensor.content.isAligned(to: 64)))
        }
        // What was gathered is a copy of the shapes, too: the calls' own still say their own rows.
        for (work, call) in zip(works, calls) { #expect(work.inputs.array.map(Value.init) == call, "seed \(seed)") }

        var scattering = try Scattering(batch.inputs, rows: rows, in: &bench.arena)
        for call in calls {
            var own = Arena(bytesMax: 1 << 20)
            let outputs = try scattering.next(Int(call[0].shape[0]), in: &own)
            #expect(outputs.array.map(Value.init) == call, "seed \(seed)")
            // A copy: nothing of it lies in the batch's memory, and elements lie where they can be read.
            for (output, input) in zip(outputs.array, batch.inputs.array) where !output.content.isEmpty {
                #expect(output.content.isAligned(to: 8))
                unsafe #expect(output.content.pointer != input.content.pointer)
            }
        }
    }
}

@Test func theArenaOfTheBatchIsFull() throws {
    let bench = Bench()
    let works = try (0..<10).map { _ in try bench.work([Value("x", .uint8, [100], [UInt8](repeating: 7, count: 100))]) }
    for bytesMax in stride(from: 64, to: 1024, by: 8) {
        var arena = Arena(firstChunkBytes: 64, bytesMax: bytesMax)
        #expect(throws: ArenaFull(bytesMax: bytesMax)) {
            _ = try Gathering.gather(10, { works[$0] }, in: &arena)
        }
    }
    var arena = Arena(firstChunkBytes: 64, bytesMax: 4096)
    #expect(try Gathering.gather(10, { works[$0] }, in: &arena).inputs[0].content.count == 1000)
}

@Test func anArenaOfACallIsFull() throws {
    let bench = Bench()
    let outputs = try bench.tensors([Value("y", .uint8, [4], [1, 2, 3, 4])])
    // Room for the list of offsets, and not for an output.
    #expect(throws: ScatterError.arena(ArenaFull(bytesMax: 4))) {
        var arena = Arena(firstChunkBytes: 4, bytesMax: 4)
        _ = try Scattering(outputs, rows: 4, in: &arena)
    }
    var scattering = try Scattering(outputs, rows: 4, in: &bench.arena)
    #expect(throws: ArenaFull(bytesMax: 16)) {
        var arena = Arena(firstChunkBytes: 16, bytesMax: 16)
        _ = try scattering.next(2, in: &arena)
    }
}

@Test(
    arguments: [
        ([], 4, "y"), ([3], 4, "y"), ([5], 4, "y"), ([1, 4], 4, "y"), ([0], 4, "y"), ([4, 1], 4, nil), ([4], 4, nil),
        ([4, 0], 4, nil),
    ] as [([Int64], Int, String?)])
func whatIsNotByRowIsRefused(shape: [Int64], rows: Int, output: String?) throws {
    let bench = Bench()
    let elements = shape.reduce(1, *)
    let values = [
        Value("fine", .uint8, [4], [1, 2, 3, 4]),
        Value("y", .uint8, shape, [UInt8](repeating: 1, count: Int(elements))),
    ]
    let outputs = try bench.tensors(values)
    if let output {
        #expect(throws: ScatterError.notByRow(output: output)) {
            _ = try Scattering(outputs, rows: rows, in: &bench.arena)
        }
    } else {
        var scattering = try Scattering(outputs, rows: rows, in: &bench.arena)
        #expect(try scattering.next(rows, in: &bench.arena).array.map(Value.init) == values)
    }
}

struct RowCountRow: Sendable, CustomTestStringConvertible {
    var shapes: [[Int64]]
    var rows: Int?
    var testDescription: String { "\(shapes)" }
}

@Test(arguments: [
    RowCountRow(shapes: [], rows: nil), RowCountRow(shapes: [[]], rows: nil), RowCountRow(shapes: [[0]], rows: nil),
    RowCountRow(shapes: [[1]], rows: 1), RowCountRow(shapes: [[3, 5]], rows: 3),
    RowCountRow(shapes: [[3, 0]], rows: 3), RowCountRow(shapes: [[3, 5], [3]], rows: 3),
    RowCountRow(shapes: [[3, 5], [3], [3, 1, 1]], rows: 3), RowCountRow(shapes: [[3, 5], [2]], rows: nil),
    RowCountRow(shapes: [[3, 5], []], rows: nil), RowCountRow(shapes: [[4095]], rows: 4095),
    RowCountRow(shapes: [[4096]], rows: nil), RowCountRow(shapes: [[.max]], rows: nil),
    RowCountRow(shapes: [[-1]], rows: nil),
])
func rowsOfACall(row: RowCountRow) throws {
    let bench = Bench()
    let work = try bench.work(row.shapes.map { Value($0) })
    // What work is lies in the bench's arena.
    withExtendedLifetime(bench) { #expect(work.rows == row.rows) }
}

struct FitRow: Sendable, CustomTestStringConvertible {
    var left: [[Int64]]
    var right: [[Int64]]
    var leftOutputs = [0]
    var rightOutputs = [0]
    var fits: Bool
    var testDescription: String { "\(left) \(leftOutputs) and \(right) \(rightOutputs)" }
}

@Test(arguments: [
    FitRow(left: [[1, 4]], right: [[1, 4]], fits: true), FitRow(left: [[1, 4]], right: [[7, 4]], fits: true),
    FitRow(left: [[1]], right: [[9]], fits: true), FitRow(left: [[1, 4]], right: [[1, 5]], fits: false),
    FitRow(left: [[1, 4]], right: [[1, 4, 1]], fits: false), FitRow(left: [[1, 4]], right: [[1]], fits: false),
    FitRow(left: [[1, 2, 3]], right: [[1, 3, 2]], fits: false), FitRow(left: [[1]], right: [[1], [1]], fits: false),
    FitRow(left: [[1], [1, 2]], right: [[3], [3, 2]], fits: true),
    FitRow(left: [[1], [1, 2]], right: [[3], [3, 9]], fits: false),
    FitRow(left: [[1]], right: [[1]], leftOutputs: [0, 1], rightOutputs: [0, 1], fits: true),
    FitRow(left: [[1]], right: [[1]], leftOutputs: [0, 1], rightOutputs: [1, 0], fits: false),
    FitRow(left: [[1]], right: [[1]], leftOutputs: [0, 1], rightOutputs: [0], fits: false),
])
func whoFitsWhom(row: FitRow) throws {
    let bench = Bench()
    let left = try bench.work(row.left.map { Value($0) }, outputs: row.leftOutputs)
    let right = try bench.work(row.right.map { Value($0) }, outputs: row.rightOutputs)
    #expect(left.fits(right) == row.fits && right.fits(left) == row.fits)
}
