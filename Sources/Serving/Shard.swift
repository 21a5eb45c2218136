// Enters: readiness. Leaves: turns. One event loop on one core; it shares nothing and takes no lock.
import HTTP2
import Memory
import Models
import Reactor
import ServerMetrics
import Spans
import Synchronization
import TLS
import Tensors

/// One pass of the loop is a turn: read all that is ready, answer what is complete, one write per connection.
final class Shard {
    let number: Int
    private(set) var limits: ServerLimits
    /// What this turn's leases come from.
    private(set) var catalog: Pinned<Catalog<Servable>>
    let state: ServerState
    let server: Shared
    let door: ShardDoor
    let exchanges: ExchangePool
    private let write: @Sendable (String, TraceContext?) -> Void
    private var logBudget = Budget(Budget.Size(burst: 100, perSecond: 10))
    private var linesLeftOut = 0
    private let listeners: [ServerListener]
    private let poller: Poller
    private var wheel: TimerWheel

    /// In which form calls of the Open Inference Protocol are answered that do not say it.
    var answers: AnswerForm { server.configuration.answers }
    /// The turn's time, on the shard's clock.
    var now: Int64
    /// What was read in this turn; empty between connections.
    var inbox = ByteQueue()
    var plaintext = ByteQueue()
    /// What the corridor knows of each exchange, by the exchange's seat.
    var rpcs = Seats<RPC>()
    var watchers: [Watcher] = []
    let okTrailers: List<Field>
    let internalTrailers: List<Field>
    private var permanent = Arena(firstChunkBytes: 1024, bytesMax: 65536)
    /// The calls of this turn, and those that are being answered.
    var gathered = Gathered()
    var round = Gathered()
    var runner: Runner
    let recorder: Recorder
    var traces: Traces?
    /// Calls that took so long are looked at, whether a trace is to tell of them.
    let lookedAtFrom: Int64
    /// Calls that ended in this turn: when their answers left is known at its end.
    var leaving = LeavingCalls()
    /// Calls of one version that were taken in this turn and are not counted yet.
    var takenRow: Int32 = 0
    var taken = 0
    /// What is counted of each exchange's call, by the exchange's seat.
    var records = Seats<CallInProgress>()
    let audit: ShardAudit?
    /// The same where every call passes: nothing is counted there.
    let pinnedAudit: Pinned<ShardAudit>?
    /// What is recorded of each exchange's call, by the exchange's seat.
    var audits = Seats<AuditedCall>()
    private(set) var memory = MemoryPressure.low
    /// Since when it has not slept.
    private var awakeSince: Int64 = 0
    /// When it last ran a call itself.
    var ranAt: Int64 = 0
    /// Jobs that are with the executors: their memory is this shard's.
    var ticketsOut = 0
    /// An answer of this turn was timed, for who compares versions.
    var hasTimed = false
    /// Calls are refused for want of records since some seconds.
    var isClosedForLong = false
    /// When it will look at what was refused.
    var refusedLook = Int64.max
    /// Errands that are with the desk, but for those that come again.
    var errands = 0
    /// Those that come again, at the desk or not, while their streams are open.
    var following: [Errand] = []

    private var connections: [Connection?] = []
    private var generations: [UInt32] = []
    private var free: [Int] = []
    private(set) var connectionCount = 0
    /// Connections to which something happened in this turn, and those that go on in the next.
    private var touched: [UInt64] = []
    private var again: [UInt64] = []
    private var goingOn: [UInt64] = []
    private var newsTold = News()
    private var isDraining = false
    private var listenersRest = false
    private var random: SplitMix

    struct Watcher {
        let connection: UInt64
        let seat: Int
    }

    /// Keys of the poller that are no connections'.
    private enum Key {
        static let wakeUp = UInt64.max
        static let listenersWake = UInt64.max - 1
        static let auditListener = UInt64.max - 2
        static let auditAgent = UInt64.max - 3
        static let auditLook = UInt64.max - 4
        static let firstListener = UInt64.max - 1024
    }

