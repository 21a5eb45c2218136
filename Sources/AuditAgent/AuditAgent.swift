// Enters: a log that was opened, keys, a folder of rings. Leaves: each record of each ring once in the log, and acknowledged.
public import Audit
internal import Cryptography
internal import Memory
internal import RecordRing

/// The run loop of `vencejo-audit run`, one step at a time: rings to batch, batch to log, acknowledgements to servers.
///
/// Nothing is acknowledged that is not durable. An error of the volume is told, and the batch is kept and tried again; the agent
/// never ends for it. Belongs to one thread.
public final class AuditAgent<Volume: AuditVolume, Keys: PayloadKeySource> {
    private static var lookNanoseconds: UInt64 { 100_000_000 }
    private static var retryNanoseconds: UInt64 { 100_000_000 }
    private static var idleNanosecondsMin: UInt64 { 250_000 }
    private static var idleNanosecondsMax: UInt64 { 4_000_000 }
    /// While records wait in a ring that may fill.
    private static var waitNanosecondsMax: UInt64 { 1_000_000 }

    /// Seals payloads. Its owner may erase keys between two steps, and then calls `forgetPayloadKeys`.
    public var payloadKeys: Keys
    public private(set) var keyrings: AgentKeyrings
    /// How full the disk is: with `withoutCopies` bodies are not kept, with `closed` calls stay in their rings.
    public var pressure = RetentionPressure.normal {
        didSet { composer.isWithoutCopies = pressure >= .withoutCopies }
    }
    /// Bytes that the audit folder may have: records of refused connections get a part of it a day.
    public var diskBytes: UInt64? {
        get { refused.budget }
        set { refused.budget = newValue }
    }
    var writer: LogWriter<Volume>
    let logID: AuditLogID
    let beginning: LogBeginning
    let name: String
    let world: World
    let voice: AgentVoice
    var folder: RingFolder
    var composer: CallComposer
    private let ciphers = PayloadCiphers()
    let batch = Batch()
    public internal(set) var counts = AgentCounts()
    var own: [OwnRecord] = []
    var clockWatch = ClockWatch()
    var refused = RefusedShare()
    /// What earlier lives made durable of each ring.
    let found: LastSegment

    var hasBegun = false
    var isEnding = false
    /// Records were left in rings whose servers can wait.
    var isWaiting = false
    var hasLooked = false
    var nextLook: UInt64 = 0
    private var nextTry: UInt64 = 0
    private var idleNanoseconds = AuditAgent.idleNanosecondsMin
    private var failure: VolumeError?
    var isFolderRefused = false
    /// Which life's ring comes first in the next batch.
    var turn = 0

    /// What the agent asks of its machine.
    public struct World {
        let clock: any AgentClock
        let sockets: any AcknowledgementSockets
        let random: (Int) -> [UInt8]

        public init(
            clock: any AgentClock, sockets: any AcknowledgementSockets, random: @escaping (Int) -> [UInt8]
        ) {
            (self.clock, self.sockets, self.random) = (clock, sockets, random)
        }
    }

    /// - Parameters:
    ///   - rings: the folder of the servers' ring files.
    ///   - name: what the log calls this program: name and version.
    public init(
        _ log: OpenedLog<Volume>, rings: String, keyrings: AgentKeyrings, payloadKeys: Keys, copies: BodyCopies,
        name: String, world: World, voice: AgentVoice
    ) {
        (self.world, self.voice, self.keyrings, self.payloadKeys) = (world, voice, keyrings, payloadKeys)
        (self.name, beginning, found) = (name, log.beginning, log.found)
        folder = RingFolder(rings)
        logID = ByteView.lending(log.state.logID.bytes) { id in
            AuditLogID(high: id.bigEndian(at: 0), low: id.bigEndian(at: 8))
        }
        composer = CallComposer(copies: copies, indexKey: keyrings.indexKey, random: world.random)
        writer = LogWriter(
            log.volume, from: log.state, keys: keyrings.logKeys, now: world.clock.now.unixNanoseconds,
            random: world.random
        ) { note, now in voice.anchor(AnchorLine.text(note, at: now)) }
        if log.beginning.reason == .rolledBack || log.beginning.reason == .damaged { counts.logFaults = 1 }
    }

    /// Entries that are durable.
    public var size: UInt64 { writer.tree.size }

    /// Records that this life has made durable.
    public var records: UInt64 { writer.records }

    /// Entries that are signed for, and when they were.
    public var checkpoint: (entries: UInt64, unixNanoseconds: UInt64) { (writer.checkpointed, writer.checkpointedAt) }

