// Enters: answers, as they leave. Leaves: counts. Shards write without a lock, one thread reads now and then.
public import Memory
import Synchronization
public import Tensors

/// What came of the calls that a version got by its share. Costs nothing while no traffic is divided.
public final class Seen: Sendable {
    private let calls = Atomic<Int>(0)
    private let failures = Atomic<Int>(0)
    private let refusals = Atomic<Int>(0)
    private let notFinite = Atomic<Int>(0)
    private let latency = InlineArray<240, Atomic<UInt32>> { _ in Atomic(0) }
    private let values = InlineArray<1025, Atomic<UInt32>> { _ in Atomic(0) }
    private let shapes = InlineArray<64, Atomic<UInt32>> { _ in Atomic(0) }
    private let firstFailures = Atomic<Int>(0)
    private let firstRefusals = Atomic<Int>(0)
    /// Keys of callers that were seen already, 4096 for each kind of event, by their hashes.
    private let keys = InlineArray<192, Atomic<UInt64>> { _ in Atomic(0) }
    private let since = Atomic<UInt64>(0)

    public init() {}

    /// From now on calls are counted that were dealt out by this commit or a later one, and every key is new.
    public func begin(epoch: UInt64) {
        since.store(epoch, ordering: .relaxed)
        for word in keys.indices { keys[word].store(0, ordering: .relaxed) }
    }

    /// Whether a call that was dealt out as of `epoch` is counted.
    public func counts(_ epoch: UInt64) -> Bool { epoch >= since.load(ordering: .relaxed) }

    private enum Kind: Int { case answer, failure, refusal }

    /// All calls of a key go the same way, so of their coin there is one throw: only the first event of each kind is evidence.
    private func isFirst(_ kind: Kind, _ key: UInt64?) -> Bool {
        guard let key else { return true }
        let bit = (key ^ key >> 32) & 4095
        let mask = UInt64(1) << (bit & 63)
        return keys[kind.rawValue * 64 + Int(bit >> 6)].bitwiseOr(mask, ordering: .relaxed).oldValue & mask == 0
    }

    /// An answer left. `key`: the hash of its caller's key; `nil`: it was dealt out by chance. `nanoseconds`: what it took;
    /// `nil`: it is not evidence, because another call of its turn is.
    public func answered(_ outputs: List<Tensor>, nanoseconds: Int64?, key: UInt64? = nil) {
        calls.add(1, ordering: .relaxed)
        let sketch = Sketch(outputs)
        if !sketch.isFinite { notFinite.add(1, ordering: .relaxed) }
        guard isFirst(.answer, key) else { return }
        if let nanoseconds { latency[Bins.latency(nanoseconds: nanoseconds)].add(1, ordering: .relaxed) }
        shapes[Bins.shape(hash: sketch.shapes)].add(1, ordering: .relaxed)
        if sketch.isFinite { values[Bins.value(sketch.value)].add(1, ordering: .relaxed) }
    }

    /// The model's run failed.
    public func failed(key: UInt64? = nil) {
        failures.add(1, ordering: .relaxed)
        if isFirst(.failure, key) { firstFailures.add(1, ordering: .relaxed) }
        calls.add(1, ordering: .relaxed)
    }

    /// The call was not run: too many wait, or it would have come too late.
    public func refused(key: UInt64? = nil) {
        refusals.add(1, ordering: .relaxed)
        if isFirst(.refusal, key) { firstRefusals.add(1, ordering: .relaxed) }
        calls.add(1, ordering: .relaxed)
    }

    /// As of now, give or take the calls of this moment.
    public var counts: Counts {
        var counts = Counts()
        counts.failed = failures.load(ordering: .relaxed)
        counts.refused = refusals.load(ordering: .relaxed)
        counts.firstFailed = firstFailures.load(ordering: .relaxed)
        counts.firstRefused = firstRefusals.load(ordering: .relaxed)
        counts.notFinite = notFinite.load(ordering: .relaxed)
        counts.calls = calls.load(ordering: .relaxed)
        for bin in latency.indices { counts.latency[bin] = Int(latency[bin].load(ordering: .relaxed)) }
        for bin in values.indices { counts.values[bin] = Int(values[bin].load(ordering: .relaxed)) }
        for bin in shapes.indices { counts.shapes[bin] = Int(shapes[bin].load(ordering: .relaxed)) }
        return counts
    }
}

/// An answer in a few words: two versions whose answers are distributed alike have sketches that are.
struct Sketch {
    /// A fixed sum of the first numbers of each output, with weights that no symmetry cancels (the probabilities of all
    /// classes always add up to one, so a plain mean would see nothing).
    private(set) var value = 0.0
    private(set) var isFinite = true
    /// Ranks, types, and all dimensions but the first, which is the caller's.
    private(set) var shapes: UInt64 = 0xcbf2_9ce4_8422_2325

    private static let elementsMax = 1024

    init(_ outputs: List<Tensor>) {
        var weight = 0.0
        var left = Self.elementsMax
        for index in outputs.indices {
            let output = outputs[index]
            note(UInt64(output.type.rawValue))
            note(UInt64(output.shape.count))
            for dimension in output.shape.indices.dropFirst() { note(UInt64(bitPattern: output.shape[dimension])) }
            guard let size = output.type.byteCount else {
                // Texts: that they are others can be seen, not by how much. Three octaves, evenly: none looks ten times as large.
                let hash = output.content[0..<min(output.content.count, 1024)].fnv1a
                value += Double(bitPattern: (1023 + 9 + hash % 3) << 52 | (hash >> 32 & 15) << 48)
                continue
            }
            let count = min(left, output.content.count / size)
            left -= count
            for element in 0..<count {
                let number = output.number(at: element)
                if !number.isFinite { isFinite = false }
                // The golden ratio's multiples lie as evenly as can be.
                weight += 0.618_033_988_749_895
                if weight >= 1 { weight -= 1 }
                value += number * (0.5 + weight) / Double(count)
            }
        }
    }

    private mutating func note(_ word: UInt64) { shapes = (shapes ^ word) &* 0x100_0000_01b3 }
}