    init(number: Int, of server: Shared) throws(SystemError) {
        self.number = number
        self.server = server
        limits = server.configuration.limits
        catalog = server.configuration.models.pinned
        listeners = server.configuration.listeners(of: number)
        write = server.configuration.log
        state = server.state
        door = server.doors[number]
        recorder = server.configuration.page.recorder(shard: number)
        lookedAtFrom = server.configuration.tracing?.lookedAtFrom ?? .max
        traces = server.configuration.tracing.map { Traces($0, server.configuration.page.spans(shard: number)) }
        runner = Runner(
            arenaBytesMax: limits.arenaBytesMax, tally: server.tally, recorder: recorder
        ) { [write] in write($0, nil) }
        let now = Clock.now()
        self.now = now
        audit = try server.configuration.audit.map { (audit) throws(SystemError) in
            try ShardAudit(audit, ring: number, now: now)
        }
        pinnedAudit = audit.map { Pinned($0) }
        random = SplitMix(seed: UInt64(bitPattern: now) &+ UInt64(number))
        wheel = TimerWheel(now: now)
        exchanges = ExchangePool(arenaBytesMax: limits.arenaBytesMax)
        okTrailers = Self.trailers(status: "0", in: &permanent)
        internalTrailers = Self.trailers(status: "13", in: &permanent)
        poller = try Poller()
        try poller.add(door.wakeUp.rawValue, key: Key.wakeUp)
        if let audit { try poller.add(audit.listener.rawValue, key: Key.auditListener) }
        for (index, listener) in listeners.enumerated() {
            try poller.add(listener.listener.rawValue, key: Key.firstListener + UInt64(index))
        }
    }

    private static func trailers(status: StaticString, in arena: inout Arena) -> List<Field> {
        var fields = List<Field>()
        do throws(ArenaFull) {
            try fields.append(Field("grpc-status", status), in: &arena)
        } catch {
            preconditionFailure("room for one field")
        }
        return fields
    }

    // MARK: - Turns

    /// Until drained.
    func run() {
        while !(isDraining && connectionCount == 0 && ticketsOut == 0) { turn() }
        door.epoch.store(.max, ordering: .releasing)
    }

    /// A commit is taken notice of between turns: all leases of a turn are from one catalog. That an epoch is announced says
    /// that nothing of an earlier catalog is held here, but by calls that wait for executors.
    private func readCatalog() {
        guard gathered.isEmpty else { return }
        catalog = server.configuration.models.pinned
        let epoch = catalog.object.epoch
        guard epoch != door.epoch.load(ordering: .relaxed) else { return }
        door.changedNanoseconds.store(now, ordering: .relaxed)
        door.epoch.store(epoch, ordering: .releasing)
    }

    private func turn() {
        let ready: Int
        let asked = Clock.now()
        recorder.count(.workerBusy, point: WorkerPool.shard.index, asked - now)
        do throws(SystemError) {
            // Who has more to say goes on at once, after the others.
            if again.isEmpty && gathered.isEmpty {
                letGather(asked)
                server.fallAsleep()
                defer { server.wakeUp() }
                ready = try poller.wait(milliseconds: wheel.sleepMilliseconds(now: asked))
            } else {
                ready = try poller.wait(milliseconds: 0)
            }
        } catch {
            fatalError("epoll_wait: \(error)")
        }
        now = Clock.now()
        if now - asked > 50_000 { awakeSince = now } else if now - awakeSince > 10_000_000 { restIfCrowded() }
        readCatalog()
        audit?.wallOffset = Clock.wallNanoseconds() - now
        hasTimed = false
        swap(&goingOn, &again)
        for key in goingOn {
            guard let connection = connection(key) else { continue }
            touch(connection)
            connection.goOn()
        }
        goingOn.removeAll(keepingCapacity: true)
        weighMemory()
        for index in 0..<ready { arrive(poller[index]) }
        var due: [UInt64] = []
        wheel.advance(to: now) { due.append($0) }
        for key in due { look(key) }
        runGathered()
        if let audit { endAuditTurn(audit) }
        if newsTold != news { tell() }
        // What came in is answered; now everything leaves, one write for each connection.
        for key in touched { depart(key) }
        touched.removeAll(keepingCapacity: true)
        countLeaving()
    }

    /// To wake for each call that comes takes an executor that has no core of its own from its work each time, and most of what
    /// that costs is the waking. Where the shard has run no call itself of late it lets them gather first; a refusal still
    /// leaves within a millisecond.
    private func letGather(_ time: Int64) {
        guard time - ranAt > 4_000_000, server.isCrowded else { return }
        Thread.rest(nanoseconds: 750_000)
    }

    /// Executors give way to shards at once. A shard that has not slept for 10 ms leaves them the core for 1 ms, so that models
    /// that are long get a tenth of a core that short ones would fill.
    private func restIfCrowded() {
        if server.isCrowded { Thread.rest(nanoseconds: 1_000_000) }
        now = Clock.now()
        awakeSince = now
    }

