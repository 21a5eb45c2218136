// Enters: a subject that must be kept, or need not be kept any longer. Leaves: its payload keys marked so, and a record.
public import Audit

/// Holds a subject (TRUST 4.1, "Hold"): while it stands nothing of the subject is erased, no month of it goes, and no segment from its
/// first record on.
///
/// A hold is in the file before the log says so, and a lifted one in the log before the file: a crash between them holds too much.
public enum Hold {
    public enum Outcome: Equatable, Sendable {
        /// `keys`: payload keys of the subject; `record`: the index of the record.
        case done(keys: Int, record: UInt64)
        /// There is nothing to lift.
        case notHeld
    }

    /// - Parameters:
    ///   - isLifted: the hold ends.
    ///   - now: ns since 1970.
    ///   - append: `LogWriter.append`.
    public static func run<Volume: AuditVolume>(
        _ order: SubjectOrder, isLifted: Bool, _ store: PayloadKeyStore<Volume>, now: UInt64, random: (Int) -> [UInt8],
        append: ([Draft]) throws(VolumeError) -> Range<UInt64>
    ) throws(VolumeError) -> Outcome {
        func record() throws(VolumeError) -> UInt64 {
            try append([OrderRecord.draft(hold(order, isLifted: isLifted), now: now, random)]).lowerBound
        }
        let month = RetentionMonth.of(now)
        guard isLifted else {
            let keys = try store.setHeld(true, order.pseudonyms, month: month)
            return .done(keys: keys, record: try record())
        }
        guard store.isHeld(order.pseudonyms) else { return .notHeld }
        let index = try record()
        return .done(keys: try store.setHeld(false, order.pseudonyms, month: month), record: index)
    }

    private static func hold(_ order: SubjectOrder, isLifted: Bool) -> OrderRecord.Event {
        OrderRecord.Event(field: 13) { hold in
            hold.flag(1, isLifted)
            hold.data(2, order.pseudonyms[0])
            hold.text(3, order.principal)
            hold.text(4, order.reason)
        }
    }
}
