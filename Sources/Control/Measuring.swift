// Enters: a model that was just loaded. Leaves: what a call of one row costs, if it takes one of zeros.
import Batching
import Memory
import Reactor
import Serving
import Tensors

extension Servable {
    /// Runs a call of one row some times: so that its cost is known before the first caller comes, and the runtime has done
    /// what it does only once. A model that takes no zeros is measured by its first callers instead.
    func measure() {
        guard engine.isMeasured else { return }
        var arena = Arena(bytesMax: 64 << 20)
        let began = Clock.now()
        for round in 0..<8 {
            defer { arena.reset() }
            let before = Clock.now()
            do throws(Unmeasurable) { try run(in: &arena) } catch { return }
            let after = Clock.now()
            // The first run pays for what is done once.
            if round > 0 || after - began > Self.measuringNanoseconds {
                costs.record(rows: 1, nanoseconds: after - before)
            }
            if after - began > Self.measuringNanoseconds { return }
        }
    }

    private static var measuringNanoseconds: Int64 { 50_000_000 }
    /// A larger call of zeros would tell nothing.
    private static var bytesMax: Int { 16 << 20 }

    private struct Unmeasurable: Error {}

    private func run(in arena: inout Arena) throws(Unmeasurable) {
        do {
            var work = Work(inputs: List(), outputs: List())
            for input in engine.signature.inputs { try work.inputs.append(Self.zeros(input, in: &arena), in: &arena) }
            for position in engine.signature.outputs.indices { try work.outputs.append(position, in: &arena) }
            try engine.run(work, in: &arena) { (_, _) in }
        } catch {
            throw Unmeasurable()
        }
    }

    /// Every free dimension is 1; texts are empty.
    private static func zeros(_ input: TensorSpecification, in arena: inout Arena) throws -> Tensor {
        var shape = List<Int64>()
        for dimension in input.shape ?? [1] { try shape.append(max(1, dimension), in: &arena) }
        var tensor = Tensor(name: try arena.copy(input.name), type: input.type, shape: shape, content: .empty)
        let (bytes, overflow) = try tensor.elementCount().multipliedReportingOverflow(by: input.type.byteCount ?? 4)
        guard !overflow, bytes <= bytesMax else { throw Unmeasurable() }
        tensor.content = try arena.copy([UInt8](repeating: 0, count: bytes))
        return tensor
    }
}