    /// How near the limit on memory is. When it comes near, windows become small and what rests gives its memory back.
    private func weighMemory() {
        let now = MemoryPressure(bytes: Ledger.bytes, bytesMax: limits.memoryBytesMax)
        guard now != memory else { return }
        let wasLow = memory == .low
        memory = now
        if now != .low { exchanges.trim() }
        guard wasLow != (now == .low) else { return }
        let window = now == .low ? limits.http2.streamWindowBytes : min(64 << 10, limits.http2.streamWindowBytes)
        for case let connection? in connections {
            connection.session.setStreamWindow(window)
            touch(connection)
        }
    }

    private func arrive(_ ready: Readiness) {
        if ready.key == Key.wakeUp {
            door.wakeUp.clear()
            return takeMail()
        }
        if ready.key == Key.auditListener { return acceptAgent() }
        if ready.key == Key.auditAgent { return hearAgent() }
        if ready.key >= Key.firstListener { return accept(Int(ready.key - Key.firstListener)) }
        guard let connection = connection(ready.key) else { return }
        touch(connection)
        guard ready.canRead || ready.hasFailed else { return }
        do throws(Ending) { try connection.receive() } catch { end(connection, error) }
    }

    private func depart(_ key: UInt64) {
        guard let connection = connection(key) else { return }
        connection.isTouched = false
        connection.streamedMessages = 0
        do throws(Ending) {
            try connection.settle()
            if try connection.send() || connection.hasMoreToServe { again.append(key) }
        } catch {
            return end(connection, error)
        }
        connection.planLook()
        let waitsToWrite = connection.life.blockedSince != nil
        if waitsToWrite != connection.waitsToWrite {
            connection.waitsToWrite = waitsToWrite
            if waitsToWrite { lookAgain(connection, at: now + limits.progressNanoseconds) }
            try? poller.change(connection.descriptor, key: key, write: waitsToWrite, read: !waitsToWrite)
        }
    }

    private func look(_ key: UInt64) {
        if key == Key.listenersWake { return resumeAccepting() }
        // To look is what the end of each turn does.
        if key == Key.auditLook { return }
        guard let connection = connection(key), connection.life.isTime(now) else { return }
        touch(connection)
        do throws(Ending) { try connection.look() } catch { end(connection, error) }
    }

    func lookAgain(_ connection: Connection, at time: Int64) {
        if connection.life.ask(for: time) { wheel.add(connection.key, at: time) }
    }

    // MARK: - The audit agent

    private func acceptAgent() {
        guard let audit else { return }
        do throws(SystemError) {
            guard let (new, old) = try audit.accept({ log($0) }) else { return }
            if let old { poller.remove(old.rawValue) }
            try poller.add(new.rawValue, key: Key.auditAgent)
        } catch {
            log("audit: accept: \(error)")
        }
    }

    private func hearAgent() {
        guard let audit, let agent = audit.agent else { return }
        if !audit.receive(now: now, { log($0) }) { poller.remove(agent.rawValue) }
    }

    /// There is something to look at by then.
    func lookAtAudit(at time: Int64) { wheel.add(Key.auditLook, at: time) }

    // MARK: - Connections

    /// It departs at the end of this turn.
    func touch(_ connection: Connection) {
        guard !connection.isTouched else { return }
        connection.isTouched = true
        touched.append(connection.key)
    }

    func connection(_ key: UInt64) -> Connection? {
        let seat = Int(key & 0xffff_ffff)
        guard seat < connections.count, generations[seat] == UInt32(key >> 32) else { return nil }
        return connections[seat]
    }

    private func accept(_ index: Int) {
        do throws(SystemError) {
            // Not more than some at a time, so that those who are here already are not kept waiting.
            for _ in 0..<64 {
                guard let socket = try listeners[index].listener.accept() else { return }
                guard connectionCount < limits.connectionsMax else { continue }
                try open(socket, listeners[index], number: index)
            }
        } catch {
            // No descriptors or no memory: those who wait in the kernel's queue get their turn later.
            log("accept: \(error); trying again in 100 ms")
            for listener in listeners { poller.remove(listener.listener.rawValue) }
            listenersRest = true
            wheel.add(Key.listenersWake, at: now + 100_000_000)
        }
    }

