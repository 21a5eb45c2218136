// Enters: a policy, the audit folder, time. Leaves: what is due, recorded first; and it gone when a checkpoint covers that it may be.
public import Audit
public import Cryptography

/// What goes next, and the record that says so.
public struct RetentionPlan {
    /// Of the log that is written, segments below go.
    public let oldestSequence: UInt64
    /// Logs below go.
    public let oldestLog: UInt32
    /// Payload keys of months before (yyyymm) go; 0: none.
    public let oldestMonth: UInt32
    /// Of the holds that were looked at.
    let holdGeneration: UInt64
    /// `Retention`, to be appended before anything goes.
    public let record: Draft
}

/// Lets go what is due (TRUST 4.1, "Retention"): record, a segment whose header says what may be missing, its checkpoint anchored, and
/// only then the files. A crash anywhere between leaves a log that verifies; the next life goes on.
public struct Retention<Folder: RetentionFolder> {
    /// Each time a segment is begun, which goes by itself one day: not more often.
    public static var restNanoseconds: UInt64 { 3600 * 1_000_000_000 }

    private let folder: Folder
    private let policy: RetentionPolicy
    /// The name of the log's folder that is written.
    private let log: String
    private var known: [String: RetentionSegment] = [:]
    private var scan = HoldScan()
    /// What may go when a checkpoint of more than `entry` entries is anchored.
    private var pending: Pending?
    /// When files went last, ns since 1970.
    private var begun: UInt64?
    /// Whether segments are looked through for held subjects: then `plan` is to be asked sooner than in a minute.
    public private(set) var isScanning = false

    private struct Pending {
        /// The index of the header that says it.
        let entry: UInt64
        let oldestSequence: UInt64
        let oldestLog: UInt32
        let holdGeneration: UInt64
    }

    /// - Parameters:
    ///   - state: where the log is continued. What its headers let go already and a crash left goes when the first checkpoint of this
    ///     life is anchored, unless something is held now.
    ///   - store: of the payload keys.
    public init<Volume: AuditVolume>(
        _ folder: Folder, _ policy: RetentionPolicy, from state: LogState, _ store: PayloadKeyStore<Volume>
    ) {
        (self.folder, self.policy, log) = (folder, policy, state.logID.folderName)
        guard store.heldNames.isEmpty else { return }
        pending = Pending(
            entry: state.tree.size, oldestSequence: state.oldest, oldestLog: state.oldestLog,
            holdGeneration: store.holdGeneration)
    }

    /// What is due; `nil`: nothing, or it is not yet known. To be asked once a minute, a second where `isScanning`; it reads one
    /// segment at most.
    /// - Parameters:
    ///   - now: ns since 1970.
    ///   - auditKeys: by kid.
    public mutating func plan<Volume: AuditVolume>(
        now: UInt64, _ store: PayloadKeyStore<Volume>, auditKeys: [String: Secret], random: (Int) -> [UInt8]
    ) throws(VolumeError) -> RetentionPlan? {
        isScanning = false
        let month = policy.oldestMonth(now: now)
        let isMonthDue = store.hasMonths(before: month)
        var (oldest, oldestLog): (RetentionSegment?, UInt32) = (nil, 0)
        let isRested = begun.map { now < $0 || now - $0 >= Self.restNanoseconds } ?? true
        if pending == nil, isRested, policy.days != nil || policy.logs != nil {
            (oldest, oldestLog) = try due(now: now, store, auditKeys)
        }
        guard isMonthDue || oldest != nil || oldestLog > 0 else { return nil }
        let (sequence, entry) = (oldest?.sequence ?? 0, oldest?.first ?? 0)
        let policy = policy.text
        let event = OrderRecord.Event(field: 14) { retention in
            retention.number(1, sequence)
            retention.number(2, entry)
            retention.number(3, isMonthDue ? month : 0)
            retention.text(4, "agent")
            retention.text(5, policy)
            retention.number(6, oldestLog)
        }
        return RetentionPlan(
            oldestSequence: sequence, oldestLog: oldestLog, oldestMonth: isMonthDue ? month : 0,
            holdGeneration: store.holdGeneration, record: OrderRecord.draft(event, now: now, random))
    }

