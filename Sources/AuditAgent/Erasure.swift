// Enters: a subject that is to be forgotten. Leaves: its payload keys gone, and records of what was wanted and what was done.
public import Audit

/// An order that concerns one subject: what the records of it say.
public struct SubjectOrder: Equatable, Sendable {
    /// Under every index key; the first is the one that records name.
    public let pseudonyms: [[UInt8]]
    public let principal: String
    public let reason: String

    public init(pseudonyms: [[UInt8]], principal: String, reason: String) {
        precondition(!pseudonyms.isEmpty, "an order without a subject")
        (self.pseudonyms, self.principal, self.reason) = (pseudonyms, principal, reason)
    }
}

/// Forgets a subject (TRUST 4.1, "Erase"): the intent is durable before the file is written without the subject's entries, and the
/// outcome is recorded after that. After a crash between them the order is given again: it finds what is left.
public enum Erasure {
    public enum Outcome: Equatable, Sendable {
        /// The subject is held. `record`: the index of the record that says so.
        case refused(record: UInt64)
        case done(keys: Int, intent: UInt64, record: UInt64)
    }

    enum Phase: UInt8 {
        case intent = 1
        case done = 2
        case refused = 3
    }

    /// - Parameters:
    ///   - now: ns since 1970.
    ///   - random: so many random bytes.
    ///   - append: `LogWriter.append`. The records are urgent: a checkpoint follows each.
    /// - Errors: the log or the file cannot be written. Behind a recorded intent an alarm says so, if that can be written.
    public static func run<Volume: AuditVolume>(
        _ order: SubjectOrder, _ store: PayloadKeyStore<Volume>, now: UInt64, random: (Int) -> [UInt8],
        append: ([Draft]) throws(VolumeError) -> Range<UInt64>
    ) throws(VolumeError) -> Outcome {
        func record(_ phase: Phase, keys: Int = 0) throws(VolumeError) -> UInt64 {
            try append([OrderRecord.draft(erasure(phase, order, keys: keys), now: now, random)]).lowerBound
        }
        guard !store.isHeld(order.pseudonyms) else { return .refused(record: try record(.refused)) }
        let intent = try record(.intent)
        let keys: Int
        do throws(VolumeError) { keys = try store.erase(order.pseudonyms) } catch {
            let text = "the erasure that entry \(intent) announces is not known to be done: \(error.sentence)"
            _ = try? append([OrderRecord.draft(OrderRecord.alarm("erasure", text), now: now, random)])
            throw error
        }
        return .done(keys: keys, intent: intent, record: try record(.done, keys: keys))
    }

    private static func erasure(_ phase: Phase, _ order: SubjectOrder, keys: Int) -> OrderRecord.Event {
        OrderRecord.Event(field: 12) { erasure in
            erasure.number(1, phase.rawValue)
            erasure.data(2, order.pseudonyms[0])
            erasure.number(3, keys)
            erasure.text(4, order.principal)
            erasure.text(5, order.reason)
        }
    }
}
