// Enters: memory taken and given back. Leaves: how much this process holds for its calls.
import Synchronization

/// Bytes that arenas, queues, outboxes and slabs hold, those at rest among them. What a limit on memory is checked against:
/// counted where chunks are taken, not where they are handed out, so that an ordinary call, whose memory rests between calls,
/// counts nothing. Models are not in it: they are their runtime's.
public enum Ledger {
    private static let held = Atomic<Int>(0)

    public static var bytes: Int { held.load(ordering: .relaxed) }

    static func add(_ bytes: Int) { held.add(bytes, ordering: .relaxed) }
    static func subtract(_ bytes: Int) { held.subtract(bytes, ordering: .relaxed) }
}