    /// Does what there is to do.
    /// - Returns: nanoseconds to wait before the next step, if nothing happens meanwhile.
    public func step() -> UInt64 {
        let now = world.clock.now
        if now.nanoseconds >= nextLook {
            nextLook = now.nanoseconds + Self.lookNanoseconds
            composer.clockErrorMicroseconds = world.clock.state.maxErrorMicroseconds
            look(now)
        }
        // Until the rings were seen once, what is durable of them is stored in the log's last segment only.
        guard hasLooked else { return Self.lookNanoseconds }
        if batch.isEmpty { fill(now) }
        guard !batch.isEmpty else {
            writer.tick(now: now.unixNanoseconds)
            defer { idleNanoseconds = min(2 * idleNanoseconds, Self.idleNanosecondsMax) }
            return isWaiting ? min(idleNanoseconds, Self.waitNanosecondsMax) : idleNanoseconds
        }
        idleNanoseconds = Self.idleNanosecondsMin
        if now.nanoseconds < nextTry { return nextTry - now.nanoseconds }
        return write(now) ? 0 : Self.retryNanoseconds
    }

    /// Writes records of a command, durable when this returns.
    /// - Returns: their indexes, which are consecutive.
    public func append(_ drafts: [Draft]) throws(VolumeError) -> Range<UInt64> {
        try writer.append(drafts, now: world.clock.now.unixNanoseconds)
    }

    /// Writes an alarm, with the next batch that can be written: the disk that it tells of may be full.
    func raiseAlarm(_ name: String, _ text: String) { own.append(.alarm(name: name, text: text)) }

    /// Payload keys were erased, or are other ones: none is kept that was derived from them.
    public func forgetPayloadKeys() { ciphers.forget() }

    /// Looks at the rings of keys; `isOrdered`: an operator asks to load them anew (SIGHUP).
    public func lookAtKeys(isOrdered: Bool) {
        let now = world.clock.now
        let news = keyrings.look(now, isOrdered: isOrdered)
        for sentence in news.sentences { voice.say(sentence.level, sentence.text) }
        // The segment under the old keys ends, so that each segment needs one key.
        if news.changesLog { writer.change(keys: keyrings.logKeys, now: now.unixNanoseconds) }
        if news.changesIndex { composer.change(indexKey: keyrings.indexKey) }
        own += news.records
    }

    /// Writes what is in the rings now, and ends the segment. A server that goes on writing does not keep it from ending.
    /// - Returns: whether all that was there is in the log.
    public func finish(
        withinNanoseconds limit: UInt64 = 15_000_000_000, wait: (UInt64) -> Void
    ) -> Bool {
        let end = world.clock.now.nanoseconds + limit
        isEnding = true
        look(world.clock.now)
        var unread = folder.lives.filter { !$0.isFailed }.flatMap(\.rings)
        for ring in unread { ring.isAtEnd = false }
        repeat {
            let pause = step()
            unread.removeAll { $0.isAtEnd || $0.rests(at: world.clock.now.nanoseconds) }
            if unread.isEmpty, let rest = refused.due(now: end, isEnd: true) { own.append(rest) }
            if unread.isEmpty && batch.isEmpty && own.isEmpty { break }
            if pause > 0 { wait(pause) }
        } while world.clock.now.nanoseconds < end
        writer.roll(.end, now: world.clock.now.unixNanoseconds)
        return unread.isEmpty && batch.isEmpty && own.isEmpty
    }

    // MARK: The log

    private func write(_ now: AgentTime) -> Bool {
        // Each segment says what the clock was like when it began.
        var clock: [UInt8] = []
        if writer.isBetweenSegments && !batch.beginsWithClock {
            clock = OwnRecord.clock(world.clock.state, stepNanoseconds: 0)
                .plaintext(time: now.unixNanoseconds, blind: composer.blind())
        }
        let before = clock.isEmpty ? 0 : 1
        let began = world.clock.now.nanoseconds
        do throws(VolumeError) {
            try payloadKeys.flush()
            let range = try writer.append(
                before + batch.count, isUrgent: batch.isUrgent, now: now.unixNanoseconds
            ) { [batch, ciphers] number, place, record in
                if number < before {
                    record += clock
                } else {
                    batch.write(number - before, ciphers, at: place, to: &record)
                }
            }
            acknowledge(from: range.lowerBound + UInt64(before))
        } catch {
            counts.writeFailures += 1
            if failure != error { voice.say(.error, "\(batch.count) records wait: \(error.sentence)") }
            failure = error
            nextTry = world.clock.now.nanoseconds + Self.retryNanoseconds
            return false
        }
        counts.batches += 1
        counts.writeNanoseconds += world.clock.now.nanoseconds - began
        if failure != nil { voice.say(.info, "the log is written again") }
        failure = nil
        for life in batch.lostServers { life.isRecordedAsLost = true }
        storePlaces()
        batch.removeAll()
        return true
    }

    private func acknowledge(from first: UInt64) {
        for run in batch.runs {
            run.ring.add(count: run.count, sequence: run.lastSequence, index: first + UInt64(run.lastEntry))
        }
    }

    /// First the ring's own place, which a next life of this agent reads, then the server's socket.
    private func storePlaces() {
        for ring in batch.rings {
            do throws(RecordRingError) { try ring.reader.acknowledge(ring.reader.place) } catch {
                voice.say(.error, error.sentence)
            }
            ring.send()
        }
    }
}