    private func resumeAccepting() {
        guard listenersRest, !isDraining else { return }
        listenersRest = false
        for (index, listener) in listeners.enumerated() {
            try? poller.add(listener.listener.rawValue, key: Key.firstListener + UInt64(index))
        }
    }

    private func open(_ socket: consuming Socket, _ listener: ServerListener, number: Int) throws(SystemError) {
        let session: TLSConnection?
        do throws(TLSError) { session = try listener.tls?.connection() } catch { return log("TLS: \(error)") }
        let seat = free.last ?? connections.count
        if seat == generations.count { generations.append(0) }
        let key = UInt64(generations[seat]) << 32 | UInt64(seat)
        let connection = Connection(
            key: key, socket: socket, tls: session, shard: self, listener: number, mayControl: listener.mayControl)
        try poller.add(connection.descriptor, key: key)
        if free.isEmpty { connections.append(connection) } else { connections[free.removeLast()] = connection }
        connectionCount += 1
        recorder.count(.connections)
        touch(connection)
        lookAgain(connection, at: now + limits.handshakeNanoseconds)
    }

    private func end(_ connection: Connection, _ ending: Ending) {
        connection.abandon()
        poller.remove(connection.descriptor)
        let seat = Int(connection.key & 0xffff_ffff)
        generations[seat] &+= 1
        connections[seat] = nil
        free.append(seat)
        connectionCount -= 1
        recorder.count(.connections, -1)
        if case .http2 = ending { recorder.count(.goaways, point: GoawayReason.error.index) }
        if case .tls(let error) = ending { log("TLS: \(error)") }
        if let journal = server.configuration.journal, let reason = connection.refusedReason(ending) {
            let listener = listeners[connection.listener].listener.boundAddress.description
            let network = RefusedTable.network(of: connection.peer.view.text)
            lookAtAudit(at: journal.refused(RefusedTable.Key(reason: reason, network: network, listener: listener)))
        }
    }

    /// Each exchange that has begun gets the corridor's place for it, also one whose head is not whole yet, or never will be.
    func admit() {
        while rpcs.count < exchanges.seats {
            rpcs.append(RPC())
            records.append(CallInProgress())
            if audit != nil { audits.append(AuditedCall()) }
        }
    }

    /// A line for the log; a flood of them is cut, and counted.
    func log(_ line: String, _ trace: TraceContext? = nil) {
        guard logBudget.spend(now: now) else {
            linesLeftOut += 1
            return
        }
        if linesLeftOut > 0 { write("\(linesLeftOut) lines were left out", nil) }
        linesLeftOut = 0
        write(line, trace)
    }

    /// Any number; another one each time.
    func chance() -> UInt64 { random.next() }

    func jitteredAge() -> Int64 {
        let tenth = limits.ageNanoseconds / 10
        return limits.ageNanoseconds - tenth + Int64(random.next() % UInt64(max(1, 2 * tenth)))
    }

    // MARK: - News for all

    private struct News: Equatable {
        var epoch: UInt64 = 0
        var stage = ServerState.Stage.starting
        var startIsOver = false
        var isReady = false
    }

    private var news: News {
        News(
            epoch: catalog.object.epoch, stage: state.stage,
            startIsOver: state.startIsOver.load(ordering: .acquiring), isReady: state.isReady)
    }

    /// A model changed its state, or the server did: who watches is told.
    private func tell() {
        newsTold = news
        if state.stage == .draining && !isDraining { drain() }
        for watcher in watchers {
            guard let connection = connection(watcher.connection) else { continue }
            connection.tellWatcher(exchanges[watcher.seat])
            touch(connection)
        }
    }

    /// No new connections; each one that is open is asked to leave when its calls have ended.
    private func drain() {
        isDraining = true
        limits.ageGraceNanoseconds = limits.drainNanoseconds
        // Who is in the kernel's queue already is told like the others; who comes now is refused and tries elsewhere.
        for (index, listener) in listeners.enumerated() where !listenersRest {
            accept(index)
            listener.listener.stop()
            poller.remove(listener.listener.rawValue)
        }
        for case let connection? in connections {
            connection.leave(.drain)
            touch(connection)
        }
    }
}

/// How much of the memory for calls is in use.
enum MemoryPressure {
    case low
    /// From three quarters on.
    case high
    case full

    init(bytes: Int, bytesMax: Int) {
        self = bytes >= bytesMax ? .full : bytes >= bytesMax / 4 * 3 ? .high : .low
    }
}
