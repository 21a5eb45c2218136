// Enters: calls that were answered. Leaves: what another version would have said. Nobody waits for it.
import Batching
import Memory
import Reactor
import ServerMetrics
import Synchronization
import Tensors

/// How two versions' answers to the same calls compare.
public struct Comparison: Sendable, Equatable {
    /// The live version's `Servable.serial`; 0: nothing was compared.
    public var live: UInt64 = 0
    public var calls = 0
    /// Not the same answer, but for the last bits of numbers (`Agreement`).
    public var differing = 0
    /// Another decision: another text, whole number or truth, or another largest number of a row.
    public var disagreeing = 0
    /// Calls whose answers are decisions: a text, a whole number or a truth. What callers make of other numbers is not known.
    public var deciding = 0
    /// Those of them that the live version decided unlike most.
    public var varied = 0
    /// How often the live version decided what; of more kinds than this the others are not told apart.
    private var decisions: [UInt64: Int] = [:]
    private static let decisionsMax = 64
    /// The model's run failed.
    public var failed = 0
    public var nanoseconds: Int64 = 0
    /// Of the first output's numbers: |difference|, added up, and the largest.
    public var numbers = 0
    public var differenceSum = 0.0
    public var differenceMax = 0.0

    mutating func note(_ expected: List<Tensor>, _ outputs: List<Tensor>) {
        calls += 1
        if !Agreement.holds(expected, outputs) { differing += 1 }
        guard !expected.isEmpty, !outputs.isEmpty else { return }
        var isAnother = expected.count != outputs.count
        for index in 0..<min(expected.count, outputs.count) {
            isAnother = isAnother || Self.decidesOtherwise(expected[index], outputs[index])
        }
        if isAnother { disagreeing += 1 }
        if let decision = Self.decision(expected) { note(decision) }
        guard let size = expected[0].type.byteCount, expected[0].type == outputs[0].type else { return }
        for element in 0..<min(expected[0].content.count, outputs[0].content.count) / size {
            let difference = abs(expected[0].number(at: element) - outputs[0].number(at: element))
            guard difference.isFinite else { continue }
            numbers += 1
            differenceSum += difference
            differenceMax = max(differenceMax, difference)
        }
    }

    private mutating func note(_ decision: UInt64) {
        deciding += 1
        if decisions[decision] != nil || decisions.count < Self.decisionsMax { decisions[decision, default: 0] += 1 }
        varied = deciding - (decisions.values.max() ?? 0)
    }

    /// What an answer decides of its first row; `nil`: nothing.
    private static func decision(_ outputs: List<Tensor>) -> UInt64? {
        var decision: UInt64?
        for index in outputs.indices {
            guard let element = decidedElement(outputs[index]) else { continue }
            decision = SplitMix.mixed((decision ?? 0) ^ element.fnv1a)
        }
        return decision
    }

    private static func decidedElement(_ tensor: Tensor) -> ByteView? {
        let content = tensor.content
        switch tensor.type {
        case .float16, .bfloat16, .float32, .float64: return nil
        default:
            if let size = tensor.type.byteCount { return content[0..<min(size, content.count)] }
            // A text is its length and its bytes.
            guard content.count >= 4 else { return content }
            return content[0..<min(4 + Int(content.littleEndian(at: 0, as: UInt32.self)), content.count)]
        }
    }

    private static func decidesOtherwise(_ left: Tensor, _ right: Tensor) -> Bool {
        guard left.type == right.type, left.shape == right.shape else { return true }
        switch left.type {
        case .float16, .bfloat16, .float32, .float64:
            guard let columns = left.shape.array.last.map({ Int($0) }), columns > 1, let size = left.type.byteCount
            else {
                return false
            }
            for row in 0..<left.content.count / size / columns
            where largest(left, row, columns) != largest(right, row, columns) {
                return true
            }
            return false
        default: return left.content != right.content
        }
    }

    /// The column of a row's largest number.
    private static func largest(_ tensor: Tensor, _ row: Int, _ columns: Int) -> Int {
        var best = 0
        for column in 1..<columns
        where tensor.number(at: row * columns + column) > tensor.number(at: row * columns + best) {
            best = column
        }
        return best
    }
}

