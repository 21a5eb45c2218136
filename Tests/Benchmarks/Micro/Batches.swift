// Enters: rows that wait. Leaves: batches of them and their outputs dealt out; how many should run together.
import Batching
import Memory
import Tensors

let batchOperations: [Operation] = [
    Operation(name: "gather and scatter, 32 rows of 30 floats", run: gatherAndScatter),
    Operation(name: "decide the size of a batch", run: decide),
]

@Sendable private func gatherAndScatter(_ count: Int) throws -> Int {
    var kept = Arena(bytesMax: 1 << 20)
    var arena = Arena(firstChunkBytes: 64 << 10, bytesMax: 1 << 20)
    var works = List<Work>()
    for _ in 0..<32 {
        var work = Work(inputs: List(), outputs: List())
        try work.inputs.append(floats([1, 30]).tensor(in: &kept), in: &kept)
        try work.outputs.append(0, in: &kept)
        try works.append(work, in: &kept)
    }
    var sum = 0
    for _ in 0..<count {
        let batch = try Gathering.gather(works.count, { works[$0] }, in: &arena)
        var outputs = try Scattering(batch.inputs, rows: works.count, in: &arena)
        for _ in works.indices { sum += try outputs.next(1, in: &arena)[0].content.count }
        arena.reset()
    }
    return sum
}

/// As a model's runs are recorded and decided on.
@Sendable private func decide(_ count: Int) -> Int {
    let costs = Costs()
    var sum = 0
    for index in 0..<count {
        let rows = costs.rows(waiting: 1 + index % 300, rowsMax: 4095)
        costs.record(rows: rows, nanoseconds: Int64(2000 + 1300 * rows))
        sum += rows
    }
    return sum
}