    /// Carries a plan out as far as it goes at once: the record, the roll, the months. The files go with `unlink`.
    public mutating func begin<Log: AuditVolume, Volume: AuditVolume>(
        _ plan: RetentionPlan, _ writer: inout LogWriter<Log>, _ store: PayloadKeyStore<Volume>, now: UInt64
    ) throws(VolumeError) {
        _ = try writer.append([plan.record], now: now)
        if plan.oldestSequence > 0 || plan.oldestLog > 0 {
            begun = now
            writer.retain(from: plan.oldestSequence, oldestLog: plan.oldestLog, now: now)
            pending = Pending(
                entry: writer.tree.size, oldestSequence: plan.oldestSequence, oldestLog: plan.oldestLog,
                holdGeneration: plan.holdGeneration)
        }
        if plan.oldestMonth > 0 { _ = try store.removeMonths(before: plan.oldestMonth) }
    }

    /// Removes what may be missing by now. To be called after each anchored checkpoint.
    /// - Parameters:
    ///   - anchored: entries that the newest anchored checkpoint covers.
    ///   - holdGeneration: of the store. Where holds changed since the plan, another plan decides.
    public mutating func unlink(anchored: UInt64, holdGeneration: UInt64) throws(VolumeError) {
        guard let pending else { return }
        guard pending.holdGeneration == holdGeneration else {
            self.pending = nil
            return
        }
        guard anchored > pending.entry else { return }
        for name in try folder.names() where name.hasPrefix(RetentionNames.pruned) { try removeLog(name) }
        for (number, name) in try folder.logs() where number < pending.oldestLog {
            // One by one, from the oldest: what is left has no gap.
            let aside = RetentionNames.pruned + name
            try folder.rename(name, to: aside)
            try removeLog(aside)
        }
        for name in try folder.names(of: log).sorted() {
            // What was torn at its birth goes with its number.
            guard let sequence = RetentionNames.sequence(String(name.prefix(24))) else { continue }
            guard sequence < pending.oldestSequence else { break }
            try folder.remove(log, name)
            known["\(log)/\(name)"] = nil
        }
        self.pending = nil
    }

    private func removeLog(_ name: String) throws(VolumeError) {
        for file in try folder.names(of: name) { try folder.remove(name, file) }
        try folder.removeFolder(name)
    }

    /// - Returns: the oldest segment of this log that stays, if others go; and the number of the oldest log that stays, if others go.
    private mutating func due<Volume: AuditVolume>(
        now: UInt64, _ store: PayloadKeyStore<Volume>, _ auditKeys: [String: Secret]
    ) throws(VolumeError) -> (RetentionSegment?, UInt32) {
        var segments: [[RetentionSegment]] = []
        let logs = try folder.logs()
        for (_, name) in logs { segments.append(try folder.segments(of: name, known: &known)) }
        guard let current = logs.firstIndex(where: { $0.name == log }) else { return (nil, 0) }
        let dueLogs = (0..<current).prefix { isDue(log: $0, segments, finished: current, now: now) }
        // A log's segments go by age, and only if every log before it does.
        let own = dueLogs.count == current ? dueSegments(segments[current], now: now) : []
        let candidates = dueLogs.flatMap { segments[$0] } + own
        let stays: Int
        switch try scan.look(
            at: candidates, folder, heldNames: store.heldNames, generation: store.holdGeneration, auditKeys: auditKeys)
        {
        case .unfinished:
            isScanning = true
            return (nil, 0)
        case .free: stays = candidates.count
        case .held(let first): stays = first
        }
        var (gone, count) = (0, 0)
        for index in dueLogs {
            count += segments[index].count
            guard count <= stays else { break }
            gone = index + 1
        }
        let oldestLog = gone > 0 ? logs[gone].number : 0
        let below = stays - (candidates.count - own.count)
        return (below > 0 ? segments[current][below] : nil, oldestLog)
    }

    /// Whether a finished log goes: by its number, where that is bounded, and by the age of its newest record.
    private func isDue(log index: Int, _ segments: [[RetentionSegment]], finished: Int, now: UInt64) -> Bool {
        if let logs = policy.logs, index >= finished - min(Int(logs), finished) { return false }
        guard policy.days != nil else { return true }
        // Its last record is older than the first segment of a log behind it.
        guard let next = segments[(index + 1)...].lazy.compactMap(\.first).first else { return false }
        let newest = segments[index].reduce(next.created) { max($0, $1.created) }
        return policy.isPast(newest, now: now)
    }

    /// The segments that go by age. A record is older than the segment behind its own; the last one stays.
    private func dueSegments(_ segments: [RetentionSegment], now: UInt64) -> ArraySlice<RetentionSegment> {
        var (count, newest) = (0, UInt64(0))
        for (segment, next) in zip(segments, segments.dropFirst()) {
            newest = max(newest, segment.created, next.created)
            guard policy.isPast(newest, now: now) else { break }
            count += 1
        }
        return segments[..<count]
    }
}