/// A call that was answered, and its answer: a copy of both.
final class MirrorTicket: Parcel, @unchecked Sendable {
    let servable: Servable
    /// The `Servable.serial` of the version that answered.
    let live: UInt64
    let call: Call
    let expected: List<Tensor>
    var arena: Arena

    /// The servable is held; whoever has run the ticket lets it go.
    init(_ work: Work, _ expected: List<Tensor>, of live: UInt64, for servable: Servable) throws(ArenaFull) {
        var arena = Arena(bytesMax: 64 << 20)
        var call = Call()
        call.inputs = try Self.copy(work.inputs, in: &arena)
        self.expected = try Self.copy(expected, in: &arena)
        for index in self.expected.indices { try call.outputs.append(self.expected[index].name, in: &arena) }
        self.call = call
        self.servable = servable
        self.live = live
        self.arena = arena
        super.init()
    }

    private static func copy(_ tensors: List<Tensor>, in arena: inout Arena) throws(ArenaFull) -> List<Tensor> {
        var copies = List<Tensor>()
        for index in tensors.indices {
            var tensor = tensors[index]
            tensor.name = try arena.copy(tensor.name)
            tensor.content = try arena.copy(tensor.content)
            tensor.shape = try tensor.shape.copy(in: &arena)
            try copies.append(tensor, in: &arena)
        }
        return copies
    }
}

/// One thread that repeats calls, when nobody else wants the core, for a quarter of its time at most.
final class Mirrors: Sendable {
    private static let waitingMax = 64
    private let recorder: Recorder
    private let inbox = Mailbox()
    private let semaphore = Semaphore()
    private let waiting = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)

    private let thread = Lock<Thread.Handle?>(nil)

    init(_ recorder: Recorder) throws(SystemError) {
        self.recorder = recorder
        let handle = try Thread.start("mirror") { [self] in
            Thread.giveWay()
            run()
        }
        thread.withLock { $0 = handle }
    }

    var hasRoom: Bool { waiting.load(ordering: .relaxed) < Self.waitingMax }

    func submit(_ ticket: MirrorTicket) {
        waiting.add(1, ordering: .relaxed)
        _ = inbox.put(ticket)
        semaphore.post()
    }

    /// Returns when the run that goes on has ended: nobody uses a model any more.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        semaphore.post()
        thread.withLock { $0 }?.join()
    }

    private func run() {
        while true {
            semaphore.wait(until: .max)
            if isStopping.load(ordering: .acquiring) { return }
            inbox.take { parcel in
                guard let ticket = parcel as? MirrorTicket else {
                    preconditionFailure("a parcel that is no copy of a call")
                }
                defer { waiting.subtract(1, ordering: .relaxed) }
                if isStopping.load(ordering: .acquiring) || ticket.servable.isLeaving {
                    return ticket.servable.delivered()
                }
                rest(3 * run(ticket))
            }
        }
    }

    /// Not beyond the server's end.
    private func rest(_ nanoseconds: Int64) {
        var left = nanoseconds
        while left > 0, !isStopping.load(ordering: .acquiring) {
            Thread.rest(nanoseconds: Int(min(left, 50_000_000)))
            left -= 50_000_000
        }
    }

    /// - Returns: the nanoseconds that it took.
    private func run(_ ticket: MirrorTicket) -> Int64 {
        defer { ticket.servable.delivered() }
        let began = Clock.now()
        let outputs = ticket.run()
        let took = Clock.now() - began
        ticket.servable.compared.withLock { compared in
            let result: ShadowResult
            // What another live version was compared with says nothing of this one.
            if compared.live != ticket.live {
                compared = Comparison()
                compared.live = ticket.live
            }
            if let outputs {
                let before = compared.differing
                compared.note(ticket.expected, outputs)
                compared.nanoseconds += took
                result = compared.differing == before ? .match : .mismatch
            } else {
                compared.failed += 1
                result = .error
            }
            recorder.count(.shadowComparisons, row: Int(ticket.servable.modelRow), point: result.index)
        }
        return Clock.now() - began
    }
}

extension MirrorTicket {
    /// `nil`: it failed.
    fileprivate func run() -> List<Tensor>? {
        guard let work = try? servable.engine.check(call, in: &arena) else { return nil }
        return try? servable.engine.run(work, in: &arena)
    }
}
