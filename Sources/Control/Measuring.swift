// Enters: a model that was just loaded. Leaves: what its calls cost.
import Memory
import Reactor
import Serving
import Tensors

extension Servable {
    /// Runs a row of our own, so that its cost is known before the first client calls, and the runtime has done what it does only
    /// once. A model that takes no row of ours is measured by its first callers instead.
    func measure() {
        guard engine.isMeasured else { return }
        var rehearsal = Rehearsal(self)
        try? rehearsal.time()
    }
}

/// Runs of a model before anybody can call it, with inputs of our own; the same for every model of one signature.
struct Rehearsal: ~Copyable {
    private struct Unfit: Error {}

    private static let nanosecondsMax: Int64 = 50_000_000
    private static let timesNanosecondsMax: Int64 = 2_000_000_000
    /// A larger call of ours would tell nothing.
    private static let bytesMax = 16 << 20

    private let servable: Servable
    private var arena = Arena(bytesMax: 256 << 20)
    private var random = SplitMix(seed: 1)
    private let began = Clock.now()

    init(_ servable: Servable) { self.servable = servable }

    private var isLong: Bool { Clock.now() - began > Self.nanosecondsMax }

    /// Loaders and trials give way, and while one waits for a core no time of the model passes.
    private var costClock: Int64 { servable.settings.isOneThread ? Thread.processorNanoseconds() : Clock.now() }

    /// What one row costs. The first run pays for what is done once.
    mutating func time() throws {
        let work = try work(scale: 0)
        for round in 0..<8 {
            let before = costClock
            try servable.engine.run(work, in: &arena) { (_, _) in }
            if round > 0 || isLong { servable.record(work, nanoseconds: costClock - before) }
            if isLong { return }
        }
    }

    /// Calls `look` with the outputs of two runs: of zeros, and of small numbers of either sign.
    /// - Returns: whether the model answers inputs of ours at all; and why it refused the first that it did.
    mutating func outputs(_ look: (List<Tensor>) -> Void) -> (isAny: Bool, refusal: String?) {
        guard servable.engine.isMeasured else { return (false, nil) }
        var isAny = false
        var refusal: String?
        for scale in [0.0, 1] {
            arena.reset()
            // What is too large to be made up is nobody's fault.
            guard let work = try? work(scale: scale) else { continue }
            do throws(RunError) {
                try servable.engine.run(work, in: &arena) { (outputs, _) in look(outputs) }
                isAny = true
            } catch {
                if case .failed(let log) = error { refusal = refusal ?? log } else { refusal = refusal ?? "\(error)" }
            }
        }
        return (isAny, refusal)
    }

    /// What single runs cost, ascending, in nanoseconds; at most `runs` of them, fewer of a model that takes long. Empty: it takes no
    /// inputs of ours.
    mutating func times(runs: Int) -> [Int64] {
        guard servable.engine.isMeasured, runs > 0 else { return [] }
        var times: [Int64] = []
        let began = Clock.now()
        do {
            arena.reset()
            let work = try work(scale: 1)
            try servable.engine.run(work, in: &arena) { (_, _) in }
            while times.count < runs, times.count < 3 || Clock.now() - began < Self.timesNanosecondsMax {
                let before = costClock
                try servable.engine.run(work, in: &arena) { (_, _) in }
                times.append(costClock - before)
            }
        } catch {}
        return times.sorted()
    }

    private mutating func work(scale: Double) throws -> Work {
        var work = Work(inputs: List(), outputs: List())
        for input in servable.engine.signature.inputs {
            let tensor = try tensor(input, scale: scale)
            try work.inputs.append(tensor, in: &arena)
        }
        for position in servable.engine.signature.outputs.indices { try work.outputs.append(position, in: &arena) }
        return work
    }

    /// Every free dimension is 1.
    private mutating func tensor(_ input: TensorSpecification, scale: Double) throws -> Tensor {
        var shape = List<Int64>()
        for dimension in input.shape ?? [1] { try shape.append(max(1, dimension), in: &arena) }
        var tensor = Tensor(name: try arena.copy(input.name), type: input.type, shape: shape, content: .empty)
        let elements = try tensor.elementCount()
        guard elements <= Self.bytesMax / 8 else { throw Unfit() }
        var bytes: [UInt8] = []
        for _ in 0..<elements {
            let value = Double(random.next() % 2_000_001) / 1_000_000 - 1
            append(value * scale, as: input.type, to: &bytes)
        }
        tensor.content = try arena.copy(bytes)
        return tensor
    }
}
