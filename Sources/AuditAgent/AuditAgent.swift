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

    /// Seals payloads. Its owner may erase keys between two steps, and then calls `forgetPayloadKeys`.
    public var payloadKeys: Keys
    public private(set) var keyrings: AgentKeyrings
    /// How full the disk is: with `withoutCopies` bodies are not kept, with `closed` calls stay in their rings.
    public var pressure = RetentionPressure.normal {
        didSet { composer.isWithoutCopies = pressure >= .withoutCopies }
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
    var own: [OwnRecord] = []
    var clockWatch = ClockWatch()
    /// What earlier lives made durable of each ring.
    let found: LastSegment

    var hasBegun = false
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
    }

    /// Entries that are durable.
    public var size: UInt64 { writer.tree.size }

    /// Does what there is to do.
    /// - Returns: nanoseconds to wait before the next step, if nothing happens meanwhile.
    public func step() -> UInt64 {
        let now = world.clock.now
        if now.nanoseconds >= nextLook {
            nextLook = now.nanoseconds + Self.lookNanoseconds
            look(now)
        }
        // Until the rings were seen once, what is durable of them is stored in the log's last segment only.
        guard hasLooked else { return Self.lookNanoseconds }
        if batch.isEmpty { fill(now) }
        guard !batch.isEmpty else {
            writer.tick(now: now.unixNanoseconds)
            defer { idleNanoseconds = min(2 * idleNanoseconds, Self.idleNanosecondsMax) }
            return idleNanoseconds
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
        look(world.clock.now)
        var unread = folder.lives.filter { !$0.isFailed }.flatMap(\.rings)
        for ring in unread { ring.isAtEnd = false }
        repeat {
            let pause = step()
            unread.removeAll { $0.isAtEnd || $0.rests(at: world.clock.now.nanoseconds) }
            if unread.isEmpty && batch.isEmpty && own.isEmpty { break }
            if pause > 0 { wait(pause) }
        } while world.clock.now.nanoseconds < end
        writer.roll(.end, now: world.clock.now.unixNanoseconds)
        return unread.isEmpty && batch.isEmpty && own.isEmpty
    }

    // MARK: The log

    private func write(_ now: AgentTime) -> Bool {
        var drafts = batch.drafts(ciphers)
        // Each segment says what the clock was like when it began.
        let clock = writer.isBetweenSegments && !batch.beginsWithClock ? 1 : 0
        if clock > 0 {
            let record = OwnRecord.clock(world.clock.state, stepNanoseconds: 0)
            let plaintext = record.plaintext(time: now.unixNanoseconds, blind: composer.blind())
            drafts.insert(Draft { _ in plaintext }, at: 0)
        }
        do throws(VolumeError) {
            try payloadKeys.flush()
            let range = try writer.append(drafts, now: now.unixNanoseconds)
            acknowledge(from: range.lowerBound + UInt64(clock))
        } catch {
            if failure != error { voice.say(.error, "\(batch.count) records wait: \(error.sentence)") }
            failure = error
            nextTry = world.clock.now.nanoseconds + Self.retryNanoseconds
            return false
        }
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
